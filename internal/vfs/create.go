package vfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// Create makes the file name, which must not exist, and opens it for reading and
// writing. Its mode is perm less the umask of the system beneath, if that has
// one. When it returns an error nothing has been made.
func (v FS) Create(name string, perm fs.FileMode) (*File, error) {
	return v.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
}

// Open opens name for reading.
func (v FS) Open(name string) (*File, error) { return v.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile is os.OpenFile.
func (v FS) OpenFile(name string, flag int, perm fs.FileMode) (*File, error) {
	clean, err := v.Clean("open", name)
	if err != nil {
		return nil, err
	}
	var f afero.File
	switch v.kind {
	case osKind:
		f, err = openFile(clean, flag, perm)
	case rootedKind:
		f, err = rooted(v, func(r *rootfs.Fs) (afero.File, error) {
			return r.OpenFile(v.at(clean), flag, perm)
		})
	default:
		f, err = v.open(clean, flag&^os.O_APPEND, perm) // the handle appends
	}
	if err != nil {
		return nil, fail("open", clean, err)
	}
	return v.wrap(f, clean, flag), nil
}

// open is OpenFile on an Fs that may not check anything itself.
func (v FS) open(name string, flag int, perm fs.FileMode) (afero.File, error) {
	if flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC) == 0 {
		if v.kind == otherKind && v.lock != nil {
			// A union may copy what is opened, and bring back what is being removed.
			defer v.guard(name)()
		}
		f, err := v.fsys.Open(name) // a union's directory opens by this alone
		return f, v.missing(name, err)
	}
	defer v.guard(name)()
	if _, err := v.parent(name); err != nil && !errors.Is(err, errIsRoot) { // which is a directory that is there
		return nil, err
	}
	info, err := v.look(name)
	switch {
	case err == nil && flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
		return nil, fs.ErrExist
	case err == nil && info.IsDir():
		return nil, syscall.EISDIR
	case err == nil:
		flag &^= os.O_CREATE
		if v.sftpfs {
			perm = info.Mode().Perm() // it gives the file this mode
		}
		return v.fsys.OpenFile(name, flag, perm)
	case !errors.Is(err, fs.ErrNotExist) || flag&os.O_CREATE == 0:
		return nil, v.missing(name, err)
	}
	return v.create(name, flag|os.O_EXCL, perm)
}

// create makes the file name, which the look has shown to be free.
func (v FS) create(name string, flag int, perm fs.FileMode) (afero.File, error) {
	f, err := v.fsys.OpenFile(name, flag, perm)
	if err == nil {
		return f, nil
	}
	if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) && !Unsupported(err) {
		v.discard(name) // some make the file and then fail
		return nil, err
	}
	if _, ok := v.fsys.(hardLinker); ok && errors.Is(err, fs.ErrExist) {
		return nil, fs.ErrExist // another machine was faster
	}
	// The name was free and its parent there a moment ago, so this refusal is not
	// about them: CacheOnReadFs has made the file itself, RegexpFs and object
	// stores know no O_EXCL. What is there is empty then, and goes first: its mode may
	// be one that keeps Create out. What is not empty somebody else has made.
	if info, err := v.look(name); err == nil && (info.IsDir() || info.Size() > 0) {
		return nil, fs.ErrExist
	}
	v.discard(name)
	f, err = v.fsys.Create(name)
	if err != nil {
		if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
			err = &refusal{"this file system refuses to make the file: " + Reason(err).Error(), errors.ErrUnsupported}
		}
		v.discard(name)
		return nil, err
	}
	// Create knows no mode. The file is empty, so what it was until now tells nothing.
	if err := v.fsys.Chmod(name, perm); err != nil && !Unsupported(err) {
		_ = f.Close()
		v.discard(name)
		return nil, err
	}
	return f, nil
}

// discard removes what a failed creation left, under the guard.
func (v FS) discard(name string) {
	if info, err := v.look(name); err == nil && !info.IsDir() {
		_ = v.fsys.Remove(name)
	}
}

// parent describes the directory that name is to be made in, or reports why
// nothing can be: it is missing, or is no directory.
func (v FS) parent(name string) (fs.FileInfo, error) {
	dir, base := split(name)
	if base == "" {
		return nil, errIsRoot
	}
	info, err := v.fsys.Stat(dir)
	if err != nil {
		return nil, v.missing(dir, err)
	}
	if !info.IsDir() {
		return nil, syscall.ENOTDIR
	}
	return info, nil
}

// missing returns why name is not there: err, or that something on the way to it
// is a file, which MemMapFs does not tell apart.
func (v FS) missing(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) || v.OnDisk() {
		return err
	}
	for dir, base := split(name); base != ""; dir, base = split(dir) {
		if info, statErr := v.fsys.Stat(dir); statErr == nil {
			if !info.IsDir() {
				return syscall.ENOTDIR
			}
			break
		}
	}
	return err
}

// Unnamed is whether there are files without a name here, in some directories.
const Unnamed = unnamedFlag != 0

// CreateUnnamed opens a file in dir that has no name, and that Link can give
// one. The error is errors.ErrUnsupported where the system has no such files.
func (v FS) CreateUnnamed(dir string, perm fs.FileMode) (*File, error) {
	clean, err := v.Clean("open", dir)
	if err != nil {
		return nil, err
	}
	if !v.OnDisk() || unnamedFlag == 0 {
		return nil, fail("open", clean, errors.ErrUnsupported)
	}
	f, err := v.OpenFile(clean, unnamedFlag|os.O_RDWR, perm)
	if err != nil {
		if errors.Is(err, syscall.EISDIR) || errors.Is(err, fs.ErrNotExist) || Unsupported(err) {
			// Kernels and file systems that do not know the flag try to open the
			// directory for writing. That it is missing the next call will say too.
			err = fail("open", clean, errors.ErrUnsupported)
		}
		return nil, err
	}
	// It is no directory: none can be opened for writing, which is what the flag relies on.
	f.name = ""
	return f, nil
}
