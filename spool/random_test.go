package spool_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// A pair is a spool and an os.File to which the same is done. After each call
// their answers are compared, and at the end all that they hold.
type pair struct {
	spool *spool.File
	file  *os.File
	next  byte // the data that the next write starts with
}

// reports is what both a testing.T and a rapid.T have.
type reports interface {
	require.TestingT
	Helper()
}

// newPair returns an empty pair, whose os.File is in dir.
func newPair(t reports, dir string, disk afero.Fs, opts spool.Options) *pair {
	t.Helper()
	file, err := os.CreateTemp(dir, "oracle-*")
	require.NoError(t, err)
	return &pair{spool: spool.New(disk, &opts), file: file}
}

func (p *pair) close(t reports) {
	t.Helper()
	require.NoError(t, p.spool.Close())
	require.NoError(t, p.file.Close())
	require.NoError(t, os.Remove(p.file.Name()))
}

// data returns n bytes that no other write has had.
func (p *pair) data(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = p.next + byte(i) | 1 // never zero, as a hole is
	}
	p.next += 37
	return b
}

// ops are the calls that both answer. n is a length and off an offset; the
// answers do not tell which of the two gave them.
var ops = []struct {
	name string
	do   func(p *pair, f afero.File, n int, off int64, data []byte) string
}{
	{"Write", func(_ *pair, f afero.File, _ int, _ int64, data []byte) string { return say(f.Write(data)) }},
	{"WriteAt", func(_ *pair, f afero.File, _ int, off int64, data []byte) string { return say(f.WriteAt(data, off)) }},
	{"WriteString", func(_ *pair, f afero.File, _ int, _ int64, data []byte) string {
		return say(f.WriteString(string(data)))
	}},
	{"ReadFrom", func(_ *pair, f afero.File, n int, _ int64, data []byte) string {
		return say(f.(io.ReaderFrom).ReadFrom(&slow{data: data, most: n/3 + 1}))
	}},
	{"Read", func(_ *pair, f afero.File, n int, _ int64, _ []byte) string {
		b := unread(n)
		m, err := f.Read(b)
		return say(string(b[:m]), err)
	}},
	{"ReadAt", func(_ *pair, f afero.File, n int, off int64, _ []byte) string {
		b := unread(n)
		m, err := f.ReadAt(b, off)
		return say(string(b[:m]), err)
	}},
	{"WriteTo", func(_ *pair, f afero.File, _ int, _ int64, _ []byte) string {
		var b bytes.Buffer
		s := say(io.Copy(&b, f))
		return s + b.String()
	}},
	{"Seek", func(_ *pair, f afero.File, n int, off int64, _ []byte) string { return say(f.Seek(off, n%3)) }},
	{"Seek back", func(_ *pair, f afero.File, n int, off int64, _ []byte) string { return say(f.Seek(-off, n%3)) }},
	{"Truncate", func(_ *pair, f afero.File, _ int, off int64, _ []byte) string { return say("", f.Truncate(off)) }},
	{"Stat", func(_ *pair, f afero.File, _ int, _ int64, _ []byte) string { return size(f) }},
	{"Sync", func(p *pair, f afero.File, _ int, _ int64, _ []byte) string {
		if f == afero.File(p.file) {
			return " nil" // it would wait for a disk, to no end
		}
		return say("", f.Sync())
	}},
	{"Spill", func(p *pair, f afero.File, _ int, _ int64, _ []byte) string {
		if f == afero.File(p.file) {
			return " nil"
		}
		return say("", p.spool.Spill())
	}},
	{"OSFile", func(p *pair, f afero.File, n int, _ int64, _ []byte) string {
		if f == afero.File(p.file) || n%8 != 0 {
			return "" // seldom: nothing is gathered from then on
		}
		_, _ = p.spool.OSFile()
		return ""
	}},
}

// unread returns n bytes that a read has to overwrite: they are not zero, as a
// hole is.
func unread(n int) []byte { return bytes.Repeat([]byte{0xAA}, n) }

// A slow reader gives a little at a time.
type slow struct {
	data []byte
	most int
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.most)], s.data)
	s.data = s.data[n:]
	return n, nil
}

// step does one operation to both and compares.
func (p *pair) step(t reports, op, n int, off int64) {
	t.Helper()
	o := ops[op%len(ops)]
	data := p.data(n)
	got := o.do(p, p.spool, n, off, data)
	want := o.do(p, p.file, n, off, data)
	if got != want {
		require.Equal(t, abbreviate(want), abbreviate(got), "%s(n %d, offset %d)", o.name, n, off)
		require.Fail(t, "answers differ", "%s(n %d, offset %d)", o.name, n, off)
	}
	require.Equal(t, tell(p.file), tell(p.spool), "offset after %s(n %d, offset %d)", o.name, n, off)
}

func abbreviate(s string) string {
	return fmt.Sprintf("%d: %.300q", len(s), s)
}

// compare checks that both hold the same, by every way of reading.
func (p *pair) compare(t reports) {
	t.Helper()
	want, err := os.ReadFile(p.file.Name())
	require.NoError(t, err)
	require.Equal(t, int64(len(want)), p.spool.Size())
	got, err := p.spool.Bytes()
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "Bytes")
	r := p.spool.NewReader()
	got, err = io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.True(t, bytes.Equal(want, got), "Reader")
}

// thresholds are where a spool may turn over; sizes are how much is written and
// where: about each size of page, and about what goes straight through.
var (
	thresholds = []int64{-1, 1, 100, 511, 512, 513, 3000, 65536, 262144, 300000, 1 << 30}
	sizes      = []int{0, 1, 2, 100, 511, 512, 513, 1024, 4096, 32768, 65535, 65536, 65537, 262143, 262144, 262145, 300000}
	offsets    = append([]int{400000, 524288, 600000, 1 << 20}, sizes...)
)

// Whatever is done to it, and whenever it spills, a spool answers as an os.File.
func TestRandom(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		opts := spool.Options{MaxMemory: rapid.SampledFrom(thresholds).Draw(t, "threshold")}
		if rapid.Bool().Draw(t, "memory") {
			opts.Memory = afero.NewMemMapFs()
		}
		disk := afero.NewMemMapFs()
		if rapid.Bool().Draw(t, "OsFs") {
			disk, opts.Temp.Dir = afero.NewOsFs(), dir
		}
		if limit := rapid.SampledFrom([]int64{-1, 0, 5000, 300000}).Draw(t, "budget"); limit >= 0 {
			opts.Budget = spool.NewBudget(limit)
		}
		p := newPair(t, dir, disk, opts)
		defer p.close(t)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			op := rapid.IntRange(0, len(ops)-1).Draw(t, "op")
			n := rapid.SampledFrom(sizes).Draw(t, "n")
			off := rapid.SampledFrom(offsets).Draw(t, "base") + rapid.IntRange(0, 600).Draw(t, "offset")
			p.step(t, op, n, int64(off))
			if p.spool.Spilled() {
				require.Zero(t, opts.Budget.InUse())
			}
		}
		p.compare(t)
		require.NoError(t, p.spool.Close())
		require.Zero(t, opts.Budget.InUse())
	})
	require.Empty(t, mustGlob(t, filepath.Join(dir, "*")))
}

// moments is a day in the life of a file: writes and reads of all sorts, about
// where pages end.
var moments = []struct {
	op  string
	n   int
	off int64
}{
	{"Write", 100, 0}, {"Read", 10, 0}, {"Seek", 0, 50}, {"Read", 20, 0}, {"Write", 600, 0}, {"WriteAt", 100, 2000},
	{"ReadAt", 3000, 0}, {"Truncate", 0, 1000}, {"WriteTo", 0, 0}, {"Seek", 2, 300}, {"WriteString", 700, 0},
	{"ReadAt", 5000, 500}, {"ReadFrom", 70_000, 0}, {"Seek back", 2, 100}, {"Read", 300, 0}, {"Write", 65_536, 0},
	{"Stat", 0, 0}, {"WriteAt", 10, 600_000}, {"ReadAt", 100, 262_100}, {"WriteAt", 200_000, 250_000},
	{"Truncate", 0, 262_144}, {"Write", 1, 0}, {"Truncate", 0, 300_000}, {"Seek", 0, 262_000}, {"Read", 65_536, 0},
	{"Sync", 0, 0}, {"Seek", 0, 0}, {"WriteTo", 0, 0},
}

// The spill comes before each of them in turn, at the second try.
func TestSpillAtEveryMoment(t *testing.T) {
	index := map[string]int{}
	for i, o := range ops {
		index[o.name] = i
	}
	eachMemory(t, func(t *testing.T, k testfs.Kind, opts spool.Options) {
		opts.MaxMemory = 1 << 30
		for when := range len(moments) + 1 {
			s := testfs.NewSpy(k.Fs)
			p := newPair(t, t.TempDir(), s, opts)
			for i, m := range moments {
				switch i {
				case when - 1:
					s.Fail(testfs.Calls("openfile"), testfs.Fault{Err: testfs.ErrFault})
					require.ErrorIs(t, p.spool.Spill(), testfs.ErrFault)
					s.Reset()
				case when:
					require.NoError(t, p.spool.Spill())
				}
				p.step(t, index[m.op], m.n, m.off)
			}
			require.Equal(t, when < len(moments), p.spool.Spilled())
			p.compare(t)
			p.close(t)
		}
		require.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func mustGlob(t testing.TB, pattern string) []string {
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	return names
}

// FuzzFile reads a threshold and a row of operations from the input: one byte
// says which, two bytes each how much and where.
func FuzzFile(f *testing.F) {
	f.Add(uint32(100), false, true, []byte{0, 0, 50, 0, 0, 0, 0, 60, 0, 0, 4, 0, 9, 0, 0})
	f.Add(uint32(0), true, false, []byte{1, 1, 0, 2, 0, 9, 0, 0, 0, 10, 6, 0, 0, 0, 0})
	f.Add(uint32(600), false, false, []byte{1, 0, 1, 255, 0, 9, 0, 0, 128, 0, 1, 0, 1, 200, 0, 12, 0, 0, 0, 0, 6, 0, 0, 0, 0})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, threshold uint32, memory, disk bool, script []byte) {
		opts := spool.Options{MaxMemory: int64(threshold%(1<<20)) - 1}
		if memory {
			opts.Memory = afero.NewMemMapFs()
		}
		fsys := afero.NewMemMapFs()
		if disk {
			fsys, opts.Temp = afero.NewOsFs(), tmpfs.Options{Dir: dir}
		}
		p := newPair(t, dir, fsys, opts)
		defer p.close(t)
		for steps := 0; len(script) >= 5 && steps < 100; steps++ {
			n := binary.BigEndian.Uint16(script[1:])
			off := binary.BigEndian.Uint16(script[3:])
			// Sixteen times as far as two bytes reach, so that large pages are among it.
			p.step(t, int(script[0]), int(n), int64(off)*16+int64(n%16))
			script = script[5:]
		}
		p.compare(t)
	})
}
