package sshfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"
	"github.com/spf13/afero/sftpfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// afero's own sftpfs on the same server: nothing is durable there and no file is
// replaced, and it is said.
func TestBareSftpfs(t *testing.T) {
	h := newHost(t)
	fsys, name := sftpfs.New(connect(t, h, nil).Client), path.Join(h.Dir, "file")
	require.NoError(t, os.WriteFile(filepath.Join(h.Real, "file"), []byte("old"), 0o666))
	require.ErrorIs(t, atomicfs.WriteFile(fsys, name, []byte("new"), 0o644), errors.ErrUnsupported)
	require.ErrorIs(t, atomicfs.WriteFile(fsys, path.Join(h.Dir, "other"), nil, 0o644), errors.ErrUnsupported)

	write := func(name string) error {
		f, err := atomicfs.Create(fsys, path.Join(h.Dir, name), &atomicfs.Options{NoSync: true})
		require.NoError(t, err)
		defer f.Close()
		_, err = f.Write([]byte("new"))
		require.NoError(t, err)
		return f.Commit()
	}
	require.Error(t, write("file"))
	require.NoError(t, write("other"))
	for name, want := range map[string]string{"file": "old", "other": "new"} {
		got, err := os.ReadFile(filepath.Join(h.Real, name))
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
	left, err := os.ReadDir(h.Real)
	require.NoError(t, err)
	assert.Len(t, left, 2)
}

// What it does not do and says that it has is done, or said, all the same.
func TestBareSftpfsMadeRight(t *testing.T) {
	h := newHost(t)
	fsys := sftpfs.New(connect(t, h, nil).Client)
	opts := &tmpfs.Options{Dir: h.Dir}

	f, err := tmpfs.Create(fsys, opts)
	require.NoError(t, err)
	_, err = f.WriteString("0123456789")
	require.NoError(t, err)
	n, err := f.WriteAt([]byte("xy"), 3)
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	got, err := io.ReadAll(f)
	require.NoError(t, err)
	assert.Equal(t, "012xy56789", string(got))
	require.NoError(t, os.WriteFile(filepath.Join(h.Real, "taken"), []byte("old"), 0o640))
	require.ErrorIs(t, f.KeepNew(path.Join(h.Dir, "taken")), fs.ErrExist)
	require.NoError(t, f.KeepNew(path.Join(h.Dir, "free")))

	d, err := tmpfs.Mkdir(fsys, opts)
	require.NoError(t, err)
	require.NoError(t, d.MkdirAll("a/b", 0o755))
	require.NoError(t, afero.WriteFile(d, "a/b/file", []byte("text"), 0o644))
	require.NoError(t, d.Close())

	left, err := os.ReadDir(h.Real)
	require.NoError(t, err)
	require.Len(t, left, 2, "a tree that is removed is gone")
	info, err := os.Stat(filepath.Join(h.Real, "taken"))
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o640), info.Mode(), "what was looked at keeps its mode")
}
