package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

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
	defer acquire("rename "+to.real(to.Name), false)()
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
// noReplace or exchange. Where a reader of the old contents is in the way of the new,
// as on Windows, it waits for that one a while.
func (p *Place) rename(to *Place, flags uint) error {
	return to.patiently(func() error {
		for _, at := range []*Place{p, to} {
			if err := at.refuses(at.Name); err != nil {
				return err
			}
		}
		return withHandles(p, to, func(fromDir, toDir *os.File) error {
			return sysRename(fromDir, p.element(), toDir, to.element(), flags)
		})
	}, inTheWay)
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
