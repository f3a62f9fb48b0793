//go:build unix

package rootfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// What the steps of a history are about.
var (
	historyNames   = []string{"a", "b", "d", "l", "d/a", "d/b", "d/l", "l/a", "d/e", "d/e/a", "l/l", "missing/a"}
	historyTargets = []string{"a", "b", "d", "l", "d/e", "../a", "../d", "../b/..", "d/../b", "e/..", "..", "../..", "../d/../../a", "/a", "."}
	historyModes   = []fs.FileMode{0o644, 0o755, 0o600, 0o400, 0o500, 0o700, 0, 0o750 | fs.ModeSetgid, 0o711 | fs.ModeSticky}
	historyFlags   = []int{
		os.O_RDONLY, os.O_WRONLY, rw, rw | os.O_TRUNC, creat, creat, excl, trunc, os.O_WRONLY | os.O_CREATE | os.O_TRUNC,
		os.O_WRONLY | os.O_CREATE | os.O_APPEND, creat | os.O_APPEND, os.O_RDONLY | os.O_CREATE,
	}
	// A name is refused before anything is looked at, and one that is spelled otherwise is the same.
	historyRefused   = []string{"", "..", "/..", "../a", "d/../../a", "/a/../../a", "a\x00"}
	historySpellings = []string{"%s", "/%s", "./%s", "//%s", "/missing/../%s", "%s/"}
	historyCalls     = []string{
		"open", "open", "open", "open", "create", "mkdir", "mkdir", "mkdirall", "remove", "removeall", "rename", "rename", "rename",
		"symlink", "symlink", "symlink", "readlink", "stat", "lstat", "chmod", "chtimes", "list", "walk",
	}
	historyHandles = []string{
		"write", "write", "writeat", "readfrom", "read", "readat", "seek", "truncate", "fstat", "readdir", "fchmod", "sync", "close", "close",
	}
	// What acts on a link itself, not on what it leads to.
	historyOfLinks = []string{"mkdir", "remove", "removeall", "rename", "symlink", "readlink", "lstat", "walk"}
)

// A history on a root says and leaves what it does on afero.OsFs, but for the ways
// out: each of them is refused. The model is the operating system, in a directory
// beside, and works out which names lead out of that by itself.
func TestHistories(t *testing.T) {
	testfs.HistoriesOn(t, "rootfs", []string{"rootfs"}, slices.Concat(historyCalls, historyHandles, []string{"refused"}),
		func(t testfs.Check, k testfs.Kind) testfs.Player {
			dir := k.Real(k.Dir)
			fsys, err := rootfs.Open(dir)
			if err != nil {
				t.Fatalf("%v", err)
			}
			return &player{t: t, place: place{fsys, fsys, ""}, real: dir, end: fsys.Close}
		},
		func(k testfs.Kind) testfs.Player {
			osfs := &afero.OsFs{}
			dir := k.Real(k.Dir) + ".os"
			err := os.Mkdir(dir, 0o755)
			return &player{place: place{osfs, osfs, dir}, real: dir, model: true, end: func() error {
				return errors.Join(err, os.RemoveAll(dir))
			}}
		})
}

// A player does it on a root, or on the operating system.
type player struct {
	t testfs.Check
	place
	real  string // where the root is
	model bool
	end   func() error
	files []afero.File
}

func (p *player) Do(s testfs.Step) string {
	switch {
	case s.Op == "refused" && p.model:
		return "invalid"
	case s.Op == "refused":
		return p.says(p.call(testfs.Step{Op: testfs.At(historyCalls, s.N[0]), N: s.N}, testfs.At(historyRefused, s.N[1])))
	case !slices.Contains(historyHandles, s.Op):
		name := testfs.At(historyNames, s.N[0])
		if !p.model {
			name = fmt.Sprintf(testfs.At(historySpellings, s.N[1]+s.N[2]), name)
		} else if out := p.out(s, name); out != "" {
			return out
		}
		return p.says(p.call(s, name))
	case len(p.files) == 0:
		return ""
	}
	n := s.N[0] % len(p.files)
	f := p.files[n]
	if s.Op == "close" {
		p.files = slices.Delete(p.files, n, n+1)
	}
	return p.says(p.handle(s, f))
}

// most is how many links a root follows in one name; the system follows 40.
const most = 8

// out returns what a root says of a step on name if that leads out of it, or over
// more links than it follows; else "".
func (p *player) out(s testfs.Step, name string) string {
	follow := !slices.Contains(historyOfLinks, s.Op) &&
		(s.Op != "open" || testfs.At(historyFlags, s.N[1])&os.O_EXCL == 0)
	way := p.lead(name, follow)
	if s.Op == "rename" && way.met { // where the old name is, is looked at first
		way = p.lead(testfs.At(historyNames, s.N[1]), false)
	}
	switch {
	case way.links > 40: // a loop
		return ""
	case way.links > most && s.Op == "mkdirall":
		return syscall.EEXIST.Error() // what cannot be followed is in the way
	case way.links > most:
		return syscall.ELOOP.Error()
	case way.out:
		return "invalid"
	case way.file && s.Op == "removeall": // package os tries to read the file, and may hear that it may not
		return syscall.ENOTDIR.Error()
	}
	return ""
}

// A way is where a name leads.
type way struct {
	out, met bool // out of the root; to its end, and so is that of a root
	file     bool // it ends at what is no directory
	links    int
}

// lead goes where name leads, element by element.
func (p *player) lead(name string, follow bool) (w way) {
	var at []string
	for todo := strings.Split(name, "/"); len(todo) > 0 && w.links <= 40; {
		elem := todo[0]
		todo = todo[1:]
		switch {
		case elem == ".":
			continue
		case elem == ".." && len(at) == 0:
			w.out = true
			return w
		case elem == "..":
			at = at[:len(at)-1]
			continue
		}
		full := p.at(path.Join(path.Join(at...), elem))
		target, err := os.Readlink(full)
		switch {
		case err == nil && (follow || len(todo) > 0):
			w.links++
			if path.IsAbs(target) {
				w.out = true
				return w
			}
			todo = append(strings.Split(target, "/"), todo...)
			continue
		case len(todo) > 0:
			if info, err := os.Lstat(full); err != nil || !info.IsDir() {
				w.file = err == nil
				return w // the system says why
			}
		}
		at = append(at, elem)
	}
	w.met = w.links <= most
	return w
}

// says puts an answer into words. No error may tell where the root is.
func (p *player) says(said string, err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return said
	case !p.model && strings.Contains(err.Error(), p.real):
		p.t.Errorf("%v: tells where the root is", err)
	case errors.As(err, &errno):
		return said + errno.Error()
	}
	return said + testfs.Answer(err)
}

// modeOf returns the mode that n picks. What may not be searched or read is out of
// the question: a root cannot go through the latter, and leaves the former to its
// parent where the kernel asks once more.
func modeOf(n int) fs.FileMode {
	mode := testfs.At(historyModes, n)
	if os.Geteuid() != 0 {
		mode |= 0o500
	}
	return mode
}

// call does what is done to a name.
func (p *player) call(s testfs.Step, name string) (string, error) {
	if p.model {
		name = p.at(name)
	}
	mode := modeOf(s.N[2])
	switch s.Op {
	case "open":
		f, err := p.OpenFile(name, testfs.At(historyFlags, s.N[1]), mode)
		return p.opened(f, err)
	case "create":
		f, err := p.Create(name)
		return p.opened(f, err)
	case "mkdir":
		return "", p.Mkdir(name, mode)
	case "mkdirall":
		return "", p.MkdirAll(name, mode|0o700)
	case "remove":
		return "", p.Remove(name)
	case "removeall":
		return "", p.RemoveAll(name)
	case "rename":
		to := testfs.At(historyNames, s.N[1])
		if p.model {
			to = p.at(to)
			a, _ := os.Lstat(name)
			b, err := os.Lstat(to)
			if err == nil && b.IsDir() && os.SameFile(a, b) && path.Base(name) == path.Base(to) {
				return "", syscall.EEXIST // by way of a link; package os compares whole paths
			}
		}
		return "", p.Rename(name, to)
	case "symlink":
		return "", p.links.SymlinkIfPossible(testfs.At(historyTargets, s.N[1]), name)
	case "readlink":
		return p.links.ReadlinkIfPossible(name)
	case "stat":
		info, err := p.Stat(name)
		return p.info(info, err)
	case "lstat":
		info, _, err := p.links.LstatIfPossible(name)
		return p.info(info, err)
	case "chmod":
		return "", p.Chmod(name, mode)
	case "chtimes":
		return "", p.Chtimes(name, epoch, epoch)
	case "list":
		infos, err := afero.ReadDir(p.Fs, name)
		return p.infos(infos, err)
	}
	var lines []string
	err := afero.Walk(p.Fs, name, func(at string, _ fs.FileInfo, err error) error {
		if err == nil {
			lines = append(lines, path.Base(at))
		}
		return err
	})
	return strings.Join(lines, " "), err
}

func (p *player) opened(f afero.File, err error) (string, error) {
	if err == nil {
		p.files = append(p.files, f)
	}
	return "", err
}

func (p *player) info(info fs.FileInfo, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return p.infos([]fs.FileInfo{info}, nil)
}

func (p *player) infos(infos []fs.FileInfo, err error) (string, error) {
	var lines []string
	for _, info := range infos {
		line := fmt.Sprint(info.Name(), " ", info.Mode())
		if info.Mode().IsRegular() {
			line += fmt.Sprint(" ", info.Size())
		}
		lines = append(lines, line)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n"), err
}

// handle does what is done to an open file.
func (p *player) handle(s testfs.Step, f afero.File) (string, error) {
	text, b, off := fmt.Sprint(s.N[1]), make([]byte, s.N[1]%7), int64(s.N[2]%20)
	n, at := 0, int64(0)
	var err error
	switch s.Op {
	case "write":
		n, err = f.WriteString(text)
	case "writeat":
		n, err = f.WriteAt([]byte(text), off)
	case "readfrom":
		at, err = f.(io.ReaderFrom).ReadFrom(strings.NewReader(text))
	case "read":
		n, err = f.Read(b)
	case "readat":
		n, err = f.ReadAt(b, off)
	case "seek":
		at, err = f.Seek(off-5, s.N[1]%3)
	case "truncate":
		err = f.Truncate(off)
	case "fstat":
		info, err := f.Stat()
		return p.info(info, err)
	case "readdir":
		infos, err := f.Readdir(-1)
		return p.infos(infos, err)
	case "fchmod":
		err = f.(interface{ Chmod(mode fs.FileMode) error }).Chmod(modeOf(s.N[1]))
	case "sync":
		err = f.Sync()
	case "close":
		err = f.Close()
	}
	return fmt.Sprintf("%d %d %q ", n, at, b), err
}

func (p *player) End() (lines []string) {
	for _, f := range p.files {
		lines = append(lines, p.says("", f.Close()))
	}
	dir := p.real
	if p.model {
		dir = p.dir
	}
	lines = append(lines, describe(dir)...)
	// Also what nobody may look into is to be removed.
	_ = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			_ = os.Chmod(name, 0o700)
		}
		return nil
	})
	return append(lines, p.says("", p.end()))
}
