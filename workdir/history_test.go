package workdir_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// What the steps of a history are about.
var (
	historyNames  = []string{"f", "sub/g", "sub", "../out", "f/x", "/h", "c/one", "two", "new/er", "."}
	historyDests  = []string{"t", "o/f", "u", "a/b/c", "t/x"}
	historyOps    = []string{"new", "new", "write", "write", "write", "subdir", "join", "copy", "commit", "commit", "keep", "stay", "close", "other writes", "other makes", "died", "died", "sweep", "sweep", "dry"}
	historySource = fstest.MapFS{"c/one": {Data: []byte("1")}, "two": {Data: []byte("2")}}
)

// A history of work directories, the remains of dead ones among them, and of
// sweeps.
func TestHistories(t *testing.T) {
	testfs.Histories(t, "workdir", historyOps,
		func(t testfs.Check, k testfs.Kind) testfs.Player { return &player{t: t, k: k, v: vfs.On(k.Fs)} },
		func(k testfs.Kind) testfs.Player {
			return &model{ModelTree: testfs.NewModelTree(), exchanges: k.OS && (runtime.GOOS == "linux" || runtime.GOOS == "darwin")}
		})
}

// remains are what is left of a directory whose owner or whose sweeper died, by
// name, in which "*" is the name of the directory: contents, or a directory if
// they are "/". reported is whether a sweep says that it removed it, and left
// whether it says that it did not.
var remains = []struct {
	what           map[string]string
	reported, left bool
}{
	{map[string]string{".*.lease": "*", "*": "/"}, true, false},
	{map[string]string{".*.lease": "*", "*": "/", "*/file": "text"}, true, false},
	{map[string]string{".*.lease": "", "*": "/", "*/file": "text"}, true, false}, // no lock, or a power cut
	{map[string]string{".*.lease": "*"}, false, false},
	{map[string]string{".*.lease": "\x00\x00\x00", "*": "/"}, true, false},
	{map[string]string{".*.lease": "*", ".*.claim": "/", "*": "/"}, true, false},
	{map[string]string{".*.lease": "*", ".*.claim": "/", ".*.dead": "/", ".*.dead/half": "text"}, true, false},
	{map[string]string{".*.lease": "*", ".*.claim": "/"}, false, false},
	{map[string]string{".*.lease": "of another", "*": "/"}, false, true},
	{map[string]string{".*.lease": "*x", "*": "/"}, false, true},
	{map[string]string{".*.lease": "*", "*": "a file"}, false, true},
	{map[string]string{".*.lease": "*", ".*.dead": "a file", "*": "/"}, false, true},
	{map[string]string{".*.lease": "/", "*": "/"}, false, true},
	{map[string]string{"*": "/", "*/file": "somebody's"}, false, false},
}

// deadName is what the directory was called whose remains are made at a step.
func deadName(s testfs.Step) string {
	n := s.N[1]
	return "work-" + strings.Repeat("d", 23) + string(rune('a'+n%26)) + string(rune('a'+n/26%26)) + string(rune('a'+n/676))
}

// A player does it.
type player struct {
	t    testfs.Check
	k    testfs.Kind
	v    vfs.FS
	dirs []*workdir.Dir
}

func (p *player) Do(s testfs.Step) string {
	switch s.Op {
	case "new":
		d, err := workdir.New(p.k.Fs, &workdir.Options{Temp: tmpfs.Options{Dir: p.k.Dir}, NoLease: s.N[0]%3 == 0})
		if err == nil {
			p.dirs = append(p.dirs, d)
		}
		return testfs.Answer(err)
	case "sweep", "dry":
		report, err := workdir.Sweep(context.Background(), p.k.Fs, &workdir.SweepOptions{Dir: p.k.Dir, MinAge: 1, DryRun: s.Op == "dry"})
		return fmt.Sprint(len(report.Removed), len(report.Kept), testfs.Answer(err))
	case "other writes":
		return testfs.Answer(p.put(p.k.Join(testfs.At(historyDests, s.N[1])), fmt.Sprint(s.N[2])))
	case "other makes":
		return testfs.Answer(p.v.Mkdir(p.k.Join(testfs.At(historyDests, s.N[1])), 0o755))
	case "died":
		r := testfs.At(remains, s.N[0])
		name := deadName(s)
		if _, err := p.v.Lstat(p.k.Join("." + name + ".lease")); err == nil {
			return "has died"
		} else if _, err := p.v.Lstat(p.k.Join(name)); err == nil {
			return "has died"
		}
		for _, at := range slices.Sorted(maps.Keys(r.what)) {
			err := p.v.Mkdir(p.k.Join(strings.ReplaceAll(at, "*", name)), 0o755)
			if text := r.what[at]; text != "/" {
				err = p.put(p.k.Join(strings.ReplaceAll(at, "*", name)), strings.ReplaceAll(text, "*", name))
			}
			if err != nil {
				p.t.Fatalf("%v", err)
			}
		}
		return "died"
	}
	if len(p.dirs) == 0 {
		return ""
	}
	return p.dir(s, testfs.At(p.dirs, s.N[0]))
}

func (p *player) put(name, text string) error {
	_ = p.v.Remove(name)
	f, err := p.v.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func (p *player) dir(s testfs.Step, d *workdir.Dir) (said string) {
	name, dest := testfs.At(historyNames, s.N[1]), p.k.Join(testfs.At(historyDests, s.N[2]))
	var at string
	var err error
	switch s.Op {
	case "write":
		at, err = d.WriteFile(name, []byte(fmt.Sprint(s.N[2])))
	case "subdir":
		at, err = d.Subdir(name)
	case "join":
		at, err = d.Join(name)
	case "copy":
		err = d.CopyFS(historySource)
	case "commit":
		err = d.Commit(name, dest)
	case "keep":
		if err = d.Keep(dest); err == nil {
			err = d.Close() // others may take its place from now on
		}
	case "stay":
		err = d.Keep(d.Path())
	case "close":
		err = d.Close()
	}
	if at != "" {
		at = testfs.Plain(strings.TrimPrefix(at, p.k.Dir))
	}
	said = testfs.Answer(err)
	if said == "closed" && name == "../out" && (s.Op == "write" || s.Op == "subdir" || s.Op == "commit") {
		said = "invalid" // both are true
	}
	return said + at
}

func (p *player) End() (lines []string) {
	for _, d := range p.dirs {
		lines = append(lines, testfs.Answer(d.Close()))
	}
	return append(lines, testfs.Tree(p.t, p.k.Fs, p.k.Dir)...)
}

// A model says what ought to come of it.
type model struct {
	*testfs.ModelTree
	exchanges bool // a tree takes the place of another
	dirs      []*modelDir
	died      []modelDead
}

type modelDir struct {
	name         string
	unleased     bool // a sweep does not know it
	kept, closed bool
}

type modelDead struct {
	name string
	what int
}

func (m *model) Do(s testfs.Step) string {
	dest := testfs.At(historyDests, s.N[1])
	switch s.Op {
	case "new":
		d := &modelDir{name: m.Invent("work-", ""), unleased: s.N[0]%3 == 0}
		m.Mkdir(d.name)
		m.dirs = append(m.dirs, d)
		return "ok"
	case "sweep", "dry":
		return m.sweep(s.Op == "dry")
	case "other writes":
		if c, err := m.Look(dest); err == nil && c == nil {
			if !m.Empty(dest) {
				return "EISDIR"
			}
		} else if err := m.Parent(dest); err != nil {
			return testfs.Answer(err)
		}
		m.Put(dest, &testfs.Contents{Text: fmt.Sprint(s.N[2])})
		return "ok"
	case "other makes":
		if _, err := m.Look(dest); err == nil {
			return "exists"
		}
		if err := m.Parent(dest); err != nil {
			return testfs.Answer(err)
		}
		m.Mkdir(dest)
		return "ok"
	case "died":
		return m.die(s)
	}
	if len(m.dirs) == 0 {
		return ""
	}
	return m.dir(s, testfs.At(m.dirs, s.N[0]))
}

func (m *model) die(s testfs.Step) string {
	name := deadName(s)
	if _, err := m.Look("." + name + ".lease"); err == nil {
		return "has died"
	} else if _, err := m.Look(name); err == nil {
		return "has died"
	}
	what := s.N[0] % len(remains)
	for at, text := range remains[what].what {
		at, text = strings.ReplaceAll(at, "*", name), strings.ReplaceAll(text, "*", name)
		if text == "/" {
			m.Mkdir(at)
		} else {
			m.Put(at, &testfs.Contents{Text: text})
		}
	}
	m.died = append(m.died, modelDead{name, what})
	return "died"
}

func (m *model) sweep(dry bool) string {
	removed, left := 0, 0
	var died []modelDead
	for _, d := range m.died {
		switch r := remains[d.what]; {
		case r.left:
			left++
			died = append(died, d)
		case r.what[".*.lease"] == "": // there is none, or it is empty
			if _, ok := r.what[".*.lease"]; !ok {
				died = append(died, d)
				continue
			}
			fallthrough
		default:
			if r.reported {
				removed++
			}
			if dry {
				died = append(died, d)
				continue
			}
			for at := range r.what {
				m.RemoveAll(strings.ReplaceAll(at, "*", d.name))
			}
		}
	}
	m.died = died
	return fmt.Sprint(removed, left+m.alive(), "ok")
}

// alive counts the directories that have a lease, and an owner.
func (m *model) alive() (n int) {
	for _, d := range m.dirs {
		if !d.kept && !d.closed && !d.unleased {
			n++
		}
	}
	return n
}

func (m *model) dir(s testfs.Step, d *modelDir) string {
	name, dest := testfs.At(historyNames, s.N[1]), testfs.At(historyDests, s.N[2])
	full := d.name + path.Join("/", name)
	full = strings.TrimSuffix(full, "/")
	var err error
	switch s.Op {
	case "close":
		m.close(d)
		return "ok"
	case "keep", "stay":
		return testfs.Answer(m.keep(d, dest, s.Op == "stay"))
	case "join":
		if name == "../out" {
			return "invalid"
		}
		return "ok/" + testfs.Plain(full)
	case "write", "subdir":
		if name == "../out" {
			return "invalid"
		}
		if d.closed {
			return "closed"
		}
		if s.Op == "subdir" {
			err = m.MkdirAll(full)
		} else {
			err = m.write(d, full, fmt.Sprint(s.N[2]))
		}
		if err == nil {
			return "ok/" + testfs.Plain(full)
		}
		return testfs.Answer(err)
	case "copy":
		if d.closed {
			return "closed"
		}
		return testfs.Answer(m.copy(d))
	}
	if name == "../out" {
		return "invalid"
	}
	return testfs.Answer(m.commit(d, full, dest))
}

func (m *model) close(d *modelDir) {
	if !d.kept && !d.closed {
		m.RemoveAll(d.name)
	}
	d.closed = true
}

func (m *model) keep(d *modelDir, dest string, stay bool) error {
	if stay {
		dest = d.name
	} else if err := m.Parent(dest); err != nil {
		return err
	}
	if d.kept || d.closed {
		return fs.ErrClosed
	}
	if _, err := m.Look(dest); err == nil && !stay {
		return fs.ErrExist
	}
	d.kept = true
	if !stay {
		m.Move(d.name, dest)
		d.name, d.closed = dest, true
	}
	return nil
}

func (m *model) write(d *modelDir, full, text string) error {
	if full == d.name {
		return syscall.EISDIR
	}
	if err := m.MkdirAll(path.Dir(full)); err != nil {
		return err
	}
	if c, err := m.Look(full); err == nil && c == nil {
		return syscall.EISDIR
	}
	m.Put(full, &testfs.Contents{Text: text})
	return nil
}

func (m *model) copy(d *modelDir) error {
	m.Mkdir(d.name + "/c")
	for _, name := range []string{"c/one", "two"} {
		if _, err := m.Look(d.name + "/" + name); err == nil {
			return fs.ErrExist
		}
		m.Put(d.name+"/"+name, &testfs.Contents{Text: string(historySource[name].Data)})
	}
	return nil
}

func (m *model) commit(d *modelDir, full, dest string) error {
	if d.closed {
		return fs.ErrClosed
	}
	what, err := m.Look(full)
	if err != nil {
		return err
	}
	if parent := path.Dir(dest); parent != "." {
		if err := m.MkdirAll(parent); err != nil {
			return err
		}
	}
	there, err := m.Look(dest)
	switch {
	case full == d.name && d.kept:
		return fs.ErrClosed
	case what != nil && err == nil && there == nil:
		return syscall.EISDIR
	case what == nil && err == nil && there != nil:
		return syscall.ENOTDIR
	case what == nil && err == nil && !m.exchanges:
		return errors.ErrUnsupported
	}
	m.RemoveAll(dest)
	m.Move(full, dest)
	if full == d.name {
		d.kept, d.closed = true, true
		if err != nil { // else it has been exchanged, and what was at dest removed under its name
			d.name = dest
		}
	}
	return nil
}

func (m *model) End() (lines []string) {
	for _, d := range m.dirs {
		m.close(d)
		lines = append(lines, "ok")
	}
	return append(lines, m.List()...)
}
