package vfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/vfs"
)

// TestChmodBefore66: without the system call for it, the mode of a link's target is as
// safe.
func TestChmodBefore66(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o500))
	require.NoError(t, os.Symlink("d", filepath.Join(dir, "link")))
	f, err := os.Open(dir)
	require.NoError(t, err)
	defer f.Close()
	require.ErrorIs(t, vfs.ChmodAtBefore66(t, f, "link", 0o777), errors.ErrUnsupported)
	require.ErrorIs(t, vfs.ChmodAtBefore66(t, f, "none", 0o777), fs.ErrNotExist)
	mode := func() fs.FileMode {
		info, err := os.Stat(filepath.Join(dir, "d"))
		require.NoError(t, err)
		return info.Mode().Perm()
	}
	assert.Equal(t, fs.FileMode(0o500), mode())
	require.NoError(t, vfs.ChmodAtBefore66(t, f, "d", 0o700))
	assert.Equal(t, fs.FileMode(0o700), mode())
}
