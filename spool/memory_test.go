package spool_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// Memory is measured on one kind of disk alone: the others do not hold what is
// in it, or, as MemMapFs, hold all of it in memory.

// allocated returns how many bytes fn allocates, with nothing left in a pool.
func allocated(t testing.TB, fn func()) int64 {
	t.Helper()
	// The second collection empties what the first has made the pools' victims.
	runtime.GC()
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

func TestSparse(t *testing.T) {
	for _, limit := range []int64{2 << 30, 1 << 40, 1<<63 - 1} {
		f := spool.New(afero.NewOsFs(), &spool.Options{MaxMemory: limit})
		n := allocated(t, func() {
			_, err := f.WriteAt([]byte("x"), 1<<30)
			require.NoError(t, err)
		})
		assert.Less(t, n, int64(1<<20))
		assert.False(t, f.Spilled())
		assert.Equal(t, int64(1<<30+1), f.Size())
		p := []byte{1, 1, 1}
		_, err := f.ReadAt(p, 1<<30-2)
		require.NoError(t, err)
		assert.Equal(t, []byte{0, 0, 'x'}, p)
		require.NoError(t, f.Close())
	}
}

// On the disk a hole takes nothing either, where the file system has holes.
func TestSparseOnDisk(t *testing.T) {
	f := spool.New(afero.NewOsFs(), &spool.Options{Temp: tmpfs.Options{Dir: t.TempDir()}})
	defer func() { require.NoError(t, f.Close()) }()
	n := allocated(t, func() {
		write(f, "start")
		_, err := f.WriteAt([]byte("x"), 1<<30)
		require.NoError(t, err)
	})
	assert.True(t, f.Spilled())
	assert.Less(t, n, int64(1<<20))
	p := []byte{1, 1, 1}
	_, err := f.ReadAt(p, 1<<30-2)
	require.NoError(t, err)
	assert.Equal(t, []byte{0, 0, 'x'}, p)
}

func TestOneLargeWrite(t *testing.T) {
	data := text(64 << 20)
	f := spool.New(afero.NewOsFs(), &spool.Options{MaxMemory: 1, Temp: tmpfs.Options{Dir: t.TempDir()}})
	defer func() { require.NoError(t, f.Close()) }()
	n := allocated(t, func() {
		_, err := f.Write(data)
		require.NoError(t, err)
	})
	assert.Less(t, n, int64(1<<20))
	assert.True(t, f.Spilled())
	requireContents(t, data, f)
}

func TestManySmallSpools(t *testing.T) {
	const count, size = 10_000, 2 << 10
	data := text(size)
	for _, piece := range []int{size, 100} {
		files := make([]*spool.File, count)
		n := allocated(t, func() {
			for i := range files {
				files[i] = spool.New(afero.NewOsFs(), nil)
				for p := data; len(p) > 0; p = p[min(piece, len(p)):] {
					_, err := files[i].Write(p[:min(piece, len(p))])
					require.NoError(t, err)
				}
			}
		})
		assert.Less(t, n, int64(3*count*size), "in pieces of %d", piece)
		for _, f := range files {
			require.NoError(t, f.Close())
		}
	}
}

// What is gathered in front of the disk is in proportion to what is there.
func TestManySmallSpoolsOnDisk(t *testing.T) {
	const count, size = 500, 2 << 10
	files := make([]*spool.File, count)
	opts := &spool.Options{MaxMemory: -1, Temp: tmpfs.Options{Dir: t.TempDir()}}
	n := allocated(t, func() {
		for i := range files {
			files[i] = spool.New(afero.NewOsFs(), opts)
			_, err := files[i].Write(text(size))
			require.NoError(t, err)
		}
	})
	assert.Less(t, n, int64(count*16<<10))
	for _, f := range files {
		requireContents(t, text(size), f)
		require.NoError(t, f.Close())
	}
}

// Growing copies nothing: all that is allocated is there in the end.
func TestMemoryIsThatOfTheContents(t *testing.T) {
	const size = 64 << 20
	piece := text(32 << 10)
	f := spool.New(afero.NewOsFs(), &spool.Options{MaxMemory: size})
	defer func() { require.NoError(t, f.Close()) }()
	n := allocated(t, func() {
		for range size / len(piece) {
			_, err := f.Write(piece)
			require.NoError(t, err)
		}
	})
	assert.Less(t, n, int64(size*105/100+1<<20))
	assert.False(t, f.Spilled())
}

// The limit is one of memory, not of contents alone: the last page ends there.
func TestPagesEndAtTheLimit(t *testing.T) {
	for _, limit := range []int64{10, 600, 300_000, 5_000_001} {
		budget := spool.NewBudget(1 << 30)
		f := spool.New(afero.NewOsFs(), &spool.Options{MaxMemory: limit, Budget: budget})
		for f.Size() < limit {
			_, err := f.Write(text(int(min(100, limit-f.Size()))))
			require.NoError(t, err)
		}
		assert.Equal(t, limit, budget.InUse())
		assert.False(t, f.Spilled())
		require.NoError(t, f.Close())
	}
}

// While it spills, there are the pages and nothing else of that size.
func TestSpillingTakesNoMemory(t *testing.T) {
	const limit = 32 << 20
	piece := text(32 << 10)
	f := spool.New(afero.NewOsFs(), &spool.Options{MaxMemory: limit, Temp: tmpfs.Options{Dir: t.TempDir()}})
	defer func() { require.NoError(t, f.Close()) }()
	n := allocated(t, func() {
		for range 2 * limit / len(piece) {
			_, err := f.Write(piece)
			require.NoError(t, err)
		}
	})
	assert.True(t, f.Spilled())
	assert.Less(t, n, int64(limit*11/10))
}
