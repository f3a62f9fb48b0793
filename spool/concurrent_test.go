package spool_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.handleEvent"))
} // the runtime's own, on js

// Each goroutine knows what a region of its own holds, and reads it back by every
// way there is, while others make the spool spill and flush.
func TestConcurrent(t *testing.T) {
	const (
		writers = 6
		region  = 200_000 // not where pages end
		steps   = 150
	)
	eachMemory(t, func(t *testing.T, k testfs.Kind, opts spool.Options) {
		opts.MaxMemory = writers * region
		opts.Budget = spool.NewBudget(4 << 20)
		f := spool.New(k.Fs, &opts)
		require.NoError(t, f.Truncate(writers*region))
		var wg sync.WaitGroup
		var written atomic.Int64
		for g := range writers {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(1, uint64(g)))
				model := make([]byte, region)
				base := int64(g * region)
				r := f.NewReader()
				defer func() { assert.NoError(t, r.Close()) }()
				for range steps {
					n := 1 << rnd.IntN(18)
					at := rnd.IntN(region - n)
					switch rnd.IntN(4) {
					case 0, 1:
						for i := range n {
							model[at+i] = byte(rnd.Uint32())
						}
						m, err := f.WriteAt(model[at:at+n], base+int64(at))
						if !assert.NoError(t, err) || !assert.Equal(t, n, m) {
							return
						}
						written.Add(1)
					case 2:
						p := make([]byte, n)
						_, err := f.ReadAt(p, base+int64(at))
						if !assert.NoError(t, err) || !assert.True(t, bytes.Equal(model[at:at+n], p), "ReadAt") {
							return
						}
					case 3:
						p := make([]byte, n)
						_, err := r.Seek(base+int64(at), io.SeekStart)
						assert.NoError(t, err)
						_, err = io.ReadFull(r, p)
						if !assert.NoError(t, err) || !assert.True(t, bytes.Equal(model[at:at+n], p), "Reader") {
							return
						}
					}
				}
			})
		}
		wg.Go(func() {
			for written.Load() < writers*steps/8 {
				_ = f.Size()
				if _, err := f.Stat(); err != nil {
					assert.NoError(t, err)
					return
				}
			}
			assert.NoError(t, f.Spill())
			for range 20 {
				assert.NoError(t, f.Sync())
				assert.True(t, f.Spilled())
				_ = f.Name()
			}
		})
		wg.Wait()
		require.Zero(t, opts.Budget.InUse())
		require.NoError(t, f.Close())
		require.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// Writes by many at one offset come one after the other, each whole.
func TestConcurrentWritesAreWhole(t *testing.T) {
	const writers, records, width = 8, 300, 100
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		f := spool.New(k.Fs, &spool.Options{MaxMemory: writers * records * width / 2, Temp: tmpfs.Options{Dir: k.Dir}})
		defer func() { require.NoError(t, f.Close()) }()
		var wg sync.WaitGroup
		for g := range writers {
			wg.Go(func() {
				for i := range records {
					p := bytes.Repeat([]byte{byte(g)}, width)
					binary.BigEndian.PutUint32(p, uint32(i))
					_, err := f.Write(p)
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		b := contents(t, f)
		require.Len(t, b, writers*records*width)
		next := [writers]uint32{}
		for ; len(b) > 0; b = b[width:] {
			g := b[4]
			require.Equal(t, bytes.Repeat([]byte{g}, width-4), b[4:width])
			require.Equal(t, next[g], binary.BigEndian.Uint32(b), "in the order of their writer")
			next[g]++
		}
	})
}

// Whenever it is closed, calls under way end, and none after it sees anything.
func TestConcurrentClose(t *testing.T) {
	for _, limit := range []int64{-1, 1 << 20} {
		for range 30 {
			f := spool.New(afero.NewMemMapFs(), &spool.Options{MaxMemory: limit})
			_, err := f.Write(text(100_000))
			require.NoError(t, err)
			var wg sync.WaitGroup
			for g := range 8 {
				r := f.NewReader()
				wg.Go(func() {
					defer func() { assert.NoError(t, r.Close()) }()
					p := make([]byte, 1000)
					for {
						var err error
						switch g % 4 {
						case 0:
							_, err = f.ReadAt(p, 5000)
						case 1:
							_, err = f.WriteAt(text(1000), 5000)
						case 2:
							_, err = f.WriteTo(io.Discard)
						case 3:
							var b bytes.Buffer
							_, werr := r.WriteTo(&b)
							assert.NoError(t, werr)
							_, err = f.Seek(0, io.SeekStart)
						}
						if err != nil {
							assert.True(t, errors.Is(err, fs.ErrClosed), "%v", err)
							return
						}
					}
				})
			}
			require.NoError(t, f.Close())
			wg.Wait()
		}
	}
}

// Thousands of spools never hold more than their budget, and in the end nothing.
func TestBudgetIsShared(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		const limit = 1 << 20
		budget := spool.NewBudget(limit)
		var spilled atomic.Int64
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 25 {
					f := spool.New(k.Fs, &spool.Options{MaxMemory: 1 << 30, Budget: budget, Temp: tmpfs.Options{Dir: k.Dir}})
					want := text(1000 * (1 + (g*25+i)%300))
					for p := want; len(p) > 0; p = p[min(len(p), 10_000):] {
						_, err := f.Write(p[:min(len(p), 10_000)])
						assert.NoError(t, err)
						assert.LessOrEqual(t, budget.InUse(), int64(limit))
					}
					if f.Spilled() {
						spilled.Add(1)
					}
					got, err := f.Bytes()
					assert.NoError(t, err)
					assert.True(t, bytes.Equal(want, got))
					assert.NoError(t, f.Close())
				}
			})
		}
		wg.Wait()
		assert.Zero(t, budget.InUse())
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestBudgetRefuses(t *testing.T) {
	eachMemory(t, func(t *testing.T, k testfs.Kind, opts spool.Options) {
		opts.Budget = spool.NewBudget(100_000)
		first, second := spool.New(k.Fs, &opts), spool.New(k.Fs, &opts)
		_, err := first.Write(text(65536))
		require.NoError(t, err)
		assert.Equal(t, int64(65536), opts.Budget.InUse())
		_, err = second.Write(text(50_000))
		require.NoError(t, err)
		assert.True(t, second.Spilled(), "early: there is no more")
		assert.False(t, first.Spilled())
		requireContents(t, text(50_000), second)
		require.NoError(t, first.Reset())
		assert.Zero(t, opts.Budget.InUse())
		require.NoError(t, second.Reset())
		_, err = second.Write(text(50_000))
		require.NoError(t, err)
		assert.False(t, second.Spilled())
		require.NoError(t, first.Close())
		require.NoError(t, second.Close())
		assert.Zero(t, opts.Budget.InUse())
	})
}

// A spool that may not have more and cannot spill either stores nothing.
func TestBudgetRefusesAndSoDoesTheDisk(t *testing.T) {
	budget := spool.NewBudget(1000)
	f := spool.New(afero.NewReadOnlyFs(afero.NewMemMapFs()), &spool.Options{Budget: budget})
	_, err := f.Write(text(512))
	require.NoError(t, err)
	n, err := f.Write(text(600))
	var spill *spool.SpillError
	require.ErrorAs(t, err, &spill)
	require.ErrorIs(t, err, fs.ErrPermission)
	assert.Zero(t, n)
	requireContents(t, text(512), f)
	assert.Equal(t, int64(512), budget.InUse(), "what it holds it keeps")
	require.NoError(t, f.Close())
	assert.Zero(t, budget.InUse())
}

func TestNoBudget(t *testing.T) {
	var none *spool.Budget
	assert.Zero(t, none.InUse())
	for _, bytes := range []int64{0, -5} {
		f := spool.New(afero.NewMemMapFs(), &spool.Options{Budget: spool.NewBudget(bytes)})
		write(f, "x")
		assert.True(t, f.Spilled())
		require.NoError(t, f.Close())
	}
}
