package spool_test

import (
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
)

// ofBugs are of cases of bugs that bit them all.
var ofBugs = []conformanceCase{
	{id: "NW1", what: "a disk that is full during the roll", run: rollFails},
	{id: "NW2", what: "a disk that is full after it", run: func(c trial) {
		s := testfs.NewSpy(c.k.Fs)
		c.k.Fs = s
		f := c.new(-1)
		put(c, f, "abc")
		require.NoError(c, f.Spill())
		s.Fail(testfs.Calls("write"), testfs.Fault{Err: syscall.ENOSPC})
		_, err := f.Write(text(100_000))
		require.ErrorIs(c, err, syscall.ENOSPC)
		requireContents(c, []byte("abc"), f)
		assert.Equal(c, "3 nil", tell(f))
		s.Reset()
		_, err = f.Write(text(100_000))
		require.NoError(c, err)
	}},
	{id: "NW3", what: "an Fs that writes nothing and says nothing", run: func(c trial) {
		s := testfs.NewSpy(c.k.Fs)
		c.k.Fs = s
		f := c.new(10)
		put(c, f, "0123456789")
		s.Fail(testfs.Calls("write"), testfs.Fault{Short: true})
		_, err := f.WriteString("x")
		require.ErrorIs(c, err, io.ErrShortWrite)
		requireContents(c, []byte("0123456789"), f)
	}},
	{id: "NW4", what: "the directory is made, and the next try succeeds", run: func(c trial) {
		c.opts.Temp.Dir = c.k.Join("later")
		f := c.new(3)
		put(c, f, "abc")
		_, err := f.WriteString("d")
		require.ErrorIs(c, err, fs.ErrNotExist)
		require.NoError(c, c.k.Fs.MkdirAll(c.opts.Temp.Dir, 0o700))
		put(c, f, "d")
		requireContents(c, []byte("abcd"), f)
	}},
	{id: "NW5", skip: "TestSparse"},
	{id: "NW6", skip: "TestOneLargeWrite"},
	{id: "NW7", skip: "a time: BenchmarkSpoolOverwrite, in bench"},
	{id: "NW8", what: "Commit, then Close: what was published stays", run: func(c trial) {
		c.each(100, func(t *testing.T, f *spool.File) {
			_, err := f.Write(text(100))
			require.NoError(t, err)
			name := c.k.Join("dest")
			require.NoError(t, f.Commit(c.k.Fs, name, nil))
			require.NoError(t, f.Close())
			require.NoError(t, f.Close())
			require.ErrorIs(t, f.Reset(), fs.ErrClosed)
			requireFile(t, c.k.Fs, name, text(100))
			assert.Equal(t, []string{"dest"}, testfs.Leftovers(t, c.k.Fs, c.k.Dir))
		})
	}},
	{id: "NW9", what: "nothing is left, on any kind", run: func(c trial) {
		f := c.new(-1)
		put(c, f, "abc")
		require.NoError(c, f.Close())
		assert.Empty(c, testfs.Leftovers(c, c.k.Fs, c.k.Dir))
	}},
	{id: "NW10", what: "a reader from before the roll, after the owner's Close", run: func(c trial) {
		f := c.new(5)
		put(c, f, "12345")
		r := f.NewReader()
		put(c, f, "67890")
		rolled(c, f, true)
		assert.Equal(c, `"123" nil`, read(r, 3))
		require.NoError(c, f.Close())
		assert.Equal(c, `"4567890" nil`, read(r, 10))
		assert.Equal(c, `"89" nil`, readAt(r, 2, 7))
		require.NoError(c, r.Close())
		assert.Empty(c, testfs.Leftovers(c, c.k.Fs, c.k.Dir))
	}},
	{id: "NW11", skip: "TestConcurrent"},
	{id: "NW12", skip: "TestRandom and FuzzFile"},
	{id: "NW13", what: "exactly the limit, and one more", run: func(c trial) {
		c.opts.MaxSize = 1000
		for _, limit := range []int64{-1, 5000} {
			f := c.new(limit)
			_, err := f.Write(text(1001))
			require.ErrorIs(c, err, spool.ErrTooLarge)
			assert.Zero(c, f.Size())
			rolled(c, f, false)
			_, err = f.Write(text(1000))
			require.NoError(c, err)
		}
	}},
	{id: "NW14", what: "the mode is the same from memory and from the disk", run: sameMode},
	{id: "NW15", skip: "kill -9: a test of atomicfs, which publishes"},
	{id: "NW16", skip: "TestManySmallSpools"},
	{id: "NW17", what: "the budget is back at zero after every path", run: budgetComesBack},
	{id: "NW18", what: "a destination whose directory is only in the base", run: func(c trial) {
		base := afero.NewMemMapFs()
		require.NoError(c, base.MkdirAll("/dir", 0o755))
		cow := afero.NewCopyOnWriteFs(afero.NewReadOnlyFs(base), afero.NewMemMapFs())
		c.each(100, func(t *testing.T, f *spool.File) {
			_, err := f.Write(text(100))
			require.NoError(t, err)
			require.NoError(t, f.Commit(cow, "/dir/dest", nil))
			requireFile(t, cow, "/dir/dest", text(100))
		})
	}},
	{id: "NW19", what: "a destination on another file system", run: func(c trial) {
		other := afero.NewMemMapFs()
		c.each(100, func(t *testing.T, f *spool.File) {
			_, err := f.Write(text(100))
			require.NoError(t, err)
			require.NoError(t, f.Commit(other, "/dest", nil))
			requireFile(t, other, "/dest", text(100))
		})
	}},
	{id: "NW20", skip: "names of clients: staging"},
	{id: "NW21", what: "the directory goes between two spools", run: func(c trial) {
		dir := c.k.Join("gone")
		require.NoError(c, c.k.Fs.Mkdir(dir, 0o700))
		c.opts.Temp.Dir = dir
		f := c.new(-1)
		put(c, f, "abc")
		require.NoError(c, f.Close())
		require.NoError(c, c.k.Fs.RemoveAll(dir))
		_, err := c.new(-1).WriteString("abc")
		require.ErrorIs(c, err, fs.ErrNotExist)
		require.NoError(c, c.k.Fs.Mkdir(dir, 0o700))
		put(c, c.new(-1), "abc")
	}},
}

// rollFails makes each write of the roll fail, and then none.
func rollFails(c trial) {
	for nth := 1; ; nth++ {
		s := testfs.NewSpy(c.k.Fs)
		writes := 0
		s.Fail(func(_ int, call string) bool {
			if strings.HasPrefix(call, "write") {
				writes++
			}
			return writes == nth && strings.HasPrefix(call, "write")
		}, testfs.Fault{Err: syscall.ENOSPC, Short: true})
		t := c
		t.k.Fs = s
		f := t.new(300_000)
		want := text(300_000)
		_, err := f.Write(want[:100])
		require.NoError(c, err)
		_, err = f.Write(want[100:])
		require.NoError(c, err)
		seekTo(c, f, 17)
		err = f.Spill()
		if len(s.Met()) == 0 {
			require.NoError(c, err)
			return
		}
		var spill *spool.SpillError
		require.ErrorAs(c, err, &spill)
		require.ErrorIs(c, err, syscall.ENOSPC)
		requireContents(c, want, f)
		rolled(c, f, false)
		assert.Equal(c, "17 nil", tell(f))
		assert.Empty(c, testfs.Leftovers(c, c.k.Fs, c.k.Dir))
		require.NoError(c, f.Spill())
		requireContents(c, want, f)
		assert.Equal(c, "17 nil", tell(f))
		require.NoError(c, f.Close())
	}
}

func sameMode(c trial) {
	var modes []fs.FileMode
	for _, limit := range []int64{-1, 1000} {
		f := c.new(limit)
		put(c, f, "abc")
		rolled(c, f, limit < 0)
		name := c.k.Join(path.Base(c.k.Join("dest")) + string(rune('a'+len(modes))))
		require.NoError(c, f.Commit(c.k.Fs, name, nil))
		info, err := c.k.Fs.Stat(name)
		require.NoError(c, err)
		modes = append(modes, info.Mode())
	}
	assert.Equal(c, modes[0], modes[1])
}

func budgetComesBack(c trial) {
	budget := spool.NewBudget(1 << 20)
	c.opts.Budget = budget
	for name, path := range map[string]func(f *spool.File) error{
		"Close":    (*spool.File).Close,
		"Reset":    (*spool.File).Reset,
		"Spill":    (*spool.File).Spill,
		"Truncate": func(f *spool.File) error { return f.Truncate(0) },
		"Commit":   func(f *spool.File) error { return f.Commit(afero.NewMemMapFs(), "/dest", nil) },
		"a write over the limit": func(f *spool.File) error {
			_, err := f.Write(text(500_000))
			return err
		},
		"a reader": func(f *spool.File) error {
			r := f.NewReader()
			require.NoError(c, f.Close())
			require.NotZero(c, budget.InUse(), "it is still read")
			return r.Close()
		},
	} {
		f := c.new(400_000)
		_, err := f.Write(text(300_000))
		require.NoError(c, err)
		require.GreaterOrEqual(c, budget.InUse(), int64(300_000))
		require.NoError(c, path(f), name)
		assert.Zero(c, budget.InUse(), name)
		require.NoError(c, f.Close())
		assert.Zero(c, budget.InUse(), name)
	}
}
