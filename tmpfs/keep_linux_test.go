package tmpfs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
)

// TestKeepAnonymousNotRenamed: a file without a name gets one beside its place
// before it is renamed; where the rename is refused, that name must not stay. In
// a sticky directory of root's an ordinary user may make files and not replace
// them.
func TestKeepAnonymousNotRenamed(t *testing.T) {
	const variable = "TMPFS_TEST_STICKY"
	if os.Geteuid() == 0 {
		dir := t.TempDir()
		require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
		require.NoError(t, os.Chmod(dir, 0o777|fs.ModeSticky))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "dest"), []byte("old"), 0o644))
		t.Setenv(variable, dir)
	}
	if !testfs.AsUser(t) {
		return
	}
	dir := os.Getenv(variable)
	if dir == "" {
		t.Skip("only root can prepare it")
	}
	f := anonymous(t, afero.NewOsFs(), dir)
	_, err := f.WriteString("new")
	require.NoError(t, err)
	err = f.Keep(filepath.Join(dir, "dest"))
	require.ErrorIs(t, err, fs.ErrPermission)
	pathError(t, err, filepath.Join(dir, "dest"))
	assert.Equal(t, []string{"dest"}, testfs.Leftovers(t, afero.NewOsFs(), dir))
	assert.Equal(t, "new", content(t, f), "it is still there, without a name")
	require.NoError(t, f.Close())
	b, err := os.ReadFile(filepath.Join(dir, "dest"))
	require.NoError(t, err)
	assert.Equal(t, "old", string(b))
}
