package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/spf13/afero"
)

// How a tree makes files and directories, which os.Root does in part.

// OpenFile opens name, which may be a directory where flag only reads.
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
	// Without O_CREATE there is nothing to give them to.
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
	if f, done, err := openAnew(t.file, rel, flag, perm); done {
		return f, err
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

// Mkdir makes the directory name, special bits included, in a parent that exists.
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

// MkdirAll makes name and the parents that it lacks, as os.MkdirAll does.
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
