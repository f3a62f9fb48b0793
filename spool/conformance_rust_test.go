package spool_test

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"
	"syscall"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ofRust are of Rust's tempfile.
var ofRust = []conformanceCase{
	{id: "RS1", what: "rolls by itself", run: func(c trial) {
		f := c.new(10)
		assert.Equal(c, `"" EOF`, read(f, 5))
		put(c, f, "abcde")
		seekTo(c, f, 0)
		assert.Equal(c, `"abcde" nil`, read(f, 5))
		put(c, f, "fghijklmno")
		assert.Equal(c, "15 nil", tell(f))
		rolled(c, f, true)
		requireContents(c, []byte("abcdefghijklmno"), f)
	}},
	{id: "RS2", what: "a directory of one's own, and one that is missing", run: func(c trial) {
		put(c, c.new(-1), "abc")
		c.opts.Temp.Dir = c.k.Join("missing")
		_, err := c.new(-1).WriteString("abc")
		require.ErrorIs(c, err, fs.ErrNotExist)
	}},
	{id: "RS3", what: "rolled by hand", run: func(c trial) {
		f := c.new(100)
		put(c, f, alphabet)
		assert.Equal(c, "26 nil", tell(f))
		require.NoError(c, f.Spill())
		assert.Equal(c, "26 nil", tell(f))
		assert.Equal(c, `"" EOF`, read(f, 26))
		seekTo(c, f, 0)
		assert.Equal(c, `"`+alphabet+`" nil`, read(f, 26))
	}},
	{id: "RS4", what: "seek in memory", run: seeks(false)},
	{id: "RS5", what: "seek on the disk", run: seeks(true)},
	{id: "RS6", what: "seek and read in memory", run: seekReads(false)},
	{id: "RS7", what: "seek and read on the disk", run: seekReads(true)},
	{id: "RS8", what: "overwrite the middle in memory", run: overwrites(false)},
	{id: "RS9", what: "overwrite the middle on the disk", run: overwrites(true)},
	{id: "RS10", what: "overwrite and extend in memory", run: func(c trial) {
		f := c.new(100)
		put(c, f, alphabet)
		seekTo(c, f, 21)
		put(c, f, "0123456789")
		rolled(c, f, false)
		requireContents(c, []byte(alphabet[:21]+"0123456789"), f)
	}},
	{id: "RS11", what: "overwrite and extend over the limit", run: func(c trial) {
		f := c.new(26)
		put(c, f, alphabet)
		rolled(c, f, false)
		seekTo(c, f, 20)
		put(c, f, "0123456789")
		rolled(c, f, true)
		assert.Equal(c, "30 nil", tell(f))
		requireContents(c, []byte(alphabet[:20]+"0123456789"), f)
	}},
	{id: "RS12", what: "a gap in memory is zero", run: gap(1000)},
	{id: "RS13", what: "a gap on the disk is zero", run: gap(1)},
	{id: "RS14", what: "a write past the limit leaves a gap and rolls", run: gap(26)},
	{id: "RS15", what: "set_len in memory", run: setLen(100)},
	{id: "RS16", what: "set_len on the disk", run: setLen(10)},
	{id: "RS17", what: "set_len past the limit rolls", run: func(c trial) {
		f := c.new(10)
		require.NoError(c, f.Truncate(20))
		rolled(c, f, true)
		assert.Equal(c, "0 nil", tell(f))
	}},
	{id: "RS18", what: "a write at the last offset there is", run: func(c trial) {
		f := c.new(100)
		put(c, f, "abc")
		seekTo(c, f, math.MaxInt64)
		_, err := f.Write([]byte("x"))
		require.True(c, errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EINVAL), "%v", err)
		requireContents(c, []byte("abc"), f)
		assert.Equal(c, say(int64(math.MaxInt64), nil), tell(f))
	}},
	{id: "RS19", skip: "sizes are int64 on every machine"},
}

func seeks(roll bool) func(trial) {
	return func(c trial) {
		f := c.new(100)
		put(c, f, alphabet)
		if roll {
			require.NoError(c, f.Spill())
		}
		seekTo(c, f, 0)
		assert.Equal(c, "1 nil", say(f.Seek(1, io.SeekCurrent)))
		assert.Equal(c, "0 nil", say(f.Seek(-1, io.SeekCurrent)))
		assert.Equal(c, "0 EINVAL", say(f.Seek(-1, io.SeekCurrent)))
		assert.Equal(c, "50 nil", say(f.Seek(50, io.SeekCurrent)))
		assert.Equal(c, "26 nil", say(f.Seek(0, io.SeekEnd)))
		assert.Equal(c, "25 nil", say(f.Seek(-1, io.SeekEnd)))
		assert.Equal(c, "0 nil", say(f.Seek(-26, io.SeekEnd)))
		assert.Equal(c, "0 EINVAL", say(f.Seek(-27, io.SeekEnd)))
		assert.Equal(c, "27 nil", say(f.Seek(1, io.SeekEnd)))
		rolled(c, f, roll)
	}
}

func seekReads(roll bool) func(trial) {
	return func(c trial) {
		f := c.new(100)
		put(c, f, alphabet)
		if roll {
			require.NoError(c, f.Spill())
		}
		seekTo(c, f, 0)
		assert.Equal(c, `"`+alphabet+`" nil`, read(f, 26))
		seekTo(c, f, 10)
		assert.Equal(c, `"klmno" nil`, read(f, 5))
		assert.Equal(c, `"pqrstuvwxyz" nil`, read(f, 15))
		assert.Equal(c, `"" EOF`, read(f, 15))
	}
}

func overwrites(roll bool) func(trial) {
	return func(c trial) {
		f := c.new(100)
		put(c, f, alphabet)
		if roll {
			require.NoError(c, f.Spill())
		}
		seekTo(c, f, 10)
		put(c, f, "0123456789")
		requireContents(c, []byte(alphabet[:10]+"0123456789"+alphabet[20:]), f)
		rolled(c, f, roll)
	}
}

func gap(limit int64) func(trial) {
	return func(c trial) {
		f := c.new(limit)
		put(c, f, alphabet[:min(26, limit)])
		n := f.Size()
		_, err := f.Seek(100, io.SeekEnd)
		require.NoError(c, err)
		put(c, f, "!")
		requireContents(c, []byte(alphabet[:n]+strings.Repeat("\x00", 100)+"!"), f)
		rolled(c, f, n+101 > limit)
	}
}

func setLen(limit int64) func(trial) {
	return func(c trial) {
		f := c.new(limit)
		put(c, f, alphabet)
		require.NoError(c, f.Truncate(10))
		assert.Equal(c, "26 nil", tell(f))
		assert.Equal(c, `"" EOF`, read(f, 5))
		require.NoError(c, f.Truncate(40))
		requireContents(c, []byte(alphabet[:10]+strings.Repeat("\x00", 30)), f)
		rolled(c, f, limit < 40)
	}
}
