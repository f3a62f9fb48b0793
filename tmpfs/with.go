package tmpfs

import (
	"errors"

	"github.com/spf13/afero"
)

// WithFile calls fn with a temporary file that is gone when WithFile returns,
// whether fn returns, panics or exits. The result joins fn's error and
// Close's.
//
// A panic of fn goes on with its own value. If fn has kept the file, it stays.
func WithFile(fsys afero.Fs, opts *Options, fn func(f *File) error) error {
	f, err := Create(fsys, opts)
	if err != nil {
		return err
	}
	return with(f, fn)
}

// WithDir is WithFile for a temporary directory.
func WithDir(fsys afero.Fs, opts *Options, fn func(d *Dir) error) error {
	d, err := Mkdir(fsys, opts)
	if err != nil {
		return err
	}
	return with(d, fn)
}

func with[T interface{ Close() error }](it T, fn func(T) error) (err error) {
	// Deferred and without recover: a panic and a Goexit pass through as they are.
	defer func() {
		if cerr := it.Close(); cerr != nil {
			err = errors.Join(err, cerr)
		}
	}()
	return fn(it)
}
