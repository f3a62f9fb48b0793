package spool_test

import (
	"bytes"
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

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// A side is a place in which a spool can have its contents, and how to make one
// there.
type side struct {
	name string
	make func(t testing.TB, k testfs.Kind) *spool.File
}

// sides are the places that must answer as an os.File does, whatever happens.
var sides = []side{
	{"pages", func(t testing.TB, k testfs.Kind) *spool.File {
		return spool.New(k.Fs, &spool.Options{MaxMemory: 1 << 30, Temp: tmpfs.Options{Dir: k.Dir}})
	}},
	{"memory", func(t testing.TB, k testfs.Kind) *spool.File {
		return spool.New(k.Fs, &spool.Options{MaxMemory: 1 << 30, Memory: afero.NewMemMapFs(), Temp: tmpfs.Options{Dir: k.Dir}})
	}},
	{"disk", func(t testing.TB, k testfs.Kind) *spool.File {
		f := spool.New(k.Fs, &spool.Options{Temp: tmpfs.Options{Dir: k.Dir}})
		require.NoError(t, f.Spill())
		return f
	}},
}

// eachSide runs body with an empty spool in each place, over each kind of disk,
// and checks that nothing is left of it.
func eachSide(t *testing.T, body func(t *testing.T, f *spool.File)) {
	t.Helper()
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, s := range sides {
			t.Run(s.name, func(t *testing.T) {
				f := s.make(t, k)
				defer func() {
					require.NoError(t, f.Close())
					assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
				}()
				body(t, f)
			})
		}
	})
}

// say puts the answer of a call in words that are the same for an os.File and
// for a spool: their paths differ, and so do their words for a refusal.
func say(n any, err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{nil, "nil"}, {io.EOF, "EOF"}, {fs.ErrClosed, "closed"}, {syscall.EINVAL, "EINVAL"},
		{syscall.ENOTDIR, "ENOTDIR"}, {syscall.EFBIG, "EFBIG"},
	} {
		if errors.Is(err, known.err) {
			return fmt.Sprint(n, " ", known.name)
		}
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Sprint(n, " ", path.Err)
	}
	return fmt.Sprint(n, " ", err)
}

func read(f io.Reader, n int) string {
	p := bytes.Repeat([]byte{0xAA}, n) // not zero, as a hole is
	m, err := f.Read(p)
	return say(fmt.Sprintf("%q", p[:m]), err)
}

func readAt(f io.ReaderAt, n int, off int64) string {
	p := bytes.Repeat([]byte{0xAA}, n)
	m, err := f.ReadAt(p, off)
	return say(fmt.Sprintf("%q", p[:m]), err)
}

func size(f afero.File) string {
	info, err := f.Stat()
	if err != nil {
		return say("", err)
	}
	return fmt.Sprint(info.Size())
}

func tell(f io.Seeker) string { return say(f.Seek(0, io.SeekCurrent)) }

// oracle is what an os.File on Linux answers, row by row: each row starts with an
// empty file that is open for reading and writing.
var oracle = []struct {
	name string
	do   func(f afero.File) []string
	want []string
}{
	{"seek past the end grows nothing", func(f afero.File) []string {
		return []string{say(f.Seek(100, io.SeekStart)), size(f)}
	}, []string{"100 nil", "0"}},
	{"read at the end and past it", func(f afero.File) []string {
		write(f, "abc")
		a := read(f, 4)
		_, _ = f.Seek(10, io.SeekCurrent)
		return []string{a, read(f, 4), read(f, 0), say(f.Read(nil))}
	}, []string{`"" EOF`, `"" EOF`, `"" nil`, "0 nil"}},
	{"read is short at the end", func(f afero.File) []string {
		write(f, "abcdef")
		_, _ = f.Seek(4, io.SeekStart)
		return []string{read(f, 4), read(f, 4), tell(f)}
	}, []string{`"ef" nil`, `"" EOF`, "6 nil"}},
	{"ReadAt", func(f afero.File) []string {
		write(f, "abcdef")
		return []string{
			readAt(f, 3, 1), readAt(f, 4, 2), readAt(f, 5, 2), readAt(f, 1, 6), readAt(f, 1, 60),
			readAt(f, 0, 6), readAt(f, 0, 60), say(f.ReadAt(nil, 60)), readAt(f, 1, -1), readAt(f, 0, -1), tell(f),
		}
	}, []string{
		`"bcd" nil`, `"cdef" nil`, `"cdef" EOF`, `"" EOF`, `"" EOF`,
		`"" nil`, `"" nil`, "0 nil", `"" negative offset`, `"" negative offset`, "6 nil",
	}},
	{"WriteAt", func(f afero.File) []string {
		return []string{
			say(f.WriteAt([]byte("abc"), 2)), size(f), say(f.WriteAt([]byte("x"), 3)), size(f), readAt(f, 9, 0),
			say(f.WriteAt([]byte("x"), -1)), say(f.WriteAt(nil, 500)), say(f.WriteAt(nil, -1)), size(f), tell(f),
		}
	}, []string{
		"3 nil", "5", "1 nil", "5", `"\x00\x00axc" EOF`,
		"0 negative offset", "0 nil", "0 negative offset", "5", "0 nil",
	}},
	{"Write of nothing past the end", func(f afero.File) []string {
		_, _ = f.Seek(50, io.SeekStart)
		return []string{say(f.Write(nil)), say(f.WriteString("")), size(f), tell(f)}
	}, []string{"0 nil", "0 nil", "0", "50 nil"}},
	{"Write past the end leaves a hole", func(f afero.File) []string {
		write(f, "ab")
		_, _ = f.Seek(3, io.SeekCurrent)
		return []string{say(f.WriteString("cd")), size(f), tell(f), readAt(f, 7, 0)}
	}, []string{"2 nil", "7", "7 nil", `"ab\x00\x00\x00cd" nil`}},
	{"a hole with something written in its middle", func(f afero.File) []string {
		// Pages are used again: this one has held something.
		other := spool.New(afero.NewMemMapFs(), nil)
		_, _ = other.Write(bytes.Repeat([]byte("x"), 900_000))
		_ = other.Close()
		_, _ = f.WriteAt([]byte("end"), 700_000)
		_, _ = f.WriteAt([]byte("middle"), 300_000)
		return []string{readAt(f, 10, 299_998), readAt(f, 2, 524_286), readAt(f, 3, 262_144), readAt(f, 9, 699_999)}
	}, []string{`"\x00\x00middle\x00\x00" nil`, `"\x00\x00" nil`, `"\x00\x00\x00" nil`, `"\x00end" EOF`}},
	{"a hole over what was cut off", func(f afero.File) []string {
		write(f, "abcdefgh")
		_ = f.Truncate(2)
		_, _ = f.WriteAt([]byte("z"), 6)
		return []string{readAt(f, 7, 0)}
	}, []string{`"ab\x00\x00\x00\x00z" nil`}},
	{"Seek that is refused moves nothing", func(f afero.File) []string {
		write(f, "abcdef")
		_, _ = f.Seek(3, io.SeekStart)
		return []string{
			say(f.Seek(-1, io.SeekStart)), say(f.Seek(-4, io.SeekCurrent)), say(f.Seek(-7, io.SeekEnd)),
			say(f.Seek(0, 9)), say(f.Seek(0, -1)), tell(f), say(f.Seek(-2, io.SeekEnd)), say(f.Seek(2, io.SeekEnd)),
		}
	}, []string{"0 EINVAL", "0 EINVAL", "0 EINVAL", "0 EINVAL", "0 EINVAL", "3 nil", "4 nil", "8 nil"}},
	{"Truncate", func(f afero.File) []string {
		write(f, "abcdef")
		return []string{
			say("", f.Truncate(-1)), size(f), say("", f.Truncate(3)), size(f), tell(f),
			say("", f.Truncate(5)), readAt(f, 6, 0), tell(f), say("", f.Truncate(0)), size(f), tell(f), read(f, 1),
		}
	}, []string{
		" EINVAL", "6", " nil", "3", "6 nil",
		" nil", `"abc\x00\x00" EOF`, "6 nil", " nil", "0", "6 nil", `"" EOF`,
	}},
	{"it is no directory", func(f afero.File) []string {
		a, err := f.Readdir(-1)
		b, err2 := f.Readdirnames(0)
		return []string{say(len(a), err), say(len(b), err2)}
	}, []string{"0 ENOTDIR", "0 ENOTDIR"}},
	{"Stat", func(f afero.File) []string {
		write(f, "abc")
		info, err := f.Stat()
		if err != nil {
			return []string{err.Error()}
		}
		return []string{fmt.Sprint(info.Size(), info.Mode(), info.IsDir(), info.ModTime().IsZero())}
	}, []string{"3 -rw------- false false"}},
	{"Sync", func(f afero.File) []string {
		write(f, "abc")
		return []string{say("", f.Sync()), tell(f)}
	}, []string{" nil", "3 nil"}},
	{"nothing works after Close", func(f afero.File) []string {
		write(f, "abc")
		name := f.Name()
		p := make([]byte, 1)
		first := say("", f.Close())
		info, err := f.Stat()
		return []string{
			first, say(f.Read(p)), say(f.Read(nil)), say(f.ReadAt(p, 0)), say(f.Write(p)), say(f.Write(nil)), say(f.WriteAt(p, 0)),
			say(f.WriteString("a")), say(f.Seek(0, io.SeekStart)), say("", f.Truncate(0)), say("", f.Sync()), say(info, err),
			fmt.Sprint(f.Name() == name),
		}
	}, []string{
		" nil", "0 closed", "0 closed", "0 closed", "0 closed", "0 closed", "0 closed",
		"0 closed", "0 closed", " closed", " closed", "<nil> closed",
		"true",
	}},
}

func write(f afero.File, s string) {
	if _, err := f.WriteString(s); err != nil {
		panic(err)
	}
}

func TestOracle(t *testing.T) {
	for _, row := range oracle {
		t.Run(strings.ReplaceAll(row.name, " ", "_"), func(t *testing.T) {
			if runtime.GOOS == "linux" {
				t.Run("os.File", func(t *testing.T) {
					f, err := os.OpenFile(filepath.Join(t.TempDir(), "file"), os.O_RDWR|os.O_CREATE, 0o600)
					require.NoError(t, err)
					defer func() { _ = f.Close() }()
					assert.Equal(t, row.want, row.do(f))
				})
			}
			eachSide(t, func(t *testing.T, f *spool.File) {
				assert.Equal(t, row.want, row.do(f))
			})
		})
	}
}

// The one difference from an os.File.
func TestSecondCloseReturnsNil(t *testing.T) {
	eachSide(t, func(t *testing.T, f *spool.File) {
		write(f, "abc")
		require.NoError(t, f.Close())
		require.NoError(t, f.Close())
	})
}

func TestErrorsArePathErrors(t *testing.T) {
	eachSide(t, func(t *testing.T, f *spool.File) {
		_, negative := f.WriteAt([]byte("a"), -1)
		_, whence := f.Seek(0, 9)
		require.NoError(t, f.Close())
		_, closed := f.Read(nil)
		_, readAt := f.ReadAt(nil, 0) // an os.File forgets to look here, and in the next three
		_, writeAt := f.WriteAt(nil, 0)
		_, readdir := f.Readdir(0)
		_, readdirnames := f.Readdirnames(0)
		_, readFrom := f.ReadFrom(strings.NewReader(""))
		_, writeTo := f.WriteTo(io.Discard)
		_, contents := f.Bytes()
		_, osFile := f.OSFile()
		for _, err := range []error{
			closed, readAt, writeAt, readdir, readdirnames, readFrom, writeTo, contents, osFile,
			f.Truncate(-1), f.Spill(), f.Reset(), f.Commit(afero.NewMemMapFs(), "/x", nil), negative, whence,
		} {
			if err != negative && err != whence { //nolint:errorlint // those very errors
				require.ErrorIs(t, err, fs.ErrClosed)
			}
			var path *fs.PathError
			require.ErrorAs(t, err, &path)
			assert.NotEmpty(t, path.Path)
			assert.Equal(t, strings.ToLower(path.Op), path.Op)
		}
	})
}

// What cannot be addressed is refused before anything is touched.
func TestWriteAtTheEndOfTime(t *testing.T) {
	eachSide(t, func(t *testing.T, f *spool.File) {
		write(f, "abc")
		n, err := f.WriteAt([]byte("ab"), 1<<63-2)
		assert.Zero(t, n)
		require.ErrorIs(t, err, syscall.EFBIG)
		b, err := f.Bytes()
		require.NoError(t, err)
		assert.Equal(t, "abc", string(b))
	})
}

// io.Reader's and io.ReaderAt's own idea of a file.
func TestReadersSeeWholeContents(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	eachSide(t, func(t *testing.T, f *spool.File) {
		_, err := f.Write(want)
		require.NoError(t, err)
		got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<62))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got))
		_, err = f.Seek(0, io.SeekStart)
		require.NoError(t, err)
		got, err = io.ReadAll(io.MultiReader(f)) // without WriteTo
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got))
	})
}
