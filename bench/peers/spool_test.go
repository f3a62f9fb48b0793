package peers_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/djherbis/buffer"
	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/spool"
)

// threshold is what those hold in memory that can go to a disk.
const threshold = 1 << 20

// python fills a tempfile.SpooledTemporaryFile and prints how long each of some
// turns took, in nanoseconds, without the start of the interpreter.
const python = `
import sys, tempfile, time
size, piece, turns = map(int, sys.argv[1:])
data = b"abcdefgh" * (piece // 8)
for _ in range(turns):
    start = time.perf_counter_ns()
    with tempfile.SpooledTemporaryFile(max_size=1 << 20) as f:
        for _ in range(size // piece):
            f.write(data)
    print(time.perf_counter_ns() - start)
`

// A keeper takes size bytes, piece by piece, and lets go of them.
type keeper struct {
	impl string
	keep func(size int, piece []byte) error
}

var keepers = []keeper{
	{"spool", func(size int, piece []byte) error {
		f := spool.New(osFs, &spool.Options{MaxMemory: threshold})
		return fill(f, size, piece, f.Close)
	}},
	{"bytes.Buffer", func(size int, piece []byte) error {
		return fill(&bytes.Buffer{}, size, piece, nil)
	}},
	{"afero.mem", func(size int, piece []byte) error {
		f, err := afero.NewMemMapFs().Create("/f")
		if err != nil {
			return err
		}
		return fill(f, size, piece, f.Close)
	}},
	{"djherbis", func(size int, piece []byte) error {
		// A buffer of memory, and behind it files of 64 MiB.
		files := buffer.NewFilePool(64<<20, "")
		b := buffer.NewMulti(buffer.New(threshold), buffer.NewPartition(files))
		return fill(b, size, piece, func() error { b.Reset(); return nil })
	}},
	{"multipart", func(size int, piece []byte) error {
		// What a form's file of that size becomes; the parts of the message around it
		// are made by a writer in the same process, as a client would.
		r, w := io.Pipe()
		form := multipart.NewWriter(w)
		go func() {
			part, err := form.CreateFormFile("file", "file")
			if err == nil {
				err = fill(part, size, piece, form.Close)
			}
			w.CloseWithError(err)
		}()
		got, err := multipart.NewReader(r, form.Boundary()).ReadForm(threshold)
		if err != nil {
			return err
		}
		return got.RemoveAll()
	}},
}

// fill writes size bytes to w and calls done, if there is anything to be done.
func fill(w io.Writer, size int, piece []byte, done func() error) error {
	for off := 0; off < size; off += len(piece) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	if done == nil {
		return nil
	}
	return done()
}

// BenchmarkSpoolRatio lets all of them keep the same bytes, taking turns, with
// 1 MiB of memory where that can be said. It reports medians as multiples of that
// of spool, and the memory that one turn allocates. CPython takes part where
// there is a python3. $TMPDIR says on which file system.
func BenchmarkSpoolRatio(b *testing.B) {
	for _, c := range []struct{ size, piece int }{{64 << 10, 4 << 10}, {1 << 20, 32 << 10}, {16 << 20, 4 << 10}, {16 << 20, 32 << 10}} {
		b.Run(fmt.Sprintf("size=%dKiB/piece=%dKiB", c.size>>10, c.piece>>10), func(b *testing.B) {
			piece := bytes.Repeat([]byte("abcdefgh"), c.piece/8)
			took := map[string][]time.Duration{}
			allocated := map[string]uint64{}
			const rounds = 9
			for b.Loop() {
				for range rounds {
					for _, k := range keepers {
						var before, after runtime.MemStats
						runtime.ReadMemStats(&before)
						start := time.Now()
						if err := k.keep(c.size, piece); err != nil {
							b.Fatal(k.impl, err)
						}
						took[k.impl] = append(took[k.impl], time.Since(start))
						runtime.ReadMemStats(&after)
						allocated[k.impl] = after.TotalAlloc - before.TotalAlloc
					}
				}
			}
			took["python"] = inPython(b, c.size, c.piece, rounds)
			base := median(took["spool"])
			for impl, times := range took {
				if len(times) > 0 {
					b.ReportMetric(float64(median(times))/float64(base), impl+"/spool")
				}
			}
			for impl, n := range allocated {
				b.ReportMetric(float64(n)/float64(c.size), impl+"-B/B")
			}
			b.ReportMetric(0, "ns/op") // of all of them together it says nothing
		})
	}
}

// inPython returns how long CPython took, or nothing where there is none.
func inPython(b *testing.B, size, piece, rounds int) (times []time.Duration) {
	b.Helper()
	interpreter, err := exec.LookPath("python3")
	if err != nil {
		return nil
	}
	out, err := exec.Command(interpreter, "-c", python, strconv.Itoa(size), strconv.Itoa(piece), strconv.Itoa(rounds)).Output()
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		ns, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Duration(ns))
	}
	return times
}

// TestKeepers: what is measured works.
func TestKeepers(t *testing.T) {
	for _, k := range keepers {
		if err := k.keep(2<<20, make([]byte, 32<<10)); err != nil {
			t.Error(k.impl, err)
		}
	}
}
