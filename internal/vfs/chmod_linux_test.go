package vfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/vfs"
)

// TestChmodWithoutItsCall: without the system call that leaves links alone, which came
// with Linux 6.6, they are left alone too.
func TestChmodWithoutItsCall(t *testing.T) {
	for _, refusal := range []error{syscall.EOPNOTSUPP, syscall.EPERM} {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o500))
		require.NoError(t, os.Symlink("d", filepath.Join(dir, "link")))
		f, err := os.Open(dir)
		require.NoError(t, err)
		mode := func() fs.FileMode {
			info, err := os.Stat(filepath.Join(dir, "d"))
			require.NoError(t, err)
			return info.Mode().Perm()
		}
		require.ErrorIs(t, vfs.ChmodAtWithout(t, refusal, f, "link", 0o777), errors.ErrUnsupported)
		require.ErrorIs(t, vfs.ChmodAtWithout(t, refusal, f, "none", 0o777), fs.ErrNotExist)
		assert.Equal(t, fs.FileMode(0o500), mode())
		require.NoError(t, vfs.ChmodAtWithout(t, refusal, f, "d", 0o700))
		assert.Equal(t, fs.FileMode(0o700), mode())
		require.NoError(t, f.Close())
	}
}
