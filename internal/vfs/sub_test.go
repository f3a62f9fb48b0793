package vfs_test

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
	"github.com/tempkit/tempkit/internal/vfs"
)

func TestSub(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		require.NoError(t, v.Mkdir(k.Join("d"), 0o755))
		write(t, v, k.Join("secret"), "s")
		sub, err := v.Sub(k.Join("d"))
		require.NoError(t, err)
		defer sub.Close()
		for _, name := range []string{"a", "/a", "./a", "b/../a"} {
			f, err := sub.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
			require.NoError(t, err)
			assert.Equal(t, filepath.Join("/", "a"), f.Name())
			_, err = f.WriteString(name)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			b, err := afero.ReadFile(sub, "a")
			require.NoError(t, err)
			assert.Equal(t, name, string(b))
		}
		for _, name := range []string{"../secret", "/../secret", "a/../../secret", "", "a\x00"} {
			_, err := sub.Open(name)
			assert.ErrorIs(t, err, fs.ErrInvalid, "%q", name)
			_, err = sub.Create(name)
			assert.ErrorIs(t, err, fs.ErrInvalid)
			_, err = sub.Stat(name)
			assert.ErrorIs(t, err, fs.ErrInvalid)
			assert.ErrorIs(t, sub.Mkdir(name, 0o700), fs.ErrInvalid)
			assert.ErrorIs(t, sub.MkdirAll(name, 0o700), fs.ErrInvalid)
			assert.ErrorIs(t, sub.Remove(name), fs.ErrInvalid)
			assert.ErrorIs(t, sub.RemoveAll(name), fs.ErrInvalid)
			assert.ErrorIs(t, sub.Rename(name, "b"), fs.ErrInvalid)
			assert.ErrorIs(t, sub.Rename("a", name), fs.ErrInvalid)
			assert.ErrorIs(t, sub.Chmod(name, 0o600), fs.ErrInvalid)
		}
		_, err = sub.Create("no/a")
		assert.ErrorIs(t, err, fs.ErrNotExist, "a parent is not invented")
		require.NoError(t, sub.MkdirAll("x/y", 0o755))
		require.NoError(t, sub.Rename("a", "x/y/a"))
		require.NoError(t, sub.Chmod("x/y/a", 0o640))
		info, err := sub.Stat("x/y/a")
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o640), info.Mode())
		assert.ErrorIs(t, sub.RemoveAll("/"), fs.ErrInvalid)
		assert.Equal(t, []string{"d", "d/x", "d/x/y", "d/x/y/a", "secret"}, testfs.Leftovers(t, k.Fs, k.Dir))

		// The operations of this package go to the directory beneath it.
		inner := vfs.On(sub)
		assert.Equal(t, v.OnDisk(), inner.OnDisk())
		assert.Equal(t, v.InMemory(), inner.InMemory())
		write(t, inner, "/z", "z")
		assert.Equal(t, "z", read(t, v, k.Join("d", "z")))
	})
}

func TestSubOfLink(t *testing.T) {
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
		require.NoError(t, os.Symlink("d", filepath.Join(dir, "l")))
		_, err := v.Sub(k.Join("l"))
		assert.Error(t, err)
		_, err = v.Sub(k.Join("no"))
		assert.ErrorIs(t, err, fs.ErrNotExist)
	})
}

// TestSubOfAnUnknownFs: its links are followed as far as they stay in.
func TestSubOfAnUnknownFs(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "d", "e"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "d", "file"), []byte("text"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), nil, 0o600))
	for link, target := range map[string]string{"e/in": "./../././file", "out": "e/../../secret", "e/up": "../../d/file", "loop": "./loop"} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, "d", link)))
	}
	sub, err := vfs.On(testfs.NewSpy(afero.NewOsFs())).Sub(filepath.Join(dir, "d"))
	require.NoError(t, err)
	defer sub.Close()
	assert.NotEmpty(t, sub.Name())
	b, err := afero.ReadFile(sub, "/e/in")
	require.NoError(t, err)
	assert.Equal(t, "text", string(b))
	for _, name := range []string{"/out", "/e/up", "/loop"} {
		_, err := sub.Open(name)
		assert.Error(t, err, name)
	}
}

func TestSubOfFile(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		write(t, v, k.Join("file"), "s")
		_, err := v.Sub(k.Join("file"))
		assert.ErrorIs(t, err, syscall.ENOTDIR)
	})
}

// TestSubOfAStranger: below an Fs that is not known, but has links, names that
// lead out by one are refused.
func TestSubOfAStranger(t *testing.T) {
	onLinks(t, func(t *testing.T, k testfs.Kind, _ vfs.FS, dir string) {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "d", "e"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("s"), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "d", "own"), []byte("o"), 0o644))
		for link, target := range map[string]string{
			"out": "../secret", "outdir": "..", "abs": filepath.Join(dir, "secret"), "e/up": "../../secret", "new": "../new",
			"in": "own", "e/in": "../own", "chain": "e/in", "loop": "loop",
		} {
			require.NoError(t, os.Symlink(target, filepath.Join(dir, "d", link)))
		}
		sub, err := vfs.On(testfs.NewSpy(k.Fs)).Sub(k.Join("d"))
		require.NoError(t, err)
		defer sub.Close()
		for _, name := range []string{"out", "outdir/secret", "abs", "e/up", "new", "outdir/d/own"} {
			_, err := sub.Open(name)
			assert.ErrorIs(t, err, fs.ErrInvalid, name)
			_, err = sub.Create(name)
			assert.ErrorIs(t, err, fs.ErrInvalid, name)
			assert.ErrorIs(t, sub.Chmod(name, 0o777), fs.ErrInvalid, name)
		}
		for _, name := range []string{"in", "e/in", "chain", "own"} {
			b, err := afero.ReadFile(sub, name)
			require.NoError(t, err, name)
			assert.Equal(t, "o", string(b))
		}
		_, err = sub.Open("loop")
		assert.Error(t, err)
		assert.Error(t, sub.RemoveAll("outdir/secret"))
		require.NoError(t, sub.Remove("out"), "the link itself is inside")
		assert.Error(t, sub.Rename("own", "outdir/own"))
		b, err := os.ReadFile(filepath.Join(dir, "secret"))
		require.NoError(t, err)
		assert.Equal(t, "s", string(b))
		assert.NoFileExists(t, filepath.Join(dir, "new"))
	})
}
