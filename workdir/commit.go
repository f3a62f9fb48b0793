package workdir

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// Commit puts the file or directory name in place as dest on the Fs that d was
// made on, atomically and durably.
//
// It is moved there, so that afterwards it is not in d any more: by a rename on
// the same volume, else as a copy that is made beside dest, renamed there and then
// removed from d; what cannot be removed goes with d. The name "." is d itself, which
// is closed by that. Permissions stay as they are in d, but a file that replaces one
// takes on the mode of that. Missing parents of dest are made.
//
// A link is refused with an error that matches fs.ErrInvalid, as is anything else
// that is neither a file nor a directory. See atomicfs.Commit and
// atomicfs.CommitDir for what dest may be. If Commit fails, name is in d as it was,
// unless the error is atomicfs.ErrNotDurable. Where CommitDir leaves what it replaced,
// that is left in d, which is then kept where it is.
func (d *Dir) Commit(name, dest string) error {
	clean, full, err := d.locate("commit", name)
	if err != nil {
		return err
	}
	info, err := vfs.On(d.Fs).Lstat(clean)
	switch {
	case err != nil:
		return &fs.PathError{Op: "commit", Path: name, Err: vfs.Reason(err)}
	case clean == string(filepath.Separator):
		return d.commitSelf(dest)
	case info.IsDir():
		return d.commitDir(full, dest)
	case info.Mode().IsRegular():
		return d.commitFile(full, dest)
	}
	return &fs.PathError{Op: "commit", Path: name, Err: errNotRegular}
}

// commitFile is Commit for a file, whose path is full.
func (d *Dir) commitFile(full, dest string) error {
	f, err := tmpfs.Adopt(d.fsys, full)
	if errors.Is(err, fs.ErrPermission) { // it may be read only, and is not to be changed
		return d.copyFile(full, dest)
	}
	if err != nil {
		return err
	}
	err = atomicfs.Commit(f, dest)
	if err == nil || errors.Is(err, atomicfs.ErrNotDurable) {
		return err
	}
	// It goes on to be a file of d's, and no temporary.
	if kerr := f.Keep(f.Name()); kerr != nil {
		return errors.Join(err, kerr)
	}
	// For nothing else, not even permissions: of a parent that could not be made durable
	// the second attempt would not know.
	if errors.Is(err, syscall.EXDEV) {
		return d.copyFile(full, dest)
	}
	return err
}

// copyFile is commitFile for another volume. The source goes last, so that at no
// moment there is neither.
func (d *Dir) copyFile(full, dest string) (err error) {
	v := vfs.On(d.fsys)
	from, err := v.Open(full)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // only read
	info, err := from.Stat()
	if err != nil {
		return err
	}
	// As a rename has it: the umask takes nothing away from a mode that is there.
	_, missing := v.Stat(dest)
	to, err := atomicfs.Create(d.fsys, dest, &atomicfs.Options{Perm: info.Mode().Perm(), ExactPerm: errors.Is(missing, fs.ErrNotExist)})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := to.Close(); cerr != nil { // in place there is nothing to close
			err = errors.Join(err, cerr)
		}
	}()
	if _, err := to.ReadFrom(from); err != nil {
		return err
	}
	if err := to.Commit(); err != nil {
		return err
	}
	_ = v.Remove(full) // it is in place: what stays goes with d
	return nil
}

// stay keeps d where it is, whatever can be asked of its Fs.
func (d *Dir) stay() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.Dir.KeepAt(nil); err != nil {
		return err
	}
	return d.handOver()
}

// spent reports whether a CommitDir that said err has left the old tree, or what may
// be it, where the new one was.
func spent(err error) bool {
	return errors.Is(err, atomicfs.ErrNotDurable) || errors.Is(err, vfs.ErrInDoubt)
}

// commitDir is Commit for a directory below d, whose path is full. Whatever
// happens it is not left a temporary one: it is dest's, or goes with d.
func (d *Dir) commitDir(full, dest string) error {
	sub, err := tmpfs.AdoptDir(d.fsys, full)
	if err != nil {
		return err
	}
	err = atomicfs.CommitDir(sub, dest)
	if err != nil && !spent(err) {
		if kerr := sub.Keep(sub.Path()); kerr != nil {
			return errors.Join(err, kerr)
		}
	}
	_ = sub.Close() // it is kept: this closes what was open for reading
	if spent(err) {
		if _, there := vfs.On(d.fsys).Lstat(full); !vfs.Gone(there) {
			// What was replaced, which a power cut may bring back: it must not go with d.
			err = errors.Join(err, there, d.stay())
		}
	}
	if errors.Is(err, syscall.EXDEV) {
		if err = d.copyDir(full, dest); err == nil {
			_ = vfs.On(d.fsys).RemoveAll(full) // as in copyFile
		}
	}
	return err
}

// commitSelf is commitDir for d.
func (d *Dir) commitSelf(dest string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := atomicfs.CommitDir(d.Dir, dest)
	copied := errors.Is(err, syscall.EXDEV)
	if copied {
		err = d.copyDir(d.Path(), dest)
	}
	if err != nil && !errors.Is(err, atomicfs.ErrNotDurable) && (copied || !spent(err)) {
		return err
	}
	_, stat := d.Dir.Stat(string(filepath.Separator))
	goes := copied || errors.Is(stat, fs.ErrClosed) // it took the place of another
	// What may be left at its path is the copied original, or the tree that it replaced;
	// and then there is its lease. If they stay, that is no failure of the commit:
	// Close tries again, and says so.
	if d.Dir.Close() != nil {
		return err
	}
	if goes || d.lease == nil || d.Dir.Path() != d.lease.dir {
		_ = d.release()
		return err
	}
	return errors.Join(err, d.handOver()) // with its lease it would be swept
}

// copyDir copies the directory full to a temporary one beside dest and commits
// that.
func (d *Dir) copyDir(full, dest string) error {
	v := vfs.On(d.fsys)
	sub, err := v.Sub(full)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }() // only read
	clean, err := v.Clean("commit", dest)
	if err != nil {
		return err
	}
	// The parent is there: the CommitDir that has said EXDEV has made it durable.
	return tmpfs.WithDir(d.fsys, &tmpfs.Options{Dir: filepath.Dir(clean), Pattern: ".tmp-*"}, func(to *tmpfs.Dir) error {
		if err := newDir(d.fsys, to, nil).CopyFS(&ioFS{vfs.On(sub)}); err != nil {
			return err
		}
		if err := copyModes(vfs.On(sub), vfs.On(to.Fs)); err != nil {
			return err
		}
		return atomicfs.CommitDir(to, dest)
	})
}

// copyModes gives all of to the modes that it has in from, the innermost first:
// a directory may be made one that nothing below can be reached through.
func copyModes(from, to vfs.FS) error {
	var names []string
	err := fs.WalkDir(&ioFS{from}, ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type()&fs.ModeSymlink == 0 {
			names = append(names, filepath.Join(string(filepath.Separator), filepath.FromSlash(name)))
		}
		return err
	})
	for i := len(names) - 1; i >= 0 && err == nil; i-- {
		var info fs.FileInfo
		if info, err = from.Lstat(names[i]); err == nil {
			err = to.Chmod(names[i], info.Mode().Perm())
		}
	}
	return err
}
