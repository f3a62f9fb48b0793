package spool_test

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
)

// What fills a spool and fails leaves nothing, and is told as it was.
func TestFillingThatFails(t *testing.T) {
	broken := errors.New("broken")
	eachMemory(t, func(t *testing.T, k testfs.Kind, opts spool.Options) {
		opts.Budget = spool.NewBudget(1 << 20)
		for _, opts.MaxMemory = range []int64{-1, 1000} {
			f, err := spool.FromChunks(k.Fs, chunks(broken, "some", "more"), &opts)
			assert.Nil(t, f)
			assert.Equal(t, broken, err)

			f, err = spool.FromReader(k.Fs, io.MultiReader(strings.NewReader("some"), errReader{broken}), &opts)
			assert.Nil(t, f)
			assert.Equal(t, broken, err)

			assert.Panics(t, func() {
				_, _ = spool.FromChunks(k.Fs, func(yield func([]byte, error) bool) {
					yield([]byte("some"), nil)
					panic("in the middle")
				}, &opts)
			})
			opts.MaxSize = 5
			f, err = spool.FromChunks(k.Fs, chunks(nil, "some", "more"), &opts)
			assert.Nil(t, f)
			require.ErrorIs(t, err, spool.ErrTooLarge)
			f, err = spool.FromReader(k.Fs, bytes.NewReader(text(10)), &opts)
			assert.Nil(t, f)
			require.ErrorIs(t, err, spool.ErrTooLarge)
			opts.MaxSize = 0
			assert.Zero(t, opts.Budget.InUse())
			assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
		}
	})
}

// chunks yields the parts, and then err if there is one.
func chunks(err error, parts ...string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, p := range parts {
			if !yield([]byte(p), nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestFilling(t *testing.T) {
	eachMemory(t, func(t *testing.T, k testfs.Kind, opts spool.Options) {
		want := text(200_000)
		for _, opts.MaxMemory = range []int64{-1, 100_000, 200_000} {
			a, err := spool.FromReader(k.Fs, io.MultiReader(bytes.NewReader(want)), &opts)
			require.NoError(t, err)
			b, err := spool.FromChunks(k.Fs, chunks(nil, string(want[:70_000]), "", string(want[70_000:])), &opts)
			require.NoError(t, err)
			for _, f := range []*spool.File{a, b} {
				assert.Equal(t, "0 nil", tell(f))
				assert.Equal(t, opts.MaxMemory < 200_000, f.Spilled())
				requireContents(t, want, f)
				require.NoError(t, f.Close())
			}
		}
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// What Stat says is what an os.File would say, and stands still while nothing is
// written.
func TestStat(t *testing.T) {
	eachSide(t, func(t *testing.T, f *spool.File) {
		write(f, "abc")
		written := time.Now()
		time.Sleep(50 * time.Millisecond)
		first, err := f.Stat()
		require.NoError(t, err)
		assert.WithinDuration(t, written, first.ModTime(), 25*time.Millisecond, "of the write, not of Stat")
		again, err := f.Stat()
		require.NoError(t, err)
		assert.Equal(t, first.ModTime(), again.ModTime())
		assert.False(t, first.IsDir())
		_, err = f.WriteAt([]byte("x"), 0)
		require.NoError(t, err)
		later, err := f.Stat()
		require.NoError(t, err)
		assert.False(t, later.ModTime().Before(first.ModTime()))
		assert.Equal(t, int64(3), first.Size(), "it is what it was when it was asked for")
		require.NoError(t, f.Truncate(10))
		assert.Equal(t, int64(3), later.Size())
	})
}
