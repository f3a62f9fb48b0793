package spool_test

import (
	"io"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// Where an open file can be neither renamed nor removed, the disk file has a name and
// is closed to be committed; with a reader on it, which is not to be cut off, a copy
// is, and the disk file goes with the reader.
func TestWindowsCommit(t *testing.T) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		want := text(300_000)
		for _, reading := range []bool{false, true} {
			start := time.Now()
			f := spool.New(w, &spool.Options{Temp: tmpfs.Options{Dir: k.Dir}})
			_, err := f.Write(want)
			require.NoError(t, err)
			require.NoError(t, f.Spill())
			assert.NotEmpty(t, f.Name())
			assert.Less(t, time.Since(start), time.Second, "nothing is waited for")
			var r *spool.Reader
			if reading {
				r = f.NewReader()
			}
			k.WriteFile(t, k.Join("taken"), "old")
			require.ErrorIs(t, f.Commit(w, k.Join("taken"), &atomicfs.Options{NoReplace: true}), fs.ErrExist)
			requireContents(t, want, f) // it is open, whatever was closed for the attempt
			require.NoError(t, f.Commit(w, k.Join("taken"), nil))
			requireFile(t, w, k.Join("taken"), want)
			if reading {
				assert.Len(t, testfs.Leftovers(t, w, k.Dir), 2, "what is read")
				got, err := io.ReadAll(r)
				require.NoError(t, err)
				assert.Equal(t, want, got)
				require.NoError(t, r.Close())
			}
			require.NoError(t, f.Close())
			assert.Equal(t, []string{"taken"}, testfs.Leftovers(t, w, k.Dir))
		}
	})
}

// A reader that is gone by the second attempt has left nothing that is in the way.
func TestWindowsCommitAfterReader(t *testing.T) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		f := spool.New(w, &spool.Options{MaxMemory: -1, Temp: tmpfs.Options{Dir: k.Dir}})
		write(f, "hello")
		r := f.NewReader()
		require.ErrorIs(t, f.Commit(w, k.Dir, nil), syscall.EISDIR)
		require.NoError(t, r.Close())
		require.NoError(t, f.Commit(w, k.Join("dest"), nil))
		requireFile(t, w, k.Join("dest"), []byte("hello"))
		assert.Equal(t, []string{"dest"}, testfs.Leftovers(t, w, k.Dir))
	})
}

// A rename that is refused has closed the handle: what is read from then on is another,
// which stands in the way of the next rename, so that a copy is made.
func TestWindowsCommitOverWhatIsRead(t *testing.T) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		k.WriteFile(t, k.Join("dest"), "old")
		open, err := w.Open(k.Join("dest"))
		require.NoError(t, err)
		f := spool.New(w, &spool.Options{MaxMemory: -1, Temp: tmpfs.Options{Dir: k.Dir}})
		write(f, "hello")
		require.ErrorIs(t, f.Commit(w, k.Join("dest"), nil), testfs.ErrSharing)
		assert.NotEmpty(t, w.Refused())
		requireFile(t, w, k.Join("dest"), []byte("old"))
		requireContents(t, []byte("hello"), f)
		require.NoError(t, open.Close())
		require.NoError(t, f.Commit(w, k.Join("dest"), nil))
		requireFile(t, w, k.Join("dest"), []byte("hello"))
		assert.Equal(t, []string{"dest"}, testfs.Leftovers(t, w, k.Dir))
	})
}
