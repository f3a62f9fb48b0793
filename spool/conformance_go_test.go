package spool_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
)

// ofGo are of gowarc, mime/multipart, rclone, filebuffer, djherbis/buffer and kopia.
var ofGo = []conformanceCase{
	{id: "GW1", what: "in memory: no name", run: func(c trial) {
		f := c.new(100)
		put(c, f, "hello")
		assert.Empty(c, f.Name())
		requireContents(c, []byte("hello"), f)
	}},
	{id: "GW2", what: "over the threshold", run: counts(10, 50, true)},
	{id: "GW3", what: "forced to the disk", run: counts(-1, 5, true)},
	{id: "GW4", what: "ReadAt and Seek in memory", run: readAtAndSeek(false)},
	{id: "GW5", what: "ReadAt and Seek on the disk", run: readAtAndSeek(true)},
	{id: "GW6", what: "writing after reading works", run: func(c trial) {
		c.each(6, func(t *testing.T, f *spool.File) {
			put(t, f, "abc")
			seekTo(t, f, 0)
			assert.Equal(t, `"ab" nil`, read(f, 2))
			put(t, f, "XYZ+")
			requireContents(t, []byte("abXYZ+"), f)
		})
	}},
	{id: "GW7", what: "closed in memory", run: closedErrors(false)},
	{id: "GW8", what: "closed on the disk", run: closedErrors(true)},
	{id: "GW9", what: "the length in both places", run: func(c trial) {
		c.each(26, func(t *testing.T, f *spool.File) {
			assert.Zero(t, f.Size())
			put(t, f, alphabet)
			assert.Equal(t, int64(26), f.Size())
			seekTo(t, f, 3)
			assert.Equal(t, int64(26), f.Size(), "wherever the offset is")
		})
	}},
	{id: "GW10", what: "the name's prefix", run: named("warc-", "warc-", "")},
	{id: "GW11", skip: noPressure}, {id: "GW12", skip: noPressure}, {id: "GW13", skip: noPressure}, {id: "GW14", skip: noPressure},
	{id: "GW15", what: "growth within the limit", run: func(c trial) {
		f := c.new(1 << 20)
		for n := 1; n < 1<<19; n *= 2 {
			_, err := f.Write(text(n))
			require.NoError(c, err)
		}
		rolled(c, f, false)
	}},
	{id: "GW16", what: "pages are used again, and show nothing of what they held", run: func(c trial) {
		for range 3 {
			f := c.new(1 << 20)
			_, err := f.Write(text(700_000))
			require.NoError(c, err)
			require.NoError(c, f.Close())
			f = c.new(1 << 20)
			require.NoError(c, f.Truncate(700_000))
			_, err = f.WriteAt([]byte("x"), 300_000)
			require.NoError(c, err)
			want := make([]byte, 700_000)
			want[300_000] = 'x'
			requireContents(c, want, f)
		}
	}},
	{id: "GW17", what: "far beyond the limit", run: counts(1000, 1_000_000, true)},
	{id: "GW18", what: "io.Copy of 500 K at 100 K", run: func(c trial) {
		f := c.new(100 << 10)
		n, err := io.Copy(f, bytes.NewReader(text(500<<10)))
		require.NoError(c, err)
		assert.Equal(c, int64(500<<10), n)
		rolled(c, f, true)
		requireContents(c, text(500<<10), f)
	}},
	{id: "GM1", skip: "the memory of the container is the caller's to know: Options.Budget"},
	{id: "MP1", what: "small and large, opened twice", run: func(c trial) {
		c.each(5000, func(t *testing.T, f *spool.File) {
			_, err := f.Write(text(5000))
			require.NoError(t, err)
			for range 2 {
				r := f.NewReader()
				b, err := io.ReadAll(r)
				require.NoError(t, err)
				assert.Equal(t, text(5000), b)
				require.NoError(t, r.Close())
			}
		})
	}},
	{id: "MP2", what: "a reader closed twice", run: func(c trial) {
		c.each(3, func(t *testing.T, f *spool.File) {
			put(t, f, "abc")
			r := f.NewReader()
			require.NoError(t, r.Close())
			require.NoError(t, r.Close())
			_, err := r.Read(make([]byte, 1))
			require.ErrorIs(t, err, fs.ErrClosed)
			requireContents(t, []byte("abc"), f) // the spool is not closed with it
		})
	}},
	{id: "MP3", what: "limits at the end of int64", run: func(c trial) {
		for _, limit := range []int64{math.MaxInt64 - 1, math.MaxInt64} {
			c.opts.MaxSize = limit
			f := c.new(limit)
			put(c, f, "abc")
			requireContents(c, []byte("abc"), f)
			rolled(c, f, false)
		}
	}},
	{id: "MP4", skip: "one file for many parts: a spool is one part"},
	{id: "MP5", skip: "no metadata is held"},
	{id: "MP6", what: "nothing is read after EOF", run: func(c trial) {
		c.each(3, func(t *testing.T, f *spool.File) {
			_, err := f.ReadFrom(&once{t: t, data: "abc"})
			require.NoError(t, err)
			requireContents(t, []byte("abc"), f)
		})
	}},
	{id: "MP7", what: "all is removed", run: func(c trial) {
		var files []*spool.File
		for range 10 {
			f := c.new(3)
			put(c, f, "1234")
			files = append(files, f)
		}
		for _, f := range files {
			require.NoError(c, f.Close())
		}
		assert.Empty(c, testfs.Leftovers(c, c.k.Fs, c.k.Dir))
	}},
	{id: "RC1", what: "empty", run: func(c trial) {
		f := c.new(10)
		n, err := f.WriteTo(io.Discard)
		require.NoError(c, err)
		assert.Zero(c, n)
		requireContents(c, []byte{}, f)
	}},
	{id: "RC2", what: "full circle", run: func(c trial) {
		c.each(200_000, func(t *testing.T, f *spool.File) {
			n, err := f.ReadFrom(bytes.NewReader(text(200_000)))
			require.NoError(t, err)
			assert.Equal(t, int64(200_000), n)
			seekTo(t, f, 0)
			var b bytes.Buffer
			n, err = f.WriteTo(&b)
			require.NoError(t, err)
			assert.Equal(t, int64(200_000), n)
			assert.Equal(t, text(200_000), b.Bytes())
		})
	}},
	{id: "RC3", what: "WriteTo, and its error", run: func(c trial) {
		c.each(200_000, func(t *testing.T, f *spool.File) {
			_, err := f.Write(text(200_000))
			require.NoError(t, err)
			seekTo(t, f, 10)
			n, err := f.WriteTo(&failing{room: 100_000})
			require.ErrorIs(t, err, errFailing)
			assert.Equal(t, int64(100_000), n)
			assert.Equal(t, "100010 nil", tell(f), "behind what was taken")
			var b bytes.Buffer
			_, err = f.WriteTo(&b)
			require.NoError(t, err)
			assert.Equal(t, text(200_000)[100_010:], b.Bytes())
		})
	}},
	{id: "RC4", what: "part by part", run: func(c trial) {
		c.each(100, func(t *testing.T, f *spool.File) {
			put(t, f, strings.Repeat("0123456789", 10))
			seekTo(t, f, 0)
			for range 14 {
				assert.Equal(t, 7, len(mustRead(t, f, 7)))
			}
			assert.Equal(t, `"89" nil`, read(f, 7))
			assert.Equal(t, `"" EOF`, read(f, 7))
		})
	}},
	{id: "RC5", what: "seeks that are refused", run: func(c trial) {
		c.each(3, func(t *testing.T, f *spool.File) {
			put(t, f, "abc")
			r := f.NewReader()
			defer func() { require.NoError(t, r.Close()) }()
			for _, s := range []io.Seeker{f, r} {
				seekTo(t, s, 2)
				for _, bad := range []struct {
					off    int64
					whence int
				}{{-1, io.SeekStart}, {-3, io.SeekCurrent}, {-4, io.SeekEnd}, {math.MaxInt64, io.SeekCurrent}, {0, 7}} {
					_, err := s.Seek(bad.off, bad.whence)
					require.ErrorIs(t, err, syscall.EINVAL)
				}
				assert.Equal(t, "2 nil", tell(s))
			}
		})
	}},
	{id: "RC6", what: "about the size of each page, by every way of writing and reading", run: func(c trial) {
		for shift := 9; shift <= 18; shift++ {
			for n := 1<<shift - 1; n <= 1<<shift+1; n++ {
				everyWay(c, text(n))
			}
		}
	}},
	{id: "RC7", what: "reading while it is written", run: func(c trial) {
		c.each(50_000, func(t *testing.T, f *spool.File) {
			want := text(50_000)
			done := make(chan error, 1)
			go func() {
				var err error
				for off := 0; off < len(want) && err == nil; off += 1000 {
					_, err = f.Write(want[off : off+1000])
				}
				done <- err
			}()
			r := f.NewReader()
			defer func() { require.NoError(t, r.Close()) }()
			var got []byte
			for len(got) < len(want) {
				p := make([]byte, 700)
				n, err := r.Read(p)
				got = append(got, p[:n]...)
				if !errors.Is(err, io.EOF) {
					require.NoError(t, err)
				}
			}
			require.NoError(t, <-done)
			assert.True(t, bytes.Equal(want, got))
		})
	}},
	{id: "RC8", what: "use after Close", run: closedErrors(true)},
	{id: "FB1", what: "a read after a huge seek is EOF", run: func(c trial) {
		c.each(3, func(t *testing.T, f *spool.File) {
			put(t, f, "abc")
			seekTo(t, f, 1<<40)
			assert.Equal(t, `"" EOF`, read(f, 3))
			assert.Equal(t, `"" EOF`, readAt(f, 3, math.MaxInt64))
		})
	}},
	{id: "FB2", what: "many ReadAt at once", run: func(c trial) {
		c.each(100_000, func(t *testing.T, f *spool.File) {
			want := text(100_000)
			_, err := f.Write(want)
			require.NoError(t, err)
			readAll(t, f, want)
		})
	}},
	{id: "FB3", what: "many ReadAt at once of nothing", run: func(c trial) { readAll(c, c.new(10), nil) }},
	{id: "DJ1", skip: "buffers are not swapped: a spool is one"},
	{id: "DJ2", what: "WriteAt", run: func(c trial) {
		c.each(10, func(t *testing.T, f *spool.File) {
			for _, off := range []int64{8, 0, 4, 6, 2} {
				_, err := f.WriteAt([]byte{byte('a' + off), byte('b' + off)}, off)
				require.NoError(t, err)
			}
			requireContents(t, []byte("abcdefghij"), f)
			assert.Equal(t, "0 nil", tell(f))
		})
	}},
	{id: "DJ3", skip: "a stream whose readers wait for the writer: a Reader finds the end that there is"},
	{id: "KO1", what: "what ReaderAt says", run: func(c trial) {
		c.each(5, func(t *testing.T, f *spool.File) {
			put(t, f, "12345")
			r := f.NewReader()
			defer func() { require.NoError(t, r.Close()) }()
			for _, ra := range []io.ReaderAt{f, r} {
				assert.Equal(t, `"12345" nil`, readAt(ra, 5, 0))
				assert.Equal(t, `"45" EOF`, readAt(ra, 5, 3))
				assert.Equal(t, `"" EOF`, readAt(ra, 1, 5))
				assert.Equal(t, `"" nil`, readAt(ra, 0, 9))
				assert.Equal(t, `"" negative offset`, readAt(ra, 1, -1))
			}
		})
	}},
	{id: "KO2", what: "writes of every size", run: func(c trial) {
		f := c.new(20_000)
		var want []byte
		for n := range 300 {
			_, err := f.Write(text(n))
			require.NoError(c, err)
			want = append(want, text(n)...)
		}
		rolled(c, f, true)
		requireContents(c, want, f)
	}},
	{id: "KO3", what: "errors after Close, no panic", run: closedErrors(false)},
	{id: "KO4", what: "written, sought and read, and no entry in the directory", run: func(c trial) {
		f := c.new(-1)
		put(c, f, alphabet)
		seekTo(c, f, 3)
		assert.Equal(c, `"def" nil`, read(f, 3))
		if c.k.OS || c.k.Name == "MemMapFs" {
			assert.Empty(c, f.Name())
			assert.Empty(c, testfs.Leftovers(c, c.k.Fs, c.k.Dir))
		}
	}},
}

const noPressure = "no memory pressure is measured: Options.Budget refuses, and the spool rolls"

func readAtAndSeek(roll bool) func(trial) {
	return func(c trial) {
		f := c.new(100)
		put(c, f, alphabet)
		if roll {
			require.NoError(c, f.Spill())
		}
		seekTo(c, f, 3)
		assert.Equal(c, `"klm" nil`, readAt(f, 3, 10))
		assert.Equal(c, `"def" nil`, read(f, 3), "ReadAt moves nothing")
	}
}

// everyWay writes want and reads it back, by each way of doing either.
func everyWay(c trial, want []byte) {
	c.Helper()
	n := int64(len(want))
	for _, w := range []func(f *spool.File) error{
		func(f *spool.File) error { _, err := f.Write(want); return err },
		func(f *spool.File) error { _, err := f.ReadFrom(bytes.NewReader(want)); return err },
		func(f *spool.File) error { _, err := f.WriteAt(want, 0); return err },
		func(f *spool.File) error { _, err := f.WriteString(string(want)); return err },
	} {
		f := c.new(max(n-1, 1))
		if n%2 == 0 {
			f = c.new(n)
		}
		require.NoError(c, w(f))
		requireContents(c, want, f)
		seekTo(c, f, 0)
		b, err := io.ReadAll(f)
		require.NoError(c, err)
		require.True(c, bytes.Equal(want, b))
		seekTo(c, f, 0)
		var buf bytes.Buffer
		_, err = f.WriteTo(&buf)
		require.NoError(c, err)
		require.True(c, bytes.Equal(want, buf.Bytes()))
		require.NoError(c, f.Close())
	}
}

// readAll reads by many ReadAt at once.
func readAll(t testing.TB, f io.ReaderAt, want []byte) {
	t.Helper()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for off := g; off <= len(want); off += 997 {
				p := make([]byte, 100)
				n, err := f.ReadAt(p, int64(off))
				if !bytes.Equal(p[:n], want[off:min(off+100, len(want))]) || (err == io.EOF) != (off+100 > len(want)) {
					t.Errorf("ReadAt(%d): %d, %v", off, n, err)
				}
			}
		})
	}
	wg.Wait()
}

// once is a reader that may not be asked again after EOF.
type once struct {
	t    testing.TB
	data string
	done bool
}

func (o *once) Read(p []byte) (int, error) {
	if o.done {
		o.t.Error("read after EOF")
	}
	o.done = true
	return copy(p, o.data), io.EOF
}

var errFailing = errors.New("no more")

// failing is a writer that takes so many bytes and no more.
type failing struct{ room int }

func (w *failing) Write(p []byte) (int, error) {
	n := min(len(p), w.room)
	w.room -= n
	if n < len(p) {
		return n, errFailing
	}
	return n, nil
}
