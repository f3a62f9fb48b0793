package tmpfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

func anonymous(t testing.TB, fsys afero.Fs, dir string) *tmpfs.File {
	t.Helper()
	f, err := tmpfs.CreateAnonymous(fsys, &tmpfs.Options{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// canUnlink reports whether an open file of k can be removed and used on.
func canUnlink(k testfs.Kind) bool { return canRemoveOpen(k) }

func TestAnonymous(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		f := anonymous(t, k.Fs, k.Dir)
		if canUnlink(k) {
			assert.Empty(t, f.Name())
			empty(t, k)
		}
		_, err := f.WriteString("hello, world")
		require.NoError(t, err)
		require.NoError(t, f.Truncate(5))
		assert.Equal(t, "hello", content(t, f))
		require.NoError(t, f.Sync())
		info, err := f.Stat()
		require.NoError(t, err)
		assert.EqualValues(t, 5, info.Size())
		assert.True(t, info.Mode().IsRegular())
		if canUnlink(k) {
			empty(t, k)
		}
		require.NoError(t, f.Close())
		require.NoError(t, f.Close())
		for name, keep := range keeps {
			assert.ErrorIs(t, keep(f, k.Join("late")), fs.ErrClosed, name)
		}
		empty(t, k)
	})
}

// TestNoPretenceKeepAnonymous: a file without a name can be given one by Linux; elsewhere
// the error says that it cannot, and the file goes on.
func TestNoPretenceKeepAnonymous(t *testing.T) {
	eachKeep(t, func(t *testing.T, k testfs.Kind, keep func(f *tmpfs.File, name string) error) {
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		f := anonymous(t, k.Fs, k.Dir)
		_, err := f.WriteString("hello")
		require.NoError(t, err)
		if f.Name() == "" && (!k.OS || runtime.GOOS != "linux") {
			err := keep(f, k.Join("kept"))
			require.ErrorIs(t, err, errors.ErrUnsupported)
			pathError(t, err, k.Join("kept"))
			assert.Equal(t, "hello", content(t, f))
			return
		}
		for name, want := range map[string]error{
			k.Join("dir"):          fs.ErrExist, // twice: a failure must not use it up
			k.Dir + "/./dir":       fs.ErrExist,
			k.Join("missing", "x"): fs.ErrNotExist,
			"":                     fs.ErrInvalid,
		} {
			require.ErrorIs(t, keep(f, name), want, name)
		}
		_, err = f.WriteString("!")
		require.NoError(t, err)
		require.NoError(t, keep(f, k.Join("dir", "kept")))
		assert.Equal(t, k.Join("dir", "kept"), f.Name())
		assert.Equal(t, "hello!", k.ReadFile(t, k.Join("dir", "kept")))
		_, err = f.WriteString("late")
		assert.ErrorIs(t, err, fs.ErrClosed)
		require.NoError(t, f.Close())
		assert.Equal(t, []string{"dir", "dir/kept"}, testfs.Leftovers(t, k.Fs, k.Dir))

		g := anonymous(t, k.Fs, k.Dir)
		_, err = g.WriteString("second")
		require.NoError(t, err)
		require.ErrorIs(t, g.KeepNew(k.Join("dir", "kept")), fs.ErrExist)
		require.NoError(t, g.Keep(k.Join("dir", "kept")))
		assert.Equal(t, "second", k.ReadFile(t, k.Join("dir", "kept")))
		info, err := k.Fs.Stat(k.Join("dir", "kept"))
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())

		h := anonymous(t, k.Fs, k.Dir)
		require.NoError(t, h.CloseHandle())
		if h.Name() == "" {
			assert.ErrorIs(t, keep(h, k.Join("gone")), fs.ErrClosed, "it went with its handle")
		}
		require.NoError(t, h.Close())
		assert.Equal(t, []string{"dir", "dir/kept"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// TestAnonymousOnUnknownFs: an Fs that is not known is asked by its calls alone:
// where Remove of an open file works, the file has no name; where it is refused,
// or the handle does not survive it, the file has one until Close.
func TestAnonymousOnUnknownFs(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		spy := testfs.NewSpy(k.Fs)
		f := anonymous(t, spy, k.Dir)
		if canUnlink(k) {
			assert.Empty(t, f.Name())
			empty(t, k)
		}
		_, err := f.WriteString("hello")
		require.NoError(t, err)
		assert.Equal(t, "hello", content(t, f))
		require.NoError(t, f.Close())
		assert.Empty(t, spy.OpenFiles())
		empty(t, k)

		spy.Reset()
		spy.Fail(testfs.Calls("remove"), testfs.Fault{Err: syscall.EBUSY})
		f = anonymous(t, spy, k.Dir)
		assert.NotEmpty(t, f.Name())
		assert.True(t, exists(t, k.Fs, f.Name()))
		_, err = f.WriteString("hello")
		require.NoError(t, err)
		assert.Equal(t, "hello", content(t, f))
		spy.Reset()
		require.NoError(t, f.Close())
		assert.Empty(t, spy.OpenFiles())
		empty(t, k)

		spy.Reset()
		spy.Fail(testfs.Calls("truncate"), testfs.Fault{Err: syscall.ENOENT})
		f = anonymous(t, spy, k.Dir)
		assert.NotEmpty(t, f.Name())
		assert.Equal(t, []string{filepath.Base(f.Name())}, testfs.Leftovers(t, k.Fs, k.Dir))
		require.NoError(t, f.Close())
		assert.Empty(t, spy.OpenFiles())
		empty(t, k)
	})
}

// childHold makes files in args[0] in every way that leaves no name, writes to
// them, says so, and waits to be killed.
func childHold(args []string) error {
	for _, fsys := range []afero.Fs{afero.NewOsFs(), testfs.NewSpy(afero.NewOsFs()), afero.NewBasePathFs(afero.NewOsFs(), args[0])} {
		dir := args[0]
		if fsys.Name() == "BasePathFs" {
			dir = "/"
		}
		for range 20 {
			f, err := tmpfs.CreateAnonymous(fsys, &tmpfs.Options{Dir: dir})
			if err != nil {
				return err
			}
			if _, err := f.WriteString("secret"); err != nil {
				return err
			}
		}
	}
	if err := os.WriteFile(args[1], nil, 0o600); err != nil {
		return err
	}
	select {}
}

// TestLitterAnonymousAfterKill: only the operating system's files outlive a process.
func TestLitterAnonymousAfterKill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed")
	}
	dir, ready := t.TempDir(), filepath.Join(t.TempDir(), "ready")
	p := start(t, "hold", dir, ready)
	require.Eventually(t, func() bool { _, err := os.Stat(ready); return err == nil }, 20*time.Second, time.Millisecond)
	p.kill(t)
	assert.Empty(t, testfs.Leftovers(t, afero.NewOsFs(), dir))
}

// childClean removes everything in args[0] as fast as it can, until it is killed.
func childClean(args []string) error {
	for {
		clean(afero.NewOsFs(), args[0])
	}
}

func clean(fsys afero.Fs, dir string) {
	d, err := fsys.Open(dir)
	if err != nil {
		return
	}
	names, _ := d.Readdirnames(-1)
	_ = d.Close()
	for _, name := range names {
		_ = fsys.Remove(filepath.Join(dir, name))
	}
}

// survives makes n anonymous files, each of which must do what a file does.
func survives(t *testing.T, fsys afero.Fs, dir string, n int) {
	t.Helper()
	for i := range n {
		f, err := tmpfs.CreateAnonymous(fsys, &tmpfs.Options{Dir: dir})
		require.NoError(t, err, "file %d", i)
		require.Empty(t, f.Name(), "file %d", i)
		_, err = f.WriteString("hello")
		require.NoError(t, err)
		if i%100 == 0 {
			require.Equal(t, "hello", content(t, f))
		}
		require.NoError(t, f.Close())
	}
}

// TestPathologicalCleaner: 10,000 anonymous files are made while somebody removes
// everything in the directory: another process, where files are the system's.
func TestPathologicalCleaner(t *testing.T) {
	files := 10_000
	if testing.Short() {
		files = 1000
	}
	if runtime.GOOS == "linux" {
		t.Run("OsFs", func(t *testing.T) {
			dir := t.TempDir()
			p := start(t, "clean", dir)
			survives(t, afero.NewOsFs(), dir, files)
			p.kill(t)
			assert.Empty(t, testfs.Leftovers(t, afero.NewOsFs(), dir))
		})
	}
	// In this process, and through a layer that hides O_TMPFILE: the name is there
	// for a moment.
	for name, ground := range map[string]afero.Fs{"MemMapFs": afero.NewMemMapFs(), "BasePathFs(OsFs)": afero.NewBasePathFs(afero.NewOsFs(), t.TempDir())} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, ground.Mkdir("/dir", 0o755))
			fsys := testfs.NewSpy(ground)
			if name == "MemMapFs" {
				fsys = nil // its handle is the file itself, and stays
			}
			stop := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						clean(ground, "/dir")
						runtime.Gosched()
					}
				}
			})
			if fsys == nil {
				survives(t, ground, "/dir", files)
			} else {
				survives(t, fsys, "/dir", files/10)
			}
			close(stop)
			wg.Wait()
			assert.Empty(t, testfs.Leftovers(t, ground, "/dir"))
		})
	}
}

// TestAnonymousMany: as many as there may be open files.
func TestAnonymousMany(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		var all []*tmpfs.File
		for i := range 100 {
			f := anonymous(t, k.Fs, k.Dir)
			_, err := fmt.Fprint(f, i)
			require.NoError(t, err)
			all = append(all, f)
		}
		for i, f := range all {
			require.Equal(t, fmt.Sprint(i), content(t, f))
			require.NoError(t, f.Close())
		}
		empty(t, k)
	})
}
