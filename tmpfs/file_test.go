package tmpfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// create makes a temporary file with some contents in the directory of k.
func create(t testing.TB, k testfs.Kind, content string) *tmpfs.File {
	t.Helper()
	return createOn(t, k.Fs, k.Dir, content)
}

func createOn(t testing.TB, fsys afero.Fs, dir, content string) *tmpfs.File {
	t.Helper()
	f, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	_, err = f.WriteString(content)
	require.NoError(t, err)
	return f
}

// temporary checks that f is still a temporary: it is there, and Close removes it.
func temporary(t testing.TB, k testfs.Kind, f *tmpfs.File, content string) {
	t.Helper()
	assert.Equal(t, content, k.ReadFile(t, f.Name()))
	name := f.Name()
	require.NoError(t, f.Close())
	assert.False(t, exists(t, k.Fs, name), "Close must remove it")
}

// content reads f from its start by its handle.
func content(t testing.TB, f afero.File) string {
	t.Helper()
	_, err := f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	return string(b)
}

// keeps are the two ways to keep a file.
var keeps = map[string]func(f *tmpfs.File, name string) error{
	"Keep":    (*tmpfs.File).Keep,
	"KeepNew": (*tmpfs.File).KeepNew,
}

// eachKeep runs body with both on every kind.
func eachKeep(t *testing.T, body func(t *testing.T, k testfs.Kind, keep func(f *tmpfs.File, name string) error)) {
	t.Helper()
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for name, keep := range keeps {
			t.Run(name, func(t *testing.T) { body(t, k.Fresh(t), keep) })
		}
	})
}

func TestFile(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		f := create(t, k, "hello")
		assert.Same(t, k.Fs, f.Fs())
		g, ok := f.OSFile()
		assert.Equal(t, k.OS, ok, "the os.File is found where there is one")
		assert.Equal(t, k.OS, g != nil)
		temporary(t, k, f, "hello")
		assert.NoError(t, f.Close())
		assert.NoError(t, f.CloseHandle())
		_, err := f.WriteString("late")
		assert.ErrorIs(t, err, fs.ErrClosed)
		_, err = f.Read(make([]byte, 1))
		assert.ErrorIs(t, err, fs.ErrClosed)
		for name, keep := range keeps {
			assert.ErrorIs(t, keep(f, k.Join("late")), fs.ErrClosed, name)
		}
		empty(t, k)
	})
}

func TestFileOnUnknownFs(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		f := createOn(t, testfs.NewSpy(k.Fs), k.Dir, "hello")
		_, ok := f.OSFile()
		assert.False(t, ok, "what is not known stays in the way")
		temporary(t, k, f, "hello")
	})
}

func TestKeep(t *testing.T) {
	eachKeep(t, func(t *testing.T, k testfs.Kind, keep func(f *tmpfs.File, name string) error) {
		f := create(t, k, "hello")
		require.NoError(t, keep(f, k.Join("kept")))
		assert.Equal(t, k.Join("kept"), f.Name())
		assert.Equal(t, []string{"kept"}, testfs.Leftovers(t, k.Fs, k.Dir))
		_, err := f.WriteString("late")
		assert.ErrorIs(t, err, fs.ErrClosed, "it closes the file")
		for name, keep := range keeps {
			err := keep(f, k.Join("again"))
			assert.ErrorIs(t, err, fs.ErrClosed, name)
			pathError(t, err, k.Join("again"))
		}
		assert.ErrorIs(t, f.Keep(f.Name()), fs.ErrClosed)
		require.NoError(t, f.Close())
		require.NoError(t, f.Close())
		assert.Equal(t, "hello", k.ReadFile(t, k.Join("kept")))
		assert.Equal(t, []string{"kept"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// TestKeepAfterCloseHandle: a file can be kept when others have worked on it by name.
func TestKeepAfterCloseHandle(t *testing.T) {
	eachKeep(t, func(t *testing.T, k testfs.Kind, keep func(f *tmpfs.File, name string) error) {
		f := create(t, k, "hello")
		require.NoError(t, f.CloseHandle())
		require.NoError(t, f.CloseHandle())
		k.WriteFile(t, f.Name(), "changed")
		require.NoError(t, keep(f, k.Join("kept")))
		require.NoError(t, f.Close())
		assert.Equal(t, "changed", k.ReadFile(t, k.Join("kept")))
		assert.Equal(t, []string{"kept"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// TestKeepSpelling: names are cleaned, and a file can go to another directory.
func TestKeepSpelling(t *testing.T) {
	eachKeep(t, func(t *testing.T, k testfs.Kind, keep func(f *tmpfs.File, name string) error) {
		require.NoError(t, k.Fs.Mkdir(k.Join("sub"), 0o755))
		for i, name := range []string{k.Dir + "/sub/./kept", k.Dir + "//sub/none/../kept2", k.Join("sub") + "/../kept3"} {
			f := create(t, k, "hello")
			require.NoError(t, keep(f, name), "%d", i)
			assert.Equal(t, filepath.Clean(name), filepath.Clean(f.Name()))
		}
		assert.Equal(t, []string{"kept3", "sub", "sub/kept", "sub/kept2"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestKeepOnto(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("there"), "old")
		f := create(t, k, "new")
		err := f.KeepNew(k.Join("there"))
		require.ErrorIs(t, err, fs.ErrExist)
		pathError(t, err, k.Join("there"))
		assert.Equal(t, "old", k.ReadFile(t, k.Join("there")))
		require.NoError(t, f.Keep(k.Join("there")))
		assert.Equal(t, "new", k.ReadFile(t, k.Join("there")))
		assert.Equal(t, []string{"there"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// TestKeepNewLoser: who comes second still has the file, open where it stood.
func TestKeepNewLoser(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("there"), "old")
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		f := create(t, k, "hello")
		for _, name := range []string{"there", "dir"} {
			require.ErrorIs(t, f.KeepNew(k.Join(name)), fs.ErrExist)
			_, err := f.WriteString("!")
			require.NoError(t, err)
		}
		assert.ErrorIs(t, f.KeepNew(f.Name()), fs.ErrExist, "its own name exists too")
		assert.Equal(t, "hello!!", content(t, f))
		require.NoError(t, f.KeepNew(k.Join("free")))
		assert.Equal(t, "hello!!", k.ReadFile(t, k.Join("free")))
		assert.Equal(t, "old", k.ReadFile(t, k.Join("there")))
		assert.Equal(t, []string{"dir", "free", "there"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// TestKeepRefused: what is in the way stays as it is, and the file temporary.
func TestKeepRefused(t *testing.T) {
	eachKeep(t, func(t *testing.T, k testfs.Kind, keep func(f *tmpfs.File, name string) error) {
		k.WriteFile(t, k.Join("file"), "precious")
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		k.WriteFile(t, k.Join("dir", "in"), "precious")
		require.NoError(t, k.Fs.Mkdir(k.Join("void"), 0o755))
		f := create(t, k, "hello")
		for name, want := range map[string]error{
			k.Join("dir"):             fs.ErrExist,
			k.Join("void"):            fs.ErrExist,
			k.Join("missing", "kept"): fs.ErrNotExist,
			k.Join("file", "kept"):    syscall.ENOTDIR,
			"":                        fs.ErrInvalid,
			k.Dir + "/a\x00b":         fs.ErrInvalid,
		} {
			err := keep(f, name)
			require.ErrorIs(t, err, want, name)
			pathError(t, err, name)
		}
		temporary(t, k, f, "hello")
		assert.Equal(t, []string{"dir", "dir/in", "file", "void"}, testfs.Leftovers(t, k.Fs, k.Dir))
		assert.Equal(t, "precious", k.ReadFile(t, k.Join("file")))
	})
}

// TestKeepOverLink: the link itself is replaced; what it leads to is somebody
// else's. KeepNew takes even a link to nothing for something that exists.
func TestKeepOverLink(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if !k.Links {
			t.Skip("no links")
		}
		k.WriteFile(t, k.Join("target"), "precious")
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		for _, target := range []string{"target", "dir", "nothing"} {
			link := filepath.Join(k.Real(k.Dir), "link")
			require.NoError(t, os.Symlink(target, link))
			f := create(t, k, "hello")
			require.ErrorIs(t, f.KeepNew(k.Join("link")), fs.ErrExist)
			got, err := os.Readlink(link)
			require.NoError(t, err)
			assert.Equal(t, target, got)
			require.NoError(t, f.Keep(k.Join("link")))
			info, err := os.Lstat(link)
			require.NoError(t, err)
			assert.True(t, info.Mode().IsRegular(), target)
			require.NoError(t, os.Remove(link))
		}
		assert.Equal(t, "precious", k.ReadFile(t, k.Join("target")))
		assert.Equal(t, []string{"dir", "target"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestKeepWhereItIs(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		f := create(t, k, "hello")
		name := f.Name()
		require.NoError(t, f.Keep(filepath.Dir(name)+"/./"+filepath.Base(name)))
		assert.Equal(t, name, f.Name())
		require.NoError(t, f.Close())
		assert.Equal(t, "hello", k.ReadFile(t, name))
		_, err := f.Write(nil)
		assert.ErrorIs(t, err, fs.ErrClosed)
		require.NoError(t, k.Fs.Remove(name))
		empty(t, k)
	})
}

// TestRemovedBySomebodyElse: Close does not mind, Keep does.
func TestRemovedBySomebodyElse(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if !canRemoveOpen(k) {
			t.Skip("an open file cannot be removed")
		}
		for name, keep := range keeps {
			f := create(t, k, "hello")
			require.NoError(t, k.Fs.Remove(f.Name()))
			err := keep(f, k.Join("kept"))
			require.ErrorIs(t, err, fs.ErrNotExist, name)
			pathError(t, err, k.Join("kept"))
			require.NoError(t, f.Close())
		}
		f := create(t, k, "hello")
		require.NoError(t, k.Fs.Remove(f.Name()))
		require.ErrorIs(t, f.Keep(f.Name()), fs.ErrNotExist)
		require.NoError(t, f.Close())
		f = create(t, k, "hello")
		require.NoError(t, k.Fs.Remove(f.Name()))
		require.NoError(t, f.Close())
		require.NoError(t, f.Close())
		empty(t, k)

		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		f, err := tmpfs.Create(k.Fs, &tmpfs.Options{Dir: k.Join("dir")})
		require.NoError(t, err)
		require.NoError(t, tmpfs.RemoveAll(k.Fs, k.Join("dir")))
		k.WriteFile(t, k.Join("dir"), "a file where the directory was")
		require.NoError(t, f.Close())
		assert.Equal(t, "a file where the directory was", k.ReadFile(t, k.Join("dir")))
	})
}

func canRemoveOpen(k testfs.Kind) bool { return !k.OS || filepath.Separator == '/' }

// TestChdir: the working directory is the process's, so that this is about OsFs.
func TestChdir(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	t.Chdir(dir)
	fsys := afero.NewOsFs()
	f := createOn(t, fsys, ".", "one")
	require.NoError(t, os.WriteFile(filepath.Join(other, filepath.Base(f.Name())), []byte("precious"), 0o600))
	g := createOn(t, fsys, ".", "two")
	d, err := tmpfs.Mkdir(fsys, &tmpfs.Options{Dir: "."})
	require.NoError(t, err)
	base := tmpfs.WithTempDir(fsys, "temps")
	t.Chdir(other)
	require.NoError(t, f.Close())
	require.NoError(t, g.Keep("kept")) // relative to where the process is by now
	require.NoError(t, afero.WriteFile(d, "x", nil, 0o600))
	require.NoError(t, d.Close())
	temps, err := tmpfs.TempDir(base)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "temps"), temps)
	assert.Equal(t, []string{"temps"}, testfs.Leftovers(t, fsys, dir))
	assert.Equal(t, []string{"kept", filepath.Base(f.Name())}, testfs.Leftovers(t, fsys, other))
}

// TestCopies: ReadFrom and WriteTo go by the offset, as those of an os.File do.
func TestCopies(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		f := create(t, k, "start:")
		text := strings.Repeat("0123456789", 20_000)
		n, err := f.ReadFrom(strings.NewReader(text))
		require.NoError(t, err)
		assert.EqualValues(t, len(text), n)
		g := create(t, k, "")
		_, err = f.Seek(6, io.SeekStart)
		require.NoError(t, err)
		n, err = g.ReadFrom(f) // both may be the kernel's
		require.NoError(t, err)
		assert.EqualValues(t, len(text), n)
		_, err = g.Seek(-10, io.SeekEnd)
		require.NoError(t, err)
		var b bytes.Buffer
		n, err = g.WriteTo(&b)
		require.NoError(t, err)
		assert.EqualValues(t, 10, n)
		assert.Equal(t, "0123456789", b.String())
		assert.Equal(t, "start:"+text, content(t, f))
		require.NoError(t, errors.Join(f.Close(), g.Close()))
		_, err = f.ReadFrom(strings.NewReader("x"))
		assert.ErrorIs(t, err, fs.ErrClosed)
		_, err = f.WriteTo(io.Discard)
		assert.ErrorIs(t, err, fs.ErrClosed)
		empty(t, k)
	})
}

// A shouting reader embeds a file and changes what it reads.
type shouting struct{ *tmpfs.File }

func (s shouting) Read(p []byte) (int, error) {
	n, err := s.File.Read(p)
	copy(p, bytes.ToUpper(p[:n]))
	return n, err
}

func (s shouting) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{s}) }

// TestCopiesWhatIsRead: the kernel copies only where that is what the reader would
// have given. The unknown Fs and the union give out an os.File whose offset is not
// that of the File.
func TestCopiesWhatIsRead(t *testing.T) {
	fsys := afero.NewOsFs()
	to := createOn(t, fsys, t.TempDir(), "")
	copied := func(r io.Reader) string {
		require.NoError(t, to.Truncate(0))
		_, err := to.Seek(0, io.SeekStart)
		require.NoError(t, err)
		_, err = to.ReadFrom(r)
		require.NoError(t, err)
		return content(t, to)
	}
	union := afero.NewCopyOnWriteFs(afero.NewReadOnlyFs(fsys), fsys)
	for _, fsys := range []afero.Fs{fsys, union, struct{ afero.Fs }{fsys}} {
		f := createOn(t, fsys, t.TempDir(), "some text")
		_, err := f.Seek(5, io.SeekStart)
		require.NoError(t, err)
		assert.Equal(t, "text", copied(f), fsys.Name())
		_, err = f.Seek(5, io.SeekStart)
		require.NoError(t, err)
		assert.Equal(t, "TEXT", copied(shouting{f}), fsys.Name())
		_, err = f.Seek(5, io.SeekStart)
		require.NoError(t, err)
		if g, ok := f.OSFile(); ok {
			at, err := g.Seek(0, io.SeekCurrent)
			require.NoError(t, err)
			assert.EqualValues(t, 5, at, "the two share one offset")
		}
	}
}

// TestErrorsNotKeptUnwritten: a file whose handle did not close well may lack what was
// written, and is not kept by trying again. It cannot be had on a real Fs at will.
func TestErrorsNotKeptUnwritten(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, first := range []string{"Keep", "KeepNew", "CloseHandle", "here"} {
			for name, keep := range keeps {
				k := k.Fresh(t)
				spy := testfs.NewSpy(k.Fs)
				spy.Fail(testfs.Calls("close"), testfs.Fault{Err: syscall.ENOSPC})
				f := createOn(t, spy, k.Dir, "hello")
				var err error
				switch first {
				case "CloseHandle":
					err = f.CloseHandle()
				case "here":
					err = f.Keep(f.Name())
				default:
					err = keeps[first](f, k.Join("kept"))
					pathError(t, err, k.Join("kept"))
				}
				require.ErrorIs(t, err, syscall.ENOSPC, first)
				require.ErrorIs(t, keep(f, k.Join("kept")), syscall.ENOSPC, "%s, then %s", first, name)
				require.ErrorIs(t, f.Keep(f.Name()), syscall.ENOSPC)
				temporary(t, k, f, "hello")
				empty(t, k)
			}
		}
	})
}

// TestCloseAgain: a file that could not be removed can be removed later.
func TestCloseAgain(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		spy := testfs.NewSpy(k.Fs)
		f := createOn(t, spy, k.Dir, "hello")
		spy.Fail(testfs.Calls("remove"), testfs.Fault{Err: syscall.EACCES})
		err := f.Close()
		require.ErrorIs(t, err, fs.ErrPermission)
		assert.ErrorContains(t, err, f.Name(), "what is left")
		assert.True(t, exists(t, k.Fs, f.Name()))
		spy.Reset()
		require.NoError(t, f.Close())
		empty(t, k)
	})
}
