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

func (t *tree) Create(name string) (afero.File, error) {
	return t.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

func (t *tree) Open(name string) (afero.File, error) {
	return t.OpenFile(name, os.O_RDONLY, 0)
}

func (t *tree) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	rel, err := resolve(name)
	if err != nil {
		return nil, t.pathError("open", name, err)
	}
	f, err := t.open(rel, flag, perm)
	if err != nil {
		return nil, t.pathError("open", name, err)
	}
	return &File{File: f, name: path.Join("/", rel)}, nil
}

// special are the bits that os.Root refuses to make anything with.
const special = fs.ModeSticky | fs.ModeSetuid | fs.ModeSetgid

// open is os.Root's OpenFile, which refuses bits past 0777. They are given to a
// file that the call makes, and only to such a one, as open(2) does. The caller
// closes the file. When it fails nothing has been made, unless by way of a link.
func (t *tree) open(rel string, flag int, perm fs.FileMode) (*os.File, error) {
	if perm&special == 0 || flag&os.O_CREATE == 0 {
		return t.openPlain(rel, flag, perm.Perm())
	}
	// Exclusively first, because nothing else tells whether the call made the
	// file.
	f, err := t.openPlain(rel, flag|os.O_EXCL, perm.Perm())
	byLink := false
	if errors.Is(err, fs.ErrExist) && flag&os.O_EXCL == 0 {
		_, serr := t.root.Stat(rel)
		byLink = errors.Is(serr, fs.ErrNotExist) // the file that it leads to is made
		f, err = t.openPlain(rel, flag, perm.Perm())
		if !byLink {
			return f, err
		}
	}
	if err != nil {
		return nil, err
	}
	if err := addMode(f.Stat, f.Chmod, perm); err != nil {
		_ = f.Close()
		if !byLink {
			_ = t.root.Remove(rel)
		}
		return nil, err
	}
	return f, nil
}

// openPlain opens with permission bits alone, by one system call where that can
// be, else by the root.
func (t *tree) openPlain(rel string, flag int, perm fs.FileMode) (*os.File, error) {
	if direct {
		if f, done, err := openAnew(t.file, rel, flag, perm); done {
			return f, err
		}
	}
	return t.root.OpenFile(rel, flag, perm)
}

// addMode sets the special bits of perm, next to those that the umask has left.
func addMode(stat func() (fs.FileInfo, error), chmod func(fs.FileMode) error, perm fs.FileMode) error {
	info, err := stat()
	if err != nil {
		return err
	}
	return chmod(info.Mode()&(fs.ModePerm|special) | perm&special)
}

func (t *tree) Mkdir(name string, perm fs.FileMode) error {
	return t.on("mkdir", name, func(rel string) error { return t.mkdir(rel, perm) })
}

// mkdir makes one directory. When it fails nothing has been made. Of the special
// bits mkdir(2) knows the sticky one.
func (t *tree) mkdir(rel string, perm fs.FileMode) error {
	perm &^= fs.ModeSetuid | fs.ModeSetgid
	if err := t.root.Mkdir(rel, perm.Perm()); err != nil || perm&special == 0 {
		return err
	}
	err := addMode(
		func() (fs.FileInfo, error) { return t.root.Lstat(rel) },
		func(mode fs.FileMode) error { return t.root.Chmod(rel, mode) },
		perm)
	if err != nil {
		_ = t.root.Remove(rel)
	}
	return err
}

func (t *tree) MkdirAll(name string, perm fs.FileMode) error {
	return t.on("mkdir", name, func(rel string) error { return t.mkdirAll(rel, perm) })
}

// mkdirAll goes level by level as os.MkdirAll does. os.Root's own differs: it
// says EEXIST of a file, and makes the directory that a dangling link points to.
// What it made before it failed is there still.
func (t *tree) mkdirAll(rel string, perm fs.FileMode) error {
	info, err := t.root.Stat(rel)
	if err == nil {
		if !info.IsDir() {
			return syscall.ENOTDIR
		}
		return nil
	}
	// A way out is refused, not made. Of all else the parents and mkdir say what
	// is wrong.
	if errors.Is(t.reason(err), errEscapes) {
		return err
	}
	if parent := path.Dir(rel); parent != "." {
		if err := t.mkdirAll(parent, perm); err != nil {
			return err
		}
	}
	err = t.mkdir(rel, perm)
	if err != nil {
		// Another may have made it since.
		if info, e := t.root.Lstat(rel); e == nil && info.IsDir() {
			return nil
		}
	}
	return err
}

func (t *tree) Remove(name string) error {
	rel, err := inner(name)
	if err == nil {
		err = t.root.Remove(rel)
	}
	return t.pathError("remove", name, err)
}

func (t *tree) RemoveAll(name string) error {
	rel, err := inner(name)
	if err == nil {
		err = t.root.RemoveAll(rel)
	}
	return t.pathError("remove", name, err)
}

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

func (t *tree) Stat(name string) (info fs.FileInfo, err error) {
	err = t.on("stat", name, func(rel string) (err error) {
		info, err = t.root.Stat(rel)
		return err
	})
	return info, err
}

func (t *tree) Chmod(name string, mode fs.FileMode) error {
	return t.on("chmod", name, func(rel string) error { return t.root.Chmod(rel, mode) })
}

func (t *tree) Chown(name string, uid, gid int) error {
	return t.on("chown", name, func(rel string) error { return t.root.Chown(rel, uid, gid) })
}

func (t *tree) Chtimes(name string, atime, mtime time.Time) error {
	return t.on("chtimes", name, func(rel string) error { return t.root.Chtimes(rel, atime, mtime) })
}

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
