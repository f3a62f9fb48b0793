package testfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

func TestEachHandsOutAnEmptyDirectory(t *testing.T) {
	var names []string
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		names = append(names, k.Name)
		info, err := k.Fs.Stat(k.Dir)
		require.NoError(t, err)
		assert.True(t, info.IsDir())
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))

		name := k.Join("sub", "file")
		require.NoError(t, k.Fs.Mkdir(k.Join("sub"), 0o755))
		k.WriteFile(t, name, "x")
		assert.Equal(t, []string{"sub", "sub/file"}, testfs.Leftovers(t, k.Fs, k.Dir))

		fresh := k.Fresh(t)
		assert.Equal(t, k.Name, fresh.Name)
		assert.Empty(t, testfs.Leftovers(t, fresh.Fs, fresh.Dir), "a fresh one shares nothing")
		assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 2)
	})
	assert.Equal(t, []string{
		"OsFs", "rootfs", "MemMapFs", "BasePathFs(OsFs)", "BasePathFs(MemMapFs)", "CopyOnWriteFs", "CacheOnReadFs",
	}, names)
	for i, k := range testfs.Kinds(t) {
		assert.Equal(t, names[i], k.Name)
	}
}

// Each kind is what its name says: a kind that quietly became another would
// leave its own unproved.
func TestKindsAreWhatTheySay(t *testing.T) {
	types := map[string]any{
		"OsFs": &afero.OsFs{}, "rootfs": &rootfs.Fs{}, "MemMapFs": &afero.MemMapFs{},
		"BasePathFs(OsFs)": &afero.BasePathFs{}, "BasePathFs(MemMapFs)": &afero.BasePathFs{},
		"CopyOnWriteFs": &afero.CopyOnWriteFs{}, "CacheOnReadFs": &afero.CacheOnReadFs{},
	}
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		assert.IsType(t, types[k.Name], k.Fs)
	})
}

func TestReal(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		k.WriteFile(t, name, "content")
		info, err := k.Fs.Stat(name)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o644), info.Mode().Perm())
		assert.Equal(t, "content", k.ReadFile(t, name))
		real := k.Real(name)
		if k.OS {
			require.NotEmpty(t, real)
		}
		if real == "" {
			return
		}
		b, err := os.ReadFile(real)
		require.NoError(t, err)
		assert.Equal(t, "content", string(b))
	})
}

func TestLinks(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		l, ok := k.Fs.(afero.Linker)
		if !k.Links {
			assert.False(t, ok && l.SymlinkIfPossible("target", k.Join("link")) == nil, "it has links")
			return
		}
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		k.WriteFile(t, k.Join("dir", "file"), "")
		// Made beneath the Fs: BasePathFs makes the target of a link absolute.
		require.NoError(t, os.Symlink("dir", k.Real(k.Join("link"))))
		assert.Equal(t, []string{"dir", "dir/file", "link"}, testfs.Leftovers(t, k.Fs, k.Dir),
			"links are listed and not followed")
	})
}

func TestLeftoversOfNothing(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Join("missing")))
	})
}

func TestLeftoversReportsWhatItCannotList(t *testing.T) {
	k := testfs.Kinds(t)[0]
	spy := testfs.NewSpy(k.Fs)
	require.NoError(t, k.Fs.Mkdir(k.Join("sub"), 0o755))
	spy.Fail(testfs.Calls("open "+k.Join("sub")), testfs.Fault{Err: fs.ErrPermission})
	var mock failures
	testfs.Leftovers(&mock, spy, k.Dir)
	assert.Equal(t, 1, mock.errors)
}

// failures counts what a test helper complains about.
type failures struct {
	testing.TB
	errors int
}

func (f *failures) Helper()               {}
func (f *failures) Errorf(string, ...any) { f.errors++ }

func TestRefusersRefuse(t *testing.T) {
	n := 0
	testfs.EachRefuser(t, func(t *testing.T, k testfs.Kind) {
		n++
		for _, err := range []error{
			k.Fs.Mkdir(k.Join("dir"), 0o755),
			afero.WriteFile(k.Fs, k.Join("file"), nil, 0o644),
			k.Fs.Remove(k.Dir),
			k.Fs.Rename(k.Dir, filepath.Join(k.Dir, "..", "other")),
		} {
			assert.True(t, errors.Is(err, fs.ErrPermission), "%v", err)
		}
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
	assert.Equal(t, n, len(testfs.Refusers(t)))
	assert.NotZero(t, n)
}
