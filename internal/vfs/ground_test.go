package vfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// The tests of this file are about single file systems that are worse than the
// kinds of testfs, each in its own way.

// TestRegexp: a file that the expression refuses is refused as a thing that this
// file system cannot do, and one that it allows is made, though its OpenFile
// makes none.
func TestRegexp(t *testing.T) {
	mem := afero.NewMemMapFs()
	v := vfs.On(afero.NewRegexpFs(mem, regexp.MustCompile(`\.txt$`)))
	f, err := v.Create("/a.txt", 0o600)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	info, err := v.Stat("/a.txt")
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())
	_, err = v.Create("/a.txt", 0o600)
	assert.ErrorIs(t, err, fs.ErrExist)
	_, err = v.Create("/a.db", 0o600)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	pathOf(t, err, "open", "/a.db")
	assert.Equal(t, []string{"a.txt"}, testfs.Leftovers(t, mem, "/"))
	assert.Error(t, rename(v, "/a.txt", "/a.db"))
	assert.Equal(t, []string{"a.txt"}, testfs.Leftovers(t, mem, "/"))
}

// TestReadOnly: every change is refused with fs.ErrPermission.
func TestReadOnly(t *testing.T) {
	testfs.EachRefuser(t, func(t *testing.T, k testfs.Kind) {
		v := vfs.On(k.Fs)
		_, err := v.Create(k.Join("a"), 0o600)
		assert.ErrorIs(t, err, fs.ErrPermission)
		_, err = v.OpenFile(k.Join("a"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		assert.ErrorIs(t, err, fs.ErrPermission)
		assert.ErrorIs(t, v.Mkdir(k.Join("a"), 0o700), fs.ErrPermission)
		_, err = v.MkdirAll(k.Join("a", "b"), 0o700)
		assert.ErrorIs(t, err, fs.ErrPermission)
		assert.ErrorIs(t, v.Remove(k.Dir), fs.ErrPermission)
		assert.ErrorIs(t, v.RemoveAll(k.Dir), fs.ErrPermission)
		assert.ErrorIs(t, rename(v, k.Dir, "/other"), fs.ErrPermission)
		assert.ErrorIs(t, v.Chmod(k.Dir, 0o777), fs.ErrPermission)
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// A liar says nil and does nothing.
type liar struct{ afero.Fs }

func (liar) Rename(string, string) error { return nil }
func (liar) Remove(string) error         { return nil }
func (liar) RemoveAll(string) error      { return nil }
func (liar) Mkdir(string, fs.FileMode) error {
	return nil
}

func TestLiar(t *testing.T) {
	mem := afero.NewMemMapFs()
	v := vfs.On(liar{mem})
	write(t, v, "/a", "1")
	write(t, v, "/b", "22")
	assert.Error(t, rename(v, "/a", "/c"))
	assert.Error(t, rename(v, "/a", "/b"))
	assert.Error(t, v.Remove("/a"))
	assert.Error(t, v.RemoveAll("/a"))
	assert.ErrorIs(t, v.Mkdir("/d", 0o700), fs.ErrNotExist)
	assert.Equal(t, []string{"a", "b"}, testfs.Leftovers(t, mem, "/"))
	assert.Equal(t, "1", read(t, v, "/a"))
}

// TestRelativeOnAFailingFs: why a relative name is missing is asked of its
// parents, which end.
func TestRelativeOnAFailingFs(t *testing.T) {
	spy := testfs.NewSpy(afero.NewMemMapFs())
	spy.FailFrom(1, fs.ErrNotExist)
	v := vfs.On(spy)
	_, err := v.Stat("a/b/c")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = v.Create("a", 0o600)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// A thief drops the source, leaves the target as it was and says nil.
type thief struct{ afero.Fs }

func (t thief) Rename(old, _ string) error { return t.Fs.Remove(old) }

func TestThief(t *testing.T) {
	mem := afero.NewMemMapFs()
	v := vfs.On(thief{mem})
	for _, contents := range []string{"longer", "new"} {
		write(t, v, "/b", "old")
		write(t, v, "/a", contents)
		assert.ErrorIs(t, rename(v, "/a", "/b"), errors.ErrUnsupported, contents)
		write(t, v, "/a", contents)
		assert.ErrorIs(t, rename(v, "/a", "/c"), errors.ErrUnsupported, contents)
	}
}

// A modest one does it and says that it failed.
func TestModest(t *testing.T) {
	spy := testfs.NewSpy(afero.NewMemMapFs())
	v := vfs.On(spy)
	write(t, v, "/a", "1")
	require.NoError(t, v.Mkdir("/d", 0o700))
	for _, call := range []string{"rename", "remove"} {
		spy.Fail(testfs.Calls(call), testfs.Fault{Err: syscall.EIO, Done: true})
	}
	require.NoError(t, rename(v, "/a", "/b"))
	assert.Equal(t, "1", read(t, v, "/b"))
	require.NoError(t, v.Remove("/b"))
	gone(t, v, "/b")
	require.NoError(t, v.RemoveAll("/d"))
	gone(t, v, "/d")
}

// A broken one returns a file that must not be touched, with the error.
type broken struct{ afero.Fs }

func (broken) OpenFile(string, int, fs.FileMode) (afero.File, error) {
	return (*os.File)(nil), syscall.EIO
}
func (b broken) Open(name string) (afero.File, error) { return b.OpenFile(name, 0, 0) }

func TestFileWithAnError(t *testing.T) {
	v := vfs.On(broken{afero.NewMemMapFs()})
	f, err := v.Create("/a", 0o600)
	assert.ErrorIs(t, err, syscall.EIO)
	pathOf(t, err, "open", "/a")
	assert.Nil(t, f)
	f, err = v.Open("/a")
	assert.ErrorIs(t, err, syscall.EIO)
	assert.Nil(t, f)
}

// TestUnionKeepsModes: a directory that only the base of a union has keeps its
// mode when something is renamed into it, and so do the files above it.
func TestUnionKeepsModes(t *testing.T) {
	base := afero.NewMemMapFs()
	require.NoError(t, base.MkdirAll("/d", 0o750))
	require.NoError(t, base.MkdirAll("/tmp", 0o700))
	fsys := afero.NewCopyOnWriteFs(afero.NewReadOnlyFs(base), afero.NewMemMapFs())
	v := vfs.On(fsys)
	write(t, v, "/tmp/a", "1")
	require.NoError(t, rename(v, "/tmp/a", "/d/a"))
	info, err := fsys.Stat("/d")
	require.NoError(t, err)
	assert.Equal(t, fs.ModeDir|0o750, info.Mode())
	assert.Equal(t, "1", read(t, v, "/d/a"))
}

// TestUnknownInMemory: a meter over memory keeps in the way and creation stays
// exclusive all the same, though the lock of memory is not known to be needed.
func TestUnknownInMemory(t *testing.T) {
	spy := testfs.NewSpy(afero.NewMemMapFs())
	v := vfs.On(spy)
	assert.False(t, v.InMemory())
	for round := range 200 {
		var wg sync.WaitGroup
		var winners atomic.Int32
		for range 16 {
			wg.Go(func() {
				if _, err := v.Create(fmt.Sprintf("/f%d", round), 0o600); err == nil {
					winners.Add(1)
				}
			})
		}
		wg.Wait()
		require.Equal(t, int32(1), winners.Load())
	}
	assert.NotEmpty(t, spy.Calls())
}

// TestNothingIsMadeInWhatIsRemoved: a directory of an unknown Fs over memory, which
// would be removed together with a file that was made in it since the look.
func TestNothingIsMadeInWhatIsRemoved(t *testing.T) {
	made := make(chan error, 1)
	fsys := &interrupted{Fs: afero.NewMemMapFs()}
	v := vfs.On(fsys)
	require.NoError(t, v.Mkdir("/dir", 0o700))
	fsys.atRemove = func() {
		go func() {
			f, err := v.Create("/dir/file", 0o600)
			if err == nil {
				err = f.Close()
			}
			made <- err
		}()
		select {
		case err := <-made:
			assert.Failf(t, "a file was made meanwhile", "error: %v", err)
			made <- err
		case <-time.After(20 * time.Millisecond): // it waits
		}
	}
	require.NoError(t, v.Remove("/dir"))
	require.ErrorIs(t, <-made, fs.ErrNotExist)
}

// An interrupted calls a function when something is to be removed.
type interrupted struct {
	afero.Fs
	atRemove func()
}

func (i *interrupted) Remove(name string) error {
	i.atRemove()
	return i.Fs.Remove(name)
}

// TestOneHangsAlone: an Fs whose call does not return holds up nobody else.
func TestOneHangsAlone(t *testing.T) {
	release := make(chan struct{})
	hanging := vfs.On(hangs{afero.NewMemMapFs(), release})
	started := make(chan error)
	go func() {
		_, err := hanging.Create("/config", 0o600)
		started <- err
	}()
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		f, err := v.Create(k.Join("config"), 0o600)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	})
	other := vfs.On(testfs.NewSpy(afero.NewMemMapFs()))
	_, err := other.Create("/config", 0o600)
	require.NoError(t, err)
	close(release)
	require.NoError(t, <-started)
}

type hangs struct {
	afero.Fs
	release chan struct{}
}

func (h hangs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	<-h.release
	return h.Fs.OpenFile(name, flag, perm)
}

// TestFaults: whatever call of the Fs fails, an operation that returns an error
// has changed nothing, and one that returns nil has done its work.
func TestFaults(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		states := func(k testfs.Kind) []string { return testfs.Leftovers(t, k.Fs, k.Dir) }
		t.Run("create", func(t *testing.T) {
			testfs.EachFault(t, k, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
				name := k.Join("name")
				f, err := vfs.On(s).Create(name, 0o600)
				if err == nil {
					_ = f.Close() // a fault of its own
					assert.Equal(t, []string{"name"}, states(k))
				} else if len(s.Met()) == 1 {
					assert.Empty(t, states(k))
				}
				assert.Empty(t, s.OpenFiles())
			})
		})
		t.Run("rename", func(t *testing.T) {
			testfs.EachFault(t, k, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
				name, other := k.Join("name"), k.Join("other")
				k.WriteFile(t, name, "old")
				k.WriteFile(t, other, "other")
				err := rename(vfs.On(s), name, other)
				left := states(k)
				switch {
				case err == nil:
					assert.Equal(t, []string{"other"}, left)
					assert.Equal(t, "old", k.ReadFile(t, other))
				case len(s.Met()) == 1:
					assert.Equal(t, []string{"name", "other"}, left)
					assert.Equal(t, "other", k.ReadFile(t, other))
				}
			})
		})
		t.Run("remove", func(t *testing.T) {
			testfs.EachFault(t, k, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
				name := k.Join("name")
				k.WriteFile(t, name, "old")
				err := vfs.On(s).Remove(name)
				if err == nil {
					assert.Empty(t, states(k))
				} else if len(s.Met()) == 1 {
					assert.Equal(t, []string{"name"}, states(k))
				}
			})
		})
	})
}

// A base path below another does not leave that, whatever it is called.
func TestBaseBelowBase(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "base", "in"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "out"), 0o755))
	outer := afero.NewBasePathFs(afero.NewOsFs(), filepath.Join(dir, "base"))
	for _, path := range []string{"../out", "/../out", "in/../../out", ".."} {
		v := vfs.On(afero.NewBasePathFs(outer, path))
		_, err := v.Create("/file", 0o644)
		assert.Error(t, err, path)
		assert.Error(t, v.Mkdir("/out/dir", 0o755), path)
	}
	for _, path := range []string{"in", "/in", "./in/../in"} {
		write(t, vfs.On(afero.NewBasePathFs(outer, path)), "/file", path)
		b, err := os.ReadFile(filepath.Join(dir, "base", "in", "file"))
		require.NoError(t, err)
		assert.Equal(t, path, string(b))
	}
	entries, err := os.ReadDir(filepath.Join(dir, "out"))
	require.NoError(t, err)
	assert.Empty(t, entries)
}

// boxed is an Fs that Go does not compare, and that looks as if it did.
type boxed struct {
	afero.Fs
	any
}

// TestMkdirOfAFile: what an Fs has made is looked at, whatever it said.
func TestMkdirOfAFile(t *testing.T) {
	mem := afero.NewMemMapFs()
	require.ErrorIs(t, vfs.On(clerk{mem}).Mkdir("/d", 0o700), syscall.ENOTDIR)
	assert.Equal(t, []string{"d"}, testfs.Leftovers(t, mem, "/"), "it may be somebody else's")
}

// A clerk makes a file when it is asked for a directory, and says nil. It has an
// Lstat of its own.
type clerk struct{ afero.Fs }

func (c clerk) Mkdir(name string, _ fs.FileMode) error {
	return afero.WriteFile(c.Fs, name, nil, 0o600)
}

func (c clerk) Lstat(name string) (fs.FileInfo, error) {
	if name == "/hidden" {
		return nil, syscall.EACCES
	}
	return c.Fs.Stat(name)
}

func TestLstatByAnotherName(t *testing.T) {
	mem := afero.NewMemMapFs()
	require.NoError(t, afero.WriteFile(mem, "/hidden", nil, 0o600))
	_, err := vfs.On(clerk{mem}).Lstat("/hidden")
	require.ErrorIs(t, err, syscall.EACCES)
	_, err = vfs.On(clerk{mem}).Stat("/hidden")
	require.NoError(t, err)
}

// TestBaseThatCannotBeMade: MkdirAll makes the base itself, or says why not.
func TestBaseThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := vfs.On(afero.NewBasePathFs(afero.NewOsFs(), filepath.Join(file, "base"))).MkdirAll("/a/b", 0o700)
	require.ErrorIs(t, err, syscall.ENOTDIR)
	pathOf(t, err, "mkdir", filepath.FromSlash("/a/b"))
}

// A rival makes the file that it is asked for, with the contents of somebody else, and
// says that it exists, or that it does not know O_EXCL.
type rival struct {
	afero.Fs
	writes string
	answer error
}

func (r rival) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	if flag&os.O_EXCL == 0 {
		return r.Fs.OpenFile(name, flag, perm)
	}
	if err := afero.WriteFile(r.Fs, name, []byte(r.writes), 0o600); err != nil {
		return nil, err
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: r.answer}
}

// LinkIfPossible makes it one that is believed.
type honestRival struct{ rival }

func (honestRival) LinkIfPossible(string, string) error { return errors.ErrUnsupported }

func TestCreateAgainstARival(t *testing.T) {
	for _, answer := range []error{fs.ErrExist, errors.ErrUnsupported} {
		mem := afero.NewMemMapFs()
		_, err := vfs.On(rival{mem, "theirs", answer}).Create("/f", 0o600)
		require.ErrorIs(t, err, fs.ErrExist)
		assert.Equal(t, "theirs", read(t, vfs.On(mem), "/f"))
	}
	// An empty file may be left of the refused call itself, but for one that is believed.
	mem := afero.NewMemMapFs()
	_, err := vfs.On(honestRival{rival{mem, "", fs.ErrExist}}).Create("/f", 0o600)
	require.ErrorIs(t, err, fs.ErrExist)
	assert.Equal(t, []string{"f"}, testfs.Leftovers(t, mem, "/"))
}

func TestSame(t *testing.T) {
	mem, other := afero.NewMemMapFs(), afero.NewMemMapFs()
	notes := []string{"a"}
	index := map[string]int{"a": 1}
	act := func() {}
	for _, c := range []struct {
		a, b afero.Fs
		same bool
	}{
		{afero.NewOsFs(), afero.NewOsFs(), true},
		{afero.NewOsFs(), mem, false},
		{mem, mem, true},
		{mem, other, false},
		{tmpfs.WithTempDir(mem, "/a"), mem, true},
		{tmpfs.WithTempDir(mem, "/a"), tmpfs.WithTempDir(mem, "/b"), true},
		{tmpfs.WithTempDir(mem, "/a"), other, false},
		{boxed{mem, notes}, boxed{mem, notes}, true},
		{boxed{mem, notes}, boxed{other, notes}, false},
		{boxed{mem, notes}, boxed{mem, []string{"a"}}, false},
		{boxed{mem, 1}, boxed{mem, notes}, false},
		{boxed{mem, nil}, boxed{mem, nil}, true},
		{boxed{mem, index}, boxed{mem, index}, true},
		{boxed{mem, index}, boxed{mem, map[string]int{"a": 1}}, false},
		{boxed{mem, act}, boxed{mem, act}, true},
		{boxed{mem, [1]func(){act}}, boxed{mem, [1]func(){act}}, false}, // it cannot be told
		{boxed{mem, boxed{nil, notes}}, boxed{mem, boxed{nil, notes}}, true},
	} {
		assert.Equal(t, c.same, vfs.Same(c.a, c.b), "%v %v", c.a, c.b)
		assert.Equal(t, c.same, vfs.Same(c.b, c.a), "%v %v", c.b, c.a)
	}
	// And the operations do with it what they do with any.
	v := vfs.On(boxed{mem, notes})
	write(t, v, "/old", "text")
	to, err := v.Pin("/new", false)
	require.NoError(t, err)
	require.NoError(t, vfs.On(boxed{mem, notes}).Rename("/old", to))
	assert.Equal(t, "text", read(t, v, "/new"))
}
