package tmpfs_test

import (
	"errors"
	"io/fs"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// A scope runs fn with a temporary thing, and tells where that was.
type scope func(k testfs.Kind, fn func() error) (name string, err error)

var scopes = map[string]scope{
	"WithFile": func(k testfs.Kind, fn func() error) (name string, err error) {
		err = tmpfs.WithFile(k.Fs, &tmpfs.Options{Dir: k.Dir}, func(f *tmpfs.File) error {
			name = f.Name()
			if _, err := f.WriteString("hello"); err != nil {
				return err
			}
			return fn()
		})
		return name, err
	},
	"WithDir": func(k testfs.Kind, fn func() error) (name string, err error) {
		err = tmpfs.WithDir(k.Fs, &tmpfs.Options{Dir: k.Dir}, func(d *tmpfs.Dir) error {
			name = d.Path()
			if err := d.MkdirAll("/a/b", 0o700); err != nil {
				return err
			}
			return fn()
		})
		return name, err
	},
}

func eachScope(t *testing.T, body func(t *testing.T, k testfs.Kind, with scope)) {
	t.Helper()
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for name, with := range scopes {
			t.Run(name, func(t *testing.T) { body(t, k.Fresh(t), with) })
		}
	})
}

func TestWith(t *testing.T) {
	eachScope(t, func(t *testing.T, k testfs.Kind, with scope) {
		ran := false
		_, err := with(k, func() error {
			ran = true
			assert.NotEmpty(t, testfs.Leftovers(t, k.Fs, k.Dir), "it is there meanwhile")
			return nil
		})
		require.NoError(t, err)
		assert.True(t, ran)
		empty(t, k)
		mine := errors.New("mine")
		_, err = with(k, func() error { return mine })
		assert.Same(t, mine, err, "as it is")
		empty(t, k)
	})
}

// TestWithPanic: a panic goes on with the value that it had.
func TestWithPanic(t *testing.T) {
	eachScope(t, func(t *testing.T, k testfs.Kind, with scope) {
		value := &struct{ int }{7}
		func() {
			defer func() { assert.Same(t, value, recover()) }()
			_, _ = with(k, func() error { panic(value) })
			t.Error("went on after a panic")
		}()
		empty(t, k)
		func() {
			defer func() {
				err, ok := recover().(runtime.Error)
				assert.True(t, ok)
				assert.ErrorContains(t, err, "nil pointer")
			}()
			_, _ = with(k, func() error {
				var none *testfs.Kind
				return errors.New(none.Name)
			})
		}()
		empty(t, k)
	})
}

// TestWithGoexit: as after t.FailNow in fn.
func TestWithGoexit(t *testing.T) {
	eachScope(t, func(t *testing.T, k testfs.Kind, with scope) {
		done, returned := make(chan struct{}), false
		go func() {
			defer close(done)
			_, _ = with(k, func() error { runtime.Goexit(); return nil })
			returned = true
		}()
		<-done
		assert.False(t, returned)
		empty(t, k)
	})
}

// TestWithClosed: fn may close, or remove, or keep what it was given.
func TestWithClosed(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		opts := &tmpfs.Options{Dir: k.Dir}
		require.NoError(t, tmpfs.WithFile(k.Fs, opts, (*tmpfs.File).Close))
		require.NoError(t, tmpfs.WithDir(k.Fs, opts, (*tmpfs.Dir).Close))
		require.NoError(t, tmpfs.WithFile(k.Fs, opts, (*tmpfs.File).CloseHandle))
		if canRemoveOpen(k) {
			require.NoError(t, tmpfs.WithFile(k.Fs, opts, func(f *tmpfs.File) error { return k.Fs.Remove(f.Name()) }))
			require.NoError(t, tmpfs.WithDir(k.Fs, opts, func(d *tmpfs.Dir) error { return k.Fs.Remove(d.Path()) }))
		}
		empty(t, k)
		require.NoError(t, tmpfs.WithFile(k.Fs, opts, func(f *tmpfs.File) error { return f.Keep(k.Join("file")) }))
		require.NoError(t, tmpfs.WithDir(k.Fs, opts, func(d *tmpfs.Dir) error { return d.Keep(k.Join("dir")) }))
		assert.Equal(t, []string{"dir", "file"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// TestWithBothErrors: the result has fn's error and that of Close.
func TestWithBothErrors(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		spy := testfs.NewSpy(k.Fs)
		mine := errors.New("mine")
		var name string
		err := tmpfs.WithFile(spy, &tmpfs.Options{Dir: k.Dir}, func(f *tmpfs.File) error {
			name = f.Name()
			spy.Fail(testfs.Calls("remove"), testfs.Fault{Err: syscall.EACCES})
			return mine
		})
		assert.ErrorIs(t, err, mine)
		assert.ErrorIs(t, err, fs.ErrPermission)
		assert.ErrorContains(t, err, name, "it says what is left")
		assert.True(t, exists(t, k.Fs, name))
	})
}

func TestWithNothing(t *testing.T) {
	eachScope(t, func(t *testing.T, k testfs.Kind, with scope) {
		k.Dir = k.Join("missing")
		_, err := with(k, func() error { t.Error("called"); return nil })
		assert.ErrorIs(t, err, fs.ErrNotExist)
	})
}
