package staging_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/workdir/staging"
)

// TestAreaOnAFullDisk fills a small file system. It needs root, for the mount.
func TestAreaOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	testfs.Mount(t, "tempkit", dir, "tmpfs", 0, "size=1m")
	fsys := afero.NewOsFs()
	area, err := staging.Open(fsys, filepath.Join(dir, "area"), nil)
	require.NoError(t, err)
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 400<<10), 0o600))

	content := data(800 << 10)
	u := begin(t, area, hashed)
	id := u.ID()
	n, err := u.ReadFrom(strings.NewReader(string(content)))
	if err == nil {
		err = u.Flush() // the last bytes may have been gathered
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Greater(t, n, int64(400<<10), "most of what there is room for")
	require.Error(t, u.Commit(t.Context(), fsys, filepath.Join(dir, "dest"), nil))
	assert.Equal(t, sum(content[:u.Size()]), u.Sum())
	_ = u.Suspend() // it cannot write all that it gathered, and says so

	_, err = area.Begin(t.Context(), nil)
	require.ErrorIs(t, err, syscall.ENOSPC)
	u, err = area.Resume(t.Context(), id, hashed)
	require.NoError(t, err, "on a disk that is full still")
	require.Greater(t, u.Size(), int64(400<<10), "what arrived is kept")
	assert.Equal(t, sum(content[:u.Size()]), u.Sum())

	require.NoError(t, os.Remove(ballast))
	_, err = u.WriteChunk(u.Size(), content[u.Size():])
	require.NoError(t, err)
	require.NoError(t, u.Commit(t.Context(), fsys, filepath.Join(dir, "dest"), nil))
	got, err := os.ReadFile(filepath.Join(dir, "dest"))
	require.NoError(t, err)
	assert.Equal(t, sum(content), sum(got))
	assert.Equal(t, []string{"area", "dest"}, testfs.Leftovers(t, fsys, dir))
}
