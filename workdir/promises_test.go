package workdir_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/workdir"
)

// A directory that is in place as a whole has been committed; that its lease could
// not be removed is for Close to say.
func TestErrorsOfCommitOfAllAreNotTheLease(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		spy := testfs.NewSpy(k.Fs)
		d, err := workdir.New(spy, in(k))
		require.NoError(t, err)
		_, err = d.WriteFile("file", []byte("contents"))
		require.NoError(t, err)
		spy.Fail(func(_ int, call string) bool {
			return strings.HasPrefix(call, "remove ") && strings.HasSuffix(call, ".lease")
		}, testfs.Fault{Err: syscall.EIO})
		require.NoError(t, d.Commit(".", k.Join("site")))
		assert.Equal(t, "contents", k.ReadFile(t, k.Join("site", "file")))
		require.ErrorIs(t, d.Close(), syscall.EIO)
		spy.Reset()
		require.NoError(t, d.Close())
		assert.Equal(t, []string{"site", "site/file"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// What a job works on is its own, and what it puts in the place of a file has the
// mode of that.
func TestModeAndOwnerOfAJob(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d, err := workdir.New(k.Fs, in(k))
		require.NoError(t, err)
		info, err := k.Fs.Stat(d.Path())
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
		k.WriteFile(t, k.Join("file"), "old")
		require.NoError(t, k.Fs.Chmod(k.Join("file"), 0o640))
		_, err = d.WriteFile("file", []byte("new"))
		require.NoError(t, err)
		require.NoError(t, d.Commit("file", k.Join("file")))
		info, err = k.Fs.Stat(k.Join("file"))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o640), info.Mode().Perm())
		require.NoError(t, d.Close())
	})
}

// A child could not see a directory that is not the operating system's.
func TestNoPretenceEnv(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d, err := workdir.New(testfs.NewSpy(k.Fs), in(k)) // behind which no system is found
		require.NoError(t, err)
		_, err = d.Env(nil)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.NoError(t, d.Close())
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}
