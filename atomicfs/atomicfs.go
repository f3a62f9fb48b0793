// Package atomicfs puts files and directories in place so that a reader, and a
// crash, see the old contents or the new and nothing between.
//
//	err := atomicfs.WriteFile(fsys, "etc/app.json", data, 0o644)
//
// WriteFile, WriteReader and WriteFunc write a whole file; Update changes one by
// its contents; Create is for writing in steps:
//
//	f, err := atomicfs.Create(fsys, name, nil)
//	if err != nil {
//		return err
//	}
//	defer f.Close() // discards it, unless it was committed
//	...
//	return f.Commit()
//
// A Batch writes many files and waits for the disk once. Commit, CommitNew and
// CommitDir give a temporary of package tmpfs its real name. NewFs makes code
// atomic that knows only afero. Sweep removes what killed writers have left.
//
// # What happens
//
// The destination is resolved: links are followed, its directory is held open, so
// that one which is renamed or swapped meanwhile diverts nothing. The contents go
// to a temporary in that directory. Then, in this order: owner, mode, sync of the
// file, close, rename, sync of the directory. Nothing touches the destination by
// its name after the rename.
//
// A file that exists keeps its permission bits, and its owner and group where the
// process may give them; set-id bits are dropped. Other names of it (hard links)
// keep the old contents. Access control lists and extended attributes of the old
// file are not kept. A new file has the mode asked for, less what the umask and
// the directory's default access control list take away.
//
// # Errors
//
// An error means that the old contents are in place, whole, and that the
// temporary is gone, with one exception: ErrNotDurable says that the new contents
// are in place and may not survive a power cut. If the temporary could not be
// removed either, the error says that too, and Sweep will find it. Parent
// directories that were made stay. Errors are *fs.PathError with the name that the
// caller used.
//
// A sync that failed is not repeated: the system may have dropped what it could
// not write, and would then say that all is well.
//
// # Promises
//
// Whether readers see the old contents or the new and nothing between; whether what
// was acknowledged survives a power cut; whether of several processes one alone
// gets past NoReplace. Where it says yes, there is a test.
//
//	Fs                               replaces atomically  survives a power cut  NoReplace between processes
//	OsFs, rootfs, BasePathFs(OsFs):
//	  Linux: ext4, xfs, btrfs        yes                  yes                   yes
//	  Linux: tmpfs                   yes                  no: it is memory      yes
//	  macOS, BSD                     not tested           not tested            not tested
//	  Windows                        not tested           not tested            not tested
//	  NFS, SMB and other networks    not tested           not tested            not tested
//	MemMapFs, BasePathFs(MemMapFs)   yes                  no: it is memory      no: within this process, yes
//	CopyOnWriteFs, CacheOnReadFs     within this process  not tested            no: within this process, yes
//	OpenSSH's SFTP, by sshfs         yes                  not tested            yes
//	sftpfs on the same server        no: an error         no: an error          not tested
//	object stores, by blobstage      yes                  not tested            yes, where its Verify says so
//	gcsfs and the like               not tested           not tested            not tested
//	any other Fs over one of these   as its calls are     as its calls are      no: within this process, yes
//
// CacheOnReadFs renames in its base and then in its cache: what reads the base
// itself is ahead for that moment, and behind a cache that outlives a crash.
// Object stores have no rename; through afero they copy. Package sshfs, in the module
// bench/remote, is sftpfs made right by OpenSSH's extensions; to a store package
// blobstage, in the module workdir/staging/blobstage, publishes uploads. When the
// connection is lost in the last step, the error does not tell whether the file is the
// old one or the new: it is one of them, whole.
//
// # Differences between systems
//
// In the order in which they are likely to bite:
//
//   - The directory must be writable, not the file: the temporary is beside it. A
//     file that is a mount point of its own, as in a container, refuses (EBUSY).
//   - On Windows a file that somebody has open may refuse to be replaced; the error
//     says so, and the old contents stay. There is no sync of a directory.
//   - Where locks or nameless files are missing, a killed writer leaves litter more
//     often, and Sweep goes by its age.
//   - In a sandbox on Linux that lets nobody link, each file is written twice: a file
//     without a name cannot get one there, and is copied to one that has.
//   - CommitDir replaces a directory on Linux and macOS, where two names can be
//     exchanged; elsewhere the error is errors.ErrUnsupported.
//   - In memory there is nothing to sync, and NoReplace excludes this process only.
//
// To see what holds in a directory of one's own: go run ./bench -probe DIR.
//
// Not promised anywhere: that a file which is a mount point can be replaced (the
// error is EBUSY, and the old contents stay); that two files of a Batch get in
// place together; that an Update of another process waits; that somebody who has
// the old file open sees the new one; that the temporary can be written where the
// directory may not be (the directory must be writable, not the file).
package atomicfs

import (
	"errors"
	"io"
	"io/fs"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/internal/vfs"
)

// ErrNotDurable reports that the new contents are in place but may not survive
// a power cut, because the directory could not be synced.
var ErrNotDurable = errors.New("in place, but not durable")

// Options adjusts how a file is written. A nil *Options asks for the defaults.
type Options struct {
	Perm      fs.FileMode // mode of a file that does not exist yet, before the umask; 0 means 0644. A file that exists keeps its mode
	ExactPerm bool        // give the file exactly Perm, whatever the umask and the mode of an existing file
	NoSync    bool        // do not wait for the disk: readers see old or new, a power cut may lose either
	NoReplace bool        // fail with fs.ErrExist if the file exists, and leave it untouched
	NoFollow  bool        // replace a symbolic link itself, not the file that it leads to
}

// filled returns the options with the defaults put in. The caller's are not
// changed.
func (o *Options) filled() Options {
	var f Options
	if o != nil {
		f = *o
	}
	if f.Perm == 0 {
		f.Perm = 0o644
	}
	return f
}

// WriteFile is os.WriteFile, made atomic and durable. It makes missing parent
// directories. (Python recipe: atomic_write)
//
// A perm of 0 is taken as it is, as os.WriteFile takes it: nobody may read the
// file.
func WriteFile(fsys afero.Fs, name string, data []byte, perm fs.FileMode) error {
	return write(fsys, name, perm, func(c *contents) error {
		_, err := c.Write(data)
		return err
	})
}

// WriteReader is WriteFile with the contents of r.
//
// It returns how many bytes were read of r. If r fails, name is untouched and the
// error is that of r.
func WriteReader(fsys afero.Fs, name string, r io.Reader, perm fs.FileMode) (n int64, err error) {
	err = write(fsys, name, perm, func(c *contents) error {
		n, err = c.ReadFrom(r)
		return err
	})
	return n, err
}

// WriteFunc is WriteFile with what fn writes. If fn fails, panics or exits,
// name is untouched and no temporary is left. (Python recipe: atomic_open)
//
// The error of fn is returned as it is. A write that failed is an error of
// WriteFunc, also if fn ignored it. The writer is of no use after fn has returned.
func WriteFunc(fsys afero.Fs, name string, perm fs.FileMode, fn func(w io.Writer) error) error {
	return write(fsys, name, perm, func(c *contents) error { return fn(writer{c, c, c}) })
}

// A writer cannot be closed: some encoders close what they can.
type writer struct {
	io.Writer
	io.ReaderFrom
	io.StringWriter
}

// write is WriteFunc for the functions of this package that write a whole file.
// fn gets the contents themselves, which it must not keep.
func write(fsys afero.Fs, name string, perm fs.FileMode, fn func(c *contents) error) error {
	f, err := create(vfs.On(fsys), name, Options{Perm: perm}, true)
	if err != nil {
		return err
	}
	return f.finish(fn)
}

// finish commits the file once fn has written it. The file is closed when it
// returns, in place or discarded; the errors of fn and of Close are joined.
func (f *File) finish(fn func(c *contents) error) (err error) {
	// Deferred and without recover: a panic and a Goexit pass through as they are.
	defer func() {
		if cerr := f.leave(); cerr != nil {
			err = errors.Join(err, cerr)
		}
	}()
	if err := fn(f.c); err != nil {
		return err
	}
	return f.Commit()
}

// SyncDir makes the entries of the directory name durable.
//
// Where directories cannot be synced, because the system or the Fs has no such
// thing, it does nothing and returns nil.
func SyncDir(fsys afero.Fs, name string) error {
	if err := vfs.On(fsys).SyncDir(name); err != nil {
		return fail("sync", name, err)
	}
	return nil
}
