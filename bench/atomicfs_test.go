package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
)

// A writing puts contents in a place: what a benchmark does once. $TMPDIR says on
// which file system they are measured.
type writing struct {
	impl string
	put  func(name string, data []byte) error
}

// durable are the ways to write a file that is there after a power cut. The last
// is the system calls alone, where there are such.
var durable = append([]writing{
	{"atomicfs", func(name string, data []byte) error {
		return atomicfs.WriteFile(osFs, name, data, 0o644)
	}},
	{"os", func(name string, data []byte) error { // not atomic, and no more durable than its directory
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		if _, err := f.Write(data); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		return f.Close()
	}},
}, rawDurable...)

// BenchmarkDurable replaces one file of 4 KiB over and over.
func BenchmarkDurable(b *testing.B) {
	data := make([]byte, 4<<10)
	for _, w := range durable {
		b.Run("impl="+w.impl, func(b *testing.B) {
			name := filepath.Join(b.TempDir(), "file")
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				fails(b, w.put(name, data))
			}
		})
	}
}

// BenchmarkDurableRatio is BenchmarkDurable with the ways taking turns: ratios of
// medians of wall time and of processor time.
func BenchmarkDurableRatio(b *testing.B) {
	data := make([]byte, 4<<10)
	for _, of := range []string{"new", "existing"} {
		b.Run("of="+of, func(b *testing.B) {
			dir := b.TempDir()
			n := 0
			var all []turn
			for i, w := range durable {
				all = append(all, turn{w.impl, func() error {
					if of == "new" {
						n++
						return w.put(filepath.Join(dir, fmt.Sprint("file", n)), data)
					}
					return w.put(filepath.Join(dir, fmt.Sprint("file", i)), data)
				}})
			}
			inTurn(b, 4, all)
		})
	}
}

// BenchmarkBatchRatio writes many files of 4 KiB: as a batch, one by one with
// WriteFile, and one by one with the system calls alone.
func BenchmarkBatchRatio(b *testing.B) {
	data := make([]byte, 4<<10)
	for _, files := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint("files=", files), func(b *testing.B) {
			dir, n := b.TempDir(), 0
			names := func() (list []string) {
				n++
				sub := filepath.Join(dir, fmt.Sprint(n))
				fails(b, os.Mkdir(sub, 0o755))
				for i := range files {
					list = append(list, filepath.Join(sub, fmt.Sprint(i)))
				}
				return list
			}
			all := []turn{{"batch", func() error { return batch(osFs, names(), data, nil) }}}
			for _, w := range durable {
				all = append(all, turn{w.impl, func() error {
					for _, name := range names() {
						if err := w.put(name, data); err != nil {
							return err
						}
					}
					return nil
				}})
			}
			inTurn(b, 1, all)
		})
	}
}

func batch(fsys afero.Fs, names []string, data []byte, opts *atomicfs.Options) error {
	b := atomicfs.NewBatch(fsys, opts)
	defer b.Close()
	for _, name := range names {
		if err := b.WriteFile(name, data, 0o644); err != nil {
			return err
		}
	}
	return b.Commit()
}

// BenchmarkBatchScale is what one file of a batch costs, by how many they are.
func BenchmarkBatchScale(b *testing.B) {
	data := make([]byte, 4<<10)
	for _, files := range []int{10, 100, 1000, 10_000, 100_000} {
		for _, sync := range []bool{false, true} {
			if sync && files > 10_000 && testing.Short() {
				continue
			}
			b.Run(fmt.Sprintf("files=%d/sync=%v", files, sync), func(b *testing.B) {
				dir := b.TempDir()
				for n := 0; b.Loop(); n++ {
					sub := filepath.Join(dir, fmt.Sprint(n))
					var names []string
					for i := range files {
						names = append(names, filepath.Join(sub, fmt.Sprint(i)))
					}
					fails(b, batch(osFs, names, data, &atomicfs.Options{NoSync: !sync}))
					b.StopTimer()
					fails(b, os.RemoveAll(sub))
					b.StartTimer()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(files), "ns/file")
			})
		}
	}
}

// BenchmarkWriteFileMemory writes on MemMapFs, beside the calls that it cannot do
// without.
func BenchmarkWriteFileMemory(b *testing.B) {
	data := make([]byte, 4<<10)
	fsys := afero.NewMemMapFs()
	fails(b, fsys.MkdirAll("/dir", 0o755))
	inTurn(b, 100, []turn{
		{"atomicfs", func() error {
			f, err := atomicfs.Create(fsys, "/dir/file", &atomicfs.Options{NoSync: true})
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := f.Write(data); err != nil {
				return err
			}
			return f.Commit()
		}},
		{"afero", func() error {
			if err := afero.WriteFile(fsys, "/dir/other.tmp", data, 0o644); err != nil {
				return err
			}
			return fsys.Rename("/dir/other.tmp", "/dir/other")
		}},
	})
}

// A turn is one of several ways to do the same.
type turn struct {
	impl string
	do   func() error
}

// inTurn lets the ways take turns, some times each, so that what else the machine
// does falls on all alike. It reports medians as multiples of that of the last.
func inTurn(b *testing.B, times int, all []turn) {
	wall, cpu := make([][]float64, len(all)), make([][]float64, len(all))
	for n := 0; b.Loop(); n++ {
		for i := range all {
			i := (i + n) % len(all) // nobody is always first
			began, used := time.Now(), processorTime()
			for range times {
				fails(b, all[i].do())
			}
			wall[i] = append(wall[i], float64(time.Since(began))/float64(times))
			cpu[i] = append(cpu[i], float64(processorTime()-used)/float64(times))
		}
	}
	median := func(list []float64) float64 {
		slices.Sort(list)
		return list[len(list)/2]
	}
	last := len(all) - 1
	for i, t := range all[:last] {
		b.ReportMetric(median(wall[i])/median(wall[last]), t.impl+"/"+all[last].impl)
		if median(cpu[last]) > 0 {
			b.ReportMetric(median(cpu[i])/median(cpu[last]), "cpu:"+t.impl+"/"+all[last].impl)
		}
	}
	b.ReportMetric(median(wall[last]), all[last].impl+"-ns")
}
