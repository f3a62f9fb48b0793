// Package sshfs is an afero.Fs of files on another machine, reached by SFTP: it is
// afero's sftpfs, with what that gets wrong made right.
//
//	client, err := sftp.NewClient(conn)
//	...
//	err = atomicfs.WriteFile(sshfs.New(client), "/srv/app.json", data, 0o644)
//
// sftpfs v1.15.0 replaces no file by a rename, says of no error that a file exists,
// syncs nothing and says that it has, writes nothing by WriteAt and removes nothing by
// RemoveAll and says that it has, opens existing files with another mode, and never
// ends a listing that is read in parts. Here these are extensions that OpenSSH's
// sftp-server has:
//
//   - posix-rename@openssh.com: Rename replaces a file in one step;
//   - hardlink@openssh.com: atomicfs.Options.NoReplace is exclusive between processes,
//     and between machines;
//   - fsync@openssh.com: Sync of a file and of a directory reaches the server's disk.
//
// On a server that lacks one of them, what needs it fails with
// errors.ErrUnsupported. What remains of the network is this:
//
//   - An answer that is lost leaves open whether the call took place, and no look can
//     tell when the connection is gone: after such an error of Commit the file is the
//     old one or the new one, whole.
//   - The protocol's clock has seconds, and tells no owner that this machine knows.
//   - The client gives a new file no mode: for a moment, while it is empty, it has
//     the one that the server's umask makes of 0666, and who opens it then can read
//     what comes later. Let the server's umask be 077 ("sftp-server -u 077") where
//     that matters.
//   - A server that is silent is waited for. Keep-alive is for the connection to see
//     to, and to be closed when it is dead: what waits fails then.
//
// The package depends on afero, sftpfs and github.com/pkg/sftp alone: it may be
// imported, or copied.
package sshfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pkg/sftp"
	"github.com/spf13/afero"
	"github.com/spf13/afero/sftpfs"
)

// An Fs is the files that an SFTP client reaches. It is an afero.Symlinker, and safe
// for concurrent use. Relative names start where the server says, mostly at home.
type Fs struct {
	fs     afero.Fs // what it does right
	client *sftp.Client
}

var (
	_ afero.Fs        = (*Fs)(nil)
	_ afero.Symlinker = (*Fs)(nil)
)

// New returns the files that client reaches. Closing the client is the caller's.
func New(client *sftp.Client) *Fs { return &Fs{fs: sftpfs.New(client), client: client} }

// The extensions of OpenSSH that this package goes by.
const (
	posixRename = "posix-rename@openssh.com"
	hardlink    = "hardlink@openssh.com"
	fsync       = "fsync@openssh.com"
)

// lacks returns an error if the server does not have an extension.
func (f *Fs) lacks(extension string) error {
	if _, ok := f.client.HasExtension(extension); ok {
		return nil
	}
	return fmt.Errorf("%w: the server does not have %s", errors.ErrUnsupported, extension)
}

// wire returns name as the protocol has it: with slashes, on Windows too.
func wire(name string) string { return filepath.ToSlash(name) }

// reason returns what the server's error means, as far as its code tells.
func reason(err error) error {
	var status *sftp.StatusError
	if !errors.As(err, &status) {
		return err
	}
	switch status.FxCode() {
	case sftp.ErrSSHFxOpUnsupported:
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	case sftp.ErrSSHFxBadMessage: // what OpenSSH makes of EINVAL and ENAMETOOLONG
		return fmt.Errorf("%w: %w", fs.ErrInvalid, err)
	}
	return err
}

// failed reports whether the server says that something failed and not what: what
// OpenSSH makes of EEXIST, ENOTEMPTY, EISDIR, ENOSPC and more.
func failed(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxFailure
}

// fail returns err as an error of op on name.
func fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: reason(err)}
}

// between is fail for two names.
func between(op, oldname, newname string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: oldname, New: newname, Err: reason(err)}
}

// exists returns err, or fs.ErrExist if that is what a look shows it to mean.
func (f *Fs) exists(name string, err error) error {
	if !failed(err) {
		return err
	}
	if _, lerr := f.client.Lstat(wire(name)); lerr == nil {
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	}
	return err
}

// Name names the kind, as that of every afero.Fs does.
func (f *Fs) Name() string { return "sshfs" }

// Mkdir makes the directory name, with perm less the server's umask.
func (f *Fs) Mkdir(name string, perm fs.FileMode) error {
	if err := f.client.Mkdir(wire(name)); err != nil {
		return fail("mkdir", name, f.exists(name, err))
	}
	const whole = 0o777 // what the server makes it with
	info, err := f.client.Lstat(wire(name))
	if err == nil && info.Mode().Perm() != less(perm, info, whole) {
		err = f.client.Chmod(wire(name), less(perm, info, whole))
	}
	if err != nil {
		_ = f.client.RemoveDirectory(wire(name)) // it is empty, and has just been made
	}
	return fail("mkdir", name, err)
}

// less returns perm less what the server has taken from whole. What shows nothing of
// the right to execute goes by the right to read.
func less(perm fs.FileMode, info fs.FileInfo, whole fs.FileMode) fs.FileMode {
	umask := whole &^ info.Mode().Perm()
	umask |= umask >> 2 & 0o111
	return perm & 0o777 &^ umask
}

// MkdirAll makes the directory name and the parents that it lacks.
func (f *Fs) MkdirAll(name string, perm fs.FileMode) error {
	info, err := f.client.Stat(wire(name))
	if err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		return fail("mkdir", name, syscall.ENOTDIR)
	}
	if dir := path.Dir(path.Clean(wire(name))); errors.Is(err, fs.ErrNotExist) && dir != "." && dir != "/" {
		if err := f.MkdirAll(dir, perm); err != nil {
			return err
		}
	}
	err = f.Mkdir(name, perm)
	if errors.Is(err, fs.ErrExist) {
		if info, serr := f.client.Stat(wire(name)); serr == nil && info.IsDir() {
			return nil // somebody else was faster
		}
	}
	return err
}

// Remove removes the file, the link or the empty directory name.
func (f *Fs) Remove(name string) error {
	err := f.client.Remove(wire(name))
	if err == nil {
		return nil
	}
	info, lerr := f.client.Lstat(wire(name))
	switch {
	case lerr == nil && info.IsDir() && failed(err):
		err = fmt.Errorf("%w: %w", syscall.ENOTEMPTY, err)
	case lerr == nil && errors.Is(err, fs.ErrNotExist):
		err = fs.ErrPermission // it was taken for a directory in the end
	}
	return fail("remove", name, err)
}

// RemoveAll removes name and all below it. Links are removed and never followed; what
// is mounted on the server below name is entered.
func (f *Fs) RemoveAll(name string) error {
	info, err := f.client.Lstat(wire(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fail("removeall", name, err)
	}
	if info.IsDir() {
		entries, err := f.client.ReadDir(wire(name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fail("removeall", name, err)
		}
		var left []error
		for _, e := range entries {
			left = append(left, f.RemoveAll(path.Join(wire(name), e.Name())))
		}
		if err := errors.Join(left...); err != nil {
			return err
		}
	}
	if err := f.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Rename moves oldname to newname, replacing a file there in one step.
func (f *Fs) Rename(oldname, newname string) error {
	err := f.lacks(posixRename)
	if err == nil {
		err = f.client.PosixRename(wire(oldname), wire(newname))
	}
	return between("rename", oldname, newname, err)
}

// LinkIfPossible makes newname another name of the file oldname. If newname exists,
// the error is fs.ErrExist: of all that try, on whatever machine, one succeeds.
func (f *Fs) LinkIfPossible(oldname, newname string) error {
	err := f.lacks(hardlink)
	if err == nil {
		err = f.exists(newname, f.client.Link(wire(oldname), wire(newname)))
	}
	return between("link", oldname, newname, err)
}

// SymlinkIfPossible makes newname a link to oldname.
func (f *Fs) SymlinkIfPossible(oldname, newname string) error {
	return between("symlink", oldname, newname, f.exists(newname, f.client.Symlink(wire(oldname), wire(newname))))
}

// ReadlinkIfPossible returns what the link name stores.
func (f *Fs) ReadlinkIfPossible(name string) (string, error) {
	target, err := f.client.ReadLink(wire(name))
	return target, fail("readlink", name, err)
}

// Stat describes name, following links.
func (f *Fs) Stat(name string) (fs.FileInfo, error) {
	info, err := f.fs.Stat(wire(name))
	return info, fail("stat", name, err)
}

// LstatIfPossible describes name itself, which may be a link.
func (f *Fs) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	info, err := f.client.Lstat(wire(name))
	return info, true, fail("lstat", name, err)
}

// Chmod gives name that mode.
func (f *Fs) Chmod(name string, mode fs.FileMode) error {
	return fail("chmod", name, f.fs.Chmod(wire(name), mode))
}

// Chown changes the owner and the group; -1 leaves one as it is.
func (f *Fs) Chown(name string, uid, gid int) error {
	return fail("chown", name, f.fs.Chown(wire(name), uid, gid))
}

// Chtimes changes the times, in whole seconds.
func (f *Fs) Chtimes(name string, atime, mtime time.Time) error {
	return fail("chtimes", name, f.fs.Chtimes(wire(name), atime, mtime))
}
