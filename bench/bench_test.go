package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/spool"
)

// Names are key=value, so that `benchstat -col /impl` lays one way beside the
// other. $TMPDIR says on which file system they are measured.

func fails(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

// open makes the ways of a row for the time of a benchmark.
func (r *row) waysOf(b *testing.B) []way {
	at, err := newSite(b.TempDir(), "")
	fails(b, err)
	b.Cleanup(func() { fails(b, at.close()) })
	ways, err := r.open(at)
	if err != nil {
		b.Skip(err)
	}
	return ways
}

// slug returns a name of a row for benchstat.
func (r *row) slug() string {
	return strings.Join(strings.FieldsFunc(r.work, func(c rune) bool { return strings.ContainsRune(" ,:/", c) }), "-")
}

// run takes the way over and over.
func (w way) run(b *testing.B, bytes int) {
	b.Run("impl="+strings.ReplaceAll(w.impl, " ", "-"), func(b *testing.B) {
		b.SetBytes(int64(bytes))
		b.ReportAllocs()
		for b.Loop() {
			if w.ready != nil {
				b.StopTimer()
				fails(b, w.ready())
				b.StartTimer()
			}
			fails(b, w.do())
		}
	})
}

// BenchmarkRow is each row of the table, way by way.
func BenchmarkRow(b *testing.B) {
	for _, r := range rows {
		b.Run("work="+r.slug(), func(b *testing.B) {
			for _, w := range r.waysOf(b) {
				w.run(b, r.data)
			}
		})
	}
}

// BenchmarkRatio is each row with the ways taking turns: medians as multiples of
// the last one's, as -full measures them.
func BenchmarkRatio(b *testing.B) {
	for _, r := range rows {
		b.Run("work="+r.slug(), func(b *testing.B) {
			ways := r.waysOf(b)
			none := func() (int64, bool) { return 0, false }
			for b.Loop() {
				samples, err := measure(b.Context(), ways, roundsLeast, roundsEnd, none, func(int) {})
				fails(b, err)
				last := len(ways) - 1
				for i, w := range ways[:last] {
					b.ReportMetric(ratio(samples[i].wall, samples[last].wall), w.impl+"/"+strings.ReplaceAll(ways[last].impl, " ", "-"))
				}
			}
		})
	}
}

// BenchmarkGoroutines makes temporaries in so many goroutines.
func BenchmarkGoroutines(b *testing.B) {
	memory, err := inMemMapFs()
	fails(b, err)
	for _, of := range []struct {
		name string
		ways func(dir string) []way
	}{{"named", named}, {"anonymous", anonymous}, {"memory", func(string) []way { return memory }}} {
		for _, goroutines := range []int{1, 4, 16, 64} {
			for _, w := range of.ways(b.TempDir()) {
				b.Run(fmt.Sprintf("of=%s/goroutines=%d/impl=%s", of.name, goroutines, w.impl), func(b *testing.B) {
					b.ReportAllocs()
					b.SetParallelism((goroutines + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							if err := w.do(); err != nil {
								b.Error(err)
								return
							}
						}
					})
				})
			}
		}
	}
}

// BenchmarkCurve is each size of each curve.
func BenchmarkCurve(b *testing.B) {
	for _, c := range curves {
		for i, size := range c.sizes {
			if testing.Short() && i > 1 {
				continue
			}
			name := fmt.Sprintf("work=%s/%s=%d", strings.ReplaceAll(c.work, " ", "-"), strings.ReplaceAll(c.of, " ", "-"), size)
			b.Run(name, func(b *testing.B) {
				at, err := newSite(b.TempDir(), "")
				fails(b, err)
				b.Cleanup(func() { fails(b, at.close()) })
				w, _, err := c.open(at, size)
				fails(b, err)
				w.run(b, 0)
			})
		}
	}
}

// BenchmarkDir is a directory with files in it, made and removed.
func BenchmarkDir(b *testing.B) {
	for _, files := range []int{1, 1000} {
		for _, w := range directories(b.TempDir(), files) {
			b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) { w.run(b, 0) })
		}
	}
}

// BenchmarkWorkdir makes a work directory, so many files in it, and removes all.
func BenchmarkWorkdir(b *testing.B) {
	for _, files := range []int{1, 100} {
		for _, w := range jobs(b.TempDir(), files) {
			b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) { w.run(b, 0) })
		}
	}
}

// BenchmarkSpoolOverwrite writes 32 KiB at the start of contents of any size.
func BenchmarkSpoolOverwrite(b *testing.B) {
	piece := make([]byte, 32<<10)
	for _, n := range []int{64 * kib, mib, 64 * mib, 512 * mib} {
		b.Run(fmt.Sprintf("size=%dKiB/impl=spool", n/kib), func(b *testing.B) {
			f := spool.New(afero.NewMemMapFs(), &spool.Options{MaxMemory: 1 << 30})
			for off := 0; off < n; off += len(piece) {
				_, err := f.Write(piece)
				fails(b, err)
			}
			b.SetBytes(int64(len(piece)))
			for b.Loop() {
				_, err := f.WriteAt(piece, 0)
				fails(b, err)
			}
			fails(b, f.Close())
		})
	}
}

// BenchmarkArrivals puts 256 MiB that have arrived in their place.
func BenchmarkArrivals(b *testing.B) {
	at, err := newSite(b.TempDir(), "")
	fails(b, err)
	b.Cleanup(func() { fails(b, at.close()) })
	ways, err := arrivals(at, 256*mib)
	fails(b, err)
	for _, w := range ways {
		w.run(b, 256*mib)
	}
}

// Every work works, also what only the benchmarks do.
func TestWorks(t *testing.T) {
	try := func(t *testing.T, open func(at *site) ([]way, error)) {
		at, err := newSite(t.TempDir(), t.TempDir())
		require.NoError(t, err)
		at.small = true
		ways, err := open(at)
		require.NoError(t, err)
		for _, w := range ways {
			for range 2 {
				if w.ready != nil {
					require.NoError(t, w.ready(), w.impl)
				}
				require.NoError(t, w.do(), w.impl)
			}
		}
		require.NoError(t, at.close())
		left, err := os.ReadDir(filepath.Dir(at.dir))
		require.NoError(t, err)
		require.Empty(t, left)
	}
	for _, r := range rows {
		t.Run(r.work, func(t *testing.T) { try(t, r.open) })
	}
	t.Run("arrivals", func(t *testing.T) {
		try(t, func(at *site) ([]way, error) { return arrivals(at, mib) })
	})
	t.Run("sweeps", func(t *testing.T) { try(t, func(at *site) ([]way, error) { return sweeps(at.dir, 20) }) })
	t.Run("directories", func(t *testing.T) {
		try(t, func(at *site) ([]way, error) { return directories(at.dir, 3), nil })
	})
	t.Run("inMemMapFs", func(t *testing.T) { try(t, func(*site) ([]way, error) { return inMemMapFs() }) })
}
