package vfs_test

import (
	"bytes"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/internal/vfs"
)

// A result is what a call of a handle gave, in a form that two handles share.
type result struct {
	n    int64
	data string
	err  string
}

// reason names the kind of an error, for comparison: the text after the path.
func reason(err error) string {
	if err == nil {
		return ""
	}
	var text string
	if perr, ok := err.(*fs.PathError); ok { //nolint:errorlint // the outermost one is what is compared
		text = "path: "
		err = perr.Err
	}
	return text + err.Error()
}

// calls are the calls that a handle and an *os.File must answer alike.
var calls = map[string]func(f afero.File) result{
	"Read(3)": func(f afero.File) result {
		b := make([]byte, 3)
		n, err := f.Read(b)
		return result{int64(n), string(b[:n]), reason(err)}
	},
	"Read(nil)":  func(f afero.File) result { n, err := f.Read(nil); return result{int64(n), "", reason(err)} },
	"Write(nil)": func(f afero.File) result { n, err := f.Write(nil); return result{int64(n), "", reason(err)} },
	"Write": func(f afero.File) result {
		n, err := f.Write([]byte("abcde"))
		return result{int64(n), "", reason(err)}
	},
	"WriteString": func(f afero.File) result {
		n, err := f.WriteString("xy")
		return result{int64(n), "", reason(err)}
	},
	"WriteAt(nil,500)": func(f afero.File) result { n, err := f.WriteAt(nil, 500); return result{int64(n), "", reason(err)} },
	"WriteAt(7)": func(f afero.File) result {
		n, err := f.WriteAt([]byte("12"), 7)
		return result{int64(n), "", reason(err)}
	},
	"WriteAt(-1)": func(f afero.File) result {
		n, err := f.WriteAt([]byte("12"), -1)
		return result{int64(n), "", reason(err)}
	},
	"ReadAt(2)": func(f afero.File) result {
		b := make([]byte, 4)
		n, err := f.ReadAt(b, 2)
		return result{int64(n), string(b[:n]), reason(err)}
	},
	"ReadAt(1000)": func(f afero.File) result {
		n, err := f.ReadAt(make([]byte, 4), 1000)
		return result{int64(n), "", reason(err)}
	},
	"ReadAt(nil,1000)": func(f afero.File) result { n, err := f.ReadAt(nil, 1000); return result{int64(n), "", reason(err)} },
	"ReadAt(-1)": func(f afero.File) result {
		n, err := f.ReadAt(make([]byte, 4), -1)
		return result{int64(n), "", reason(err)}
	},
	"Seek(0,start)":    func(f afero.File) result { n, err := f.Seek(0, io.SeekStart); return result{n, "", reason(err)} },
	"Seek(3,start)":    func(f afero.File) result { n, err := f.Seek(3, io.SeekStart); return result{n, "", reason(err)} },
	"Seek(-1,current)": func(f afero.File) result { n, err := f.Seek(-1, io.SeekCurrent); return result{n, "", reason(err)} },
	"Seek(-9,current)": func(f afero.File) result { n, err := f.Seek(-9, io.SeekCurrent); return result{n, "", reason(err)} },
	"Seek(2,end)":      func(f afero.File) result { n, err := f.Seek(2, io.SeekEnd); return result{n, "", reason(err)} },
	"Seek(-50,end)":    func(f afero.File) result { n, err := f.Seek(-50, io.SeekEnd); return result{n, "", reason(err)} },
	"Seek(-5,start)":   func(f afero.File) result { n, err := f.Seek(-5, io.SeekStart); return result{n, "", reason(err)} },
	"Truncate(0)":      func(f afero.File) result { return result{err: reason(f.Truncate(0))} },
	"Truncate(4)":      func(f afero.File) result { return result{err: reason(f.Truncate(4))} },
	"Truncate(20)":     func(f afero.File) result { return result{err: reason(f.Truncate(20))} },
	"Truncate(-1)":     func(f afero.File) result { return result{err: reason(f.Truncate(-1))} },
	"Sync":             func(f afero.File) result { return result{err: reason(f.Sync())} },
	"Stat": func(f afero.File) result {
		info, err := f.Stat()
		if err != nil {
			return result{err: reason(err)}
		}
		return result{info.Size(), info.Name() + info.Mode().String(), ""}
	},
	"Readdir": func(f afero.File) result {
		_, err := f.Readdir(-1)
		return result{err: strings.Split(reason(err), ":")[0]}
	},
	"contents": func(f afero.File) result {
		b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
		return result{int64(len(b)), string(b), reason(err)}
	},
}

func callNames() []string {
	var names []string
	for name := range calls {
		names = append(names, name)
	}
	return names
}

// TestHandle compares the handle of every kind with an *os.File, call by call,
// in random orders.
func TestHandle(t *testing.T) {
	oracle := filepath.Join(t.TempDir(), "f")
	names := callNames()
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		rapid.Check(t, func(rt *rapid.T) {
			want, err := os.OpenFile(oracle, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
			require.NoError(rt, err)
			defer want.Close()
			got, err := v.OpenFile(k.Join("f"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
			require.NoError(rt, err)
			defer func() { _ = got.Close() }()
			require.NoError(rt, got.Chmod(0o644))
			for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 1, 30).Draw(rt, "calls") {
				require.Equal(rt, calls[name](want), calls[name](got), name)
			}
			require.Equal(rt, calls["contents"](want), calls["contents"](got))
			if rapid.Bool().Draw(rt, "closed") {
				require.NoError(rt, want.Close())
				require.NoError(rt, got.Close())
				require.ErrorIs(rt, got.Close(), fs.ErrClosed)
				for name, call := range calls {
					// What os.File does not even look at after Close, it does not refuse.
					if w := call(want); strings.Contains(w.err, "closed") {
						require.Equal(rt, w, call(got), name)
					}
				}
			}
		})
	})
}

func TestHandleAccess(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		name := k.Join("f")
		write(t, v, name, "hello")
		r, err := v.Open(name)
		require.NoError(t, err)
		defer r.Close()
		_, err = r.Write([]byte("x"))
		assert.ErrorIs(t, err, syscall.EBADF)
		_, err = r.WriteAt([]byte("x"), 0)
		assert.ErrorIs(t, err, syscall.EBADF)
		assert.ErrorIs(t, r.Truncate(0), syscall.EINVAL)
		w, err := v.OpenFile(name, os.O_WRONLY, 0)
		require.NoError(t, err)
		defer w.Close()
		_, err = w.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.EBADF)
		_, err = w.ReadAt(make([]byte, 1), 0)
		assert.ErrorIs(t, err, syscall.EBADF)
		assert.Equal(t, "hello", read(t, v, name))
	})
}

// TestAppend: appenders lose nothing, on any kind, where afero's own lose most.
func TestAppend(t *testing.T) {
	on(t, appending)
	t.Run("slow", func(t *testing.T) {
		fsys := slow{afero.NewMemMapFs()}
		appending(t, testfs.Kind{Fs: fsys, Dir: "/"}, vfs.On(fsys))
	})
}

// A slow Fs takes its time to say how long a file is.
type slow struct{ afero.Fs }

func (s slow) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	f, err := s.Fs.OpenFile(name, flag, perm)
	return slowFile{f}, err
}

type slowFile struct{ afero.File }

func (f slowFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	size := info.Size()
	time.Sleep(10 * time.Microsecond)
	return sized{info, size}, err
}

type sized struct {
	fs.FileInfo
	size int64
}

func (s sized) Size() int64 { return s.size }

func appending(t *testing.T, k testfs.Kind, v vfs.FS) {
	name := k.Join("log")
	write(t, v, name, "start\n")
	const writers, lines = 4, 50
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			f, err := v.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
			if !assert.NoError(t, err) {
				return
			}
			defer f.Close()
			for range lines {
				_, err := f.Seek(0, io.SeekStart)
				assert.NoError(t, err)
				_, err = f.Write([]byte("line\n"))
				assert.NoError(t, err)
			}
			_, err = f.WriteAt([]byte("x"), 0)
			assert.Error(t, err, "as os.File refuses it")
		})
	}
	wg.Wait()
	assert.Equal(t, "start\n"+strings.Repeat("line\n", writers*lines), read(t, v, name))
}

// TestStill: what Stat returned does not change afterwards, and the
// handle keeps the name that it was opened by.
func TestStill(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		f, err := v.Create(k.Join("a"), 0o600)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString("12345")
		require.NoError(t, err)
		byName, err := v.Stat(k.Join("a"))
		require.NoError(t, err)
		byHandle, err := f.Stat()
		require.NoError(t, err)
		_, err = f.WriteString("67890")
		require.NoError(t, err)
		require.NoError(t, rename(v, k.Join("a"), k.Join("b")))
		for _, info := range []fs.FileInfo{byName, byHandle} {
			assert.Equal(t, int64(5), info.Size())
			assert.Equal(t, "a", info.Name())
			assert.False(t, info.IsDir())
		}
		assert.Equal(t, k.Join("a"), f.Name())
	})
}

// TestHandleFarOut: a write beyond any memory is refused, and does not end the
// process. What the operating system refuses there is its own affair.
func TestHandleFarOut(t *testing.T) {
	f, err := vfs.On(afero.NewMemMapFs()).Create("/f", 0o600)
	require.NoError(t, err)
	for _, off := range []int64{math.MaxInt64, math.MaxInt64 - 1, 1 << 62, 1 << 50} {
		_, err = f.Seek(off, io.SeekStart)
		require.NoError(t, err)
		_, err = f.Write([]byte("x"))
		require.ErrorIs(t, err, syscall.EFBIG)
		_, err = f.WriteAt([]byte("x"), off)
		require.ErrorIs(t, err, syscall.EFBIG)
		require.ErrorIs(t, f.Truncate(off), syscall.EFBIG)
	}
	_, err = f.Seek(1, io.SeekCurrent)
	require.NoError(t, err)
	_, err = f.Seek(math.MaxInt64, io.SeekCurrent)
	require.ErrorIs(t, err, syscall.EINVAL, "past the last offset")
	info, err := f.Stat()
	require.NoError(t, err)
	assert.Zero(t, info.Size())
}

// TestHandleOfLiar: what an Fs says of a write is not believed when it is short.
func TestHandleOfLiar(t *testing.T) {
	for _, call := range []string{"write ", "writeat "} {
		spy := testfs.NewSpy(afero.NewMemMapFs())
		f, err := vfs.On(spy).Create("/f", 0o600)
		require.NoError(t, err)
		spy.Fail(func(n int, c string) bool { return strings.HasPrefix(c, strings.TrimSpace(call)) }, testfs.Fault{Short: true})
		if call == "write " {
			_, err = f.Write([]byte("hello"))
		} else {
			_, err = f.WriteAt([]byte("hello"), 0)
		}
		assert.ErrorIs(t, err, io.ErrShortWrite)
		pathOf(t, err, "write", "/f")
		require.NoError(t, f.Close())
	}
}

// A boaster says that it has written more than it was given, and cannot seek.
type boaster struct {
	afero.Fs
	seeks bool
}

type boastersFile struct {
	afero.File
	seeks bool
}

func (b boaster) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	f, err := b.Fs.OpenFile(name, flag, perm)
	return boastersFile{f, b.seeks}, err
}

func (b boastersFile) Write(p []byte) (int, error) { return len(p) + 1, nil }

func (b boastersFile) Seek(off int64, whence int) (int64, error) {
	if !b.seeks {
		return 0, syscall.ESPIPE
	}
	return b.File.Seek(off, whence)
}

func TestHandleOfBoaster(t *testing.T) {
	for seeks, want := range map[bool]error{true: io.ErrShortWrite, false: syscall.ESPIPE} {
		f, err := vfs.On(boaster{afero.NewMemMapFs(), seeks}).Create("/f", 0o600)
		require.NoError(t, err)
		if !seeks {
			_, err = f.Seek(2, io.SeekStart) // which moves nothing yet
			require.NoError(t, err)
		}
		n, err := f.Write([]byte("hello"))
		assert.ErrorIs(t, err, want)
		assert.Zero(t, n)
		pathOf(t, err, "write", "/f")
		require.NoError(t, f.Close())
	}
}

// TestCopyInKernel: a File that is a reader does not hide the os.File from one
// that reads from it.
func TestCopyInKernel(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		data := bytes.Repeat([]byte("0123456789abcdef"), 4096)
		write(t, v, k.Join("a"), string(data))
		from, err := v.Open(k.Join("a"))
		require.NoError(t, err)
		defer from.Close()
		to, err := v.Create(k.Join("b"), 0o600)
		require.NoError(t, err)
		n, err := to.ReadFrom(from)
		require.NoError(t, err)
		assert.Equal(t, int64(len(data)), n)
		require.NoError(t, to.Close())
		assert.Equal(t, string(data), read(t, v, k.Join("b")))
		_, err = from.Seek(16, io.SeekStart)
		require.NoError(t, err)
		var buf bytes.Buffer
		n, err = from.WriteTo(&buf)
		require.NoError(t, err)
		assert.Equal(t, int64(len(data)-16), n)
		assert.Equal(t, data[16:], buf.Bytes())
	})
}

func TestWriteToFile(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		v := vfs.On(k.Fs)
		write(t, v, k.Join("a"), "0123456789")
		from, err := v.Open(k.Join("a"))
		require.NoError(t, err)
		_, err = from.Seek(4, io.SeekStart)
		require.NoError(t, err)
		to, err := os.Create(filepath.Join(t.TempDir(), "to"))
		require.NoError(t, err)
		n, err := from.WriteTo(to)
		require.NoError(t, err)
		assert.Equal(t, int64(6), n)
		b, err := os.ReadFile(to.Name())
		require.NoError(t, err)
		assert.Equal(t, "456789", string(b))
		require.NoError(t, to.Close())
		_, err = from.Seek(0, io.SeekStart)
		require.NoError(t, err)
		_, err = from.WriteTo(to)
		require.ErrorIs(t, err, fs.ErrClosed)
		require.NoError(t, from.Close())
		_, err = from.WriteTo(to)
		require.ErrorIs(t, err, fs.ErrClosed)
		assert.NotContains(t, err.Error(), "layer")
	})
}

// A sluggard takes nothing at first, as a kernel does that sees the end of a file too
// early.
type sluggard struct{ bytes.Buffer }

func (*sluggard) ReadFrom(io.Reader) (int64, error) { return 0, nil }

func TestCopyGoesOn(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	require.NoError(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	for limit, want := range map[int64]string{20: "0123456789", 10: "0123456789", 7: "0123456", 1: "0", 0: ""} {
		from, err := os.Open(name)
		require.NoError(t, err)
		var to sluggard
		n, err := vfs.Copy(&to, &io.LimitedReader{R: from, N: limit})
		require.NoError(t, err)
		assert.Equal(t, int64(len(want)), n)
		assert.Equal(t, want, to.String())
		require.NoError(t, from.Close())
	}
}

func TestReaddir(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		write(t, v, k.Join("a"), "1")
		require.NoError(t, v.Mkdir(k.Join("b"), 0o755))
		f, err := v.Open(k.Dir)
		require.NoError(t, err)
		defer f.Close()
		infos, err := f.Readdir(-1)
		require.NoError(t, err)
		list := map[string]bool{}
		for _, info := range infos {
			list[info.Name()] = info.IsDir()
		}
		assert.Equal(t, map[string]bool{"a": false, "b": true}, list)
		infos, err = f.Readdir(-1)
		require.NoError(t, err)
		assert.Empty(t, infos, "at the end there is no more")
		_, err = f.Readdirnames(1)
		require.ErrorIs(t, err, io.EOF)
		_, err = f.Seek(0, io.SeekStart)
		require.NoError(t, err)
		names, err := f.Readdirnames(-1)
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"a", "b"}, names, "from the start again")
	})
}

// A Seek that asks where it is does not begin anew, and O_EXCL without O_CREATE
// says nothing.
func TestReaddirGoesOn(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		require.NoError(t, v.Mkdir(k.Join("d"), 0o755))
		for _, name := range []string{"a", "b", "c"} {
			write(t, v, k.Join("d", name), "")
		}
		f, err := v.Open(k.Join("d"))
		require.NoError(t, err)
		defer f.Close()
		_, err = f.Readdirnames(-1)
		require.NoError(t, err)
		_, err = f.Seek(0, io.SeekCurrent)
		require.NoError(t, err)
		names, err := f.Readdirnames(-1)
		require.NoError(t, err)
		assert.Empty(t, names)
		g, err := v.OpenFile(k.Join("d", "a"), os.O_RDWR|os.O_EXCL, 0)
		require.NoError(t, err)
		require.NoError(t, g.Close())
	})
}

func TestLinksOfHandles(t *testing.T) {
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		require.NoError(t, os.Symlink("a", filepath.Join(dir, "l")))
		target, err := v.Readlink(k.Join("l"))
		require.NoError(t, err)
		assert.Equal(t, "a", target)
		target, err = vfs.On(testfs.NewSpy(k.Fs)).Readlink(k.Join("l"))
		require.NoError(t, err)
		assert.Equal(t, "a", target)
		write(t, v, k.Join("f"), "x")
		_, err = v.Readlink(k.Join("f"))
		assert.ErrorIs(t, err, syscall.EINVAL)
		f, err := v.OpenFile(k.Join("f"), os.O_RDWR, 0)
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, f.Chown(os.Getuid(), os.Getgid()))
		info, err := f.Stat()
		require.NoError(t, err)
		uid, gid, ok := vfs.Owner(info)
		assert.Equal(t, [3]any{os.Getuid(), os.Getgid(), true}, [3]any{uid, gid, ok})
	})
	_, err := vfs.On(afero.NewMemMapFs()).Readlink("/a")
	assert.Error(t, err)
}
