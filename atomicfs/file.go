package atomicfs

import (
	"errors"
	"io"
	"io/fs"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/internal/vfs"
)

// A File is a file being written. It takes its place when committed.
//
// It begins empty. It is open for reading too, so that what was written can be
// read back, and behaves as an os.File does on every Fs. Its errors name the
// file that is to be, never the temporary.
type File struct {
	afero.File
	c *contents // the same
}

var _ io.ReaderFrom = (*File)(nil)

// Create starts to write the file name. Nothing changes there until Commit.
// The caller must Close the file, whether committed or not.
//
// Missing parent directories are made, and made durable; they stay if the file
// is discarded. A name that leads to a directory, a FIFO, a socket or a device
// is refused. When Create returns an error there is no file to close.
func Create(fsys afero.Fs, name string, opts *Options) (*File, error) {
	return create(vfs.On(fsys), name, opts.filled(), true)
}

// create is Create with options that were filled. If parents is set, missing ones
// are made.
func create(v vfs.FS, name string, o Options, parents bool) (*File, error) {
	t, err := find(v, name, o, parents)
	if err != nil {
		return nil, err
	}
	return t.create()
}

// create makes the file for a target, which it closes if it fails.
func (t *target) create() (*File, error) {
	p, err := t.begin()
	if err != nil {
		_ = t.Close()
		return nil, fail("create", t.name, err)
	}
	c := &contents{p: p, h: p.handle()}
	return &File{File: c, c: c}, nil
}

// Name returns the name that the file was created as.
func (f *File) Name() string { return f.c.Name() }

// ReadFrom writes what r holds, within the kernel where it can. After an error of
// r, which is returned as it is, the file may be written to further.
func (f *File) ReadFrom(r io.Reader) (int64, error) { return f.c.ReadFrom(r) }

// Commit puts the file in place. When it returns nil, name holds the new
// contents and still will after a power cut. When it returns an error,
// name holds the old contents, whole, unless the error is ErrNotDurable.
// After a failed Write, Commit fails.
//
// A file is committed once: whatever Commit returns, what follows on the file
// fails with fs.ErrClosed, another Commit too. A sync that failed is not tried
// again, because the system may have dropped what it could not write.
func (f *File) Commit() error { return f.c.commit() }

// Close discards the file, unless it has been committed. A second Close
// returns nil.
//
// If the temporary could not be removed, Close may be called again, and Sweep takes
// it too.
func (f *File) Close() error { return f.c.Close() }

// leave is Close for who does not come back.
func (f *File) leave() error {
	err := f.Close()
	if err != nil {
		_ = f.c.p.Place.Close() // open for reading: there is nothing that it could fail to write
	}
	return err
}

// commit is File.Commit.
func (c *contents) commit() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return fail("commit", c.p.name, fs.ErrClosed)
	}
	// Whatever comes of it: a File is committed once.
	c.done = true
	err := c.err
	if err == nil {
		err = c.p.put()
	}
	inPlace := err == nil || errors.Is(err, ErrNotDurable)
	if err != nil {
		err = fail("commit", c.p.name, err)
	}
	if !inPlace {
		_ = c.discard() // if it fails, Close tries again, and says so
		return err
	}
	_ = c.p.Place.Close() // open for reading: there is nothing that it could fail to write
	c.gone = true
	return err
}

// Close is File.Close.
func (c *contents) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = true
	return c.discard()
}

// discard removes the temporary, unless it is in place or removed already. c.mu
// must be held. When it fails the temporary is there still, and it may be called
// again.
func (c *contents) discard() error {
	if c.gone {
		return nil
	}
	if err := c.p.discard(); err != nil {
		return fail("close", c.p.name, err)
	}
	c.gone = true
	return c.p.Place.Close()
}
