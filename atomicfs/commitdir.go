package atomicfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// CommitDir gives the temporary directory d, and everything in it, its real
// name, durably. If name is a directory it is exchanged for d and removed.
//
// Everything in d is synced first: files, then directories from the bottom up;
// links are not followed. name is on the Fs that d was made on, and on the same
// volume; its missing parents are made. A reader sees the old tree or the new one
// at every moment. Where the system cannot exchange two directories (it can on
// Linux and macOS) the error is errors.ErrUnsupported, and nothing has changed. A
// file or a link in the place of name is refused.
//
// CommitDir(d, d.Path()) syncs it and keeps it where it is.
//
// After CommitDir d is spent, as after Keep; if it fails, d is still temporary,
// unless the error is ErrNotDurable. An old tree that could not be removed is now
// at d.Path, and d.Close tries again. After ErrNotDurable it is left there, because a
// power cut may bring it back, and the error says so; also if it cannot be found out
// whether the two have changed places.
func CommitDir(d *tmpfs.Dir, name string) error {
	// Only a Dir that this module made knows what it is a directory of.
	sub, ok := d.Fs.(*vfs.Sub)
	if !ok {
		return fail("commit", name, errors.ErrUnsupported)
	}
	v, _ := sub.Parent()
	to, err := pin(v, name, Options{}, false, true)
	if err != nil {
		return fail("commit", name, err)
	}
	defer func() { _ = to.Close() }() // open for reading: there is nothing that it could fail to write
	if err := commitDir(d, v, to); err != nil {
		return fail("commit", name, err)
	}
	return nil
}

// commitDir is CommitDir at a place that is held. v is the Fs that d was made on.
func commitDir(d *tmpfs.Dir, v vfs.FS, to *vfs.Place) error {
	tree := vfs.On(d)
	if isApart(tree, to) {
		return syscall.EXDEV // said before the whole tree is waited for
	}
	// All that is in it before its name: a rename may survive a crash that the tree
	// did not.
	if err := syncTree(tree); err != nil {
		return err
	}
	if inPlace(d, v, to) {
		if err := d.Keep(d.Path()); err != nil {
			return err
		}
		return notDurable(to.Sync())
	}
	// A place that is free needs no exchange, which few systems have.
	err := d.KeepAt(to)
	if errors.Is(err, fs.ErrExist) {
		return exchange(d, v, to)
	}
	if err != nil {
		return err
	}
	return notDurable(to.Sync())
}

// isApart reports whether the tree is known to be on another volume than the place.
func isApart(tree vfs.FS, to *vfs.Place) bool {
	if !to.OnDisk() {
		return false
	}
	root, err := tree.Open(separator)
	if err != nil {
		return false // the sync will say why
	}
	defer func() { _ = root.Close() }() // only read
	return to.Apart(root)
}

// inPlace reports whether the place is where d is already: there it would be
// exchanged for itself, and removed.
func inPlace(d *tmpfs.Dir, v vfs.FS, to *vfs.Place) bool {
	if !to.OnDisk() {
		return to.Name == d.Path()
	}
	there, err := to.Lstat()
	if err != nil {
		return false
	}
	// Two paths may lead to one directory: by a link on the way, or another base.
	here, err := v.Lstat(d.Path())
	return err == nil && os.SameFile(here, there)
}

// mayReplaceDir refuses what is no directory in the place of one, which an exchange
// would move to d.Path and have removed. It says of a link what it is, too.
func mayReplaceDir(to *vfs.Place) error {
	info, err := to.Lstat()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.IsDir():
		return syscall.ENOTDIR
	}
	return nil
}

// exchange puts d in the place of a directory, and removes that. Until it has, d is
// what removes it: from the exchange on the old tree is what is at d.Path.
func exchange(d *tmpfs.Dir, v vfs.FS, to *vfs.Place) error {
	if err := mayReplaceDir(to); err != nil {
		return err
	}
	if err := v.Exchange(d.Path(), to); err != nil {
		if errors.Is(err, vfs.ErrInDoubt) {
			_ = d.KeepAt(nil) // what is at d.Path now may be all that there is of the old tree
			err = fmt.Errorf("%w; the other is left at %s", vfs.Reason(err), d.Path())
		}
		return err
	}
	if err := notDurable(to.Sync()); err != nil {
		// A power cut may undo the exchange, and the old tree must be whole then.
		_ = d.KeepAt(nil) // it cannot fail: d was neither kept nor closed
		return fmt.Errorf("%w; what it replaced is left at %s", err, d.Path())
	}
	// What is at d.Path is the old tree now: to remove that is what d has left to do,
	// and if it fails, d.Close says so again. It is no failure of the commit.
	_ = d.Close()
	return nil
}

const separator = string(filepath.Separator)

// syncTree syncs all files of v, then all directories, the deepest first: an entry
// is of use only if what it names is there. It holds the paths of all directories,
// and of no file. The first error ends it; what is under way is waited for.
func syncTree(v vfs.FS) error {
	var files errgroup.Group
	files.SetLimit(syncers())
	var levels [][]string // the directories, by depth
	for level := []string{separator}; len(level) > 0; {
		levels = append(levels, level)
		var below []string
		for _, dir := range level {
			dirs, err := syncFiles(v, dir, &files)
			if err != nil {
				return errors.Join(err, files.Wait())
			}
			below = append(below, dirs...)
		}
		level = below
	}
	if err := files.Wait(); err != nil {
		return err
	}
	for i := len(levels) - 1; i >= 0; i-- {
		if err := syncDirs(v, levels[i]); err != nil {
			return err
		}
	}
	return nil
}

// syncFiles hands the files in dir over to be synced, and returns the directories
// in it. A link, a FIFO or a device has no contents: its entry is dir's.
func syncFiles(v vfs.FS, dir string, files *errgroup.Group) (dirs []string, err error) {
	for name, err := range v.Names(dir) {
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, name)
		info, err := v.Lstat(path)
		switch {
		case err != nil:
			return nil, err
		case info.IsDir():
			dirs = append(dirs, path)
		case info.Mode().IsRegular():
			files.Go(func() error { return syncFile(v, path) })
		}
	}
	return dirs, nil
}

// syncFile syncs one file, whoever wrote it: a sync is of the file and not of the
// handle. What its owner may not read is opened for writing, which will do.
func syncFile(v vfs.FS, name string) error {
	// A FIFO that has taken its place since must not be waited for.
	f, err := v.OpenFile(name, os.O_RDONLY|vfs.NonBlock, 0)
	if errors.Is(err, fs.ErrPermission) {
		f, err = v.OpenFile(name, os.O_WRONLY|vfs.NonBlock, 0)
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDirs syncs directories of one depth, a few at a time, and joins their errors.
func syncDirs(v vfs.FS, dirs []string) error {
	var mu sync.Mutex
	var errs []error
	inParallel(dirs, func(dir string) {
		if err := v.SyncDir(dir); err != nil {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		}
	})
	return errors.Join(errs...)
}
