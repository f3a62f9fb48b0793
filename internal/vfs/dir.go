package vfs

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// Mkdir makes the directory name, which must not exist, in a parent that must.
// Its mode is perm less the umask of the system beneath, if that has one. Of
// several in this process that make one name, one wins, whatever the Fs.
func (v FS) Mkdir(name string, perm fs.FileMode) error {
	clean, err := v.Clean("mkdir", name)
	if err != nil {
		return err
	}
	switch v.kind {
	case osKind:
		err = os.Mkdir(clean, perm)
	case rootedKind:
		_, err = rooted(v, func(r *rootfs.Fs) (struct{}, error) {
			return struct{}{}, r.Mkdir(v.at(clean), perm)
		})
	default:
		err = v.mkdir(clean, perm)
	}
	return fail("mkdir", clean, err)
}

// mkdir is Mkdir on an Fs that may invent parents, and replace what is there.
// MemMapFs makes the parents that are missing, and CopyOnWriteFs says nil of a
// directory that its layer has.
func (v FS) mkdir(name string, perm fs.FileMode) error {
	defer v.guard(name)()
	if _, err := v.parent(name); err != nil {
		if errors.Is(err, errIsRoot) {
			// As mkdir(2) says of the root.
			return fs.ErrExist
		}
		return err
	}
	if _, err := v.look(name); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := v.fsys.Mkdir(name, perm); err != nil {
		// One that exists after all somebody else has made since the look: not
		// ours to remove.
		if !errors.Is(err, fs.ErrExist) {
			v.discardDir(name) // the answer may have been lost, not the call
		}
		return err
	}
	// A nil is believed only when there is a directory to be seen.
	info, err := v.look(name)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	} else if err != nil {
		// Whether it is there nobody can say: an error is to mean that it is not.
		v.discardDir(name)
	}
	return err
}

// discardDir removes the directory that a failed call has made, under the guard.
// One that somebody has put a file in by now stays.
func (v FS) discardDir(name string) {
	if names, err := v.list(name); err == nil && len(names) == 0 {
		_ = v.fsys.Remove(name)
	}
}

// MkdirAll makes the directory name and the parents that it lacks, and returns
// those that it made, outermost first. When it returns an error, what it made
// before is there still, and returned. Each has the mode perm, less the umask. A
// name that is there already is no error, unless it is no directory.
func (v FS) MkdirAll(name string, perm fs.FileMode) (made []string, err error) {
	clean, err := v.Clean("mkdir", name)
	if err != nil {
		return nil, err
	}
	if v.kind == rootedKind && v.root == nil {
		// The base path itself, as BasePathFs does.
		if err := os.MkdirAll(v.base, 0o777); err != nil {
			return nil, fail("mkdir", clean, err)
		}
	}
	// Innermost first.
	var missing []string
	// Upwards to what exists, so that the caller learns which levels are new, and
	// have to be synced.
	for dir := clean; ; dir = filepath.Dir(dir) {
		info, err := v.Stat(dir)
		if err == nil {
			if !info.IsDir() {
				return nil, fail("mkdir", dir, syscall.ENOTDIR)
			}
			break
		}
		// Any other error says nothing about what is missing; and a root that is
		// not there cannot be made.
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir {
			return nil, fail("mkdir", dir, err)
		}
		missing = append(missing, dir)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		err := v.Mkdir(missing[i], perm)
		if errors.Is(err, fs.ErrExist) {
			// Somebody else made it meanwhile, unless it is a link to nothing or a file.
			info, statErr := v.Stat(missing[i])
			if statErr == nil && info.IsDir() {
				continue
			}
		}
		if err != nil {
			return made, err
		}
		made = append(made, missing[i])
	}
	return made, nil
}

// Stat describes name, following links. What it returns does not change with the
// file.
func (v FS) Stat(name string) (fs.FileInfo, error) {
	return v.describe("stat", name, os.Stat, (*rootfs.Fs).Stat, v.fsys.Stat)
}

// Lstat describes name itself, which may be a link where the Fs has links. Where
// it has none, or hides them, this is Stat.
func (v FS) Lstat(name string) (fs.FileInfo, error) {
	rooted := func(r *rootfs.Fs, name string) (fs.FileInfo, error) {
		info, _, err := r.LstatIfPossible(name)
		return info, err
	}
	return v.describe("lstat", name, os.Lstat, rooted, v.look)
}

// describe calls the one of the three that fits the ground, and keeps what it
// says from changing afterwards. system and other get the clean name, inRoot the
// name below its root. The guard is not taken: a description is old when it is
// returned.
func (v FS) describe(op, name string, system func(string) (fs.FileInfo, error), inRoot func(*rootfs.Fs, string) (fs.FileInfo, error), other func(string) (fs.FileInfo, error)) (fs.FileInfo, error) {
	clean, err := v.Clean(op, name)
	if err != nil {
		return nil, err
	}
	var info fs.FileInfo
	switch v.kind {
	case osKind:
		info, err = system(clean)
	case rootedKind:
		info, err = rooted(v, func(r *rootfs.Fs) (fs.FileInfo, error) { return inRoot(r, v.at(clean)) })
	default:
		info, err = other(clean)
	}
	if err != nil {
		// MemMapFs says "not found" of what is below a file; os says ENOTDIR.
		return nil, fail(op, clean, v.missing(clean, err))
	}
	return still(info, filepath.Base(clean)), nil
}

// look is Lstat on the Fs itself, by the best that it has. The method alone says
// nothing: BasePathFs has it over MemMapFs too, and is then a Stat. What it
// returns may change with the file: see still.
func (v FS) look(name string) (fs.FileInfo, error) {
	if l, ok := v.fsys.(afero.Lstater); ok {
		info, _, err := l.LstatIfPossible(name)
		return info, err
	}
	if l, ok := v.fsys.(interface {
		Lstat(name string) (fs.FileInfo, error)
	}); ok { // as sftpfs has it
		return l.Lstat(name)
	}
	return v.fsys.Stat(name)
}

// Readlink returns what the link name stores. The error is errors.ErrUnsupported
// where the Fs has no links. The target is not made absolute, nor checked.
func (v FS) Readlink(name string) (string, error) {
	clean, err := v.Clean("readlink", name)
	if err != nil {
		return "", err
	}
	var target string
	switch v.kind {
	case osKind:
		target, err = os.Readlink(clean)
	case rootedKind:
		target, err = rooted(v, func(r *rootfs.Fs) (string, error) { return r.ReadlinkIfPossible(v.at(clean)) })
	default:
		target, err = v.readlink(clean)
	}
	return target, fail("readlink", clean, err)
}

// readlink is Readlink on an Fs that may have the method and no links.
func (v FS) readlink(name string) (string, error) {
	l, ok := v.fsys.(afero.LinkReader)
	if !ok {
		return "", errors.ErrUnsupported
	}
	target, err := l.ReadlinkIfPossible(name)
	// BasePathFs, CopyOnWriteFs and ReadOnlyFs have the method over memory too.
	if errors.Is(err, afero.ErrNoReadlink) {
		err = errors.ErrUnsupported
	}
	return target, err
}

// Chmod gives name exactly that mode, following links. The umask takes nothing of
// it. A file that is swapped meanwhile is changed in the place of the other:
// File.Chmod goes by the handle.
func (v FS) Chmod(name string, mode fs.FileMode) error {
	clean, err := v.Clean("chmod", name)
	if err != nil {
		return err
	}
	// OsFs among them, whose own call is the system's; there the guard is none.
	if v.kind != rootedKind {
		defer v.guard(clean)() // a union copies the file first
		return fail("chmod", clean, v.fsys.Chmod(clean, mode))
	}
	_, err = rooted(v, func(r *rootfs.Fs) (struct{}, error) { return struct{}{}, r.Chmod(v.at(clean), mode) })
	return fail("chmod", clean, err)
}

// pageOfNames is how many names of a directory are held at a time, where the Fs
// can be trusted to go on after them.
const pageOfNames = 1024

// Names yields the names in the directory dir, in no order. On the operating
// system it holds a page of them; what is added or removed meanwhile may or may
// not be seen. Elsewhere all are read first, because MemMapFs skips names when
// others are removed and a network never says that there are no more. An error is
// yielded once, without a name, and is the last. The caller may break off, and
// may remove what it was given.
func (v FS) Names(dir string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		f, err := v.Open(dir)
		if err != nil {
			yield("", err)
			return
		}
		// Also when the caller breaks off. It was only read.
		defer func() { _ = f.Close() }()
		page := -1
		if v.OnDisk() {
			page = pageOfNames
		}
		for {
			names, err := f.Readdirnames(page)
			// The names first, also those that come with an error.
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			// Without pages no io.EOF comes: all that there was has been said.
			if err == io.EOF || err == nil && page < 0 { //nolint:errorlint // io.EOF is never wrapped
				return
			}
			if err != nil {
				yield("", fail("readdir", f.name, err))
				return
			}
		}
	}
}
