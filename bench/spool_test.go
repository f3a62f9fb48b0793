package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// The spool's benchmarks stand beside what a user would take instead. Their
// names are key=value, so that `benchstat -col /impl` lays one beside the other;
// ratios are of one run.

func sizeName(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%dMiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dB", n)
}

// A taker is something that takes n bytes in pieces: what a benchmark does once.
type taker struct {
	impl string
	take func(b *testing.B, piece []byte, n int)
}

func fails(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

// inMemory are the ways to hold bytes in memory. memcpy writes into memory that
// has been touched, which nothing that has to find memory can do; fresh is a
// slice that is known to be large enough.
func inMemory(most int) []taker {
	touched := bytes.Repeat([]byte{1}, most)
	disk := afero.NewMemMapFs()
	return []taker{
		{"memcpy", func(_ *testing.B, piece []byte, n int) {
			for off := 0; off < n; off += len(piece) {
				copy(touched[off:], piece)
			}
		}},
		{"fresh", func(_ *testing.B, piece []byte, n int) {
			s := make([]byte, n)
			for off := 0; off < n; off += len(piece) {
				copy(s[off:], piece)
			}
			runtime.KeepAlive(s)
		}},
		{"bytes.Buffer", func(_ *testing.B, piece []byte, n int) {
			var s bytes.Buffer
			for off := 0; off < n; off += len(piece) {
				s.Write(piece)
			}
		}},
		{"spool", func(b *testing.B, piece []byte, n int) {
			f := spool.New(disk, &spool.Options{MaxMemory: 1 << 30})
			for off := 0; off < n; off += len(piece) {
				_, err := f.Write(piece)
				fails(b, err)
			}
			fails(b, f.Close())
		}},
	}
}

// BenchmarkSpoolMemory fills memory. With warm=true what was used before is used
// again; with warm=false the collector has taken it.
func BenchmarkSpoolMemory(b *testing.B) {
	for _, n := range []int{1 << 10, 64 << 10, 1 << 20, 64 << 20} {
		for _, warm := range []bool{true, false} {
			for _, t := range inMemory(n) {
				if !warm && (t.impl == "memcpy" || n < 1<<20) {
					continue // a collection takes far longer than so little
				}
				b.Run(fmt.Sprintf("size=%s/warm=%t/impl=%s", sizeName(n), warm, t.impl), func(b *testing.B) {
					piece := bytes.Repeat([]byte("abcdefgh"), min(n, 32<<10)/8)
					b.SetBytes(int64(n))
					b.ReportAllocs()
					for b.Loop() {
						if !warm {
							b.StopTimer()
							runtime.GC()
							runtime.GC()
							b.StartTimer()
						}
						t.take(b, piece, n)
					}
				})
			}
		}
	}
}

// BenchmarkSpoolOverwrite writes 32 KiB at the start of contents of any size.
func BenchmarkSpoolOverwrite(b *testing.B) {
	piece := make([]byte, 32<<10)
	for _, n := range []int{64 << 10, 1 << 20, 64 << 20, 512 << 20} {
		b.Run(fmt.Sprintf("size=%s/impl=spool", sizeName(n)), func(b *testing.B) {
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

// onDisk are the ways to a file on the disk that is gone in the end.
func onDisk(dir string, threshold int64) []taker {
	return []taker{
		{"os.File", func(b *testing.B, piece []byte, n int) {
			f, err := os.CreateTemp(dir, "bare-*")
			fails(b, err)
			for off := 0; off < n; off += len(piece) {
				_, err := f.Write(piece)
				fails(b, err)
			}
			fails(b, f.Close())
			fails(b, os.Remove(f.Name()))
		}},
		{"spool", func(b *testing.B, piece []byte, n int) {
			f := spool.New(afero.NewOsFs(), &spool.Options{MaxMemory: threshold, Temp: tmpfs.Options{Dir: dir}})
			for off := 0; off < n; off += len(piece) {
				_, err := f.Write(piece)
				fails(b, err)
			}
			fails(b, f.Spill()) // all of it is with the system now, as with the bare file
			fails(b, f.Close())
		}},
	}
}

// BenchmarkSpoolDisk writes 64 MiB past a threshold.
func BenchmarkSpoolDisk(b *testing.B) {
	const n = 64 << 20
	for _, c := range []struct{ threshold, piece int }{
		{1 << 20, 512}, {1 << 20, 4 << 10}, {1 << 20, 32 << 10}, {1 << 20, 256 << 10}, {32 << 20, 32 << 10},
	} {
		for _, t := range onDisk(b.TempDir(), int64(c.threshold)) {
			b.Run(fmt.Sprintf("threshold=%s/piece=%s/impl=%s", sizeName(c.threshold), sizeName(c.piece), t.impl), func(b *testing.B) {
				piece := bytes.Repeat([]byte("abcdefgh"), c.piece/8)
				b.SetBytes(n)
				b.ReportAllocs()
				for b.Loop() {
					t.take(b, piece, n)
				}
			})
		}
	}
}

// BenchmarkSpoolCommit puts 256 MiB that are on the disk in their place.
func BenchmarkSpoolCommit(b *testing.B) {
	const n = 256 << 20
	dir := b.TempDir()
	dest := filepath.Join(dir, "dest")
	piece := make([]byte, 1<<20)
	b.Run("size=256MiB/impl=rename", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			f, err := os.CreateTemp(dir, "bare-*")
			fails(b, err)
			for off := 0; off < n; off += len(piece) {
				_, err := f.Write(piece)
				fails(b, err)
			}
			b.StartTimer()
			fails(b, f.Sync())
			fails(b, f.Close())
			fails(b, os.Rename(f.Name(), dest))
			d, err := os.Open(dir)
			fails(b, err)
			fails(b, d.Sync())
			fails(b, d.Close())
		}
	})
	b.Run("size=256MiB/impl=spool", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			f := spool.New(afero.NewOsFs(), &spool.Options{Temp: tmpfs.Options{Dir: dir}})
			for off := 0; off < n; off += len(piece) {
				_, err := f.Write(piece)
				fails(b, err)
			}
			b.StartTimer()
			fails(b, f.Commit(afero.NewOsFs(), dest, nil))
		}
	})
}
