package spool_test

import (
	"bytes"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
)

// ofJava are of commons-io and commons-fileupload.
var ofJava = []conformanceCase{
	{id: "CI1", what: "above the threshold: on the disk, all there", run: counts(100, 101, true)},
	{id: "CI2", what: "at the threshold: in memory", run: counts(100, 100, false)},
	{id: "CI3", what: "below the threshold: in memory", run: counts(100, 99, false)},
	{id: "CI4", what: "whatever the first write", run: func(c trial) {
		for n := 1; n <= 4096; n = n*3/2 + 1 {
			f := c.new(1 << 20)
			want := text(10_000)
			_, err := f.Write(want[:n])
			require.NoError(c, err)
			_, err = f.Write(want[n:])
			require.NoError(c, err)
			requireContents(c, want, f)
		}
	}},
	{id: "CI5", what: "the temporary: absent before, named as asked, gone after", run: named("spool-*.bin", "spool-", ".bin")},
	{id: "CI6", what: "the temporary: a prefix alone", run: named("spool-", "spool-", "")},
	{id: "CI7", skip: "a temporary that stays: that is Commit"},
	{id: "CI8", what: "the owner alone may read", run: ownerOnly},
	{id: "CI9", what: "over a longer file no tail stays", run: func(c trial) {
		name := c.k.Join("dest")
		require.NoError(c, atomicfs.WriteFile(c.k.Fs, name, text(5000), 0o644))
		for _, limit := range []int64{-1, 1000} {
			f := c.new(limit)
			put(c, f, "short")
			require.NoError(c, f.Commit(c.k.Fs, name, nil))
			requireFile(c, c.k.Fs, name, []byte("short"))
		}
	}},
	{id: "CI10", what: "a missing directory is an error", run: func(c trial) {
		c.opts.Temp.Dir = c.k.Join("missing", "too")
		f := c.new(3)
		put(c, f, "abc")
		_, err := f.WriteString("d")
		require.ErrorIs(c, err, fs.ErrNotExist)
		requireContents(c, []byte("abc"), f)
	}},
	{id: "CI11", what: "reading before Close, by others too", run: func(c trial) {
		c.each(100, func(t *testing.T, f *spool.File) {
			_, err := f.Write(text(100))
			require.NoError(t, err)
			r := f.NewReader()
			defer func() { require.NoError(t, r.Close()) }()
			var b bytes.Buffer
			n, err := r.WriteTo(&b)
			require.NoError(t, err)
			assert.Equal(t, int64(100), n)
			assert.Equal(t, text(100), b.Bytes())
		})
	}},
	{id: "TH1", what: "with no memory the first byte rolls, and nothing does not", run: func(c trial) {
		f := c.new(-1)
		_, err := f.Write(nil)
		require.NoError(c, err)
		rolled(c, f, false)
		put(c, f, "x")
		rolled(c, f, true)
	}},
	{id: "TH2", what: "it rolls once", run: func(c trial) {
		s := testfs.NewSpy(c.k.Fs)
		c.k.Fs = s
		f := c.new(10)
		for range 20 {
			put(c, f, "0123456789")
		}
		require.NoError(c, f.Spill())
		creations := 0
		for _, call := range s.Calls() {
			if strings.HasPrefix(call, "openfile rdwr|create|excl ") {
				creations++
			}
		}
		assert.Equal(c, 1, creations)
	}},
	{id: "TH3", what: "what the roll says is returned, and nothing stored", run: rollFails},
	{id: "TH4", what: "the roll is tried again, and succeeds", run: rollFails},
	{id: "TH5", what: "a sink that is broken for good", run: func(c trial) {
		s := testfs.NewSpy(c.k.Fs)
		s.Fail(testfs.Calls("write"), testfs.Fault{Err: syscall.EIO})
		c.k.Fs = s
		f := c.new(5)
		put(c, f, "12345")
		for range 3 {
			_, err := f.WriteString("6")
			require.ErrorIs(c, err, syscall.EIO)
		}
		requireContents(c, []byte("12345"), f)
	}},
	{id: "TH6", what: "Reset arms it again", run: func(c trial) {
		f := c.new(5)
		for range 3 {
			put(c, f, "123456")
			rolled(c, f, true)
			require.NoError(c, f.Reset())
			rolled(c, f, false)
			assert.Zero(c, f.Size())
			assert.Equal(c, "0 nil", tell(f))
			put(c, f, "12345")
			rolled(c, f, false)
		}
	}},
	{id: "FU1", what: "thresholds of 5, none and less", run: func(c trial) {
		f := c.new(5)
		put(c, f, "12345")
		rolled(c, f, false) // theirs rolls at the threshold, ours past it
		put(c, f, "6")
		rolled(c, f, true)
		f = c.new(-1)
		put(c, f, "1")
		rolled(c, f, true)
		f = c.new(0) // ours: the default
		put(c, f, "1")
		rolled(c, f, false)
	}},
	{id: "FU2", what: "the owner alone may read", run: ownerOnly},
	{id: "FU3", what: "what is there is replaced", run: func(c trial) {
		f := c.new(100)
		put(c, f, "longer than the next")
		require.NoError(c, f.Truncate(0))
		seekTo(c, f, 0)
		put(c, f, "next")
		requireContents(c, []byte("next"), f)
	}},
}

func counts(limit int64, n int, roll bool) func(trial) {
	return func(c trial) {
		f := c.new(limit)
		m, err := f.Write(text(n))
		require.NoError(c, err)
		assert.Equal(c, n, m)
		rolled(c, f, roll)
		requireContents(c, text(n), f)
	}
}

// named checks the name of the disk file.
func named(pattern, prefix, suffix string) func(trial) {
	return func(c trial) {
		c.opts.Temp.Pattern = pattern
		s := testfs.NewSpy(c.k.Fs)
		c.k.Fs = s
		f := c.new(10)
		put(c, f, "0123456789")
		assert.Empty(c, s.Calls())
		put(c, f, "x")
		require.NoError(c, f.Sync())
		created := ""
		for _, call := range s.Calls() {
			if name, ok := strings.CutPrefix(call, "openfile rdwr|create|excl 0600 "); ok {
				created = name
			}
		}
		assert.Equal(c, c.k.Dir, path.Dir(created))
		assert.True(c, strings.HasPrefix(path.Base(created), prefix) && strings.HasSuffix(created, suffix), created)
		require.NoError(c, f.Close())
		assert.Empty(c, testfs.Leftovers(c, c.k.Fs, c.k.Dir))
	}
}

func ownerOnly(c trial) {
	for _, limit := range []int64{-1, 100} {
		f := c.new(limit)
		put(c, f, "abc")
		info, err := f.Stat()
		require.NoError(c, err)
		assert.Equal(c, fs.FileMode(0o600), info.Mode())
	}
}
