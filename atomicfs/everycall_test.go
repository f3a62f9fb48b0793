package atomicfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// atLength does with a file of NewFs all that can be done with one, through two
// Syncs, and returns the first error.
func atLength(fsys *testfs.Spy, name string, flag int) error {
	f, err := atomicfs.NewFs(fsys, nil).OpenFile(name, flag, 0o644)
	if err != nil {
		return err
	}
	p := make([]byte, 2)
	do := []func() error{
		func() error { _, err := f.WriteString("new"); return err },
		func() error { _, err := f.(io.ReaderFrom).ReadFrom(strings.NewReader(" text")); return err },
		func() error {
			if flag&os.O_APPEND != 0 {
				if _, err := f.WriteAt(p, 0); err == nil {
					return errors.New("WriteAt and O_APPEND")
				}
				return nil
			}
			_, err := f.WriteAt([]byte("N"), 0)
			return err
		},
		func() error { _, err := f.Seek(0, io.SeekStart); return err },
		func() error { _, err := f.Read(p); return err },
		func() error { _, err := f.ReadAt(p, 0); return err },
		func() error { _, err := f.Stat(); return err },
		f.Sync,
		func() error { _, err := f.Stat(); return err },
		func() error { _, err := f.(io.ReaderFrom).ReadFrom(strings.NewReader("er")); return err },
		func() error { return f.Truncate(3) },
		f.Sync, f.Sync,
		func() error { return f.Truncate(2) },
	}
	for _, step := range do {
		if err := step(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// Each call beneath a handle of NewFs fails in turn: a reader finds what was there
// before, or what one of the Syncs has put there, and nothing else.
func TestEveryCallUnderNewFsFails(t *testing.T) {
	met, bad := 0, 0
	for _, k := range testfs.Kinds(t) {
		if k.Name != "MemMapFs" && k.Name != "CopyOnWriteFs" {
			continue
		}
		for _, flag := range []int{os.O_RDWR | os.O_CREATE | os.O_TRUNC, os.O_RDWR | os.O_APPEND | os.O_TRUNC} {
			for _, when := range []func(int) testfs.When{func(n int) testfs.When { return testfs.Nth(n) }, testfs.From} {
				for n := 1; ; n++ {
					k := k.Fresh(t)
					name := k.Join("file")
					k.WriteFile(t, name, "old")
					spy := testfs.NewSpy(k.Fs)
					spy.Fail(when(n), testfs.Fault{Err: testfs.ErrFault})
					err := atLength(spy, name, flag)
					text := k.ReadFile(t, name)
					if len(spy.Met()) == 0 {
						require.NoError(t, err)
						require.Contains(t, []string{"Ne", "ne"}, text)
						break
					}
					met++
					if !assert.Contains(t, []string{"old", "New text", "new text", "Nee", "new", "Ne", "ne"}, text, "call %d: %v", n, err) ||
						!assert.Empty(t, spy.OpenFiles()) {
						bad++
					}
				}
			}
		}
	}
	testfs.Figure(t, "every call beneath NewFs fails", met, 150, bad)
}

// A batch of more files than it keeps open, of modes that keep their owner out.
func TestBatchOfFilesThatCannotBeOpened(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		b := atomicfs.NewBatch(k.Fs, &atomicfs.Options{NoSync: true})
		for i := range 70 {
			require.NoError(t, b.WriteFile(k.Join(fmt.Sprint("file", i)), []byte("text"), 0o044))
		}
		require.NoError(t, b.Commit())
		require.NoError(t, b.Close())
		require.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 70)
		info, err := k.Fs.Stat(k.Join("file69"))
		require.NoError(t, err)
		if k.OS && os.PathSeparator == '/' {
			assert.Equal(t, fs.FileMode(0o044), info.Mode().Perm())
		}
		assert.Equal(t, int64(4), info.Size())
	})
}

// A large file is begun to be written to the disk before its sync.
func TestLargeFile(t *testing.T) {
	inMemory(t)
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		data := make([]byte, 9<<20)
		require.NoError(t, atomicfs.WriteFile(k.Fs, k.Join("file"), data, 0o644))
		info, err := k.Fs.Stat(k.Join("file"))
		require.NoError(t, err)
		assert.Equal(t, int64(len(data)), info.Size())
	})
}

// A file whose handle is closed, and that its owner may write and not read.
func TestCommitWriteOnly(t *testing.T) {
	if !testfs.AsUser(t) {
		return
	}
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		f, err := tmpfs.Create(k.Fs, &tmpfs.Options{Dir: k.Dir})
		require.NoError(t, err)
		_, err = f.WriteString("text")
		require.NoError(t, err)
		require.NoError(t, f.CloseHandle())
		require.NoError(t, k.Fs.Chmod(f.Name(), 0o200))
		require.NoError(t, atomicfs.Commit(f, k.Join("file")))
		require.NoError(t, f.Close())
		require.NoError(t, k.Fs.Chmod(k.Join("file"), 0o600))
		assert.Equal(t, "text", k.ReadFile(t, k.Join("file")))
	})
}
