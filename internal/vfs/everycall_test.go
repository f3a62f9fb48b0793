package vfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/internal/vfs"
)

// everyOperation does one operation after the other, whatever becomes of those
// before it, and returns the errors. What is made has a name with "new" in it.
func everyOperation(v vfs.FS, k testfs.Kind) (errs []error) {
	did := func(err error) { errs = append(errs, err) }
	_, err := v.MkdirAll(k.Join("new", "er", "dir"), 0o755)
	did(err)
	did(v.Mkdir(k.Join("new-dir"), 0o755))
	if f, err := v.Create(k.Join("new-file"), 0o600); err == nil {
		did(throughHandle(f))
	} else {
		did(err)
	}
	if f, err := v.OpenFile(k.Join("new-appended"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err == nil {
		_, err = f.WriteString("a line\n")
		did(err)
		did(f.Close())
	} else {
		did(err)
	}
	if f, err := v.Open(k.Dir); err == nil {
		_, err = f.Readdir(1)
		did(err)
		_, err = f.Readdirnames(-1)
		did(err)
		did(f.Close())
	} else {
		did(err)
	}
	did(v.Chmod(k.Join("new-file"), 0o640))
	for _, to := range []string{"new-name", "new-appended"} {
		if p, err := v.Pin(k.Join(to), true); err == nil {
			did(v.Rename(k.Join("new-file"), p))
			did(v.RenameNew(k.Join("new-dir"), p))
			did(p.Sync())
			did(p.Close())
		} else {
			did(err)
		}
	}
	did(v.SyncDir(k.Dir))
	for name, err := range v.Names(k.Dir) {
		_, _ = name, err
	}
	did(inSub(v, k))
	did(v.Remove(k.Join("new-name")))
	did(v.RemoveAll(k.Join("new")))
	return errs
}

func throughHandle(f *vfs.File) error {
	p := make([]byte, 5)
	_, err := f.Write([]byte("0123456789"))
	_, err1 := f.WriteAt([]byte("x"), 3)
	_, err2 := f.Seek(-4, io.SeekEnd)
	_, err3 := f.Read(p[:2])
	_, err4 := f.ReadAt(p, 0)
	_, err5 := f.Seek(0, io.SeekStart)
	_, err6 := f.ReadFrom(strings.NewReader("abc"))
	_, err7 := f.WriteTo(io.Discard)
	_, err8 := f.Stat()
	return errors.Join(err, err1, err2, err3, err4, err5, err6, err7, err8, f.Truncate(2), f.Sync(), f.Close())
}

func inSub(v vfs.FS, k testfs.Kind) error {
	sub, err := v.Sub(k.Join("new"))
	if err != nil {
		return err
	}
	now := time.Now()
	_, err = sub.Stat("/er")
	return errors.Join(err, afero.WriteFile(sub, "/er/file", []byte("text"), 0o644), sub.Chtimes("/er/file", now, now),
		sub.Chown("/er/file", os.Geteuid(), os.Getegid()), sub.Rename("/er/file", "/er/name"), sub.Remove("/er/name"), sub.RemoveAll("/er"), sub.Close())
}

// Each call that an operation makes of an Fs fails in turn, alone and from there
// on: the operation says so with the names that it was given, nothing stays open,
// and what was there before is what it was.
func TestEveryCallFails(t *testing.T) {
	met, bad := 0, 0
	for _, k := range testfs.Kinds(t) {
		if k.Name != "MemMapFs" && k.Name != "CopyOnWriteFs" {
			continue
		}
		for _, fault := range []testfs.Fault{{Err: testfs.ErrFault}, {Err: testfs.ErrFault, Done: true}, {Err: syscall.ENOSPC, Short: true}, {Short: true}} {
			for _, when := range []func(int) testfs.When{func(n int) testfs.When { return testfs.Nth(n) }, testfs.From} {
				for n := 1; ; n++ {
					k := k.Fresh(t)
					k.WriteFile(t, k.Join("precious"), "text")
					spy := testfs.NewSpy(k.Fs)
					spy.Fail(when(n), fault)
					failed := errors.Join(everyOperation(vfs.On(spy), k)...)
					if len(spy.Met()) == 0 {
						break
					}
					met++
					ok := assert.Empty(t, spy.OpenFiles(), "%s, call %d: %v", k.Name, n, fault) &&
						assert.Equal(t, "text", k.ReadFile(t, k.Join("precious")))
					if failed != nil {
						ok = assert.NotContains(t, failed.Error(), "layer") && ok
					}
					if !ok {
						bad++
					}
				}
			}
		}
	}
	testfs.Figure(t, "every call of vfs fails", met, 500, bad)
}

// What has no other test: answers that no room asks for.
func TestAnswers(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		v := vfs.On(k.Fs)
		root := "/"
		if k.Name == "OsFs" {
			root = k.Dir
		}
		require.ErrorIs(t, v.Mkdir(root, 0o755), fs.ErrExist)
		if k.Name != "OsFs" {
			_, err := v.Pin(root, true)
			require.ErrorIs(t, err, syscall.EISDIR)
			_, err = v.Pin(root, false)
			require.ErrorIs(t, err, syscall.EISDIR)
			require.ErrorIs(t, v.Remove(root), fs.ErrInvalid)
			require.ErrorIs(t, v.RemoveAll(root), fs.ErrInvalid)
		}
		f, err := v.Create(k.Join("file"), 0o600)
		require.NoError(t, err)
		_, err = f.Seek(0, 9)
		require.Error(t, err)
		_, err = f.Readdirnames(-1)
		require.ErrorIs(t, err, syscall.ENOTDIR)
		_, err = f.Readdir(-1)
		require.ErrorIs(t, err, syscall.ENOTDIR)
		assert.Equal(t, k.Join("file"), f.Name())
		to, err := v.Pin(k.Join("other"), false)
		require.NoError(t, err)
		require.Error(t, v.Link(f, to), "it has a name")
		require.NoError(t, f.Close())
		_, err = f.Seek(0, io.SeekStart)
		require.ErrorIs(t, err, fs.ErrClosed)
		_, err = f.Readdirnames(-1)
		require.Error(t, err) // an os.File has words of its own here
		_, err = f.Readdir(-1)
		require.Error(t, err)
		// Another Fs is another volume, and a name with a NUL is none.
		elsewhere, err := vfs.On(afero.NewMemMapFs()).Pin("/x", false)
		require.NoError(t, err)
		require.ErrorIs(t, v.Rename(k.Join("file"), elsewhere), syscall.EXDEV)
		for _, err := range []error{
			v.Rename("\x00", to), v.RenameNew("", to), v.Exchange("", to), v.Chmod("", 0o600), v.Remove(""), v.RemoveAll("\x00"),
			v.Mkdir("", 0), v.SyncDir(""),
		} {
			require.ErrorIs(t, err, fs.ErrInvalid)
		}
		_, err = v.MkdirAll("", 0o755)
		require.ErrorIs(t, err, fs.ErrInvalid)
		_, err = v.Sub("")
		require.ErrorIs(t, err, fs.ErrInvalid)
		_, err = v.Sub(k.Join("missing"))
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = v.Readlink("")
		require.ErrorIs(t, err, fs.ErrInvalid)
		_, err = v.CreateUnnamed("", 0o600)
		require.ErrorIs(t, err, fs.ErrInvalid)
		require.NoError(t, to.Close())
	})
	assert.Equal(t, syscall.EIO, vfs.Reason(&fs.PathError{Op: "x", Err: os.NewSyscallError("read", syscall.EIO)}))
}

// Links that lead about, and end in what no file can be.
func TestPinFollows(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if !k.Links {
			t.Skip("no links")
		}
		v := vfs.On(k.Fs)
		sub, err := v.Sub(k.Dir)
		require.NoError(t, err)
		require.NoError(t, sub.Mkdir("/d", 0o755))
		for link, target := range map[string]string{
			"here": "./d/./../d/file", "dot": ".", "up": "d/..", "slash": "d/", "self": "self", "deep": "here", "through": "d/file/x",
		} {
			require.NoError(t, sub.SymlinkIfPossible(target, "/"+link))
		}
		require.NoError(t, sub.Close())
		for link, want := range map[string]error{
			"here": nil, "deep": nil, "dot": syscall.EISDIR, "up": syscall.EISDIR, "slash": syscall.EISDIR, "self": syscall.ELOOP,
			"through": fs.ErrNotExist,
		} {
			p, err := v.Pin(k.Join(link), true)
			if err == nil && want == syscall.EISDIR { //nolint:errorlint // those very errors
				info, lerr := p.Lstat() // or it says so later
				require.NoError(t, errors.Join(lerr, p.Close()))
				assert.True(t, info.IsDir(), link)
				continue
			}
			if want != nil {
				require.ErrorIs(t, err, want, link)
				continue
			}
			require.NoError(t, err, link)
			assert.Equal(t, "file", p.Name[strings.LastIndexByte(p.Name, '/')+1:])
			require.NoError(t, p.Close())
		}
	})
}
