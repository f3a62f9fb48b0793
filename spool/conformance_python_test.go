package spool_test

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
)

// ofPython are of CPython's SpooledTemporaryFile.
var ofPython = []conformanceCase{
	{id: "PY1", what: "a fresh file is in memory", run: func(c trial) {
		f := c.new(100)
		rolled(c, f, false)
		assert.Zero(c, f.Size())
	}},
	{id: "PY2", what: "the interfaces of a file", run: func(c trial) {
		var f any = c.new(100)
		_, file := f.(afero.File)
		_, from := f.(io.ReaderFrom)
		_, to := f.(io.WriterTo)
		assert.True(c, file && from && to)
	}},
	{id: "PY3", what: "25 bytes at a limit of 10 roll; Close removes", run: func(c trial) {
		f := c.new(10)
		put(c, f, strings.Repeat("x", 25))
		rolled(c, f, true)
		require.NoError(c, f.Close())
		assert.Empty(c, testfs.Leftovers(c, c.k.Fs, c.k.Dir))
	}},
	{id: "PY4", skip: "Go has no ResourceWarning: what is not closed in memory is collected"},
	{id: "PY5", skip: "no finalizer removes files: where an open file can be unlinked it has no name to leak"},
	{id: "PY6", what: "rewriting in place stays", run: func(c trial) {
		f := c.new(30)
		for range 5 {
			seekTo(c, f, 0)
			put(c, f, strings.Repeat("x", 20))
		}
		rolled(c, f, false)
	}},
	{id: "PY7", what: "sequential writes roll one byte past the limit", run: func(c trial) {
		f := c.new(30)
		put(c, f, strings.Repeat("x", 20))
		rolled(c, f, false)
		put(c, f, strings.Repeat("x", 10))
		rolled(c, f, false)
		put(c, f, "x")
		rolled(c, f, true)
	}},
	{id: "PY8", what: "lines come back", run: func(c trial) {
		c.each(9, func(t *testing.T, f *spool.File) {
			for _, line := range []string{"x\n", "yy\n", "zzz\n"} {
				put(t, f, line)
			}
			seekTo(t, f, 0)
			b, err := io.ReadAll(f)
			require.NoError(t, err)
			assert.Equal(t, "x\nyy\nzzz\n", string(b))
		})
	}},
	{id: "PY9", what: "20, 10 and 5 bytes at 35 stay, one more rolls", run: func(c trial) {
		f := c.new(35)
		for _, n := range []int{20, 10, 5} {
			put(c, f, strings.Repeat("x", n))
			rolled(c, f, false)
		}
		put(c, f, "x")
		rolled(c, f, true)
	}},
	{id: "PY10", what: "a seek past the limit does not roll, a byte there does", run: func(c trial) {
		f := c.new(30)
		seekTo(c, f, 100)
		rolled(c, f, false)
		put(c, f, "x")
		rolled(c, f, true)
	}},
	{id: "PY11", what: "fileno rolls", run: func(c trial) {
		f := c.new(30)
		put(c, f, "abc")
		g, err := f.OSFile()
		rolled(c, f, true)
		if !c.k.OS {
			require.ErrorIs(c, err, errors.ErrUnsupported)
			return
		}
		require.NoError(c, err)
		assert.NotZero(c, g.Fd())
	}},
	{id: "PY12", what: "Close three times before the roll", run: closeThrice(false)},
	{id: "PY13", what: "Close three times after the roll", run: closeThrice(true)},
	{id: "PY14", what: "methods taken before the roll work after it", run: func(c trial) {
		f := c.new(30)
		write, read, seek := f.Write, f.Read, f.Seek
		for _, part := range []string{strings.Repeat("a", 35), strings.Repeat("b", 35)} {
			_, err := write([]byte(part))
			require.NoError(c, err)
		}
		rolled(c, f, true)
		_, err := seek(0, io.SeekStart)
		require.NoError(c, err)
		p := make([]byte, 70)
		n, err := read(p)
		require.NoError(c, err)
		assert.Equal(c, strings.Repeat("a", 35)+strings.Repeat("b", 35), string(p[:n]))
	}},
	{id: "PY15", what: "the name is empty in memory, and is the file's own on the disk", run: func(c trial) {
		f := c.new(10)
		put(c, f, strings.Repeat("x", 10))
		assert.Empty(c, f.Name())
		put(c, f, "x")
		if name := f.Name(); name != "" { // not anonymous
			_, err := c.k.Fs.Stat(name)
			require.NoError(c, err)
		}
	}},
	{id: "PY16", what: "with: closed at the end, in memory", run: closedErrors(false)},
	{id: "PY17", what: "with: closed at the end, rolled before", run: closedErrors(true)},
	{id: "PY18", what: "with: rolled within", run: func(c trial) {
		f := c.new(5)
		func() {
			defer func() { require.NoError(c, f.Close()) }()
			put(c, f, "12345")
			put(c, f, "6")
			rolled(c, f, true)
		}()
		_, err := f.Write([]byte("x"))
		require.ErrorIs(c, err, fs.ErrClosed)
	}},
	{id: "PY19", what: "truncate", run: func(c trial) {
		f := c.new(10)
		put(c, f, "abcdefg")
		require.NoError(c, f.Truncate(4))
		requireContents(c, []byte("abcd"), f)
		rolled(c, f, false)
		require.NoError(c, f.Truncate(0))
		assert.Zero(c, f.Size())
		require.NoError(c, f.Truncate(20))
		rolled(c, f, true)
		assert.Equal(c, int64(20), f.Size())
	}},
}

func closeThrice(roll bool) func(trial) {
	return func(c trial) {
		f := c.new(3)
		put(c, f, "abc")
		if roll {
			put(c, f, "d")
		}
		rolled(c, f, roll)
		for range 3 {
			require.NoError(c, f.Close())
		}
	}
}

func closedErrors(roll bool) func(trial) {
	return func(c trial) {
		f := c.new(100)
		put(c, f, "abc")
		if roll {
			require.NoError(c, f.Spill())
		}
		require.NoError(c, f.Close())
		assert.Empty(c, testfs.Leftovers(c, c.k.Fs, c.k.Dir))
		for _, got := range []string{say(f.Read(nil)), say(f.Write([]byte("x"))), say(f.Seek(0, 0)), readAt(f, 1, 0)} {
			assert.Contains(c, got, "closed")
		}
		require.ErrorIs(c, f.Spill(), fs.ErrClosed)
		assert.Zero(c, f.Size())
		r := f.NewReader()
		_, err := r.Read(nil)
		require.ErrorIs(c, err, fs.ErrClosed)
		require.NoError(c, r.Close())
	}
}
