// Package atomicfs puts files and directories in place so that a reader, and a
// crash, see the old contents or the new and nothing between.
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

// filled returns the options with the defaults put in.
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

func write(fsys afero.Fs, name string, perm fs.FileMode, fn func(c *contents) error) error {
	f, err := create(vfs.On(fsys), name, Options{Perm: perm}, true)
	if err != nil {
		return err
	}
	return f.finish(fn)
}

// finish commits the file once fn has written it.
func (f *File) finish(fn func(c *contents) error) (err error) {
	// Deferred and without recover: a panic and a Goexit pass through as they are.
	defer func() {
		if cerr := f.Close(); cerr != nil {
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
