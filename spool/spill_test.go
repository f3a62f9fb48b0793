package spool_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// text returns n bytes that repeat nowhere near.
func text(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8*7+i) | 1
	}
	return b
}

func contents(t testing.TB, f *spool.File) []byte {
	t.Helper()
	b, err := f.Bytes()
	require.NoError(t, err)
	return b
}

func requireContents(t testing.TB, want []byte, f *spool.File) {
	t.Helper()
	got := contents(t, f)
	require.Equal(t, len(want), len(got))
	require.True(t, bytes.Equal(want, got), "the contents are others")
}

// faulty are kinds of which the spy's calls differ: with names and without.
func eachFault(t *testing.T, run func(t *testing.T, k testfs.Kind, s *testfs.Spy)) {
	t.Helper()
	for _, k := range testfs.Kinds(t) {
		switch k.Name {
		case "OsFs", "MemMapFs", "CopyOnWriteFs": // where the calls differ: unlinked, unlinked in memory, with a name
			t.Run(k.Name, func(t *testing.T) { testfs.EachFault(t, k, run) })
		}
	}
}

// requireNothingLeft checks that the disk side is empty, unless the spy has kept
// somebody from removing what is there.
func requireNothingLeft(t testing.TB, k testfs.Kind, s *testfs.Spy) {
	t.Helper()
	if !mayLeave(s.Met()) {
		require.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	}
}

// mayLeave reports whether calls failed without which nothing can be removed: a
// removal, or the look that precedes it.
func mayLeave(met []string) bool {
	return slices.ContainsFunc(met, func(call string) bool {
		return strings.HasPrefix(call, "remove") || strings.HasPrefix(call, "lstat") || strings.HasPrefix(call, "stat")
	})
}

// Whatever call of a spill fails, nothing has changed, and the next try succeeds.
func TestErrorsSpillThatFails(t *testing.T) {
	want := append(text(300_000), make([]byte, 500_000)...) // with a hole at the end
	eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
		budget := spool.NewBudget(1 << 20)
		f := spool.New(s, &spool.Options{Temp: tmpfs.Options{Dir: k.Dir}, Budget: budget})
		defer func() { require.NoError(t, f.Close()) }()
		_, err := f.Write(want[:300_000])
		require.NoError(t, err)
		require.NoError(t, f.Truncate(800_000))
		_, err = f.Seek(1234, io.SeekStart)
		require.NoError(t, err)
		held := budget.InUse()
		require.Empty(t, s.Calls(), "memory needs no disk")

		err = f.Spill()
		if len(s.Met()) == 0 {
			require.NoError(t, err)
		}
		if err != nil {
			var spill *spool.SpillError
			require.ErrorAs(t, err, &spill)
			require.Contains(t, err.Error(), filepath.ToSlash(k.Dir))
			require.False(t, f.Spilled())
			requireContents(t, want, f)
			require.Equal(t, held, budget.InUse())
			requireNothingLeft(t, k, s)
			require.Equal(t, "1234 nil", tell(f))
			s.Reset()
			require.NoError(t, f.Spill())
		}
		s.Reset()
		require.True(t, f.Spilled())
		require.Zero(t, budget.InUse())
		requireContents(t, want, f)
		require.Equal(t, "1234 nil", tell(f))
		require.Equal(t, int64(len(want)), f.Size())
	})
}

// Whatever call fails when a write turns the spool over, or later, what the write
// said it stored is there and nothing else, and the rest can be written.
func TestErrorsWriteThatSpillsAndFails(t *testing.T) {
	for _, piece := range []int{700, 100_000} { // gathered, and straight through
		old, more := text(1000), bytes.Repeat([]byte("+"), piece)
		eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
			f := spool.New(s, &spool.Options{MaxMemory: 1000, Temp: tmpfs.Options{Dir: k.Dir}})
			defer func() {
				require.NoError(t, f.Close())
				requireNothingLeft(t, k, s)
			}()
			_, err := f.Write(old)
			require.NoError(t, err)

			n, err := f.Write(more)
			var spill *spool.SpillError
			if errors.As(err, &spill) {
				require.Zero(t, n)
				require.False(t, f.Spilled())
				requireContents(t, old, f)
			}
			if err == nil {
				err = f.Sync()
			}
			if len(s.Met()) == 0 {
				require.NoError(t, err)
			}
			met := s.Met()
			s.Reset()
			want := append(bytes.Clone(old), more[:n]...)
			requireContents(t, want, f)
			require.Equal(t, int64(len(want)), f.Size())
			m, err := f.Write(more[n:])
			require.NoError(t, err, "after %v", met)
			require.Equal(t, len(more)-n, m)
			require.NoError(t, f.Sync())
			requireContents(t, append(bytes.Clone(old), more...), f)
		})
	}
}

// What could not be written out stays, can be read, and goes with the next try.
func TestGatheredBytesSurviveAFullDisk(t *testing.T) {
	for _, fault := range []testfs.Fault{{Err: syscall.ENOSPC}, {Err: syscall.ENOSPC, Short: true}, {Short: true}} {
		t.Run(fault.String(), func(t *testing.T) {
			s := testfs.NewSpy(afero.NewMemMapFs())
			f := spool.New(s, &spool.Options{MaxMemory: -1})
			defer func() { require.NoError(t, f.Close()) }()
			want := text(5000)
			_, err := f.Write(want)
			require.NoError(t, err)
			s.Fail(testfs.Calls("write"), fault)

			require.Error(t, f.Sync())
			requireContents(t, want, f)
			require.Error(t, f.Spill())
			require.Error(t, f.Commit(afero.NewMemMapFs(), "/x", nil))
			n, err := f.WriteAt([]byte("elsewhere"), 400_000) // for which there is no room before the rest is out
			require.Error(t, err)
			require.Zero(t, n)
			requireContents(t, want, f)
			_, err = f.Write([]byte("more")) // for which there is
			require.NoError(t, err)

			s.Reset()
			require.NoError(t, f.Sync())
			requireContents(t, append(want, "more"...), f)
		})
	}
}

func TestThreshold(t *testing.T) {
	eachMemory(t, func(t *testing.T, k testfs.Kind, opts spool.Options) {
		for _, limit := range []int64{1, 511, 512, 513, 100_000} {
			opts.MaxMemory = limit
			f := spool.New(k.Fs, &opts)
			_, err := f.Write(text(int(limit)))
			require.NoError(t, err)
			assert.False(t, f.Spilled(), "%d bytes stay", limit)
			_, err = f.WriteAt([]byte("x"), limit-1)
			require.NoError(t, err)
			_, err = f.Seek(10*limit, io.SeekStart)
			require.NoError(t, err)
			_, err = f.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
			_, err = f.Write(nil)
			require.NoError(t, err)
			require.NoError(t, f.Truncate(limit))
			assert.False(t, f.Spilled(), "none of these stores a byte more")
			_, err = f.WriteAt([]byte("y"), limit)
			require.NoError(t, err)
			assert.True(t, f.Spilled(), "%d bytes do not", limit+1)
			require.NoError(t, f.Close())

			f = spool.New(k.Fs, &opts)
			require.NoError(t, f.Truncate(limit))
			assert.False(t, f.Spilled())
			require.NoError(t, f.Truncate(limit+1))
			assert.True(t, f.Spilled())
			requireContents(t, make([]byte, limit+1), f)
			require.NoError(t, f.Close())
		}
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// eachMemory runs body over each kind of disk and with either memory side.
func eachMemory(t *testing.T, body func(t *testing.T, k testfs.Kind, opts spool.Options)) {
	t.Helper()
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		opts := spool.Options{Temp: tmpfs.Options{Dir: k.Dir}}
		t.Run("pages", func(t *testing.T) { body(t, k, opts) })
		t.Run("memory", func(t *testing.T) {
			k := k.Fresh(t)
			body(t, k, spool.Options{Temp: tmpfs.Options{Dir: k.Dir}, Memory: afero.NewMemMapFs()})
		})
	})
}

func TestMaxSize(t *testing.T) {
	eachMemory(t, func(t *testing.T, k testfs.Kind, opts spool.Options) {
		opts.MaxSize = 1000
		for _, opts.MaxMemory = range []int64{-1, 999, 1000, 5000} {
			f := spool.New(k.Fs, &opts)
			_, err := f.Write(text(1000))
			require.NoError(t, err, "the limit is within")
			n, err := f.Write([]byte("x"))
			require.ErrorIs(t, err, spool.ErrTooLarge)
			assert.Zero(t, n)
			n, err = f.WriteAt(text(100), 901)
			require.ErrorIs(t, err, spool.ErrTooLarge)
			assert.Zero(t, n)
			require.ErrorIs(t, f.Truncate(1001), spool.ErrTooLarge)
			requireContents(t, text(1000), f)
			_, err = f.WriteAt([]byte("z"), 999)
			require.NoError(t, err)

			require.NoError(t, f.Reset())
			n64, err := f.ReadFrom(&slow{data: text(2000), most: 300})
			require.ErrorIs(t, err, spool.ErrTooLarge)
			assert.Equal(t, int64(900), n64, "the pieces before stay, nothing of the one that passes")
			requireContents(t, text(2000)[:900], f)
			seekTo(t, f, 1500) // past all room: a reader that has ended still has
			n64, err = f.ReadFrom(&slow{data: text(2000), most: 300})
			require.ErrorIs(t, err, spool.ErrTooLarge)
			assert.Zero(t, n64)
			_, err = f.ReadFrom(&slow{})
			require.NoError(t, err)
			requireContents(t, text(2000)[:900], f)
			require.NoError(t, f.Close())
		}
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// A disk that is full, and not by a fault injector.
func TestReallyFullDisk(t *testing.T) {
	dir := t.TempDir()
	testfs.Mount(t, "tmpfs", dir, "tmpfs", 0, "size=1m")
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 600<<10), 0o600))
	empty := func() { require.Equal(t, []string{ballast}, mustGlob(t, dir+"/*")) }

	f := spool.New(afero.NewOsFs(), &spool.Options{MaxMemory: 800 << 10, Temp: tmpfs.Options{Dir: dir}})
	defer func() { _ = f.Close() }()
	want := text(800 << 10)
	_, err := f.Write(want)
	require.NoError(t, err)
	n, err := f.Write([]byte("one more"))
	require.ErrorIs(t, err, syscall.ENOSPC)
	var spill *spool.SpillError
	require.ErrorAs(t, err, &spill)
	require.Contains(t, err.Error(), dir)
	require.Zero(t, n)
	requireContents(t, want, f)
	require.Equal(t, say(int64(len(want)), nil), tell(f))
	empty()

	require.NoError(t, os.Truncate(ballast, 0))
	_, err = f.Write([]byte("one more"))
	require.NoError(t, err)
	require.True(t, f.Spilled())
	want = append(want, "one more"...)
	requireContents(t, want, f)

	// Full again, past the spill.
	big := text(1 << 20)
	n, err = f.Write(big)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NotZero(t, n, "as much as there was room for")
	want = append(want, big[:n]...)
	requireContents(t, want, f)
	require.Equal(t, int64(len(want)), f.Size())
	_, err = f.Write(text(4096)) // which is gathered
	require.NoError(t, err)
	require.ErrorIs(t, f.Sync(), syscall.ENOSPC)
	requireContents(t, append(want, text(4096)...), f)
	require.NoError(t, f.Truncate(100))
	requireContents(t, want[:100], f)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	empty()
}

// A failure of the memory side that the user gave is an error, and loses nothing.
func TestMemoryThatFails(t *testing.T) {
	old, more := text(1000), bytes.Repeat([]byte("+"), 1000)
	k := testfs.Kinds(t)[2]
	require.Equal(t, "MemMapFs", k.Name)
	testfs.EachFault(t, k, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
		budget := spool.NewBudget(10_000)
		f := spool.New(afero.NewMemMapFs(), &spool.Options{Memory: s, Budget: budget})
		n, err := f.Write(old)
		want := bytes.Clone(old[:n])
		if err == nil {
			n, err = f.Write(more)
			want = append(want, more[:n]...)
		}
		if len(s.Met()) == 0 {
			require.NoError(t, err)
		}
		s.Reset()
		requireContents(t, want, f)
		require.Equal(t, int64(len(want)), budget.InUse())
		require.NoError(t, f.Spill())
		requireContents(t, want, f)
		require.Zero(t, budget.InUse())
		require.NoError(t, f.Close())
		require.Empty(t, s.OpenFiles())
	})
}

func TestSpillIsRefused(t *testing.T) {
	testfs.EachRefuser(t, func(t *testing.T, k testfs.Kind) {
		f := spool.New(k.Fs, &spool.Options{MaxMemory: 3, Temp: tmpfs.Options{Dir: k.Dir}})
		write(f, "abc")
		_, err := f.WriteString("d")
		var spill *spool.SpillError
		require.ErrorAs(t, err, &spill)
		require.ErrorIs(t, err, fs.ErrPermission)
		requireContents(t, []byte("abc"), f)
		require.NoError(t, f.Close())
	})
}

// The directory of the disk file is asked for anew at each spill.
func TestSpillDirectoryThatVanished(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		dir := k.Join("spool")
		f := spool.New(k.Fs, &spool.Options{Temp: tmpfs.Options{Dir: dir}})
		write(f, "abc")
		err := f.Spill()
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.Contains(t, err.Error(), "spool")
		require.NoError(t, k.Fs.Mkdir(dir, 0o700))
		require.NoError(t, f.Spill())
		requireContents(t, []byte("abc"), f)
		require.NoError(t, f.Close())
		assert.Equal(t, []string{"spool"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}
