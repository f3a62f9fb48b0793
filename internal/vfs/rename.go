package vfs

import (
	"errors"
	"io/fs"
	"os"
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
	parent, err := v.parent(name)
	if err != nil {
		return err
	}
	there, err := v.look(name)
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

// moveOnDisk renames by directory handles, so that neither name can be diverted.
// A directory in the place is EEXIST, empty or not. nil means that the rename has
// taken place; it is not durable before the directories are synced.
func (v FS) moveOnDisk(old string, to *Place, exclusive bool) error {
	from, err := v.source(old, to)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	if exclusive {
		return renameNew(from, to)
	}
	// Said here because the system's answer depends on what old is, and on the system.
	if info, err := to.Lstat(); err == nil && info.IsDir() {
		if _, err := from.Lstat(); err != nil {
			return err // of two things that are wrong the first, as elsewhere
		}
		return syscall.EEXIST
	}
	return from.rename(to, 0)
}

// source returns the place old, by the directory that to holds if it is the same.
// It must be closed; where it is borrowed, that does nothing.
func (v FS) source(old string, to *Place) (*Place, error) {
	if v.kind == osKind {
		return &Place{FS: v, Name: old}, nil // the system resolves it in the call itself
	}
	// Most renames are within one directory, which is open already.
	if to.pinned != nil && v.root == to.root && v.base == "" && filepath.Dir(old) == separator {
		return &Place{FS: v, Name: old, pinned: to.pinned, borrowed: true}, nil
	}
	return v.pinRooted(old, false)
}

// The system calls, which tests take away: each machine has but one kind of
// system, and most directories can do everything that it offers.
var (
	sysRename = renameAt
	sysLink   = linkAt
)

// renameNew renames from to to unless that exists. Each way is tried anew in each
// call: what one directory cannot do says nothing of the next. When it fails from
// has its name still, and to is as it was, as far as a way back can be made.
func renameNew(from, to *Place) error {
	err := from.rename(to, noReplace)
	// fs.ErrExist included: the system has checked and moved in one step, and its
	// word is final.
	if !Unsupported(err) {
		return err
	}
	info, err := from.Lstat()
	if err != nil {
		return err
	}
	// link(2) is exclusive everywhere. It is not for directories.
	if info.Mode().IsRegular() {
		err := from.link(to)
		if err == nil {
			if err = from.FS.Remove(from.Name); err != nil {
				_ = to.FS.Remove(to.Name) // it has two names: back to the one that is owned
			}
			return err
		}
		// FAT says EPERM of links, and a file that has as many as it may says
		// EMLINK: those go on to the last way.
		if errors.Is(err, fs.ErrExist) || !Unsupported(err) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EMLINK) {
			return err
		}
	}
	// No hard links either (FAT, say): exclusive within this process.
	defer acquire("rename " + to.real(to.Name))()
	if _, err := to.Lstat(); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return from.rename(to, 0)
}

// Link gives the file f, of CreateUnnamed, a name at the place, which must be
// free: else the error is fs.ErrExist, and f is as it was. The handle stays open
// and is the caller's. The name is not durable before the directory is synced.
func (v FS) Link(f *File, to *Place) error {
	g, ok := f.OSFile()
	if !ok || f.name != "" || !to.OnDisk() {
		return failLink("link", f.name, to.User, errors.ErrUnsupported)
	}
	dir, err := to.handle()
	if err == nil {
		err = linkUnnamed(g, dir, to.element())
	}
	return failLink("link", f.name, to.User, err)
}

// element returns what a system call takes as the name of the place: the last
// element, beside the handle of its directory, or the path where none is held.
func (p *Place) element() string {
	if p.pinned != nil {
		return filepath.Base(p.Name)
	}
	return p.real(p.Name)
}

// link makes to a second name of the file p. to must be free, else the error is
// fs.ErrExist.
func (p *Place) link(to *Place) error {
	return withHandles(p, to, func(fromDir, toDir *os.File) error {
		return sysLink(fromDir, p.element(), toDir, to.element())
	})
}

// rename is the system call, by the directories of both places. flags are 0,
// noReplace or exchange.
func (p *Place) rename(to *Place, flags uint) error {
	return withHandles(p, to, func(fromDir, toDir *os.File) error {
		return sysRename(fromDir, p.element(), toDir, to.element(), flags)
	})
}

// withHandles calls fn with the directories of both places, nil where none is
// held. They stay the places' own.
func withHandles(from, to *Place, fn func(fromDir, toDir *os.File) error) error {
	fromDir, err := from.handle()
	if err != nil {
		return err
	}
	toDir, err := to.handle()
	if err != nil {
		return err
	}
	return fn(fromDir, toDir)
}
