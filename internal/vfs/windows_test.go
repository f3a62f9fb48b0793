package vfs_test

import (
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/internal/vfs"
)

// Both answers of the predicates: what this system can do, a foreign one cannot, and
// what is beneath it stays within reach of system calls.
func TestForeign(t *testing.T) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		v, own := vfs.On(w), vfs.On(w.Fs)
		assert.False(t, v.OpenRenames())
		assert.False(t, v.Unnamed())
		assert.False(t, v.InMemory(), "it would be called past the Windows")
		assert.Equal(t, own.OnDisk(), v.OnDisk())
		assert.Equal(t, own.IsOS(), v.IsOS())
		if own.InMemory() {
			assert.True(t, own.OpenRenames(), "whatever the system")
		}
		_, err := v.CreateUnnamed(k.Dir, 0o600)
		require.ErrorIs(t, err, errors.ErrUnsupported)

		// In the parts of it too.
		require.NoError(t, v.Mkdir(k.Join("dir"), 0o755))
		sub, err := v.Sub(k.Join("dir"))
		require.NoError(t, err)
		at, err := v.Pin(k.Join("dir", "x"), false)
		require.NoError(t, err)
		for _, part := range []vfs.FS{vfs.On(sub), at.FS} {
			assert.False(t, part.OpenRenames())
			assert.Equal(t, v.OnDisk(), part.OnDisk())
		}
		require.NoError(t, at.Sync())
		require.NoError(t, at.Close())
		require.NoError(t, sub.Close())

		f, err := v.Create(k.Join("file"), 0o600)
		require.NoError(t, err)
		_, isOS := f.OSFile()
		assert.Equal(t, k.OS, isOS)
		_, err = f.Lock()
		require.ErrorIs(t, err, errors.ErrUnsupported, "the second descriptor would be in the way")
		got, err := f.TryLock()
		assert.Equal(t, k.OS, got && err == nil, "a file can be locked")
		require.NoError(t, f.Close())
		dir, err := v.Open(k.Dir)
		require.NoError(t, err)
		_, err = dir.LockDir(true)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.NoError(t, dir.Close())
		require.NoError(t, v.SyncDir(k.Dir))

		// Two names cannot be swapped.
		require.NoError(t, v.Mkdir(k.Join("other"), 0o755))
		to, err := v.Pin(k.Join("other"), false)
		require.NoError(t, err)
		require.ErrorIs(t, v.Exchange(k.Join("dir"), to), errors.ErrUnsupported)
		require.NoError(t, to.Close())
	})
}

// An open file is refused, by this package's calls too, and a rename and a removal wait
// for who has it open.
func TestForeignRefuses(t *testing.T) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		v := vfs.On(w)
		k.WriteFile(t, k.Join("other"), "other")
		f, err := v.Create(k.Join("file"), 0o600)
		require.NoError(t, err)
		to, err := v.Pin(k.Join("to"), false)
		require.NoError(t, err)
		require.ErrorIs(t, v.Rename(k.Join("file"), to), testfs.ErrSharing)
		require.ErrorIs(t, v.RenameNew(k.Join("file"), to), testfs.ErrSharing)
		over := to.Beside("file")
		require.ErrorIs(t, v.Rename(k.Join("other"), over), testfs.ErrSharing)
		assert.Len(t, slices.Compact(w.Refused()), 1)
		// That a name is taken is no such refusal.
		require.ErrorIs(t, v.RenameNew(k.Join("other"), to.Beside("other")), fs.ErrExist)
		require.NoError(t, f.Close())

		for _, c := range []struct {
			what string
			do   func() error
		}{
			{"replaced", func() error { return v.Rename(k.Join("other"), over) }},
			{"removed", func() error { return v.Remove(k.Join("file")) }},
		} {
			reader, err := v.Open(k.Join("file"))
			require.NoError(t, err)
			closed := make(chan error)
			time.AfterFunc(20*time.Millisecond, func() { closed <- reader.Close() })
			err = c.do()
			if k.OS {
				require.NoError(t, err, "%s once its reader has closed it", c.what)
			} else {
				require.ErrorIs(t, err, testfs.ErrSharing, "an Fs that is not known is asked once")
			}
			require.NoError(t, <-closed)
			assert.NotEmpty(t, w.Refused())
		}
		require.NoError(t, to.Close())
	})
}
