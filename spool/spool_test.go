package spool_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// What fills a spool and fails leaves nothing, and is told as it was.
func TestLitterFillingThatFails(t *testing.T) {
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

// A disk file that cannot be removed is an error, and the next Close tries again.
func TestLitterCloseMayBeTriedAgain(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, last := range []string{"the spool", "a reader"} {
			s := testfs.NewSpy(k.Fs)
			s.Fail(testfs.Calls("remove"), testfs.Fault{Err: testfs.ErrFault})
			f := spool.New(s, &spool.Options{MaxMemory: -1, Temp: tmpfs.Options{Dir: k.Dir}})
			write(f, "abc")
			require.NotEmpty(t, f.Name())
			if last == "a reader" {
				r := f.NewReader()
				require.NoError(t, f.Close())
				require.ErrorIs(t, r.Close(), testfs.ErrFault)
				require.NoError(t, r.Close())
			}
			require.ErrorIs(t, f.Close(), testfs.ErrFault)
			_, err := f.Read(nil)
			require.ErrorIs(t, err, fs.ErrClosed)
			assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 1)
			s.Reset()
			require.NoError(t, f.Close())
			assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
			require.NoError(t, f.Close())
			assert.Empty(t, s.OpenFiles())
		}
	})
}

// A file that is there already becomes a spool's disk side, and goes with it.
func TestFromFile(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		g, err := tmpfs.Create(k.Fs, &tmpfs.Options{Dir: k.Dir})
		require.NoError(t, err)
		_, err = g.Write(text(1000))
		require.NoError(t, err)
		info, err := g.Stat()
		require.NoError(t, err)
		f, err := spool.FromFile(g, &spool.Options{MaxSize: 1500})
		require.NoError(t, err)
		assert.True(t, f.Spilled())
		assert.Equal(t, g.Name(), f.Name())
		assert.Equal(t, "0 nil", tell(f))
		for range 2 {
			same, err := f.Stat()
			require.NoError(t, err)
			assert.Equal(t, info.ModTime(), same.ModTime(), "nothing was written since")
		}
		requireContents(t, text(1000), f)
		_, err = f.WriteAt(text(1500)[1000:], 1000)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("x"), 1500)
		require.ErrorIs(t, err, spool.ErrTooLarge)
		requireContents(t, text(1500), f)
		require.NoError(t, f.Close())
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))

		f, err = spool.FromFile(g, nil)
		require.ErrorIs(t, err, fs.ErrClosed)
		assert.Nil(t, f)
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
