package tmpfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/internal/vfs"
)

// A File is a temporary file, open for reading and writing, that behaves as an
// os.File does on every Fs. Close removes it.
type File struct {
	afero.File
	fsys afero.Fs // what the caller gave
	v    vfs.FS
	h    *vfs.File // the same as File

	mu     sync.Mutex // over the life cycle, not over reading and writing
	name   string     // "" for one without a name
	linked bool       // it has no name, and can be given one
	closed bool       // the handle is
	lost   error      // why it did not close well: what was written may not be there
	done   bool       // the name is not owned any more
}

var (
	_ io.ReaderFrom = (*File)(nil)
	_ io.WriterTo   = (*File)(nil)
)

// Create creates a temporary file. (Python: NamedTemporaryFile)
//
// When it returns an error, nothing has been made.
func Create(fsys afero.Fs, opts *Options) (*File, error) {
	v, o, err := prepare("createtemp", fsys, opts, 0o600)
	if err != nil {
		return nil, err
	}
	h, name, err := create(v, o)
	if err != nil {
		return nil, err
	}
	return &File{File: h, h: h, fsys: fsys, v: v, name: name}, nil
}

// CreateAnonymous creates a temporary file without a name wherever fsys can
// unlink an open file, so that nothing is left after a crash. Elsewhere it has
// a name until Close. (Python: TemporaryFile)
//
// On Linux it never has a name (O_TMPFILE) where the file system allows that,
// and Keep can give it one all the same.
func CreateAnonymous(fsys afero.Fs, opts *Options) (*File, error) {
	v, o, err := prepare("createtemp", fsys, opts, 0o600)
	if err != nil {
		return nil, err
	}
	if h, err := v.CreateUnnamed(o.Dir, o.Perm); err == nil {
		return &File{File: h, h: h, fsys: fsys, v: v, linked: true}, nil
	} else if !errors.Is(err, errors.ErrUnsupported) {
		probed.Store(nil) // as in invent
		return nil, &fs.PathError{Op: "createtemp", Path: o.Dir, Err: vfs.Reason(err)}
	}
	h, name, err := create(v, o)
	if err != nil {
		return nil, err
	}
	f := &File{File: h, h: h, fsys: fsys, v: v, name: name}
	if !v.OpenRenames() {
		return f, nil // not tried: the refusal would be waited out as one that may pass
	}
	if err := v.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, nil // an open file cannot be removed here: Close will do it
	}
	f.name = ""
	if v.OnDisk() || v.InMemory() || h.Truncate(0) == nil {
		return f, nil
	}
	// The Fs goes by the name for some calls of the handle: with a name, then.
	_ = h.Close()
	return Create(fsys, opts)
}

// Name returns the path of the file on Fs, or "" for an anonymous file.
func (f *File) Name() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.name
}

// Fs returns the file system that the file was created on.
func (f *File) Fs() afero.Fs { return f.fsys }

// OSFile returns the os.File under f, if there is one; the two share one offset. It
// is not found behind an Fs that this library does not know, such as a fault
// injector, nor behind a union.
func (f *File) OSFile() (*os.File, bool) { return vfs.Stream(f.h) }

// ReadFrom writes what r holds to the file, within the kernel where it can.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	if from, ok := r.(*File); ok {
		r = from.h
	}
	return f.h.ReadFrom(r)
}

// WriteTo writes what is left of the file to w, within the kernel where it can.
func (f *File) WriteTo(w io.Writer) (int64, error) { return f.h.WriteTo(w) }

// CloseHandle closes the handle and leaves the file in place, for others to
// open by name, until Close. (Python: delete_on_close=False)
//
// An anonymous file is gone with its handle. A second CloseHandle returns nil.
func (f *File) CloseHandle() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closeHandle()
}

func (f *File) closeHandle() error {
	if f.closed {
		return nil
	}
	f.closed = true
	f.lost = f.h.Close()
	return f.lost
}

// Close closes and removes the file; after Keep it does nothing. A second
// Close returns nil.
//
// That somebody else has removed the file is no error. If the file could not be
// removed, Close may be called again.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return nil
	}
	err := f.closeHandle()
	if f.name != "" {
		if rerr := f.v.Remove(f.name); rerr != nil && !vfs.Gone(rerr) {
			return errors.Join(err, rerr)
		}
	}
	f.done = true
	f.h.Unlock()
	return err
}
