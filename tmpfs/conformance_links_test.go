package tmpfs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
)

func linkToDirectory(t *testing.T, k testfs.Kind) {
	if !k.Links {
		t.Skip("links are a privilege")
	}
	target := filepath.Join(k.Real(k.Dir), "target")
	require.NoError(t, os.Mkdir(target, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(target, "file"), []byte("precious"), 0o644))
	d := mkdir(t, k)
	require.NoError(t, os.Symlink(target, filepath.Join(k.Real(d.Path()), "link")))
	require.NoError(t, os.Symlink("../../target", filepath.Join(k.Real(d.Path()), "sub", "link")))
	require.NoError(t, d.Close())
	assert.False(t, exists(t, k.Fs, d.Path()))
	assert.Equal(t, []string{"target", "target/file"}, testfs.Leftovers(t, k.Fs, k.Dir))
}

// linkModes: as CPython does it, a file, a directory and nothing beside the
// temporary directory, links to them within a directory of each mode.
func linkModes(t *testing.T, k testfs.Kind) {
	if !k.Links || !testfs.AsUser(t) {
		return
	}
	real := k.Real(k.Dir)
	file, dir := filepath.Join(real, "file"), filepath.Join(real, "dir")
	for mode := range fs.FileMode(8) {
		require.NoError(t, os.WriteFile(file, []byte("precious"), 0o600))
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.Chmod(file, mode<<6))
		require.NoError(t, os.Chmod(dir, mode<<6))
		for _, top := range []bool{false, true} {
			d := mkdir(t, k)
			in := filepath.Join(k.Real(d.Path()), "links")
			require.NoError(t, os.Mkdir(in, 0o700))
			for link, target := range map[string]string{"file": file, "dir": dir, "nothing": filepath.Join(real, "nothing")} {
				require.NoError(t, os.Symlink(target, filepath.Join(in, link)))
			}
			require.NoError(t, os.Chmod(in, mode<<6))
			if top {
				require.NoError(t, os.Chmod(k.Real(d.Path()), mode<<6))
			}
			require.NoError(t, d.Close(), "%o", mode<<6)
		}
		for _, name := range []string{file, dir} {
			info, err := os.Stat(name)
			require.NoError(t, err)
			assert.Equal(t, mode<<6, info.Mode().Perm(), name)
		}
		assert.NoFileExists(t, filepath.Join(real, "nothing"))
		require.NoError(t, os.Remove(file))
		require.NoError(t, os.Remove(dir))
		empty(t, k)
	}
}

func treeModes(t *testing.T, k testfs.Kind) {
	if !testfs.AsUser(t) {
		return
	}
	for mode := range fs.FileMode(8) {
		d := mkdir(t, k)
		top := k.Real(d.Path())
		var dirs []string
		for _, sub := range []string{"dir0", "dir0/dir1", "dir0/dir1/dir2"} {
			dir := filepath.Join(top, sub)
			require.NoError(t, os.Mkdir(dir, 0o700))
			for _, name := range []string{"test0.txt", "test1.txt"} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, mode<<6))
			}
			dirs = append([]string{dir}, dirs...)
		}
		for _, dir := range append(dirs, top) {
			require.NoError(t, os.Chmod(dir, mode<<6))
		}
		require.NoError(t, d.Close(), "%o", mode<<6)
		empty(t, k)
	}
}

// swappedDirectory: the two seconds of it are TestCloseUnderAttack; here it is
// swapped by this process.
func swappedDirectory(t *testing.T, k testfs.Kind) {
	if !k.Links || !testfs.AsUser(t) {
		return
	}
	real := k.Real(k.Dir)
	out := filepath.Join(real, "out")
	require.NoError(t, os.Mkdir(out, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(out, "file"), []byte("precious"), 0o644))
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		d := mkdir(t, k)
		sub := filepath.Join(k.Real(d.Path()), "sub")
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if os.Rename(sub, sub+"-aside") == nil {
					_ = os.Symlink(out, sub)
				}
			}
		}()
		_ = d.Close()
		close(stop)
		<-stopped
		require.NoError(t, d.Close())
	}
	assert.Equal(t, []string{"file"}, testfs.Leftovers(t, afero.NewOsFs(), out))
}
