package testfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
)

// A CrashFs is a file system in memory that knows which of its changes have been
// synced, and what a power cut at any moment may leave of it ([CrashFs.Crashes]).
// It has files and directories with modes and times, no links and no owners;
// calls and errors are those of package os. It is safe for concurrent use.
//
// Changes are logged as parts, each of which reaches the disk whole or not at
// all: a directory entry; a page of data; a size, a mode, a time. Sync of a file
// makes its data, size, mode and times safe, and not the entry by which it is
// found. Sync of a directory makes its entries safe, and not what they lead to.
//
// A rename is two parts: the new name, and then the end of the old one, which
// never reaches the disk first. The rename of a directory is one part, and as safe
// as the new name.
type CrashFs struct {
	root *birth

	mu    sync.Mutex
	base  *disk // what the disk held at time 0; it does not change
	live  *disk // what a caller sees
	log   []part
	ends  []int // the length of the log at each time
	dirty []int // the parts that are not safe, by their place in the log
}

// A part is a change that reaches the disk whole or not at all.
type part struct {
	what  string // for the reader of a failed test
	of    *birth // whose Sync makes it safe
	apply func(d *disk)
	entry bool // a change of a directory's entries
	after int  // the part without which this one cannot reach the disk, or -1

	synced bool // Sync was called, though the part before it may not be safe
	safe   int  // the time from which on no crash can undo it, or 0
}

var (
	_ afero.Fs      = (*CrashFs)(nil)
	_ afero.Lstater = (*CrashFs)(nil)
)

// NewCrash returns an empty CrashFs. Its time is 0.
func NewCrash() *CrashFs {
	root := &birth{mode: fs.ModeDir | 0o755, time: time.Now()}
	base := (*disk)(nil).over()
	base.own(root)
	return on(root, base)
}

// on returns the CrashFs of a disk.
func on(root *birth, base *disk) *CrashFs {
	return &CrashFs{root: root, base: base, live: base.over(), ends: []int{0}}
}

// CrashKind returns a Kind over a CrashFs, on which k.Dir is safe, for [EachFault].
func CrashKind(t testing.TB) Kind {
	t.Helper()
	return maker{"CrashFs", func(t testing.TB) Kind {
		f := NewCrash()
		must(t, f.Mkdir(scratch, 0o755))
		f.Settle()
		return Kind{Fs: f}
	}}.kind(t)
}

// Now returns the time, which passes by one with each change and each Sync.
func (f *CrashFs) Now() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ends) - 1
}

// Settle makes everything safe, as sync(2) does.
func (f *CrashFs) Settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sync(func(*part) bool { return true })
}

// do makes a change of one or more parts, in one step.
func (f *CrashFs) do(parts ...part) {
	for _, p := range parts {
		p.apply(f.live)
		f.dirty = append(f.dirty, len(f.log))
		f.log = append(f.log, p)
	}
	f.ends = append(f.ends, len(f.log))
}

// sync makes the parts safe that are meant, but none before the one that it
// follows.
func (f *CrashFs) sync(meant func(p *part) bool) {
	f.ends = append(f.ends, len(f.log))
	f.dirty = slices.DeleteFunc(f.dirty, func(i int) bool {
		p := &f.log[i]
		p.synced = p.synced || meant(p)
		if p.synced && (p.after < 0 || f.log[p.after].safe > 0) {
			p.safe = len(f.ends) - 1
		}
		return p.safe > 0
	})
}

// split returns the elements of a name.
func split(name string) []string {
	name = path.Clean("/" + name)
	return strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
}

// walk returns the file or directory that elems lead to.
func (f *CrashFs) walk(elems []string) (*birth, *inode, error) {
	b, n := f.root, f.live.get(f.root)
	for _, elem := range elems {
		if !n.mode.IsDir() {
			return nil, nil, syscall.ENOTDIR
		}
		if b = n.children[elem]; b == nil {
			return nil, nil, syscall.ENOENT
		}
		n = f.live.get(b)
	}
	return b, n, nil
}

// A spot is where a name leads: an entry, and what is there, if anything.
type spot struct {
	entry
	b *birth
	n *inode
}

// find returns the spot of name, whose parent must be a directory. The root has
// no spot.
func (f *CrashFs) find(name string) (s spot, err error) {
	elems := split(name)
	if name == "" {
		return s, syscall.ENOENT
	}
	if len(elems) == 0 {
		return s, syscall.EBUSY
	}
	s.name = elems[len(elems)-1]
	dir, parent, err := f.walk(elems[:len(elems)-1])
	if err != nil {
		return s, err
	}
	if !parent.mode.IsDir() {
		return s, syscall.ENOTDIR
	}
	s.dir = dir
	if s.b = parent.children[s.name]; s.b != nil {
		s.n = f.live.get(s.b)
	}
	return s, nil
}

// existing is find for what must be there.
func (f *CrashFs) existing(name string) (spot, error) {
	s, err := f.find(name)
	if err == nil && s.b == nil {
		err = syscall.ENOENT
	}
	return s, err
}

// lookup is existing for what may be the root.
func (f *CrashFs) lookup(name string) (*birth, *inode, error) {
	if name == "" {
		return nil, nil, syscall.ENOENT
	}
	return f.walk(split(name))
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// create makes a file or directory at a spot that is free.
func (f *CrashFs) create(s spot, name string, mode fs.FileMode) *birth {
	b := &birth{mode: mode, time: time.Now()}
	f.do(f.linked("make "+name, s.entry, b))
	return b
}

func (f *CrashFs) linked(what string, at entry, b *birth) part {
	return part{what: what, of: at.dir, entry: true, after: -1, apply: func(d *disk) { d.link(at.dir, at.name, b) }}
}

func (f *CrashFs) unlinked(what string, at entry, b *birth, after int) part {
	return part{what: what, of: at.dir, entry: true, after: after, apply: func(d *disk) { d.unlink(at.dir, at.name, b) }}
}

// changed is a part that changes a file or directory itself.
func changed(what string, b *birth, change func(n *inode)) part {
	return part{what: what, of: b, after: -1, apply: func(d *disk) { change(d.own(b)) }}
}

// Name returns "CrashFs".
func (f *CrashFs) Name() string { return "CrashFs" }

func (f *CrashFs) Create(name string) (afero.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

func (f *CrashFs) Open(name string) (afero.File, error) { return f.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile gives a new file perm as it is: there is no umask.
func (f *CrashFs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, err := f.open(name, flag, perm)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &crashFile{fs: f, b: b, name: name, flag: flag}, nil
}

func (f *CrashFs) open(name string, flag int, perm fs.FileMode) (*birth, error) {
	b, n, err := f.lookup(name)
	writes := flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC) != 0
	switch {
	case errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0:
		s, err := f.find(name)
		if err != nil {
			return nil, err
		}
		return f.create(s, name, perm&(fs.ModePerm|special)), nil
	case err != nil:
		return nil, err
	case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, syscall.EEXIST
	case n.mode.IsDir() && writes:
		return nil, syscall.EISDIR
	case flag&os.O_TRUNC != 0 && n.size > 0:
		f.do(f.resized(name, b, 0))
	}
	return b, nil
}

const special = fs.ModeSticky | fs.ModeSetuid | fs.ModeSetgid

func (f *CrashFs) resized(name string, b *birth, size int64) part {
	now := time.Now()
	return changed(fmt.Sprintf("size %d of %s", size, name), b, func(n *inode) {
		n.resize(size)
		n.time = now
	})
}

func (f *CrashFs) Mkdir(name string, perm fs.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.find(name)
	if errors.Is(err, syscall.EBUSY) || err == nil && s.b != nil {
		err = syscall.EEXIST
	}
	if err == nil {
		f.create(s, name, fs.ModeDir|perm&(fs.ModePerm|special))
	}
	return pathError("mkdir", name, err)
}

// MkdirAll makes one directory at a time: a crash may come between them.
func (f *CrashFs) MkdirAll(name string, perm fs.FileMode) error {
	elems := split(name)
	for i := range elems {
		dir := "/" + path.Join(elems[:i+1]...)
		err := f.Mkdir(dir, perm)
		if err == nil {
			continue
		}
		if info, e := f.Stat(dir); e != nil || !info.IsDir() {
			if e == nil {
				err = syscall.ENOTDIR
			}
			return pathError("mkdir", name, underlying(err))
		}
	}
	return nil
}

func underlying(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (f *CrashFs) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.existing(name)
	if err == nil && len(s.n.children) > 0 {
		err = syscall.ENOTEMPTY
	}
	if err == nil {
		f.do(f.unlinked("remove "+name, s.entry, s.b, -1))
	}
	return pathError("remove", name, err)
}

// RemoveAll removes one entry at a time, children first.
func (f *CrashFs) RemoveAll(name string) error {
	info, err := f.Stat(name)
	if err == nil && info.IsDir() {
		list, err := afero.ReadDir(f, name)
		for _, child := range list {
			if err == nil {
				err = f.RemoveAll(path.Join(name, child.Name()))
			}
		}
		if err != nil {
			return err
		}
	}
	if err == nil {
		err = f.Remove(name)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) && name != "" {
		return nil
	}
	return err
}

func (f *CrashFs) Rename(oldname, newname string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.rename(oldname, newname); err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return nil
}

func (f *CrashFs) rename(oldname, newname string) error {
	from, err := f.existing(oldname)
	if err != nil {
		return err
	}
	to, err := f.find(newname)
	switch {
	case err != nil:
		return err
	case to.n != nil && to.n.mode.IsDir():
		return syscall.EEXIST // as package os has it, also for one that is empty
	case to.n != nil && from.n.mode.IsDir():
		return syscall.ENOTDIR
	case to.b == from.b:
		return nil
	}
	for dir := to.dir; dir != nil; dir = f.live.get(dir).up.dir {
		if dir == from.b {
			return syscall.EINVAL
		}
	}
	what := "rename " + oldname + " " + newname
	if from.n.mode.IsDir() { // link takes the old name away
		f.do(f.linked(what, to.entry, from.b))
		return nil
	}
	linked := len(f.log)
	f.do(f.linked(what, to.entry, from.b), f.unlinked(what+" (old name)", from.entry, from.b, linked))
	return nil
}

func (f *CrashFs) Stat(name string) (fs.FileInfo, error) { return f.stat("stat", name) }

// LstatIfPossible is Stat: there are no links.
func (f *CrashFs) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	info, err := f.stat("lstat", name)
	return info, true, err
}

func (f *CrashFs) stat(op, name string) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, n, err := f.lookup(name)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	return n.info(path.Base(path.Clean("/" + name))), nil
}

func (f *CrashFs) Chmod(name string, mode fs.FileMode) error {
	return f.change("chmod", name, func(n *inode) { n.mode = n.mode.Type() | mode&(fs.ModePerm|special) })
}

func (f *CrashFs) Chtimes(name string, _, mtime time.Time) error {
	return f.change("chtimes", name, func(n *inode) { n.time = mtime })
}

// Chown says that there are no owners, unless it is to change none.
func (f *CrashFs) Chown(name string, uid, gid int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _, err := f.lookup(name)
	if err == nil && (uid != -1 || gid != -1) {
		err = errors.ErrUnsupported
	}
	return pathError("chown", name, err)
}

func (f *CrashFs) change(op, name string, change func(n *inode)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, _, err := f.lookup(name)
	if err == nil {
		f.do(changed(op+" "+name, b, change))
	}
	return pathError(op, name, err)
}
