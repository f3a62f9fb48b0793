package tmpfs_test

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// checksOfSpools are C069 to C090, SpooledTemporaryFile, and R35 to R53. Package
// spool has tests of its own; these hold it to the rows, with k as its disk side.
var checksOfSpools = map[string]check{
	"C069": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 0)
		assert.False(t, f.Spilled())
		f = spooled(t, k, 100)
		assert.False(t, f.Spilled())
	},
	"C070": func(t *testing.T, _ testfs.Kind) {
		var f afero.File = spool.New(afero.NewMemMapFs(), nil)
		require.NoError(t, f.Close())
	},
	"C071": func(t *testing.T, _ testfs.Kind) {
		var f interface {
			afero.File
			io.ReaderFrom
			io.WriterTo
			io.StringWriter
		} = spool.New(afero.NewMemMapFs(), nil)
		require.NoError(t, f.Close())
	},
	"C072": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 10)
		write(t, f, strings.Repeat("blat ", 5))
		assert.True(t, f.Spilled())
		require.NoError(t, f.Close())
		empty(t, k)
	},
	"C075": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 30)
		for range 5 {
			seek(t, f, 0)
			write(t, f, strings.Repeat("x", 20))
		}
		assert.False(t, f.Spilled())
	},
	"C076": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 30)
		write(t, f, strings.Repeat("x", 20))
		write(t, f, strings.Repeat("x", 10))
		assert.False(t, f.Spilled())
		write(t, f, "x")
		assert.True(t, f.Spilled())
	},
	"C077": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 0)
		for _, line := range []string{"x\n", "y\n", "z\n"} {
			write(t, f, line)
		}
		holds(t, f, "x\ny\nz\n")
	},
	"C078": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 35)
		for range 7 {
			write(t, f, "abcd\n")
		}
		assert.False(t, f.Spilled())
		write(t, f, "x")
		assert.True(t, f.Spilled())
	},
	"C079": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 30)
		seek(t, f, 100)
		assert.False(t, f.Spilled())
		write(t, f, "x")
		assert.True(t, f.Spilled())
	},
	"C080": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 30)
		file, err := f.OSFile()
		if !k.OS {
			require.ErrorIs(t, err, errors.ErrUnsupported)
			return
		}
		require.NoError(t, err)
		assert.NotZero(t, file.Fd())
		assert.True(t, f.Spilled())
	},
	"C081": func(t *testing.T, k testfs.Kind) { spoolCloses(t, spooled(t, k, 30)) },
	"C082": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 1)
		write(t, f, "abc")
		assert.True(t, f.Spilled())
		spoolCloses(t, f)
		empty(t, k)
	},
	"C083": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 30)
		read, put, seek := f.Read, f.Write, f.Seek
		text := strings.Repeat("a", 35) + strings.Repeat("b", 35)
		_, err := put([]byte(text[:35]))
		require.NoError(t, err)
		_, err = put([]byte(text[35:]))
		require.NoError(t, err)
		assert.True(t, f.Spilled())
		_, err = seek(0, io.SeekStart)
		require.NoError(t, err)
		b := make([]byte, 70)
		n, err := read(b)
		require.NoError(t, err)
		assert.Equal(t, text, string(b[:n]))
	},
	"C084": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 10)
		write(t, f, "x")
		assert.False(t, f.Spilled())
		before := f.Name()
		write(t, f, strings.Repeat("x", 10))
		assert.True(t, f.Spilled())
		assert.NotContains(t, before, "tmp-")
	},
	"C085": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 10)
		write(t, f, "abc\n\x1adef\r\n")
		holds(t, f, "abc\n\x1adef\r\n")
		write(t, f, "past\x1a")
		assert.True(t, f.Spilled())
		holds(t, f, "abc\n\x1adef\r\npast\x1a")
	},
	"C087": func(t *testing.T, k testfs.Kind) { spoolClosed(t, spooled(t, k, 10)) },
	"C088": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 1)
		assert.False(t, f.Spilled())
		write(t, f, "abc")
		assert.True(t, f.Spilled())
		spoolClosed(t, f)
	},
	"C089": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 30)
		require.NoError(t, f.Spill())
		write(t, f, "abc")
		spoolClosed(t, f)
	},
	"C090": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 10)
		write(t, f, "abcdefgh")
		require.NoError(t, f.Truncate(4))
		assert.False(t, f.Spilled())
		holds(t, f, "abcd")
		require.NoError(t, f.Truncate(0))
		assert.False(t, f.Spilled())
		holds(t, f, "")
		require.NoError(t, f.Truncate(20))
		assert.True(t, f.Spilled())
		assert.EqualValues(t, 20, f.Size())
	},

	"R35": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 10)
		write(t, f, "xxxxx")
		assert.False(t, f.Spilled())
		write(t, f, "xxxxxxxxxx")
		assert.True(t, f.Spilled())
		stands(t, f, 15)
	},
	"R36": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 10)
		write(t, f, strings.Repeat("x", 11))
		assert.True(t, f.Spilled())
		f = spool.New(k.Fs, &spool.Options{MaxMemory: 10, Temp: tmpfs.Options{Dir: k.Join("missing")}})
		_, err := f.WriteString(strings.Repeat("x", 11))
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.NoError(t, f.Close())
	},
	"R37": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 100)
		write(t, f, strings.Repeat("x", 9)+"y")
		seek(t, f, 5)
		require.NoError(t, f.Spill())
		assert.True(t, f.Spilled())
		stands(t, f, 5)
		holds(t, f, strings.Repeat("x", 9)+"y")
	},
	"R38": func(t *testing.T, k testfs.Kind) { seeks(t, spooled(t, k, 100), false) },
	"R39": func(t *testing.T, k testfs.Kind) { seeks(t, spooled(t, k, -1), true) },
	"R40": func(t *testing.T, k testfs.Kind) { reads(t, spooled(t, k, 100), false) },
	"R41": func(t *testing.T, k testfs.Kind) { reads(t, spooled(t, k, -1), true) },
	"R42": func(t *testing.T, k testfs.Kind) { overwrite(t, spooled(t, k, 100), false) },
	"R43": func(t *testing.T, k testfs.Kind) { overwrite(t, spooled(t, k, -1), true) },
	"R44": func(t *testing.T, k testfs.Kind) { extend(t, spooled(t, k, 100), false) },
	"R45": func(t *testing.T, k testfs.Kind) { extend(t, spooled(t, k, 20), true) },
	"R46": func(t *testing.T, k testfs.Kind) { sparse(t, spooled(t, k, 100), false) },
	"R47": func(t *testing.T, k testfs.Kind) { sparse(t, spooled(t, k, -1), true) },
	"R48": func(t *testing.T, k testfs.Kind) { sparse(t, spooled(t, k, 10), true) },
	"R49": func(t *testing.T, k testfs.Kind) { setLength(t, spooled(t, k, 100), false) },
	"R50": func(t *testing.T, k testfs.Kind) { setLength(t, spooled(t, k, -1), true) },
	"R51": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 10)
		write(t, f, "abcde")
		assert.False(t, f.Spilled())
		require.NoError(t, f.Truncate(20))
		assert.True(t, f.Spilled())
		stands(t, f, 5)
		holds(t, f, "abcde"+strings.Repeat("\x00", 15))
	},
	"R52": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 1)
		_, err := f.Seek(math.MaxInt64, io.SeekStart)
		if err == nil {
			_, err = f.WriteString("x")
		}
		require.Error(t, err)
		assert.Zero(t, f.Size())
	},
	"R53": func(t *testing.T, k testfs.Kind) {
		f := spooled(t, k, 100)
		write(t, f, "abcde")
		require.NoError(t, f.Truncate(1<<32+5))
		assert.EqualValues(t, int64(1<<32+5), f.Size())
		require.NoError(t, f.Truncate(5))
		holds(t, f, "abcde")
	},
}

func spooled(t *testing.T, k testfs.Kind, limit int64) *spool.File {
	t.Helper()
	f := spool.New(k.Fs, &spool.Options{MaxMemory: limit, Temp: tmpfs.Options{Dir: k.Dir}})
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func write(t *testing.T, f afero.File, text string) {
	t.Helper()
	n, err := f.WriteString(text)
	require.NoError(t, err)
	require.Len(t, text, n)
}

func seek(t *testing.T, f afero.File, off int64) {
	t.Helper()
	got, err := f.Seek(off, io.SeekStart)
	require.NoError(t, err)
	require.Equal(t, off, got)
}

func stands(t *testing.T, f afero.File, want int64) {
	t.Helper()
	got, err := f.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func holds(t *testing.T, f afero.File, want string) {
	t.Helper()
	at, err := f.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	assert.Equal(t, want, content(t, f))
	seek(t, f, at)
}

func spoolCloses(t *testing.T, f *spool.File) {
	t.Helper()
	for range 3 {
		require.NoError(t, f.Close())
	}
}

func spoolClosed(t *testing.T, f *spool.File) {
	t.Helper()
	require.NoError(t, f.Close())
	_, err := f.WriteString("late")
	assert.ErrorIs(t, err, fs.ErrClosed)
	_, err = f.Read(make([]byte, 1))
	assert.ErrorIs(t, err, fs.ErrClosed)
	_, err = f.Seek(0, io.SeekStart)
	assert.ErrorIs(t, err, fs.ErrClosed)
}

const letters = "abcdefghijklmnopqrstuvwxyz"

func seeks(t *testing.T, f *spool.File, spilled bool) {
	t.Helper()
	write(t, f, letters)
	assert.Equal(t, spilled, f.Spilled())
	for _, c := range []struct {
		off    int64
		whence int
		want   int64
	}{
		{0, io.SeekCurrent, 26}, {-1, io.SeekCurrent, 25}, {1, io.SeekStart, 1}, {2, io.SeekCurrent, 3},
		{-1, io.SeekEnd, 25}, {10, io.SeekEnd, 36}, {30, io.SeekStart, 30}, {0, io.SeekEnd, 26},
	} {
		got, err := f.Seek(c.off, c.whence)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	for _, whence := range []int{io.SeekStart, io.SeekCurrent, io.SeekEnd} {
		_, err := f.Seek(-27, whence)
		require.Error(t, err)
	}
	stands(t, f, 26)
	assert.Equal(t, spilled, f.Spilled())
}

func reads(t *testing.T, f *spool.File, spilled bool) {
	t.Helper()
	write(t, f, letters)
	assert.Equal(t, spilled, f.Spilled())
	b := make([]byte, 10)
	for _, c := range []struct {
		off  int64
		want string
		err  error
	}{{0, "abcdefghij", nil}, {13, "nopqrstuvw", nil}, {20, "uvwxyz", io.ErrUnexpectedEOF}, {26, "", io.EOF}, {100, "", io.EOF}} {
		seek(t, f, c.off)
		n, err := io.ReadFull(f, b)
		require.Equal(t, c.err, err)
		require.Equal(t, c.want, string(b[:n]))
	}
}

func overwrite(t *testing.T, f *spool.File, spilled bool) {
	t.Helper()
	write(t, f, letters)
	seek(t, f, 10)
	write(t, f, "0123456789")
	assert.Equal(t, spilled, f.Spilled())
	holds(t, f, "abcdefghij0123456789uvwxyz")
}

func extend(t *testing.T, f *spool.File, spilled bool) {
	t.Helper()
	write(t, f, letters[:20])
	seek(t, f, 15)
	write(t, f, "0123456789abcdef")
	assert.Equal(t, spilled, f.Spilled())
	stands(t, f, 31)
	holds(t, f, letters[:15]+"0123456789abcdef")
}

func sparse(t *testing.T, f *spool.File, spilled bool) {
	t.Helper()
	write(t, f, "abcde")
	seek(t, f, 10)
	write(t, f, "xyz")
	assert.Equal(t, spilled, f.Spilled())
	holds(t, f, "abcde\x00\x00\x00\x00\x00xyz")
}

func setLength(t *testing.T, f *spool.File, spilled bool) {
	t.Helper()
	write(t, f, letters)
	require.NoError(t, f.Truncate(10))
	stands(t, f, 26)
	holds(t, f, letters[:10])
	seek(t, f, 5)
	require.NoError(t, f.Truncate(20))
	stands(t, f, 5)
	holds(t, f, letters[:10]+strings.Repeat("\x00", 10))
	assert.Equal(t, spilled, f.Spilled())
}
