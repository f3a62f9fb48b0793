package tmpfs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

func TestAdopt(t *testing.T) {
	eachKeep(t, func(t *testing.T, k testfs.Kind, keep func(f *tmpfs.File, name string) error) {
		k.WriteFile(t, k.Join("mine"), "hello")
		f, err := tmpfs.Adopt(k.Fs, k.Dir+"/./mine")
		require.NoError(t, err)
		assert.Equal(t, k.Join("mine"), f.Name())
		assert.Equal(t, "hello", content(t, f))
		_, err = f.WriteString("!")
		require.NoError(t, err)
		require.NoError(t, keep(f, k.Join("kept")))
		require.NoError(t, f.Close())
		assert.Equal(t, "hello!", k.ReadFile(t, k.Join("kept")))

		f, err = tmpfs.Adopt(k.Fs, k.Join("kept"))
		require.NoError(t, err)
		require.NoError(t, f.Close())
		empty(t, k)
	})
}

func TestAdoptDir(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		require.NoError(t, k.Fs.Mkdir(k.Join("mine"), 0o755))
		k.WriteFile(t, k.Join("mine", "file"), "hello")
		d, err := tmpfs.AdoptDir(k.Fs, k.Join("mine"))
		require.NoError(t, err)
		assert.Equal(t, k.Join("mine"), d.Path())
		assert.Equal(t, "hello", readIn(t, d, "/file"))
		require.NoError(t, d.Keep(k.Join("kept")))
		require.NoError(t, d.Close())
		assert.Equal(t, "hello", k.ReadFile(t, k.Join("kept", "file")))

		d, err = tmpfs.AdoptDir(k.Fs, k.Join("kept"))
		require.NoError(t, err)
		require.NoError(t, d.Close())
		empty(t, k)
	})
}

// TestAdoptRefused: what is no file, or no directory, or a link to one, stays as
// it is and nobody's.
func TestAdoptRefused(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("file"), "precious")
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		type refused struct{ file, dir error }
		cases := map[string]refused{
			k.Join("missing"):      {fs.ErrNotExist, fs.ErrNotExist},
			k.Join("missing", "x"): {fs.ErrNotExist, fs.ErrNotExist},
			k.Join("file", "x"):    {syscall.ENOTDIR, syscall.ENOTDIR},
			k.Join("dir"):          {fs.ErrInvalid, nil},
			k.Join("file"):         {nil, syscall.ENOTDIR},
			"":                     {fs.ErrInvalid, fs.ErrInvalid},
		}
		want := []string{"dir", "file"}
		if k.Links {
			for link, target := range map[string]string{"tofile": "file", "todir": "dir", "tonothing": "nothing"} {
				require.NoError(t, os.Symlink(target, filepath.Join(k.Real(k.Dir), link)))
				cases[k.Join(link)] = refused{fs.ErrInvalid, syscall.ENOTDIR}
			}
			want = []string{"dir", "file", "todir", "tofile", "tonothing"}
		}
		for name, c := range cases {
			if c.file != nil {
				_, err := tmpfs.Adopt(k.Fs, name)
				require.ErrorIs(t, err, c.file, name)
				pathError(t, err, name)
			}
			if c.dir != nil {
				_, err := tmpfs.AdoptDir(k.Fs, name)
				require.ErrorIs(t, err, c.dir, name)
				pathError(t, err, name)
			}
		}
		fsys := tmpfs.WithTempDir(k.Fs, k.Join("sub"))
		_, err := tmpfs.TempDir(fsys)
		require.NoError(t, err)
		for _, name := range []string{"/", k.Join("sub")} {
			_, err := tmpfs.AdoptDir(fsys, name)
			require.ErrorIs(t, err, fs.ErrInvalid, name)
			pathError(t, err, filepath.FromSlash(name))
		}
		require.NoError(t, k.Fs.Remove(k.Join("sub")))
		assert.Equal(t, want, testfs.Leftovers(t, k.Fs, k.Dir))
		assert.Equal(t, "precious", k.ReadFile(t, k.Join("file")))
	})
}
