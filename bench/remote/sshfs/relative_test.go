package sshfs_test

import (
	"os"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/bench/remote/sshfs"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// Names without a directory are where the server starts, mostly at home, and so is all
// that is made beside them. Its root is not: that refuses.
func TestRelativeNames(t *testing.T) {
	h := newHost(t)
	fsys := sshfs.New(connect(t, h, nil).Client)
	left := func() (names []string) {
		entries, err := os.ReadDir(h.Real)
		require.NoError(t, err)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	for _, text := range []string{"old", "new"} {
		require.NoError(t, atomicfs.WriteFile(fsys, "file", []byte(text), 0o644))
		require.NoError(t, atomicfs.WriteFile(fsys, "./a/file", []byte(text), 0o644))
	}
	assert.Equal(t, []string{"a", "file"}, left())

	f, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: ".", Pattern: "in-*"})
	require.NoError(t, err)
	assert.Contains(t, left(), f.Name())
	require.NoError(t, f.KeepNew("kept"))
	d, err := tmpfs.Mkdir(fsys, &tmpfs.Options{Dir: "."})
	require.NoError(t, err)
	assert.Contains(t, left(), d.Path())
	require.NoError(t, afero.WriteFile(d, "file", []byte("text"), 0o644))
	require.NoError(t, d.Close())
	w, err := workdir.New(fsys, &workdir.Options{Temp: tmpfs.Options{Dir: "."}})
	require.NoError(t, err)
	assert.Contains(t, left(), w.Path())
	_, err = w.WriteFile("out", []byte("text"))
	require.NoError(t, err)
	require.NoError(t, w.Commit("out", "out"))
	require.NoError(t, w.Close())
	assert.Equal(t, []string{"a", "file", "kept", "out"}, left())

	c, err := atomicfs.Create(fsys, "other", nil)
	require.NoError(t, err)
	removed, err := atomicfs.Sweep(t.Context(), fsys, ".", time.Nanosecond)
	require.NoError(t, err)
	assert.Empty(t, removed, "its writer lives")
	require.NoError(t, c.Close())
	for _, name := range []string{".", "./", "a/..", "", "/"} {
		require.Error(t, tmpfs.RemoveAll(fsys, name), "all that there is")
	}
	assert.Equal(t, []string{"a", "file", "kept", "out"}, left())
}
