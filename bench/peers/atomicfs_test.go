package peers_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/renameio/v2"
	"github.com/moby/sys/atomicwriter"
	"github.com/natefinch/atomic"
	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
)

// A way writes a file of which a reader sees the old contents or the new. The
// others sync the file and not its directory, so that after a power cut a file
// that they have acknowledged may be missing, or be the old one. atomicfs-nosync
// syncs neither.
type way struct {
	impl  string
	write func(name string, data []byte) error
}

var osFs = afero.NewOsFs()

var ways = []way{
	{"atomicfs", func(name string, data []byte) error {
		return atomicfs.WriteFile(osFs, name, data, 0o644)
	}},
	{"atomicfs-nosync", func(name string, data []byte) error {
		f, err := atomicfs.Create(osFs, name, &atomicfs.Options{NoSync: true})
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(data); err != nil {
			return err
		}
		return f.Commit()
	}},
	{"moby", func(name string, data []byte) error {
		return atomicwriter.WriteFile(name, data, 0o644)
	}},
	{"natefinch", func(name string, data []byte) error {
		return atomic.WriteFile(name, bytes.NewReader(data))
	}},
	{"renameio", func(name string, data []byte) error {
		return renameio.WriteFile(name, data, 0o644)
	}},
}

// BenchmarkWrite replaces one file of 4 KiB over and over. $TMPDIR says on which
// file system.
func BenchmarkWrite(b *testing.B) {
	data := make([]byte, 4<<10)
	for _, w := range ways {
		b.Run("impl="+w.impl, func(b *testing.B) {
			name := filepath.Join(b.TempDir(), "file")
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := w.write(name, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWriteRatio is BenchmarkWrite with the ways taking turns, and
// BenchmarkBatchRatio 1,000 files as a batch beside the others one by one: medians
// as multiples of that of renameio.
func BenchmarkWriteRatio(b *testing.B) {
	dir := b.TempDir()
	data := make([]byte, 4<<10)
	inTurn(b, ways, func(w way, i int) error {
		return w.write(filepath.Join(dir, fmt.Sprint("file", i)), data)
	})
}

func BenchmarkBatchRatio(b *testing.B) {
	dir, n := b.TempDir(), 0
	data := make([]byte, 4<<10)
	const files = 1000
	batch := way{impl: "batch"}
	inTurn(b, append([]way{batch}, ways...), func(w way, _ int) error {
		n++
		sub := filepath.Join(dir, fmt.Sprint(n))
		if err := os.Mkdir(sub, 0o755); err != nil {
			return err
		}
		all := atomicfs.NewBatch(osFs, nil)
		defer all.Close()
		for i := range files {
			write := w.write
			if write == nil {
				write = func(name string, data []byte) error { return all.WriteFile(name, data, 0o644) }
			}
			if err := write(filepath.Join(sub, fmt.Sprint(i)), data); err != nil {
				return err
			}
		}
		return all.Commit()
	})
}

func inTurn(b *testing.B, ways []way, do func(w way, i int) error) {
	took := make([][]float64, len(ways))
	for n := 0; b.Loop(); n++ {
		for i := range ways {
			i := (i + n) % len(ways) // nobody is always first
			began := time.Now()
			if err := do(ways[i], i); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], float64(time.Since(began)))
		}
	}
	median := func(i int) float64 {
		slices.Sort(took[i])
		return took[i][len(took[i])/2]
	}
	last := len(ways) - 1
	for i, w := range ways[:last] {
		b.ReportMetric(median(i)/median(last), w.impl+"/"+ways[last].impl)
	}
	b.ReportMetric(median(last), ways[last].impl+"-ns")
}
