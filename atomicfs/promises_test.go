package atomicfs_test

import (
	"errors"
	"path"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// While the exchange may be undone by a power cut, the tree that was replaced is
// whole, and the error says where. CrashFs, because a spy over it can exchange.
func TestErrorsOfCommitDirLeaveTheOldTree(t *testing.T) {
	k := testfs.CrashKind(t)
	require.NoError(t, oldTree.write(k.Fs, k.Join("site")))
	spy := testfs.NewSpy(k.Fs)
	d, err := tmpfs.Mkdir(spy, &tmpfs.Options{Dir: k.Dir})
	require.NoError(t, err)
	require.NoError(t, newTree.write(d, "/"))
	spy.Fail(func(_ int, call string) bool { return call == "sync "+k.Dir }, testfs.Fault{Err: eio})
	err = atomicfs.CommitDir(d, k.Join("site"))
	require.ErrorIs(t, err, atomicfs.ErrNotDurable)
	require.ErrorIs(t, err, eio)
	require.ErrorContains(t, err, d.Path())
	require.NoError(t, d.Close())
	disk := k.Fs.(*testfs.CrashFs)
	assert.NoError(t, newTree.at(disk, k.Join("site")))
	assert.NoError(t, oldTree.at(disk, d.Path()))
}

// Where nobody knows whether the exchange took place, each of the two trees is whole,
// and the error says where the other is.
func TestErrorsOfCommitDirInDoubt(t *testing.T) {
	for _, done := range []bool{true, false} {
		k := testfs.CrashKind(t)
		require.NoError(t, oldTree.write(k.Fs, k.Join("site")))
		spy := testfs.NewSpy(k.Fs)
		d, err := tmpfs.Mkdir(spy, &tmpfs.Options{Dir: k.Dir})
		require.NoError(t, err)
		require.NoError(t, newTree.write(d, "/"))
		spy.Fail(testfs.Calls("exchange "), testfs.Fault{Err: eio, Done: done})
		spy.Fail(testfs.Calls("exchanged "), testfs.Fault{Err: eio})
		err = atomicfs.CommitDir(d, k.Join("site"))
		require.ErrorIs(t, err, eio)
		require.NotErrorIs(t, err, atomicfs.ErrNotDurable)
		require.ErrorContains(t, err, d.Path())
		require.NoError(t, d.Close())
		there, left := newTree, oldTree
		if !done {
			there, left = left, there
		}
		disk := k.Fs.(*testfs.CrashFs)
		assert.NoError(t, there.at(disk, k.Join("site")))
		assert.NoError(t, left.at(disk, d.Path()))
	}
}

// Where two directories cannot change places at one moment, nothing pretends that
// they did.
func TestNoPretenceCommitDirWithoutExchange(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		require.NoError(t, k.Fs.Mkdir(k.Join("site"), 0o755))
		k.WriteFile(t, k.Join("site", "file"), "old")
		spy := testfs.NewSpy(k.Fs) // behind which no system call is found
		d, err := tmpfs.Mkdir(spy, &tmpfs.Options{Dir: k.Dir})
		require.NoError(t, err)
		k.WriteFile(t, k.Join(path.Base(d.Path()), "file"), "new")
		require.ErrorIs(t, atomicfs.CommitDir(d, k.Join("site")), errors.ErrUnsupported)
		require.NoError(t, d.Close())
		assert.Equal(t, []string{"site", "site/file"}, testfs.Leftovers(t, k.Fs, k.Dir))
		assert.Equal(t, "old", k.ReadFile(t, k.Join("site", "file")))
	})
}
