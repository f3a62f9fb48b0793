package tmpfs_test

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// checksOfFiles are C053 to C068, NamedTemporaryFile, and C092 to C098, TemporaryFile.
var checksOfFiles = map[string]check{
	"C053": func(t *testing.T, k testfs.Kind) {
		for _, pattern := range patterns {
			f, err := tmpfs.Create(k.Fs, &tmpfs.Options{Dir: k.Dir, Pattern: pattern})
			require.NoError(t, err)
			fits(t, k, f.Name(), pattern)
			require.NoError(t, f.Close())
		}
	},
	"C054": func(t *testing.T, k testfs.Kind) {
		write, name := func() (func([]byte) (int, error), string) {
			f, err := tmpfs.Create(k.Fs, &tmpfs.Options{Dir: k.Dir})
			require.NoError(t, err)
			return f.Write, f.Name()
		}()
		for range 3 {
			runtime.GC()
		}
		_, err := write([]byte("hello"))
		require.NoError(t, err)
		assert.Equal(t, "hello", k.ReadFile(t, name))
	},
	"C055": func(t *testing.T, k testfs.Kind) {
		lines := bufio.NewScanner(func() io.Reader {
			f, err := tmpfs.Create(k.Fs, &tmpfs.Options{Dir: k.Dir})
			require.NoError(t, err)
			_, err = f.WriteString("spam\neggs\nham\n")
			require.NoError(t, err)
			_, err = f.Seek(0, io.SeekStart)
			require.NoError(t, err)
			return f
		}())
		var got []string
		for lines.Scan() {
			runtime.GC()
			got = append(got, lines.Text())
		}
		require.NoError(t, lines.Err())
		assert.Equal(t, []string{"spam", "eggs", "ham"}, got)
	},
	"C056": func(t *testing.T, k testfs.Kind) {
		f := create(t, k, "")
		assert.True(t, exists(t, k.Fs, f.Name()))
	},
	"C057": func(t *testing.T, k testfs.Kind) {
		f := create(t, k, "blat")
		require.NoError(t, f.Close())
		assert.False(t, exists(t, k.Fs, f.Name()))
		empty(t, k)
	},
	"C058": func(t *testing.T, k testfs.Kind) {
		f := create(t, k, "blat")
		require.NoError(t, f.Keep(f.Name()))
		require.NoError(t, f.Close())
		assert.Equal(t, "blat", k.ReadFile(t, f.Name()))
	},
	"C059": threeCloses(tmpfs.Create),
	"C060": func(t *testing.T, k testfs.Kind) {
		var escaped *tmpfs.File
		require.NoError(t, tmpfs.WithFile(k.Fs, &tmpfs.Options{Dir: k.Dir}, func(f *tmpfs.File) error {
			assert.True(t, exists(t, k.Fs, f.Name()))
			escaped = f
			return nil
		}))
		assert.False(t, exists(t, k.Fs, escaped.Name()))
		_, err := escaped.WriteString("late")
		assert.ErrorIs(t, err, fs.ErrClosed)
	},
	"C061": func(t *testing.T, k testfs.Kind) {
		require.NoError(t, tmpfs.WithFile(k.Fs, &tmpfs.Options{Dir: k.Dir}, func(f *tmpfs.File) error {
			if _, err := f.WriteString("blat"); err != nil {
				return err
			}
			if err := f.CloseHandle(); err != nil {
				return err
			}
			assert.Equal(t, "blat", k.ReadFile(t, f.Name()))
			return nil
		}))
		empty(t, k)
	},
	"C062": func(t *testing.T, k testfs.Kind) {
		require.NoError(t, tmpfs.WithFile(k.Fs, &tmpfs.Options{Dir: k.Dir}, func(f *tmpfs.File) error {
			if err := f.CloseHandle(); err != nil {
				return err
			}
			return k.Fs.Remove(f.Name())
		}))
		empty(t, k)
	},
	"C063": func(t *testing.T, k testfs.Kind) {
		for _, closeFirst := range []bool{false, true} {
			var name string
			require.NoError(t, tmpfs.WithFile(k.Fs, &tmpfs.Options{Dir: k.Dir}, func(f *tmpfs.File) error {
				name = f.Name()
				if closeFirst {
					if err := f.CloseHandle(); err != nil {
						return err
					}
				}
				return f.Keep(name)
			}))
			assert.True(t, exists(t, k.Fs, name))
		}
	},
	"C066": wrongOptions("Create"),
	"C068": func(t *testing.T, k testfs.Kind) {
		for _, e := range entries {
			// The call takes effect, and its answer is lost.
			s := testfs.NewSpy(k.Fs)
			s.Fail(func(_ int, call string) bool {
				return len(call) > 5 && (call[:5] == "openf" || call[:5] == "mkdir")
			}, testfs.Fault{Err: testfs.ErrFault, Done: true})
			_, err := e.make(s, tmpfs.Options{Dir: k.Dir})
			require.ErrorIs(t, err, testfs.ErrFault, e.name)
			assert.Empty(t, s.OpenFiles())
			empty(t, k)
		}
	},
	"C092": func(t *testing.T, k testfs.Kind) {
		for _, pattern := range patterns {
			f, err := tmpfs.CreateAnonymous(k.Fs, &tmpfs.Options{Dir: k.Dir, Pattern: pattern})
			require.NoError(t, err)
			_, err = f.WriteString("blat")
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		empty(t, k)
	},
	"C093": func(t *testing.T, k testfs.Kind) {
		if !canRemoveOpen(k) {
			t.Skip("an open file cannot be removed")
		}
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		f := anonymous(t, k.Fs, k.Join("dir"))
		_, err := f.WriteString("blat")
		require.NoError(t, err)
		require.NoError(t, k.Fs.Remove(k.Join("dir")))
		assert.Equal(t, "blat", content(t, f))
	},
	"C094": threeCloses(tmpfs.CreateAnonymous),
	"C095": func(t *testing.T, k testfs.Kind) {
		for _, text := range []string{"", "abc\xe4def", "\r\n\x1a\x00", "a\nb\r\nc\rd"} {
			f := anonymous(t, k.Fs, k.Dir)
			_, err := f.WriteString(text)
			require.NoError(t, err)
			assert.Equal(t, text, content(t, f))
		}
	},
	"C096": wrongOptions("CreateAnonymous"),
	"C098": func(t *testing.T, k testfs.Kind) {
		s := testfs.NewSpy(k.Fs)
		s.Fail(testfs.Calls("remove"), testfs.Fault{Err: syscall.EACCES})
		f := anonymous(t, s, k.Dir)
		assert.True(t, exists(t, k.Fs, f.Name()))
		require.ErrorIs(t, f.Close(), fs.ErrPermission)
		assert.Empty(t, s.OpenFiles(), "closed all the same")
		s.Reset()
		require.NoError(t, f.Close())
		empty(t, k)
	},
}

func threeCloses(make func(afero.Fs, *tmpfs.Options) (*tmpfs.File, error)) check {
	return func(t *testing.T, k testfs.Kind) {
		f, err := make(k.Fs, &tmpfs.Options{Dir: k.Dir})
		require.NoError(t, err)
		_, err = f.WriteString("abc")
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, f.Close())
		}
		empty(t, k)
	}
}

func wrongOptions(names ...string) check {
	return func(t *testing.T, k testfs.Kind) {
		for _, e := range entriesOf(names...) {
			for _, o := range []tmpfs.Options{{Pattern: "a/b"}, {Pattern: "\x00"}, {Dir: "\x00"}} {
				if o.Dir == "" {
					o.Dir = k.Dir
				}
				_, err := e.make(k.Fs, o)
				require.ErrorIs(t, err, fs.ErrInvalid)
			}
		}
		empty(t, k)
	}
}

// checksOfDirs are C099 to C118, TemporaryDirectory.
var checksOfDirs = map[string]check{
	"C099": func(t *testing.T, k testfs.Kind) {
		d, err := tmpfs.Mkdir(k.Fs, &tmpfs.Options{Dir: k.Join("missing")})
		assert.Nil(t, d)
		require.ErrorIs(t, err, fs.ErrNotExist)
		var perr *fs.PathError
		require.ErrorAs(t, err, &perr)
		assert.Equal(t, perr.Error(), err.Error(), "one error")
	},
	"C100": func(t *testing.T, k testfs.Kind) {
		d := mkdir(t, k)
		assert.True(t, exists(t, k.Fs, d.Path()))
		require.NoError(t, d.Close())
		assert.False(t, exists(t, k.Fs, d.Path()))
	},
	"C101": func(t *testing.T, k testfs.Kind) {
		s := testfs.NewSpy(k.Fs)
		d := mkdirOn(t, s, k.Dir)
		s.Fail(testfs.Calls("remove"), testfs.Fault{Err: syscall.EBUSY})
		_ = d.Close() // ignore_cleanup_errors
		assert.True(t, exists(t, k.Fs, d.Path()))
		s.Reset()
		require.NoError(t, d.Close())
		empty(t, k)
		// A file that is open in it, for real.
		d = mkdir(t, k)
		f, err := d.Open("/sub/file")
		require.NoError(t, err)
		err = d.Close()
		require.NoError(t, f.Close())
		if canRemoveOpen(k) {
			require.NoError(t, err)
		}
		require.NoError(t, d.Close())
		empty(t, k)
	},
	"C102": func(t *testing.T, k testfs.Kind) {
		s := testfs.NewSpy(k.Fs)
		d := mkdirOn(t, s, k.Dir)
		s.Fail(testfs.Calls("remove"), testfs.Fault{Err: syscall.EACCES})
		err := d.Close()
		require.ErrorIs(t, err, fs.ErrPermission)
		assert.False(t, errors.Is(err, syscall.ENOTDIR))
		assert.ErrorContains(t, err, filepath.Join(d.Path(), "sub", "file"))
	},
	"C103": func(t *testing.T, k testfs.Kind) {
		d := mkdir(t, k)
		t.Chdir(d.Path())
		err := d.Close()
		if runtime.GOOS == "windows" {
			require.ErrorIs(t, err, fs.ErrPermission)
			return
		}
		require.NoError(t, err)
		t.Chdir(k.Dir)
		empty(t, k)
	},
	"C113": func(t *testing.T, k testfs.Kind) {
		d := mkdir(t, k)
		for range 3 {
			require.NoError(t, d.Close())
		}
	},
	"C114": func(t *testing.T, k testfs.Kind) {
		var name string
		require.NoError(t, tmpfs.WithDir(k.Fs, &tmpfs.Options{Dir: k.Dir}, func(d *tmpfs.Dir) error {
			name = d.Path()
			assert.True(t, exists(t, k.Fs, name))
			return nil
		}))
		assert.False(t, exists(t, k.Fs, name))
	},
	"C117": func(t *testing.T, k testfs.Kind) {
		var name string
		require.NoError(t, tmpfs.WithDir(k.Fs, &tmpfs.Options{Dir: k.Dir}, func(d *tmpfs.Dir) error {
			name = d.Path()
			return d.Keep(name)
		}))
		assert.True(t, exists(t, k.Fs, name))
	},
	"C104": linkToDirectory,
	"C105": linkModes,
	"C115": treeModes,
	"C118": swappedDirectory,
}
