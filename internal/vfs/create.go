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
// one. When it returns an error nothing has been made. The caller closes the
// File.
func (v FS) Create(name string, perm fs.FileMode) (*File, error) {
	return v.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
}

// Open opens name for reading. The caller closes what it returns.
func (v FS) Open(name string) (*File, error) { return v.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile is os.OpenFile. On an Fs that checks nothing itself the parent must
// exist, a directory is not opened for writing, and what is not there is made
// exclusively. Its errors, and those of the File, name the clean name.
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

// open is OpenFile on an Fs that may not check anything itself. It takes the
// guard, checks, and acts before it lets go. O_APPEND is not among the flags: the
// handle sees to it.
func (v FS) open(name string, flag int, perm fs.FileMode) (afero.File, error) {
	if flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC) == 0 {
		// Without a lock there is no union known beneath, and an Open that hangs
		// is to hold up nobody.
		if v.kind == otherKind && v.lock != nil {
			// A union may copy what is opened, and bring back what is being removed.
			defer v.guard(name)()
		}
		f, err := v.fsys.Open(name) // a union's directory opens by this alone
		return f, v.missing(name, err)
	}
	// From here to the end check and act are one step to all who open this name
	// by this package.
	defer v.guard(name)()
	if _, err := v.parent(name); err != nil && !errors.Is(err, errIsRoot) { // which is a directory that is there
		return nil, err
	}
	if v.kind == memoryKind && flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL {
		// Under the guard its O_EXCL is as good as a look, and saves one. Any other
		// refusal is of a file that somebody has removed while it was made.
		f, err := v.fsys.OpenFile(name, flag, perm)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	info, err := v.look(name)
	switch {
	case err == nil && flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
		return nil, fs.ErrExist
	// MemMapFs hands out a directory for writing without a word.
	case err == nil && info.IsDir():
		return nil, syscall.EISDIR
	case err == nil:
		// If it has gone since the look, this fails: what is made is made by
		// create alone. O_EXCL without O_CREATE says nothing, but MemMapFs refuses.
		flag &^= os.O_CREATE | os.O_EXCL
		if v.sftpfs() {
			perm = info.Mode().Perm() // it gives the file this mode
		}
		return v.fsys.OpenFile(name, flag, perm)
	// A look that failed shows nothing to be free: not made, then.
	case !errors.Is(err, fs.ErrNotExist) || flag&os.O_CREATE == 0:
		return nil, v.missing(name, err)
	}
	// Exclusively, whatever was asked: another process may have made it since.
	return v.create(name, flag|os.O_EXCL, perm)
}

// create makes the file name, which the look has shown to be free. The guard must
// be held, and the parent be a directory. When it returns an error, what it made
// is gone again. What others made stays, as long as it is not empty.
func (v FS) create(name string, flag int, perm fs.FileMode) (afero.File, error) {
	f, err := v.fsys.OpenFile(name, flag, perm)
	if err == nil {
		return f, nil
	}
	// A refusal that speaks of something else, of the disk or of permissions, is
	// final: a second way in would meet it again.
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
		// Free, with a parent, and refused both ways: RegexpFs of a name that
		// does not match. As fs.ErrExist it would be answered by another name, as
		// fs.ErrNotExist by a parent.
		if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
			err = &refusal{"this file system refuses to make the file: " + Reason(err).Error(), errors.ErrUnsupported}
		}
		v.discard(name)
		return nil, err
	}
	// Create knows no mode. The file is empty, so what it was until now tells nothing.
	// An Fs without modes is not held to one.
	if err := v.fsys.Chmod(name, perm); err != nil && !Unsupported(err) {
		_ = f.Close()
		v.discard(name)
		return nil, err
	}
	return f, nil
}

// discard removes what a failed creation left, under the guard. A directory
// stays: no failed creation made it. An error is not told, because the caller has
// one that came before it.
func (v FS) discard(name string) {
	if info, err := v.look(name); err == nil && !info.IsDir() {
		_ = v.fsys.Remove(name)
	}
}

// parent describes the directory that name is to be made in, or reports why
// nothing can be: it is missing, or is no directory. The error is errIsRoot of a
// root, which has none. It is for the Fs that do not check this themselves.
func (v FS) parent(name string) (fs.FileInfo, error) {
	dir, base := split(name)
	if base == "" {
		return nil, errIsRoot
	}
	// Followed: a link to a directory will do.
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
// is a file, which MemMapFs does not tell apart. nil stays nil. It asks the Fs
// once for each parent that is missing too, and only when a call has failed.
func (v FS) missing(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) || v.OnDisk() {
		return err
	}
	// Upwards, to the first that is there. A root has no base, and neither has
	// the end of a relative name: without that it would not end on an Fs that
	// fails each Stat.
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

// Unnamed reports whether there are files without a name here, in some directories.
func (v FS) Unnamed() bool { return unnamedFlag != 0 && v.OnDisk() && v.foreign() == nil }

// CreateUnnamed opens a file in dir that has no name, and that Link can give one.
// The error is errors.ErrUnsupported where the system has no such files. The
// directory must exist. Nothing is left of the file when it is closed without a
// name, or its process dies.
func (v FS) CreateUnnamed(dir string, perm fs.FileMode) (*File, error) {
	clean, err := v.Clean("open", dir)
	if err != nil {
		return nil, err
	}
	if !v.Unnamed() {
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
