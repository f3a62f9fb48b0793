package workdir_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// TestCommitToAnotherVolume commits what a rename cannot move. OsFs alone: other
// kinds have no volumes.
func TestCommitToAnotherVolume(t *testing.T) {
	here := t.TempDir()
	there, err := os.MkdirTemp("/dev/shm", "tempkit-*")
	if err != nil {
		t.Skip("no other volume: ", err)
	}
	fsys := afero.NewOsFs()
	t.Cleanup(func() { assert.NoError(t, tmpfs.RemoveAll(fsys, there)) })
	if os.Rename(there, filepath.Join(here, "moved")) == nil {
		t.Skip("no other volume")
	}
	d, err := workdir.New(fsys, &workdir.Options{Temp: tmpfs.Options{Dir: here}})
	require.NoError(t, err)
	for name, mode := range map[string]fs.FileMode{"f": 0o646, "g": 0o600, "tree/run": 0o750, "tree/sub/x": 0o400} {
		path, err := d.WriteFile(name, []byte("of "+name))
		require.NoError(t, err)
		require.NoError(t, os.Chmod(path, mode))
	}
	require.NoError(t, d.SymlinkIfPossible("sub/x", "tree/link"))
	require.NoError(t, os.Chmod(filepath.Join(d.Path(), "tree/sub"), 0o500))
	in := func(name string) string { return filepath.Join(there, name) }
	is := func(name, content string, mode fs.FileMode) {
		t.Helper()
		b, err := os.ReadFile(in(name))
		require.NoError(t, err)
		assert.Equal(t, content, string(b))
		info, err := os.Stat(in(name))
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode(), name)
	}

	require.NoError(t, d.Commit("f", in("made/f")))
	is("made/f", "of f", 0o646) // past the umask
	require.NoError(t, os.WriteFile(in("g"), []byte("old"), 0o644))
	require.NoError(t, d.Commit("g", in("g")))
	is("g", "of g", 0o644)
	require.NoError(t, d.Commit("tree", in("also/made/tree")))
	is("also/made/tree/run", "of tree/run", 0o750)
	is("also/made/tree/sub/x", "of tree/sub/x", 0o400)
	target, err := os.Readlink(in("also/made/tree/link"))
	require.NoError(t, err)
	assert.Equal(t, "sub/x", target)
	info, err := os.Stat(in("also/made/tree/sub"))
	require.NoError(t, err)
	assert.Equal(t, fs.ModeDir|0o500, info.Mode())

	_, err = d.WriteFile("h", []byte("of h"))
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(in("dir"), 0o755))
	err = d.Commit("h", in("dir"))
	require.ErrorIs(t, err, syscall.EISDIR)
	left := testfs.Leftovers(t, fsys, d.Path())
	assert.Equal(t, []string{"h"}, left, "what was committed is not there any more, what was not is")
	require.NoError(t, d.Commit(".", in("all")))
	is("all/h", "of h", 0o644)
	require.NoError(t, d.Close())
	assert.Empty(t, testfs.Leftovers(t, fsys, here))
	for _, name := range testfs.Leftovers(t, fsys, there) {
		assert.NotContains(t, name, ".tmp-")
	}
}
