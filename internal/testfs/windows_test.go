package testfs_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
)

// A test that runs on a Windows proves something only if that refuses.
func TestWindowsRefuses(t *testing.T) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		require.NoError(t, w.MkdirAll(k.Join("dir", "sub"), 0o755))
		name, other := k.Join("dir", "sub", "a"), k.Join("b")
		k.WriteFile(t, name, "a")
		k.WriteFile(t, other, "b")
		f, err := w.Open(name)
		require.NoError(t, err)
		g, err := w.Open(name)
		require.NoError(t, err)
		require.NoError(t, g.Close())
		for what, act := range map[string]func() error{
			"renamed":         func() error { return w.Rename(name, k.Join("c")) },
			"replaced":        func() error { return w.Rename(other, name) },
			"removed":         func() error { return w.Remove(name) },
			"removed with it": func() error { return w.RemoveAll(k.Join("dir")) },
			"moved with it":   func() error { return w.Rename(k.Join("dir"), k.Join("e")) },
		} {
			require.ErrorIs(t, act(), testfs.ErrSharing, what)
			assert.Len(t, w.Refused(), 1, what)
		}
		assert.Equal(t, []string{"b", "dir", "dir/sub", "dir/sub/a"}, testfs.Leftovers(t, w, k.Dir))
		require.NoError(t, f.Close())
		dir, err := w.Open(k.Join("dir"))
		require.NoError(t, err)
		require.ErrorIs(t, dir.Sync(), errors.ErrUnsupported)
		require.NoError(t, w.Rename(other, name), "a directory that is open is in nobody's way")
		require.NoError(t, dir.Close())
		require.NoError(t, w.RemoveAll(k.Join("dir")))
		assert.Empty(t, testfs.Leftovers(t, w, k.Dir))
	})
}
