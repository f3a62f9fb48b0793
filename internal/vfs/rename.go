package vfs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
)

// Rename moves old to the place, replacing a file or a link there by a file; a
// directory there is refused, as os.Rename does. It is as atomic as the Fs's own rename. When it
// returns an error, both names are as they were, as far as the Fs can be asked.
func (v FS) Rename(old string, to *Place) error { return v.move(old, to, false) }

// RenameNew moves old, a file or a directory, to the place, which must be free.
// Of several that try, one wins and the others get fs.ErrExist: between processes
// where the system can (Linux, or a hard link), else within this one. An empty
// directory at the place is in the way too.
func (v FS) RenameNew(old string, to *Place) error { return v.move(old, to, true) }

// move finds the way for the two grounds. Two kinds of them have no way but a
// copy, which is never made here: it would not be one step. Two Fs that are not
// one Fs are EXDEV, also if the same files are beneath.
func (v FS) move(old string, to *Place, exclusive bool) error {
	clean, err := v.Clean("rename", old)
	if err != nil {
		return err
	}
	switch {
	case v.OnDisk() && to.OnDisk():
		err = v.moveOnDisk(clean, to, exclusive)
	case Same(v.fsys, to.fsys):
		err = v.moveElsewhere(clean, to.Name, exclusive)
	default:
		err = syscall.EXDEV
	}
	return failLink("rename", clean, to.User, err)
}

// moveElsewhere renames by the calls of the Fs, and believes what it sees
// afterwards rather than what they return. When it returns an error, nothing has
// moved as far as the looks can tell.
func (v FS) moveElsewhere(old, name string, exclusive bool) error {
	defer v.guard(old, name)()
	from, err := v.look(old)
	if err != nil {
		return v.missing(old, err)
	}
	there, err := v.look(name)
	var parent fs.FileInfo
	// What is there in memory has a parent, so that a file is replaced without asking.
	if v.kind != memoryKind || err != nil {
		var parentErr error
		if parent, parentErr = v.parent(name); parentErr != nil {
			return parentErr
		}
	}
	switch {
	// In the order in which the system finds them, so that every kind gives the
	// same reason.
	case err == nil && exclusive:
		return fs.ErrExist
	case err == nil && name != old && there.IsDir():
		return syscall.EEXIST
	case err == nil && name != old && from.IsDir():
		return syscall.ENOTDIR
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	// After the looks: of one that is missing this is no success, though MemMapFs
	// says so.
	case name == old:
		return nil
	}
	if v.kind == memoryKind && !from.IsDir() {
		// Of a file that is there, over another or none in a directory that is there,
		// MemMapFs says what it did. The looks that follow would double the cost.
		return v.fsys.Rename(old, name)
	}
	// Copied now: MemMapFs's would change with the rename.
	parent, from = still(parent, ""), still(from, "")
	dir, _ := split(name)
	if from.IsDir() && within(old, name) {
		return syscall.EINVAL // MemMapFs would lose the tree
	}
	// Only of what there is: still takes no nil.
	if there != nil {
		there = still(there, "")
	}
	if exclusive && from.Mode().IsRegular() {
		if done, err := v.linkNew(old, name); done {
			return err
		}
	}
	err = v.fsys.Rename(old, name)
	if err := v.moved(old, name, from, there, err); err != nil {
		return err
	}
	// A union makes a parent that only its base has anew in the layer, without a mode.
	if now, err := v.fsys.Stat(dir); err == nil && now.Mode().Perm() != parent.Mode().Perm() {
		_ = v.fsys.Chmod(dir, parent.Mode())
	}
	return nil
}

// A hardLinker is an Fs that no type here knows and that has hard links, such as one of
// files on another machine: newname becomes another name of the file oldname, or the
// error is fs.ErrExist, whoever else tries. It is the same promise that makes O_EXCL
// exclusive, and who keeps the one is believed the other.
type hardLinker interface {
	LinkIfPossible(oldname, newname string) error
}

// linkNew renames a file to a name that must be free, by a link, and reports false
// where that cannot be done.
func (v FS) linkNew(old, name string) (done bool, err error) {
	l, ok := v.fsys.(hardLinker)
	if !ok {
		return false, nil
	}
	err = l.LinkIfPossible(old, name)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrExist):
		return true, fs.ErrExist
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EMLINK):
		return false, nil // not there, or not this file
	default:
		// Also if the machine has no links: other machines are not kept away by a look.
		return true, err
	}
	if err := v.gone(old, v.fsys.Remove(old)); err != nil {
		_ = v.fsys.Remove(name) // it has two names: back to the one that is owned
		return true, err
	}
	return true, nil
}

// moved reports what came of a rename of from onto there, if there was anything,
// that returned err. The guard must be held, and from and there be copies.
func (v FS) moved(old, name string, from, there fs.FileInfo, err error) error {
	_, oldErr := v.look(old)
	now, newErr := v.look(name)
	gone := errors.Is(oldErr, fs.ErrNotExist)
	// Size and time are all that tells two files of an Fs apart. What was there
	// before may look like from, and then nothing can be told.
	arrived := newErr == nil && alike(now, from) && (there == nil || !same(now, there) || same(from, there))
	switch {
	case gone && arrived:
		return nil // also if the call said otherwise: the file is where it was to go
	case err != nil:
		return err
	case oldErr == nil, errors.Is(newErr, fs.ErrNotExist), newErr == nil && !arrived:
		// It said nil and moved nothing, left a copy behind, or lost the file.
		return &refusal{"this file system did not rename it", errors.ErrUnsupported}
	}
	return nil // a look that failed says nothing against it
}

// alike reports whether a and b may describe one file before and after a rename,
// which may change its times.
func alike(a, b fs.FileInfo) bool {
	return a.IsDir() == b.IsDir() && (a.IsDir() || a.Size() == b.Size())
}

// same reports whether nothing tells a and b apart.
func same(a, b fs.FileInfo) bool { return alike(a, b) && a.ModTime().Equal(b.ModTime()) }

// within reports whether name lies below dir. dir itself does not.
func within(dir, name string) bool {
	rel, err := filepath.Rel(dir, name)
	return err == nil && filepath.IsLocal(rel) && rel != "."
}
