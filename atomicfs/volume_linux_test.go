package atomicfs_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// What could not be renamed has the mode that it had, so that its owner can copy it.
// Virtual file systems have no volumes.
func TestCommitAcrossVolumesGivesBackTheMode(t *testing.T) {
	if !testfs.AsUser(t) {
		return
	}
	there, err := os.MkdirTemp("/dev/shm", "tempkit-*")
	if err != nil {
		t.Skip("no other volume: ", err)
	}
	defer func() { assert.NoError(t, os.RemoveAll(there)) }()
	fsys, name := afero.NewOsFs(), filepath.Join(there, "file")
	require.NoError(t, os.WriteFile(name, []byte("old"), 0o200))
	for _, closed := range []bool{false, true} {
		f, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: t.TempDir()})
		require.NoError(t, err)
		put(t, f, "text")
		if closed {
			require.NoError(t, f.CloseHandle())
		}
		err = atomicfs.Commit(f, name)
		if err == nil {
			t.Skip("no other volume")
		}
		require.ErrorIs(t, err, syscall.EXDEV)
		got, err := os.ReadFile(f.Name())
		require.NoError(t, err)
		assert.Equal(t, "text", string(got))
		info, err := os.Stat(f.Name())
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode())
		require.NoError(t, f.Close())
	}
}
