package spool_test

import (
	"bytes"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// Readers go on over whatever happens to the spool, at offsets of their own.
func TestReaderGoesOn(t *testing.T) {
	eachMemory(t, func(t *testing.T, k testfs.Kind, opts spool.Options) {
		opts.MaxMemory = 100_000
		opts.Budget = spool.NewBudget(1 << 30)
		f := spool.New(k.Fs, &opts)
		want := text(150_000)
		_, err := f.Write(want[:100_000])
		require.NoError(t, err)
		a, b := f.NewReader(), f.NewReader()
		assert.Equal(t, want[:1000], mustRead(t, a, 1000))
		assert.Equal(t, want[:10], mustRead(t, b, 10))
		_, err = f.Write(want[100_000:])
		require.NoError(t, err)
		require.True(t, f.Spilled())
		assert.Equal(t, want[1000:2000], mustRead(t, a, 1000))
		require.NoError(t, f.Close())
		rest, err := io.ReadAll(a)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want[2000:], rest))
		require.NoError(t, a.Close())
		var buf bytes.Buffer
		n, err := b.WriteTo(&buf)
		require.NoError(t, err)
		assert.Equal(t, int64(len(want)-10), n)
		assert.True(t, bytes.Equal(want[10:], buf.Bytes()))
		require.NoError(t, b.Close())
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
		assert.Zero(t, opts.Budget.InUse())
	})
}

func TestReaderAfterReset(t *testing.T) {
	eachSide(t, func(t *testing.T, f *spool.File) {
		write(f, "abcdef")
		r := f.NewReader()
		defer func() { require.NoError(t, r.Close()) }()
		assert.Equal(t, `"abc" nil`, read(r, 3))
		require.NoError(t, f.Reset())
		assert.Equal(t, `"" EOF`, read(r, 3))
		write(f, "ABCDEF")
		assert.Equal(t, `"DEF" nil`, read(r, 9), "as a second descriptor of a file would")
	})
}

// A reader of a spool that goes to a socket or a file is the kernel's to copy;
// what arrives is the same.
func TestReaderToFileAndSocket(t *testing.T) {
	want := text(300_000)
	eachSide(t, func(t *testing.T, f *spool.File) {
		_, err := f.Write(want[:299_000])
		require.NoError(t, err)
		_, err = f.Write(want[299_000:]) // gathered
		require.NoError(t, err)
		r := f.NewReader()
		defer func() { require.NoError(t, r.Close()) }()

		g, err := os.Create(filepath.Join(t.TempDir(), "copy"))
		require.NoError(t, err)
		seekTo(t, r, 1)
		n, err := io.Copy(g, r)
		require.NoError(t, err)
		assert.Equal(t, int64(len(want)-1), n)
		require.NoError(t, g.Close())
		requireFile(t, afero.NewOsFs(), g.Name(), want[1:])
		assert.Equal(t, `"" EOF`, read(r, 1))

		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = l.Close() }()
		got := make(chan []byte)
		go func() {
			c, err := l.Accept()
			assert.NoError(t, err)
			b, err := io.ReadAll(c)
			assert.NoError(t, err)
			_ = c.Close()
			got <- b
		}()
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		seekTo(t, f, 2)
		n, err = f.WriteTo(c)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		assert.True(t, bytes.Equal(want[2:], <-got))
		assert.Equal(t, int64(len(want)-2), n)
		assert.Equal(t, say(int64(len(want)), nil), tell(f))
	})
}

// recorder is a writer that can have the kernel copy for it.
type recorder struct {
	bytes.Buffer
	from io.Reader
	wait func()
}

func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	w.from = r
	if w.wait != nil {
		w.wait()
	}
	return w.Buffer.ReadFrom(r)
}

// What is on the operating system's disk is handed to those that can have the
// kernel copy it, as the os.File that it is; and stays open until they are done.
func TestKernelMayCopy(t *testing.T) {
	want := text(300_000)
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if !k.OS {
			t.Skip("there is no os.File")
		}
		f := spool.New(k.Fs, &spool.Options{MaxMemory: -1, Temp: tmpfs.Options{Dir: k.Dir}})
		_, err := f.Write(want)
		require.NoError(t, err)
		r := f.NewReader()
		seekTo(t, f, 5)
		for off, from := range map[int]io.WriterTo{5: f, 0: r} {
			var w recorder
			n, err := from.WriteTo(&w)
			require.NoError(t, err)
			assert.Equal(t, int64(len(want)-off), n)
			assert.True(t, bytes.Equal(want[off:], w.Bytes()))
			require.IsType(t, &io.LimitedReader{}, w.from)
			assert.IsType(t, &os.File{}, w.from.(*io.LimitedReader).R)
		}
		require.NoError(t, r.Close())

		// Committed in the middle, and closed: the client gets it all.
		seekTo(t, f, 0)
		slow := recorder{wait: func() {
			require.NoError(t, f.Commit(k.Fs, k.Join("dest"), nil))
			require.NoError(t, f.Close())
		}}
		_, err = f.WriteTo(&slow)
		require.ErrorIs(t, err, fs.ErrClosed, "at its end the spool is closed")
		assert.True(t, bytes.Equal(want, slow.Bytes()))
		requireFile(t, k.Fs, k.Join("dest"), want)
		assert.Equal(t, []string{"dest"}, testfs.Leftovers(t, k.Fs, k.Dir))
		requireNoDescriptors(t, k.Real(k.Dir))
	})
}

// A spool can be filled from a file, from another spool, and from itself.
func TestReadFromFiles(t *testing.T) {
	want := text(300_000)
	name := filepath.Join(t.TempDir(), "source")
	require.NoError(t, os.WriteFile(name, want, 0o600))
	eachSide(t, func(t *testing.T, f *spool.File) {
		g, err := os.Open(name)
		require.NoError(t, err)
		defer func() { require.NoError(t, g.Close()) }()
		write(f, "head")
		n, err := f.ReadFrom(io.LimitReader(g, 100_000))
		require.NoError(t, err)
		assert.Equal(t, int64(100_000), n)
		l := &io.LimitedReader{R: g, N: 1 << 40}
		n, err = f.ReadFrom(l)
		require.NoError(t, err)
		assert.Equal(t, int64(200_000), n)
		assert.Equal(t, int64(1<<40-200_000), l.N)
		write(f, "tail")
		whole := append(append([]byte("head"), want...), "tail"...)
		requireContents(t, whole, f)

		r := f.NewReader()
		defer func() { require.NoError(t, r.Close()) }()
		n, err = io.Copy(f, io.LimitReader(r, int64(len(whole))))
		require.NoError(t, err)
		assert.Equal(t, int64(len(whole)), n)
		requireContents(t, append(bytes.Clone(whole), whole...), f)

		other := spool.New(afero.NewOsFs(), &spool.Options{MaxMemory: 1000, Temp: tmpfs.Options{Dir: t.TempDir()}})
		defer func() { require.NoError(t, other.Close()) }()
		seekTo(t, f, 0)
		_, err = io.Copy(other, f)
		require.NoError(t, err)
		requireContents(t, append(bytes.Clone(whole), whole...), other)
	})
}

// The limit holds where the kernel copies, too.
func TestReadFromFileIsLimited(t *testing.T) {
	name := filepath.Join(t.TempDir(), "source")
	require.NoError(t, os.WriteFile(name, text(300_000), 0o600))
	for _, size := range []int64{300_000, 299_999} {
		g, err := os.Open(name)
		require.NoError(t, err)
		f := spool.New(afero.NewOsFs(), &spool.Options{MaxMemory: -1, MaxSize: size, Temp: tmpfs.Options{Dir: t.TempDir()}})
		require.NoError(t, f.Spill())
		n, err := f.ReadFrom(g)
		assert.Equal(t, size, n)
		if size < 300_000 {
			require.ErrorIs(t, err, spool.ErrTooLarge)
		} else {
			require.NoError(t, err)
		}
		requireContents(t, text(300_000)[:size], f)
		require.NoError(t, f.Close())
		require.NoError(t, g.Close())
	}
}

// The os.File and the spool are one file, in content and offset.
func TestOSFileIsShared(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		f := spool.New(k.Fs, &spool.Options{Temp: tmpfs.Options{Dir: k.Dir}})
		defer func() { require.NoError(t, f.Close()) }()
		write(f, "abcdef")
		seekTo(t, f, 2)
		g, err := f.OSFile()
		if !k.OS {
			require.Error(t, err)
			requireContents(t, []byte("abcdef"), f)
			return
		}
		require.NoError(t, err)
		assert.Equal(t, `"cd" nil`, read(g, 2))
		assert.Equal(t, "4 nil", tell(f))
		assert.Equal(t, `"e" nil`, read(f, 1))
		assert.Equal(t, "5 nil", tell(g))
		put(t, f, "FGH")
		put(t, g, "IJK")
		requireContents(t, []byte("abcdeFGHIJK"), f)
		assert.Equal(t, int64(11), f.Size())
		assert.Equal(t, "11 nil", tell(f))
		require.NoError(t, g.Truncate(3))
		assert.Equal(t, "3", size(f))
		r := f.NewReader()
		defer func() { require.NoError(t, r.Close()) }()
		var buf bytes.Buffer
		_, err = r.WriteTo(&buf)
		require.NoError(t, err)
		assert.Equal(t, "abc", buf.String())
		assert.Equal(t, "11 nil", tell(g), "a reader has an offset of its own")
		again, err := f.OSFile()
		require.NoError(t, err)
		assert.Same(t, g, again)
		require.NoError(t, f.Reset())
		_, err = g.Read(make([]byte, 1))
		require.ErrorIs(t, err, fs.ErrClosed)
	})
}
