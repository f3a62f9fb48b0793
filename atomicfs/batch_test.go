package atomicfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
)

func ExampleNewBatch() {
	fsys := afero.NewMemMapFs()
	b := atomicfs.NewBatch(fsys, nil)
	defer b.Close() // discards what has not been committed
	for i := range 3 {
		if err := b.WriteFile(fmt.Sprintf("/data/%d.txt", i), []byte("text"), 0o644); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(b.Commit())
	names, err := afero.Glob(fsys, "/data/*")
	fmt.Println(names, err)
	// Output:
	// <nil>
	// [/data/0.txt /data/1.txt /data/2.txt] <nil>
}

func ExampleBatch_WriteFile() {
	fsys := afero.NewMemMapFs()
	b := atomicfs.NewBatch(fsys, nil)
	defer b.Close()
	fmt.Println(b.WriteFile("/a.txt", []byte("text"), 0o644))
	there, _ := afero.Exists(fsys, "/a.txt")
	fmt.Println(there, b.Commit())
	there, _ = afero.Exists(fsys, "/a.txt")
	fmt.Println(there)
	// Output:
	// <nil>
	// false <nil>
	// true
}

func ExampleBatch_WriteReader() {
	b := atomicfs.NewBatch(afero.NewMemMapFs(), nil)
	defer b.Close()
	fmt.Println(b.WriteReader("/a.txt", strings.NewReader("text"), 0o644))
	fmt.Println(b.Commit())
	// Output:
	// 4 <nil>
	// <nil>
}

func ExampleBatch_Commit() {
	b := atomicfs.NewBatch(afero.NewMemMapFs(), nil)
	defer b.Close()
	fmt.Println(b.Commit())
	err := b.Commit()
	fmt.Println(errors.Is(err, fs.ErrClosed), err) // once is all
	// Output:
	// <nil>
	// true batch: file already closed
}

func ExampleBatch_Close() {
	fsys := afero.NewMemMapFs()
	b := atomicfs.NewBatch(fsys, nil)
	_ = b.WriteFile("/a.txt", []byte("text"), 0o644)
	fmt.Println(b.Close(), b.Close())
	there, _ := afero.Exists(fsys, "/a.txt")
	fmt.Println(there)
	// Output:
	// <nil> <nil>
	// false
}

func ExampleBatchError() {
	fsys := afero.NewMemMapFs()
	if err := fsys.Mkdir("/b", 0o755); err != nil {
		fmt.Println(err)
		return
	}
	b := atomicfs.NewBatch(fsys, nil)
	defer b.Close()
	for _, name := range []string{"/a", "/b", "/c"} {
		_ = b.WriteFile(name, []byte("text"), 0o644) // Commit says it too
	}
	err := b.Commit()
	var batch *atomicfs.BatchError
	fmt.Println(errors.As(err, &batch), len(batch.Failed), errors.Is(batch.Failed["/b"], syscall.EISDIR))
	data, rerr := afero.ReadFile(fsys, "/c")
	fmt.Println(string(data), rerr)
	// Output:
	// true 1 true
	// text <nil>
}

func TestBatch(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("5"), "old")
		require.NoError(t, k.Fs.Chmod(k.Join("5"), 0o604))
		b := atomicfs.NewBatch(k.Fs, nil)
		const files = 200 // past what is held open
		for i := range files {
			name := k.Join(fmt.Sprint(i))
			if i%2 == 0 {
				name = k.Join("even", "deep", fmt.Sprint(i))
			}
			n, err := b.WriteReader(name, strings.NewReader(fmt.Sprint("text ", i)), 0o640)
			require.NoError(t, err)
			require.Equal(t, int64(len(fmt.Sprint("text ", i))), n)
		}
		assert.Equal(t, "old", k.ReadFile(t, k.Join("5")))
		require.NoError(t, b.Commit())
		require.NoError(t, b.Close())
		for i := range files {
			name := k.Join(fmt.Sprint(i))
			if i%2 == 0 {
				name = k.Join("even", "deep", fmt.Sprint(i))
			}
			assert.Equal(t, fmt.Sprint("text ", i), k.ReadFile(t, name))
			info, err := k.Fs.Stat(name)
			require.NoError(t, err)
			want := fs.FileMode(0o640)
			if i == 5 {
				want = 0o604
			}
			assert.Equal(t, want, info.Mode().Perm())
		}
		assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), files+2)
	})
}

func TestBatchStates(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		spent := func(b *atomicfs.Batch) {
			t.Helper()
			require.ErrorIs(t, b.WriteFile(k.Join("late"), nil, 0o644), fs.ErrClosed)
			_, err := b.WriteReader(k.Join("late"), strings.NewReader(""), 0o644)
			require.ErrorIs(t, err, fs.ErrClosed)
			err = b.Commit()
			require.ErrorIs(t, err, fs.ErrClosed)
			var be *atomicfs.BatchError
			require.ErrorAs(t, err, &be)
			require.NoError(t, b.Close())
			require.NoError(t, b.Close())
		}
		b := atomicfs.NewBatch(k.Fs, nil)
		require.NoError(t, b.WriteFile(k.Join("a"), []byte("text"), 0o644))
		require.NoError(t, b.Close())
		spent(b)
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))

		b = atomicfs.NewBatch(k.Fs, nil)
		require.NoError(t, b.WriteFile(k.Join("a"), []byte("text"), 0o644))
		require.NoError(t, b.Commit())
		spent(b)
		assert.Equal(t, []string{"a"}, testfs.Leftovers(t, k.Fs, k.Dir))

		b = atomicfs.NewBatch(k.Fs, nil)
		require.NoError(t, b.Commit(), "nothing to do")
		spent(b)
	})
}

// The later write of one name wins, by whatever path.
func TestBatchLaterWins(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		b := atomicfs.NewBatch(k.Fs, nil)
		names := []string{k.Join("a"), k.Join("dir", "..", "a"), k.Join("a")}
		if k.Links {
			link(t, k, "a", k.Join("link"))
			names = append(names, k.Join("link"), k.Join("a"), k.Join("link"))
		}
		for i, name := range names {
			require.NoError(t, b.WriteFile(name, []byte(fmt.Sprint(i)), 0o644))
		}
		require.NoError(t, b.Commit())
		assert.Equal(t, fmt.Sprint(len(names)-1), k.ReadFile(t, k.Join("a")))
		assert.Subset(t, []string{"a", "dir", "link"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// One bad file does not stop the rest.
func TestBatchError(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		b := atomicfs.NewBatch(k.Fs, nil)
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		k.WriteFile(t, k.Join("reader"), "old")
		for i := range 100 {
			require.NoError(t, b.WriteFile(k.Join(fmt.Sprint(i)), []byte("text"), 0o644))
		}
		_, err := b.WriteReader(k.Join("reader"), io.MultiReader(strings.NewReader("part"), iotest.ErrReader(errFn)), 0o644)
		require.Equal(t, errFn, err)
		require.ErrorIs(t, b.WriteFile(k.Join("dir"), nil, 0o644), eisdir)
		require.ErrorIs(t, b.WriteFile("", nil, 0o644), fs.ErrInvalid)
		require.NoError(t, b.WriteFile(k.Join("late"), nil, 0o644))
		require.NoError(t, k.Fs.Mkdir(k.Join("late"), 0o755))

		err = b.Commit()
		var be *atomicfs.BatchError
		require.ErrorAs(t, err, &be)
		require.Len(t, be.Failed, 4)
		require.ErrorIs(t, be.Failed[k.Join("reader")], errFn)
		require.ErrorIs(t, be.Failed[k.Join("dir")], eisdir)
		require.ErrorIs(t, be.Failed[k.Join("late")], eisdir)
		require.ErrorIs(t, be.Failed[""], fs.ErrInvalid)
		for _, reason := range []error{errFn, eisdir, fs.ErrInvalid} {
			require.ErrorIs(t, err, reason)
		}
		require.ErrorContains(t, err, k.Join("late"))
		require.NotContains(t, err.Error(), ".tmp-")
		assert.Equal(t, "old", k.ReadFile(t, k.Join("reader")))
		assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 103)
	})
}

// A reader that panics or exits leaves a file that Commit reports, and nothing else.
func TestBatchReaderThatPanics(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, end := range []func(){func() { panic("in the middle") }, runtime.Goexit} {
			b := atomicfs.NewBatch(k.Fs, nil)
			require.NoError(t, b.WriteFile(k.Join("file"), []byte("text"), 0o644))
			over := make(chan struct{})
			go func() {
				defer close(over)
				defer func() { _ = recover() }()
				_, _ = b.WriteReader(k.Join("dir", "cut"), io.MultiReader(strings.NewReader("half"), ending(end)), 0o644)
			}()
			<-over
			err := b.Commit()
			var failed *atomicfs.BatchError
			require.ErrorAs(t, err, &failed)
			require.Len(t, failed.Failed, 1)
			err = failed.Failed[k.Join("dir", "cut")]
			assert.ErrorContains(t, err, "not written to its end")
			requirePathError(t, err, k.Join("dir", "cut"))
			assert.Equal(t, []string{"dir", "file"}, testfs.Leftovers(t, k.Fs, k.Dir))
			require.NoError(t, k.Fs.Remove(k.Join("file")))
		}
	})
}

// An ending is a reader that does not come back.
type ending func()

func (e ending) Read([]byte) (int, error) { e(); return 0, nil }

func TestBatchErrorIsShort(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("file"), "")
		b := atomicfs.NewBatch(k.Fs, nil)
		for i := range 1000 {
			_ = b.WriteFile(k.Join("file", fmt.Sprint(i)), nil, 0o644)
		}
		err := b.Commit()
		require.ErrorContains(t, err, "1000 failed")
		require.ErrorContains(t, err, "and 990 more")
	})
}

func TestBatchNoReplace(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("there"), "old")
		b := atomicfs.NewBatch(k.Fs, &atomicfs.Options{NoReplace: true})
		require.ErrorIs(t, b.WriteFile(k.Join("there"), []byte("new"), 0o644), fs.ErrExist)
		require.NoError(t, b.WriteFile(k.Join("late"), []byte("new"), 0o644))
		require.NoError(t, b.WriteFile(k.Join("free"), []byte("new"), 0o644))
		k.WriteFile(t, k.Join("late"), "old")
		err := b.Commit()
		require.ErrorIs(t, err, fs.ErrExist)
		assert.Equal(t, "old", k.ReadFile(t, k.Join("there")))
		assert.Equal(t, "old", k.ReadFile(t, k.Join("late")))
		assert.Equal(t, "new", k.ReadFile(t, k.Join("free")))
	})
}

// The file whose sync fails is the one that fails; a directory's sync that fails
// is that of all files in it.
func TestBatchSyncFails(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		spy := testfs.NewSpy(k.Fs)
		b := atomicfs.NewBatch(spy, nil)
		for i := range 100 {
			require.NoError(t, b.WriteFile(k.Join("one", fmt.Sprint(i)), []byte("text"), 0o644))
			require.NoError(t, b.WriteFile(k.Join("two", fmt.Sprint(i)), []byte("text"), 0o644))
		}
		failed := false
		spy.Fail(func(_ int, call string) bool {
			now := !failed && strings.HasPrefix(call, "sync "+k.Join("one", ".tmp-"))
			failed = failed || now
			return now || call == "sync "+k.Join("two")
		}, testfs.Fault{Err: testfs.ErrFault})
		err := b.Commit()
		var be *atomicfs.BatchError
		require.ErrorAs(t, err, &be)
		assert.Len(t, be.Failed, 101)
		for name, err := range be.Failed {
			inOne := filepath.Base(filepath.Dir(name)) == "one"
			assert.Equal(t, !inOne, errors.Is(err, atomicfs.ErrNotDurable), name)
			_, serr := k.Fs.Stat(name)
			assert.Equal(t, inOne, errors.Is(serr, fs.ErrNotExist), name)
		}
		assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 2+199)
		assert.Empty(t, spy.OpenFiles())
	})
}

// Directories are held, and those that are too many for that are known again.
func TestBatchManyDirectories(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		b := atomicfs.NewBatch(k.Fs, nil)
		const dirs = 60
		name := func(i int) string { return k.Join(fmt.Sprint("dir", i%dirs), fmt.Sprint(i)) }
		for i := range 3 * dirs {
			require.NoError(t, b.WriteFile(name(i), []byte(fmt.Sprint(i)), 0o644))
		}
		if k.Links {
			link(t, k, fmt.Sprintf("dir%d/link-target", dirs-1), k.Join("link"))
			require.NoError(t, b.WriteFile(k.Join("link"), []byte("linked"), 0o644))
		}
		require.NoError(t, b.Commit())
		for i := range 3 * dirs {
			assert.Equal(t, fmt.Sprint(i), k.ReadFile(t, name(i)))
		}
		if k.Links {
			assert.Equal(t, "linked", k.ReadFile(t, k.Join(fmt.Sprint("dir", dirs-1), "link-target")))
		}
		for _, left := range testfs.Leftovers(t, k.Fs, k.Dir) {
			assert.NotContains(t, left, ".tmp-")
		}
	})
}

// A directory that is not held and that another has taken the place of is an
// error: it is not the one that was written to.
func TestBatchDirectorySwapped(t *testing.T) {
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		b := atomicfs.NewBatch(k.Fs, nil)
		for i := range 40 {
			require.NoError(t, b.WriteFile(k.Join(fmt.Sprint("dir", i), "file"), []byte("text"), 0o644))
		}
		real := k.Real(k.Join("dir39"))
		require.NoError(t, os.Rename(real, real+"-moved"))
		require.NoError(t, os.Mkdir(real, 0o755))
		err := b.Commit()
		var be *atomicfs.BatchError
		require.ErrorAs(t, err, &be)
		assert.Len(t, be.Failed, 1)
		assert.Contains(t, be.Failed, k.Join("dir39", "file"))
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Join("dir39")))
		assert.Equal(t, "text", k.ReadFile(t, k.Join("dir38", "file")))
	})
}

func TestBatchConcurrently(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		b := atomicfs.NewBatch(k.Fs, &atomicfs.Options{NoSync: true})
		race(16, func(i int) {
			for n := range 20 {
				assert.NoError(t, b.WriteFile(k.Join(fmt.Sprint(n%3), fmt.Sprint(i, "-", n)), []byte("text"), 0o644))
				assert.NoError(t, b.WriteFile(k.Join("same"), []byte(fmt.Sprint(n)), 0o644))
			}
		})
		require.NoError(t, b.Commit())
		assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 16*20+3+1)
	})
}

// Commit and Close wait for the writes that are at work.
func TestBatchWaits(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for end, ended := range map[string]func(b *atomicfs.Batch) error{
			"commit": (*atomicfs.Batch).Commit, "close": (*atomicfs.Batch).Close,
		} {
			b := atomicfs.NewBatch(k.Fs, nil)
			r, w := io.Pipe()
			written := make(chan error)
			go func() {
				_, err := b.WriteReader(k.Join(end), r, 0o644)
				written <- err
			}()
			put(t, stringWriter{w}, "first ") // it is at work
			done := make(chan error)
			go func() { done <- ended(b) }()
			put(t, stringWriter{w}, "second")
			require.NoError(t, w.Close())
			require.NoError(t, <-written)
			require.NoError(t, <-done)
			require.NoError(t, b.Close())
		}
		assert.Equal(t, []string{"commit"}, testfs.Leftovers(t, k.Fs, k.Dir))
		assert.Equal(t, "first second", k.ReadFile(t, k.Join("commit")))
	})
}

type stringWriter struct{ io.Writer }

func (w stringWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// A name that is written again and again, or in vain, uses up no handle.
func TestBatchOfOneName(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		b := atomicfs.NewBatch(k.Fs, nil)
		defer b.Close()
		for i := range 100 {
			require.NoError(t, b.WriteFile(k.Join("file"), fmt.Append(nil, i), 0o644))
			_, err := b.WriteReader(k.Join("failing"), iotest.ErrReader(io.ErrUnexpectedEOF), 0o644)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
		names := testfs.Leftovers(t, k.Fs, k.Dir)
		assert.Len(t, names, 1)
		assert.Regexp(t, `^\.tmp-[a-z2-7]{26}$`, names[0], "it has its own lock, and so its handle")
		assert.Error(t, b.Commit())
		assert.Equal(t, "99", k.ReadFile(t, k.Join("file")))
	})
}
