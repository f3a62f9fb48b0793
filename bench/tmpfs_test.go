package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A temporary makes one in dir, open, and lets it go: what a benchmark
// does once. $TMPDIR says on which file system they are measured.
type temporary struct {
	impl string
	make func(dir string) error
}

// named are the ways to a temporary with a name. raw are the three system calls
// alone, where there are such; os is what a program without this library does.
var named = append([]temporary{
	{"tmpfs", func(dir string) error {
		f, err := tmpfs.Create(osFs, &tmpfs.Options{Dir: dir})
		if err != nil {
			return err
		}
		return f.Close()
	}},
	{"os", func(dir string) error {
		f, err := os.CreateTemp(dir, "tmp-*")
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		return os.Remove(f.Name())
	}},
}, rawNamed...)

// anonymous are the ways to a temporary without one.
var anonymous = append([]temporary{
	{"tmpfs", func(dir string) error {
		f, err := tmpfs.CreateAnonymous(osFs, &tmpfs.Options{Dir: dir})
		if err != nil {
			return err
		}
		return f.Close()
	}},
}, rawAnonymous...)

var osFs = afero.NewOsFs()

// race runs fn over and over in that many goroutines.
func race(b *testing.B, goroutines int, fn func() error) {
	b.ReportAllocs()
	if goroutines == 1 {
		for b.Loop() {
			fails(b, fn())
		}
		return
	}
	b.SetParallelism((goroutines + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := fn(); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func temporaries(b *testing.B, all []temporary, dir func(b *testing.B) string) {
	for _, goroutines := range []int{1, 64} {
		for _, t := range all {
			b.Run(fmt.Sprintf("goroutines=%d/impl=%s", goroutines, t.impl), func(b *testing.B) {
				at := dir(b)
				race(b, goroutines, func() error { return t.make(at) })
			})
		}
	}
}

// BenchmarkRatio lets the ways take turns, a few times each, so that what else the
// machine does falls on all alike. It reports medians as multiples of that of the
// last one, and that in nanoseconds.
func BenchmarkRatio(b *testing.B) {
	for _, goroutines := range []int{1, 64} {
		of := func(name string, all []temporary, dir func(b *testing.B) string) {
			b.Run(fmt.Sprintf("of=%s/goroutines=%d", name, goroutines), func(b *testing.B) { ratio(b, all, dir(b), goroutines) })
		}
		of("named", named, (*testing.B).TempDir)
		of("crowd", named, crowded)
		of("anonymous", anonymous, (*testing.B).TempDir)
	}
}

func ratio(b *testing.B, all []temporary, dir string, goroutines int) {
	turn := max(16/goroutines, 1) // short, for a machine that has other things to do
	took := make([][]float64, len(all))
	for n := 0; b.Loop(); n++ {
		for i := range all {
			i := (i + n) % len(all) // nobody is always first
			begin := time.Now()
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					for range turn {
						if err := all[i].make(dir); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			took[i] = append(took[i], float64(time.Since(begin))/float64(turn*goroutines))
		}
	}
	median := func(i int) float64 {
		slices.Sort(took[i])
		return took[i][len(took[i])/2]
	}
	last := len(all) - 1
	for i, t := range all[:last] {
		b.ReportMetric(median(i)/median(last), t.impl+"/"+all[last].impl)
	}
	b.ReportMetric(median(last), all[last].impl+"-ns")
}

// crowded returns a directory that has 100,000 entries.
func crowded(b *testing.B) string {
	const entries = 100_000
	dir := b.TempDir()
	for i := range entries {
		fails(b, os.WriteFile(filepath.Join(dir, fmt.Sprintf("crowd-%026d", i)), nil, 0o600))
	}
	return dir
}

func BenchmarkNamed(b *testing.B) { temporaries(b, named, (*testing.B).TempDir) }

func BenchmarkAnonymous(b *testing.B) { temporaries(b, anonymous, (*testing.B).TempDir) }

// BenchmarkMemory is on MemMapFs, beside what afero offers.
func BenchmarkMemory(b *testing.B) {
	fsys := afero.NewMemMapFs()
	fails(b, fsys.MkdirAll("/dir", 0o755))
	temporaries(b, []temporary{
		{"tmpfs", func(dir string) error {
			f, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: dir})
			if err != nil {
				return err
			}
			return f.Close()
		}},
		{"afero", func(dir string) error {
			f, err := afero.TempFile(fsys, dir, "tmp-*")
			if err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
			return fsys.Remove(f.Name())
		}},
	}, func(*testing.B) string { return "/dir" })
}

// BenchmarkDir is a directory with files in it, made and removed.
func BenchmarkDir(b *testing.B) {
	for _, files := range []int{1, 1000} {
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			temporaries(b, []temporary{
				{"tmpfs", func(dir string) error {
					return tmpfs.WithDir(osFs, &tmpfs.Options{Dir: dir}, func(d *tmpfs.Dir) error {
						for i := range files {
							f, err := d.Create(fmt.Sprint("/", i))
							if err != nil {
								return err
							}
							if err := f.Close(); err != nil {
								return err
							}
						}
						return nil
					})
				}},
				{"os", func(dir string) error {
					name, err := os.MkdirTemp(dir, "tmp-*")
					if err != nil {
						return err
					}
					for i := range files {
						if err := os.WriteFile(name+fmt.Sprint("/", i), nil, 0o600); err != nil {
							return err
						}
					}
					return os.RemoveAll(name)
				}},
			}, (*testing.B).TempDir)
		})
	}
}

// BenchmarkRead opens, reads and closes a file of 4 KiB that is one level deep.
func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	fails(b, os.WriteFile(filepath.Join(dir, "file"), make([]byte, 4<<10), 0o600))
	root, err := rootfs.Open(dir)
	fails(b, err)
	b.Cleanup(func() { _ = root.Close() })
	buf := make([]byte, 4<<10)
	for _, c := range []struct {
		impl string
		fsys afero.Fs
		name string
	}{
		{"OsFs", osFs, filepath.Join(dir, "file")},
		{"rootfs", root, "/file"},
		{"BasePathFs", afero.NewBasePathFs(osFs, dir), "/file"},
	} {
		b.Run("impl="+c.impl, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				f, err := c.fsys.Open(c.name)
				fails(b, err)
				_, err = io.ReadFull(f, buf)
				fails(b, err)
				fails(b, f.Close())
			}
		})
	}
}
