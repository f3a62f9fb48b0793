package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

// errEscapes is the one error of every way out, so that a caller need not know
// whether a name was refused for its ".." or for a link on the way.
var errEscapes error = escape{}

// An escape is the type of errEscapes, which matches fs.ErrInvalid.
type escape struct{}

func (escape) Error() string { return "path escapes from its base" }
func (escape) Unwrap() error { return fs.ErrInvalid }

// A tree is the afero.Fs. Its methods do what those of os.Root do, with names
// and errors as the package promises them.
type tree struct {
	root    *os.Root
	escapes error // os.Root's own error for a way out, which package os does not export

	mu  sync.Mutex
	dir *os.File // the root as a file, once it was needed
}

// newTree returns the tree of root, which it owns. It never fails: a root that is
// closed says so at the first call.
func newTree(root *os.Root) *tree {
	_, err := root.Lstat("..")
	// Not taken for the error of a way out, or every call of a closed root would
	// be one.
	if errors.Is(err, fs.ErrClosed) {
		err = nil
	}
	return &tree{root: root, escapes: underlying(err)}
}

// Name names the kind, as that of every afero.Fs does, and not where the root is.
func (t *tree) Name() string { return "rootfs" }

// direct is whether those calls of the system are made that take fewer steps than
// os.Root does, where there are any. It is a variable for the tests of what is done
// elsewhere.
var direct = true

// file returns the root as a file, for the calls that os.Root does not have. It
// is opened once, and close closes it: callers must not. The error is
// fs.ErrClosed of a root that is closed.
func (t *tree) file() (*os.File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dir != nil {
		return t.dir, nil
	}
	own, err := t.root.Stat(".") // also says whether it is closed
	if err != nil {
		return nil, err
	}
	// By its path it takes fewer system calls, as long as that leads there.
	var dir *os.File
	if direct {
		dir, err = openDir(t.root.Name())
	}
	if dir != nil && err == nil {
		// The path may be another directory's by now: the root goes with its own,
		// wherever that is.
		if info, err := dir.Stat(); err == nil && os.SameFile(info, own) {
			t.dir = dir
			return dir, nil
		}
		_ = dir.Close()
	}
	t.dir, err = t.root.Open(".")
	return t.dir, err
}

// close closes what is open for reading alone: there is nothing that it could
// fail to write. A second close returns nil.
func (t *tree) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dir != nil {
		_ = t.dir.Close()
		t.dir = nil
	}
	return t.root.Close()
}

// resolve returns name as os.Root wants it: relative, cleaned, "." for the root.
// Cleaned without its leading slash, a name that climbs shows it: os.Root
// refuses. An error is a bare reason.
func resolve(name string) (string, error) {
	if name == "" || strings.IndexByte(name, 0) >= 0 {
		return "", fs.ErrInvalid
	}
	return path.Clean(strings.TrimLeft(filepath.ToSlash(name), "/")), nil
}

// inner is resolve for calls that would take the root itself away.
func inner(name string) (string, error) {
	rel, err := resolve(name)
	if err == nil && rel == "." {
		err = fs.ErrInvalid
	}
	return rel, err
}

// underlying strips what package os says of the operation and its path.
func underlying(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}

// reason returns the bare reason of err, and errEscapes for every way out.
func (t *tree) reason(err error) error {
	err = underlying(err)
	if t.escapes != nil && errors.Is(err, t.escapes) {
		return errEscapes
	}
	return err
}

// pathError returns err under the name that the caller used, never the real path.
// nil stays nil.
func (t *tree) pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: t.reason(err)}
}

// on calls fn with the resolved name. The error is under the name that the caller
// used.
func (t *tree) on(op, name string, fn func(rel string) error) error {
	rel, err := resolve(name)
	if err == nil {
		err = fn(rel)
	}
	return t.pathError(op, name, err)
}

// Create truncates what is there, as os.Create does.
func (t *tree) Create(name string) (afero.File, error) {
	return t.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open opens for reading alone, a directory too.
func (t *tree) Open(name string) (afero.File, error) {
	return t.OpenFile(name, os.O_RDONLY, 0)
}

// Remove removes a file, an empty directory, or a link and never what it leads to.
func (t *tree) Remove(name string) error {
	rel, err := inner(name)
	if err == nil {
		err = t.root.Remove(rel)
	}
	return t.pathError("remove", name, err)
}

// RemoveAll removes name and all below it, and follows no link there. That name does
// not exist is no error, also if a directory on the way to it does not.
func (t *tree) RemoveAll(name string) error {
	rel, err := inner(name)
	if err == nil {
		err = t.root.RemoveAll(rel)
	}
	return t.pathError("remove", name, err)
}

// Rename replaces a file or a link by a file. A link of either name is taken as it is,
// wherever it leads.
func (t *tree) Rename(oldname, newname string) error {
	from, err := inner(oldname)
	to, err2 := inner(newname)
	if err == nil {
		err = err2
	}
	if err == nil {
		err = t.rename(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: t.reason(err)}
	}
	return nil
}

// rename is os.Root's, which before Go 1.26 replaces an empty directory where
// os.Rename says EEXIST. A directory in the place is EEXIST, empty or not, but
// for one that is the source by another last element: where case does not count.
func (t *tree) rename(from, to string) error {
	if there, err := t.root.Lstat(to); err == nil && there.IsDir() {
		here, err := t.root.Lstat(from)
		if err != nil {
			return err
		}
		if path.Base(from) == path.Base(to) || !os.SameFile(here, there) {
			return syscall.EEXIST
		}
	}
	return t.root.Rename(from, to)
}

// Stat follows links, as far as they stay within.
func (t *tree) Stat(name string) (info fs.FileInfo, err error) {
	err = t.on("stat", name, func(rel string) (err error) {
		info, err = t.root.Stat(rel)
		return err
	})
	return info, err
}

// Chmod, Chown and Chtimes follow links, as far as they stay within. See the package
// documentation for what a swap may do.
func (t *tree) Chmod(name string, mode fs.FileMode) error {
	return t.on("chmod", name, func(rel string) error { return t.root.Chmod(rel, mode) })
}

func (t *tree) Chown(name string, uid, gid int) error {
	return t.on("chown", name, func(rel string) error { return t.root.Chown(rel, uid, gid) })
}

func (t *tree) Chtimes(name string, atime, mtime time.Time) error {
	return t.on("chtimes", name, func(rel string) error { return t.root.Chtimes(rel, atime, mtime) })
}

// lstat, readlink and symlink are what afero has optional interfaces for: see Fs.
func (t *tree) lstat(name string) (info fs.FileInfo, err error) {
	err = t.on("lstat", name, func(rel string) (err error) {
		info, err = t.root.Lstat(rel)
		return err
	})
	return info, err
}

func (t *tree) readlink(name string) (target string, err error) {
	err = t.on("readlink", name, func(rel string) (err error) {
		target, err = t.root.Readlink(rel)
		return err
	})
	return target, err
}

func (t *tree) symlink(oldname, newname string) error {
	rel, err := resolve(newname)
	if err == nil {
		err = t.root.Symlink(oldname, rel)
	}
	if err != nil {
		return &os.LinkError{Op: "symlink", Old: oldname, New: newname, Err: t.reason(err)}
	}
	return nil
}
