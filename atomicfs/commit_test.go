package atomicfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

func ExampleCommit() {
	fsys := afero.NewMemMapFs()
	err := tmpfs.WithFile(fsys, nil, func(f *tmpfs.File) error {
		if _, err := f.WriteString("text"); err != nil {
			return err
		}
		return atomicfs.Commit(f, "/data/file")
	})
	data, rerr := afero.ReadFile(fsys, "/data/file")
	fmt.Println(err, string(data), rerr)
	// Output: <nil> text <nil>
}

func ExampleCommitNew() {
	fsys := afero.NewMemMapFs()
	for range 2 {
		fmt.Println(tmpfs.WithFile(fsys, nil, func(f *tmpfs.File) error {
			return atomicfs.CommitNew(f, "/file")
		}))
	}
	// Output:
	// <nil>
	// commit /file: file already exists
}

func ExampleCommitFile() {
	fsys := afero.NewMemMapFs()
	err := tmpfs.WithFile(fsys, nil, func(f *tmpfs.File) error {
		return atomicfs.CommitFile(f, "/file", &atomicfs.Options{Perm: 0o644})
	})
	info, serr := fsys.Stat("/file")
	fmt.Println(err, info.Mode(), serr)
	// Output: <nil> -rw-r--r-- <nil>
}

func temporary(t *testing.T, k testfs.Kind, text string) *tmpfs.File {
	t.Helper()
	f, err := tmpfs.Create(k.Fs, &tmpfs.Options{Dir: k.Dir, Pattern: "mine-*"})
	require.NoError(t, err)
	put(t, f, text)
	return f
}

func TestCommit(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("missing", "file")
		mode := func() fs.FileMode {
			info, err := k.Fs.Stat(name)
			require.NoError(t, err)
			return info.Mode().Perm()
		}
		f := temporary(t, k, "one")
		require.NoError(t, atomicfs.Commit(f, name))
		require.NoError(t, f.Close())
		assert.Equal(t, "one", k.ReadFile(t, name))
		assert.Equal(t, fs.FileMode(0o600), mode(), "that of the temporary")

		require.NoError(t, k.Fs.Chmod(name, 0o640))
		f = temporary(t, k, "two")
		require.NoError(t, atomicfs.Commit(f, name))
		require.ErrorIs(t, atomicfs.Commit(f, name), fs.ErrClosed)
		require.ErrorIs(t, atomicfs.Commit(f, k.Join("again", "other")), fs.ErrClosed)
		assert.Equal(t, "two", k.ReadFile(t, name))
		assert.Equal(t, fs.FileMode(0o640), mode(), "that of the file before")

		f = temporary(t, k, "three")
		require.NoError(t, f.CloseHandle())
		require.NoError(t, atomicfs.Commit(f, name), "by its name")
		assert.Equal(t, "three", k.ReadFile(t, name))

		f = temporary(t, k, "four")
		require.NoError(t, f.Close())
		require.ErrorIs(t, atomicfs.Commit(f, name), fs.ErrClosed)
		assert.Equal(t, "three", k.ReadFile(t, name))
		assert.Equal(t, []string{"missing", "missing/file"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// A commit of what was kept elsewhere does not touch that.
func TestCommitAfterKeep(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		f := temporary(t, k, "text")
		require.NoError(t, f.Keep(k.Join("kept")))
		require.NoError(t, k.Fs.Chmod(k.Join("kept"), 0o604))
		require.ErrorIs(t, atomicfs.CommitFile(f, k.Join("other"), &atomicfs.Options{Perm: 0o777}), fs.ErrClosed)
		info, err := k.Fs.Stat(k.Join("kept"))
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o604), info.Mode().Perm())
		assert.Equal(t, []string{"kept"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestCommitNew(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		k.WriteFile(t, name, "old")
		f := temporary(t, k, "new")
		err := atomicfs.CommitNew(f, name)
		require.ErrorIs(t, err, fs.ErrExist)
		requirePathError(t, err, name)
		assert.Equal(t, "old", k.ReadFile(t, name))
		put(t, f, "er")
		require.NoError(t, atomicfs.CommitNew(f, k.Join("other")), "the loser is open, and has another try")
		assert.Equal(t, "newer", k.ReadFile(t, k.Join("other")))
		require.NoError(t, f.Close())
		assert.Equal(t, []string{"file", "other"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestCommitFileMode(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		mode := func(opts *atomicfs.Options) fs.FileMode {
			name := k.Join("file")
			f := temporary(t, k, "text")
			require.NoError(t, atomicfs.CommitFile(f, name, opts))
			info, err := k.Fs.Stat(name)
			require.NoError(t, err)
			require.NoError(t, k.Fs.Remove(name))
			return info.Mode().Perm()
		}
		// What the system leaves of a mode, a file that is made with it tells.
		f, err := k.Fs.OpenFile(k.Join("probe"), os.O_RDWR|os.O_CREATE, 0o666)
		require.NoError(t, err)
		info, err := f.Stat()
		require.NoError(t, errors.Join(err, f.Close()))
		if k.OS {
			assert.Equal(t, info.Mode().Perm(), mode(&atomicfs.Options{Perm: 0o666}))
		}
		assert.Equal(t, fs.FileMode(0o666), mode(&atomicfs.Options{Perm: 0o666, ExactPerm: true}))
		assert.Equal(t, fs.FileMode(0o600), mode(nil))
	})
}

// A file without a name gets one where the system can give it.
func TestCommitAnonymous(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		k.WriteFile(t, name, "old")
		f, err := tmpfs.CreateAnonymous(k.Fs, &tmpfs.Options{Dir: k.Dir})
		require.NoError(t, err)
		defer f.Close()
		put(t, f, "new")
		err = atomicfs.Commit(f, name)
		if errors.Is(err, errors.ErrUnsupported) {
			assert.Equal(t, "old", k.ReadFile(t, name))
			return
		}
		require.NoError(t, err)
		require.NoError(t, f.Close())
		assert.Equal(t, "new", k.ReadFile(t, name))
		assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// A commit that fails leaves the file with its owner, as it was.
func TestCommitFails(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("place")
		require.NoError(t, k.Fs.Mkdir(name, 0o755))
		f := temporary(t, k, "text")
		err := atomicfs.CommitFile(f, name, &atomicfs.Options{Perm: 0o666})
		require.ErrorIs(t, err, eisdir)
		requirePathError(t, err, name)
		put(t, f, " and more")
		require.NoError(t, atomicfs.Commit(f, filepath.Join(name, "file")))
		assert.Equal(t, "text and more", k.ReadFile(t, filepath.Join(name, "file")))

		spy := testfs.NewSpy(k.Fs)
		f, err = tmpfs.Create(spy, &tmpfs.Options{Dir: k.Dir, Pattern: "mine-*"})
		require.NoError(t, err)
		defer f.Close()
		put(t, f, "text")
		spy.Fail(testfs.Calls("sync"), testfs.Fault{Err: testfs.ErrFault})
		require.ErrorIs(t, atomicfs.CommitFile(f, k.Join("file"), &atomicfs.Options{Perm: 0o666, ExactPerm: true}), testfs.ErrFault)
		spy.Reset()
		info, err := f.Stat()
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), "nobody else may read it")
		assert.NotContains(t, testfs.Leftovers(t, k.Fs, k.Dir), "file")
	})
}
