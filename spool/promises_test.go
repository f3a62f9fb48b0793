package spool_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// What is in place is in place, also if the directory could not even be opened to
// be synced, for a reason that would else mean that a rename is impossible.
func TestErrorsCommitInPlaceAndNotDurable(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, reason := range []error{syscall.EIO, syscall.ENOTSUP, syscall.EXDEV} {
			k := k.Fresh(t)
			require.NoError(t, k.Fs.Mkdir(k.Join("out"), 0o755))
			spy := testfs.NewSpy(k.Fs)
			f, err := tmpfs.Create(spy, &tmpfs.Options{Dir: k.Dir}) // with a name, so that it is renamed
			require.NoError(t, err)
			s, err := spool.FromFile(f, nil)
			require.NoError(t, err)
			_, err = s.WriteString("contents")
			require.NoError(t, err)
			spy.Fail(func(_ int, call string) bool { return call == "open "+k.Join("out") }, testfs.Fault{Err: reason})
			err = s.Commit(spy, k.Join("out", "file"), nil)
			require.ErrorIs(t, err, atomicfs.ErrNotDurable)
			require.ErrorIs(t, err, reason)
			assert.Equal(t, "contents", k.ReadFile(t, k.Join("out", "file")))
			require.NoError(t, s.Close())
			assert.Equal(t, []string{"out", "out/file"}, testfs.Leftovers(t, k.Fs, k.Dir))
		}
	})
}

// A file that is replaced passes its mode on, wherever the contents were.
func TestModeAndOwnerOfCommit(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, memory := range []int64{0, -1} {
			k.WriteFile(t, k.Join("file"), "old")
			require.NoError(t, k.Fs.Chmod(k.Join("file"), 0o640))
			f := spool.New(k.Fs, &spool.Options{MaxMemory: memory, Temp: tmpfs.Options{Dir: k.Dir}})
			_, err := f.WriteString("new")
			require.NoError(t, err)
			require.NoError(t, f.Commit(k.Fs, k.Join("file"), nil))
			info, err := k.Fs.Stat(k.Join("file"))
			require.NoError(t, err)
			assert.Equal(t, "-rw-r-----", info.Mode().Perm().String())
		}
	})
}

// Where there is no file of the operating system none is pretended, and nothing is
// lost by the question.
func TestNoPretenceOSFile(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		f := spool.New(testfs.NewSpy(k.Fs), &spool.Options{Temp: tmpfs.Options{Dir: k.Dir}})
		_, err := f.WriteString("contents")
		require.NoError(t, err)
		_, err = f.OSFile()
		require.ErrorIs(t, err, errors.ErrUnsupported)
		b, err := f.Bytes()
		require.NoError(t, err)
		assert.Equal(t, "contents", string(b))
		require.NoError(t, f.Close())
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}
