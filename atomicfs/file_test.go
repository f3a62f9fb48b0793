package atomicfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
)

func ExampleCreate() {
	fsys := afero.NewMemMapFs()
	f, err := atomicfs.Create(fsys, "/report.txt", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close() // discards it, unless it was committed
	fmt.Fprintln(f, "all is well")
	_, err = fsys.Stat("/report.txt")
	fmt.Println(err)
	fmt.Println(f.Commit())
	data, err := afero.ReadFile(fsys, "/report.txt")
	fmt.Printf("%q %v\n", data, err)
	// Output:
	// open /report.txt: file does not exist
	// <nil>
	// "all is well\n" <nil>
}

func ExampleFile_Commit() {
	fsys := afero.NewMemMapFs()
	for range 2 {
		f, err := atomicfs.Create(fsys, "/id", &atomicfs.Options{NoReplace: true})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(f.Commit(), f.Close())
	}
	// Output:
	// <nil> <nil>
	// create /id: file already exists
}

func ExampleFile_ReadFrom() {
	fsys := afero.NewMemMapFs()
	f, err := atomicfs.Create(fsys, "/copy", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	n, err := f.ReadFrom(strings.NewReader("text"))
	fmt.Println(n, err, f.Commit())
	// Output: 4 <nil> <nil>
}

func create(t *testing.T, fsys afero.Fs, name string, opts *atomicfs.Options) *atomicfs.File {
	t.Helper()
	f, err := atomicfs.Create(fsys, name, opts)
	require.NoError(t, err)
	return f
}

func put(t *testing.T, w io.StringWriter, text string) {
	t.Helper()
	_, err := w.WriteString(text)
	require.NoError(t, err)
}

func TestFileStates(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		start := func(t *testing.T) *atomicfs.File {
			k.WriteFile(t, name, "old")
			f := create(t, k.Fs, name, nil)
			put(t, f, "new")
			return f
		}
		after := func(t *testing.T, want string) {
			t.Helper()
			assert.Equal(t, want, k.ReadFile(t, name))
			assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
		}
		t.Run("neither", func(t *testing.T) {
			f := start(t)
			assert.Equal(t, "old", k.ReadFile(t, name))
			require.NoError(t, f.Close())
			after(t, "old")
		})
		t.Run("close twice", func(t *testing.T) {
			f := start(t)
			require.NoError(t, f.Close())
			require.NoError(t, f.Close())
			after(t, "old")
		})
		t.Run("commit after close", func(t *testing.T) {
			f := start(t)
			require.NoError(t, f.Close())
			err := f.Commit()
			require.ErrorIs(t, err, fs.ErrClosed)
			requirePathError(t, err, name)
			after(t, "old")
		})
		t.Run("close after commit", func(t *testing.T) {
			f := start(t)
			require.NoError(t, f.Commit())
			require.NoError(t, f.Close())
			require.NoError(t, f.Close())
			after(t, "new")
		})
		t.Run("close of the handle after commit", func(t *testing.T) {
			f := start(t)
			require.NoError(t, f.Commit())
			require.NoError(t, f.File.Close())
			after(t, "new")
		})
		t.Run("commit twice", func(t *testing.T) {
			f := start(t)
			require.NoError(t, f.Commit())
			require.ErrorIs(t, f.Commit(), fs.ErrClosed)
			require.NoError(t, f.Close())
			after(t, "new")
		})
		t.Run("use after commit", func(t *testing.T) {
			f := start(t)
			require.NoError(t, f.Commit())
			isClosed(t, f, name)
			require.NoError(t, f.Close())
			after(t, "new")
		})
		t.Run("use after close", func(t *testing.T) {
			f := start(t)
			require.NoError(t, f.Close())
			isClosed(t, f, name)
			after(t, "old")
		})
		t.Run("another file in its place after commit", func(t *testing.T) {
			f := start(t)
			require.NoError(t, f.Commit())
			k.WriteFile(t, name, "newer")
			require.NoError(t, f.Close())
			after(t, "newer")
		})
	})
}

func isClosed(t *testing.T, f *atomicfs.File, name string) {
	t.Helper()
	calls := map[string]func() error{
		"write":       func() error { _, err := f.Write([]byte("x")); return err },
		"writestring": func() error { _, err := f.WriteString("x"); return err },
		"writeat":     func() error { _, err := f.WriteAt([]byte("x"), 0); return err },
		"readfrom":    func() error { _, err := f.ReadFrom(strings.NewReader("x")); return err },
		"read":        func() error { _, err := f.Read(make([]byte, 1)); return err },
		"readat":      func() error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		"seek":        func() error { _, err := f.Seek(0, io.SeekStart); return err },
		"stat":        func() error { _, err := f.Stat(); return err },
		"sync":        f.Sync,
		"truncate":    func() error { return f.Truncate(0) },
	}
	for op, call := range calls {
		err := call()
		require.ErrorIs(t, err, fs.ErrClosed, op)
		requirePathError(t, err, name)
	}
}

// The handle is that of an os.File, under the name that is to be.
func TestFileIsAFile(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		f := create(t, k.Fs, name, &atomicfs.Options{Perm: 0o640})
		defer f.Close()
		assert.Equal(t, name, f.Name())
		put(t, f, "hello world")
		_, err := f.WriteAt([]byte("W"), 6)
		require.NoError(t, err)
		_, err = f.Seek(0, io.SeekStart)
		require.NoError(t, err)
		data, err := io.ReadAll(f)
		require.NoError(t, err)
		assert.Equal(t, "hello World", string(data))
		n, err := f.ReadAt(make([]byte, 10), 8)
		assert.Equal(t, 3, n)
		assert.Equal(t, io.EOF, err)
		require.NoError(t, f.Truncate(5))
		info, err := f.Stat()
		require.NoError(t, err)
		assert.Equal(t, "file", info.Name())
		assert.Equal(t, int64(5), info.Size())
		assert.Equal(t, fs.FileMode(0o640), info.Mode())
		_, err = f.Readdirnames(-1)
		require.Error(t, err)
		requirePathError(t, err, name)
		_, err = f.Readdir(-1)
		require.Error(t, err)
		require.NoError(t, f.Sync())
		require.NoError(t, f.Commit())
		assert.Equal(t, "hello", k.ReadFile(t, name))
	})
}

func TestFileStatOfExisting(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		k.WriteFile(t, name, "old")
		require.NoError(t, k.Fs.Chmod(name, 0o666))
		f := create(t, k.Fs, name, nil)
		defer f.Close()
		info, err := f.Stat()
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o666), info.Mode(), "the mode that it will have")
	})
}

// A write that failed fails the commit, whatever the caller made of its error.
func TestErrorsFailedWrite(t *testing.T) {
	faults := map[string]testfs.Fault{
		"error":      {Err: testfs.ErrFault},
		"short":      {Short: true},
		"full":       {Err: enospc, Short: true},
		"lost reply": {Err: testfs.ErrFault, Done: true},
	}
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for way, fault := range faults {
			for call, write := range map[string]func(f *atomicfs.File) error{
				"write":    func(f *atomicfs.File) error { _, err := f.Write([]byte("text")); return err },
				"writeat":  func(f *atomicfs.File) error { _, err := f.WriteAt([]byte("text"), 0); return err },
				"truncate": func(f *atomicfs.File) error { return f.Truncate(100) },
				"sync":     (*atomicfs.File).Sync,
			} {
				if fault.Short && fault.Err == nil && !strings.HasPrefix(call, "write") {
					continue // nothing else is short
				}
				name := k.Join("file")
				k.WriteFile(t, name, "old")
				spy := testfs.NewSpy(k.Fs)
				f := create(t, spy, name, nil)
				put(t, f, "before")
				spy.Fail(testfs.Calls(call+" "), fault)
				require.Error(t, write(f), "%s %s", way, call)
				require.NotEmpty(t, spy.Met())
				spy.Reset()
				put(t, f, "after")
				err := f.Commit()
				require.Error(t, err, "%s %s", way, call)
				requirePathError(t, err, name)
				if fault.Err != nil {
					require.ErrorIs(t, err, fault.Err)
				} else {
					require.ErrorIs(t, err, io.ErrShortWrite)
				}
				require.ErrorIs(t, f.Commit(), fs.ErrClosed)
				require.NoError(t, f.Close())
				assert.Equal(t, "old", k.ReadFile(t, name))
				assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
			}
		}
	})
}

// An error of a reader is not one of the file.
func TestReadFromGoesOn(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		f := create(t, k.Fs, k.Join("file"), nil)
		defer f.Close()
		n, err := f.ReadFrom(io.MultiReader(strings.NewReader("one"), iotest.ErrReader(errFn)))
		assert.Equal(t, int64(3), n)
		assert.Equal(t, errFn, err)
		_, err = f.ReadFrom(strings.NewReader("two"))
		require.NoError(t, err)
		require.NoError(t, f.Commit())
		assert.Equal(t, "onetwo", k.ReadFile(t, k.Join("file")))
	})
}

// A file that cannot be read is a reader that fails, and no failure of what is
// written.
func TestReadFromAFileThatCannotBeRead(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		path := filepath.Join(t.TempDir(), "write-only")
		writeOnly, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
		require.NoError(t, err)
		defer writeOnly.Close()
		dir, err := os.Open(t.TempDir())
		require.NoError(t, err)
		defer dir.Close()
		f := create(t, k.Fs, k.Join("file"), nil)
		defer f.Close()
		for _, r := range []*os.File{writeOnly, dir} {
			_, err := f.ReadFrom(r)
			requirePathError(t, err, r.Name())
			_, err = f.ReadFrom(io.LimitReader(r, 10))
			requirePathError(t, err, r.Name())
		}
		put(t, f, "text")
		require.NoError(t, f.Commit())
		assert.Equal(t, "text", k.ReadFile(t, k.Join("file")))
	})
}

func TestNoReplace(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		opts := &atomicfs.Options{NoReplace: true}
		late := create(t, k.Fs, name, opts)
		put(t, late, "late")
		f := create(t, k.Fs, name, opts)
		put(t, f, "first")
		require.NoError(t, f.Commit())
		err := late.Commit()
		require.ErrorIs(t, err, fs.ErrExist)
		requirePathError(t, err, name)
		require.NoError(t, late.Close())
		_, err = atomicfs.Create(k.Fs, name, opts)
		require.ErrorIs(t, err, fs.ErrExist)
		requirePathError(t, err, name)
		_, err = atomicfs.Create(k.Fs, k.Dir, opts)
		require.ErrorIs(t, err, fs.ErrExist)
		assert.Equal(t, "first", k.ReadFile(t, name))
		assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// One of 64 wins, and the file is the winner's.
func TestNoReplaceRacers(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for round := range 5 {
			name := k.Join(fmt.Sprint("file", round))
			winners := make(chan string, 64)
			race(64, func(i int) {
				f, err := atomicfs.Create(k.Fs, name, &atomicfs.Options{NoReplace: true, NoSync: true})
				if err != nil {
					assert.ErrorIs(t, err, fs.ErrExist)
					return
				}
				text := fmt.Sprint("racer ", i)
				_, err = f.WriteString(text)
				assert.NoError(t, err)
				if err := f.Commit(); err == nil {
					winners <- text
				} else {
					assert.ErrorIs(t, err, fs.ErrExist)
				}
				assert.NoError(t, f.Close())
			})
			close(winners)
			var all []string
			for w := range winners {
				all = append(all, w)
			}
			require.Len(t, all, 1)
			require.Equal(t, all[0], k.ReadFile(t, name))
		}
		assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 5)
	})
}

// Whoever is faster in making a new file, each of them replaces what is there.
func TestNewFileRacers(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for round := range 30 {
			name := k.Join(fmt.Sprint("file", round))
			race(16, func(int) {
				f, err := atomicfs.Create(k.Fs, name, &atomicfs.Options{NoSync: true})
				if assert.NoError(t, err) {
					_, err = f.WriteString("text")
					assert.NoError(t, errors.Join(err, f.Commit(), f.Close()))
				}
			})
			require.Equal(t, "text", k.ReadFile(t, name))
		}
		assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 30)
	})
}

func TestNoSync(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		spy := testfs.NewSpy(k.Fs)
		f := create(t, spy, k.Join("a", "file"), &atomicfs.Options{NoSync: true})
		put(t, f, "text")
		require.NoError(t, f.Commit())
		assert.NotContains(t, spy.Script(k.Dir), "sync")
		assert.Equal(t, "text", k.ReadFile(t, k.Join("a", "file")))
	})
}

// The names of two Fs and two directories do not meet: relative names go by the
// directory at the time of Create. OsFs alone has a working directory.
func TestChdirMeanwhile(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	t.Chdir(first)
	f := create(t, afero.NewOsFs(), "file", nil)
	put(t, f, "text")
	require.NoError(t, os.Chdir(second))
	require.NoError(t, f.Commit())
	assert.Equal(t, "file", f.Name())
	assert.FileExists(t, filepath.Join(first, "file"))
	assert.NoFileExists(t, filepath.Join(second, "file"))
}
