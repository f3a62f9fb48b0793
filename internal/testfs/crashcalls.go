package testfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/vfs"
)

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
	b := born(mode)
	f.do(linked("make "+name, s.entry, b))
	return b
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
		f.do(resized(name, b, 0))
	}
	return b, nil
}

const special = fs.ModeSticky | fs.ModeSetuid | fs.ModeSetgid

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
		f.do(unlinked("remove "+name, s.entry, -1))
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
	if errors.Is(err, fs.ErrNotExist) {
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
	from, err := f.find(oldname)
	if err != nil {
		return err
	}
	to, err := f.find(newname)
	switch {
	case err != nil:
		return err
	case from.b == nil:
		return syscall.ENOENT
	case to.n != nil && to.n.mode.IsDir():
		return syscall.EEXIST // as package os has it, also for one that is empty
	case f.within(to.dir, from.b):
		return syscall.EINVAL
	case to.n != nil && from.n.mode.IsDir():
		return syscall.ENOTDIR
	case to.b == from.b:
		return nil
	}
	what := "rename " + oldname + " " + newname
	first := len(f.log)
	f.do(linked(what, to.entry, from.b), unlinked(what+" (old name)", from.entry, first))
	return nil
}

// Exchange swaps what oldname and newname lead to, in one part, which a Sync of the
// directory of newname makes safe: POSIX knows no such call, and the file systems
// that do log it whole.
func (f *CrashFs) Exchange(_ vfs.Sealed, oldname, newname string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, err := f.existing(oldname)
	b, berr := f.existing(newname)
	if err == nil {
		err = berr
	}
	if err == nil && (f.within(a.dir, b.b) || f.within(b.dir, a.b)) {
		err = syscall.EINVAL
	}
	if err != nil {
		return &os.LinkError{Op: "exchange", Old: oldname, New: newname, Err: err}
	}
	what := fmt.Sprintf("exchange %s and %s", oldname, newname)
	f.do(part{what: what, of: b.dir, entry: true, after: -1, apply: func(d *disk) { d.swap(a, b) }})
	return nil
}

// Exchanged knows what a Stat of this disk has described.
func (f *CrashFs) Exchanged(_ vfs.Sealed, was fs.FileInfo, name string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, _, err := f.lookup(name)
	return err == nil && was.(info).of == b, pathError("exchanged", name, err)
}

// within reports whether dir is b or below it.
func (f *CrashFs) within(dir, b *birth) bool {
	for dir != nil && dir != b {
		dir = f.live.get(dir).up.dir
	}
	return dir == b
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
	b, n, err := f.lookup(name)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	return n.info(path.Base(path.Clean("/"+name)), b), nil
}

func (f *CrashFs) Chmod(name string, mode fs.FileMode) error {
	return f.change("chmod", name, func(n *inode) { n.mode = n.mode.Type() | mode&(fs.ModePerm|special) })
}

func (f *CrashFs) Chtimes(name string, _, mtime time.Time) error {
	return f.change("chtimes", name, func(n *inode) { n.time = mtime })
}

// Chown lets everybody give files away, as root may; -1 leaves one as it is.
func (f *CrashFs) Chown(name string, uid, gid int) error {
	return f.change("chown", name, func(n *inode) {
		if uid != -1 {
			n.uid = uid
		}
		if gid != -1 {
			n.gid = gid
		}
	})
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
