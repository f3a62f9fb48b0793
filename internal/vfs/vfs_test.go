package vfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/internal/vfs"
)

// write makes the file name, or overwrites it, with the contents.
func write(t *testing.T, v vfs.FS, name, contents string) {
	t.Helper()
	f, err := v.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	require.NoError(t, err)
	_, err = io.WriteString(f, contents)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func read(t *testing.T, v vfs.FS, name string) string {
	t.Helper()
	f, err := v.Open(name)
	require.NoError(t, err)
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return string(b)
}

// place pins name and lets go of it when the test ends.
func place(t *testing.T, v vfs.FS, name string, follow bool) *vfs.Place {
	t.Helper()
	p, err := v.Pin(name, follow)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func rename(v vfs.FS, old, name string) error {
	p, err := v.Pin(name, false)
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	return v.Rename(old, p)
}

// gone asserts that there is nothing of that name.
func gone(t *testing.T, v vfs.FS, name string) {
	t.Helper()
	_, err := v.Lstat(name)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// pathOf asserts that err is a *fs.PathError of that operation and path.
func pathOf(t *testing.T, err error, op, path string) {
	t.Helper()
	var perr *fs.PathError
	if assert.ErrorAs(t, err, &perr) {
		assert.Equal(t, op, perr.Op)
		assert.Equal(t, path, perr.Path)
	}
}

// on runs body on every kind.
func on(t *testing.T, body func(t *testing.T, k testfs.Kind, v vfs.FS)) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) { body(t, k, vfs.On(k.Fs)) })
}

func TestCreate(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		name := k.Join("a")
		f, err := v.Create(name, 0o600)
		require.NoError(t, err)
		assert.Equal(t, name, f.Name())
		_, err = f.WriteString("hello")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		info, err := v.Lstat(name)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode())
		assert.Equal(t, int64(5), info.Size())
		assert.Equal(t, "a", info.Name())

		_, err = v.Create(name, 0o600)
		assert.ErrorIs(t, err, fs.ErrExist)
		pathOf(t, err, "open", name)
		assert.Equal(t, "hello", read(t, v, name), "the one that exists is untouched")

		_, err = v.Create(k.Join("missing", "a"), 0o600)
		assert.ErrorIs(t, err, fs.ErrNotExist)
		gone(t, v, k.Join("missing"))

		_, err = v.Create(k.Join("a", "b"), 0o600)
		assert.ErrorIs(t, err, syscall.ENOTDIR)
		_, err = v.Create(k.Join("a", "b", "c"), 0o600)
		assert.ErrorIs(t, err, syscall.ENOTDIR)
		assert.Equal(t, "hello", read(t, v, name), "a file does not become a directory")
		assert.Equal(t, []string{"a"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestNames(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		for _, name := range []string{"", "a\x00b"} {
			_, err := v.Create(name, 0o600)
			assert.ErrorIs(t, err, fs.ErrInvalid)
			pathOf(t, err, "open", name)
			assert.ErrorIs(t, v.Mkdir(name, 0o700), fs.ErrInvalid)
			assert.ErrorIs(t, v.Remove(name), fs.ErrInvalid)
			assert.ErrorIs(t, v.RemoveAll(name), fs.ErrInvalid)
			assert.ErrorIs(t, v.SyncDir(name), fs.ErrInvalid)
			_, err = v.MkdirAll(name, 0o700)
			assert.ErrorIs(t, err, fs.ErrInvalid)
			_, err = v.Pin(name, true)
			assert.ErrorIs(t, err, fs.ErrInvalid)
		}
		write(t, v, k.Dir+"/./x/../a//", "1")
		assert.Equal(t, "1", read(t, v, k.Join("a")))
		if k.Name == "OsFs" {
			return
		}
		_, err := v.Create("../a", 0o600)
		assert.ErrorIs(t, err, fs.ErrInvalid)
		_, err = v.Create("/../../a", 0o600)
		assert.ErrorIs(t, err, fs.ErrInvalid)
	})
}

// TestRelativeName: only on bare memory are "a" and "/a" two files, to afero.
func TestRelativeName(t *testing.T) {
	mem := afero.NewMemMapFs()
	write(t, vfs.On(mem), "a", "1")
	b, err := afero.ReadFile(mem, "a")
	require.NoError(t, err, "a file is found by the name that it was written by")
	assert.Equal(t, "1", string(b))

	based := afero.NewBasePathFs(afero.NewMemMapFs(), "/")
	write(t, vfs.On(based), "a", "2")
	for _, name := range []string{"a", "/a", "./a"} {
		b, err := afero.ReadFile(based, name)
		require.NoError(t, err)
		assert.Equal(t, "2", string(b))
	}
}

func TestMkdir(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		d := k.Join("d")
		require.NoError(t, v.Mkdir(d, 0o700))
		info, err := v.Lstat(d)
		require.NoError(t, err)
		assert.Equal(t, fs.ModeDir|0o700, info.Mode())
		err = v.Mkdir(d, 0o700)
		assert.ErrorIs(t, err, fs.ErrExist)
		pathOf(t, err, "mkdir", d)
		assert.ErrorIs(t, v.Mkdir(k.Join("no", "d"), 0o700), fs.ErrNotExist)
		gone(t, v, k.Join("no"))
		write(t, v, k.Join("f"), "x")
		assert.ErrorIs(t, v.Mkdir(k.Join("f"), 0o700), fs.ErrExist)
		assert.ErrorIs(t, v.Mkdir(k.Join("f", "d"), 0o700), syscall.ENOTDIR)
		assert.Equal(t, "x", read(t, v, k.Join("f")))
	})
}

func TestMkdirAll(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		made, err := v.MkdirAll(k.Join("a", "b", "c"), 0o755)
		require.NoError(t, err)
		assert.Equal(t, []string{k.Join("a"), k.Join("a", "b"), k.Join("a", "b", "c")}, made)
		made, err = v.MkdirAll(k.Join("a", "b"), 0o755)
		require.NoError(t, err)
		assert.Empty(t, made)
		write(t, v, k.Join("f"), "x")
		for _, name := range []string{k.Join("f"), k.Join("f", "d"), k.Join("f", "d", "e")} {
			_, err = v.MkdirAll(name, 0o755)
			assert.ErrorIs(t, err, syscall.ENOTDIR, name)
		}
		assert.Equal(t, "x", read(t, v, k.Join("f")))
	})
}

func TestRename(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		a, b, d := k.Join("a"), k.Join("b"), k.Join("d")
		write(t, v, a, "1")
		require.NoError(t, rename(v, a, b))
		gone(t, v, a)
		assert.Equal(t, "1", read(t, v, b))
		write(t, v, a, "22")
		require.NoError(t, rename(v, a, b), "a file is replaced")
		assert.Equal(t, "22", read(t, v, b))
		require.NoError(t, rename(v, b, b), "to itself")
		assert.Equal(t, "22", read(t, v, b))

		err := rename(v, a, b)
		assert.ErrorIs(t, err, fs.ErrNotExist, "a source that is missing")
		var lerr *os.LinkError
		require.ErrorAs(t, err, &lerr)
		assert.Equal(t, [3]string{"rename", a, b}, [3]string{lerr.Op, lerr.Old, lerr.New})
		assert.ErrorIs(t, rename(v, a, a), fs.ErrNotExist, "to itself, missing")
		assert.ErrorIs(t, rename(v, b, k.Join("no", "b")), fs.ErrNotExist, "a parent that is missing")
		assert.ErrorIs(t, rename(v, b, k.Join("b", "c")), syscall.ENOTDIR)

		require.NoError(t, v.Mkdir(d, 0o755))
		assert.ErrorIs(t, rename(v, b, d), fs.ErrExist, "onto a directory")
		write(t, v, k.Join("d", "x"), "x")
		assert.ErrorIs(t, rename(v, d, b), syscall.ENOTDIR, "a directory onto a file")
		assert.ErrorIs(t, rename(v, d, k.Join("d", "e")), syscall.EINVAL, "a directory into itself")
		assert.Equal(t, "x", read(t, v, k.Join("d", "x")))
		assert.Equal(t, "22", read(t, v, b))
		require.NoError(t, rename(v, d, k.Join("e")))
		assert.Equal(t, "x", read(t, v, k.Join("e", "x")))
		gone(t, v, k.Join("d", "x"))
		assert.Equal(t, []string{"b", "e", "e/x"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestRenameNew(t *testing.T) { on(t, renamingNew) }

// TestRenameNewByLink: where the system's rename cannot refuse to replace, a hard
// link does, and where there is none either, this process at least is exclusive.
func TestRenameNewByLink(t *testing.T) {
	vfs.WithoutRenameFlags(t)
	on(t, renamingNew)
	t.Run("no links", func(t *testing.T) {
		vfs.WithoutLinks(t)
		on(t, renamingNew)
	})
}

func renamingNew(t *testing.T, k testfs.Kind, v vfs.FS) {
	a, b := k.Join("a"), k.Join("b")
	write(t, v, a, "1")
	require.NoError(t, v.RenameNew(a, place(t, v, b, false)))
	gone(t, v, a)
	write(t, v, a, "2")
	assert.ErrorIs(t, v.RenameNew(a, place(t, v, b, false)), fs.ErrExist)
	assert.Equal(t, "1", read(t, v, b))
	assert.Equal(t, "2", read(t, v, a))
	assert.ErrorIs(t, v.RenameNew(k.Join("no"), place(t, v, k.Join("c"), false)), fs.ErrNotExist)

	require.NoError(t, v.Mkdir(k.Join("d"), 0o755))
	require.NoError(t, v.RenameNew(k.Join("d"), place(t, v, k.Join("e"), false)))
	require.NoError(t, v.Mkdir(k.Join("d"), 0o755))
	assert.ErrorIs(t, v.RenameNew(k.Join("d"), place(t, v, k.Join("e"), false)), fs.ErrExist, "an empty directory too")

	p := place(t, v, k.Join("won"), false)
	var wg sync.WaitGroup
	var winners atomic.Int32
	for i := range 32 {
		name := k.Join(fmt.Sprintf("racer%d", i))
		write(t, v, name, name)
		wg.Go(func() {
			if err := v.RenameNew(name, p); err == nil {
				winners.Add(1)
			} else {
				assert.ErrorIs(t, err, fs.ErrExist)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, int32(1), winners.Load())
	assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 36)
}

// TestOneWinner: of many that create,
// make or claim one name, one wins, and the process lives.
// TestRenameOntoADirectory: of two things that are wrong, the missing source comes first.
func TestRenameOntoADirectory(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		require.NoError(t, v.Mkdir(k.Join("d"), 0o755))
		write(t, v, k.Join("f"), "x")
		assert.ErrorIs(t, rename(v, k.Join("none"), k.Join("d")), fs.ErrNotExist)
		assert.ErrorIs(t, rename(v, k.Join("f"), k.Join("d")), fs.ErrExist)
	})
}

func TestOneWinner(t *testing.T) {
	const racers, rounds = 32, 20
	race := func(v vfs.FS, attempt func(i int) error) (won int32, others []error) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var wins atomic.Int32
		for i := range racers {
			wg.Go(func() {
				if err := attempt(i); err == nil {
					wins.Add(1)
				} else {
					mu.Lock()
					others = append(others, err)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		return wins.Load(), others
	}
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		view := vfs.On(afero.NewBasePathFs(k.Fs, "/")) // another view of the same files
		for round := range rounds {
			n := string(rune('a' + round))
			either := func(i int) vfs.FS {
				if i%2 == 1 && k.Name != "OsFs" {
					return view
				}
				return v
			}
			won, others := race(v, func(i int) error {
				f, err := either(i).Create(k.Join("f"+n), 0o600)
				if err == nil {
					err = f.Close()
				}
				return err
			})
			require.Equal(t, int32(1), won, "create: %v", others)
			for _, err := range others {
				require.ErrorIs(t, err, fs.ErrExist)
			}
			won, others = race(v, func(i int) error { return either(i).Mkdir(k.Join("d"+n), 0o700) })
			require.Equal(t, int32(1), won, "mkdir: %v", others)
			// A claim: one source, many destinations.
			won, others = race(v, func(i int) error {
				return rename(either(i), k.Join("f"+n), k.Join("claimed"+n+string(rune('A'+i))))
			})
			require.Equal(t, int32(1), won, "rename: %v", others)
			for _, err := range others {
				require.ErrorIs(t, err, fs.ErrNotExist)
			}
			won, _ = race(v, func(i int) error { return either(i).Remove(k.Join("d" + n)) })
			require.Equal(t, int32(1), won, "remove")
		}
	})
}

func TestRemove(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		write(t, v, k.Join("a"), "1")
		require.NoError(t, v.Remove(k.Join("a")))
		gone(t, v, k.Join("a"))
		err := v.Remove(k.Join("a"))
		assert.ErrorIs(t, err, fs.ErrNotExist)
		pathOf(t, err, "remove", k.Join("a"))
		require.NoError(t, v.Mkdir(k.Join("d"), 0o700))
		write(t, v, k.Join("d", "x"), "x")
		assert.ErrorIs(t, v.Remove(k.Join("d")), syscall.ENOTEMPTY)
		assert.Equal(t, "x", read(t, v, k.Join("d", "x")))
		require.NoError(t, v.Remove(k.Join("d", "x")))
		require.NoError(t, v.Remove(k.Join("d")))
		assert.ErrorIs(t, v.Remove("/"), fs.ErrInvalid)
	})
}

// TestRemoveWhileRead: who reads a file while it is removed does not bring it
// back, as a union's copy would.
func TestRemoveWhileRead(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		name := k.Join("f")
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if f, err := v.Open(name); err == nil {
						_ = f.Close()
					}
				}
			})
		}
		for range 200 {
			write(t, v, name, "x")
			require.NoError(t, v.Remove(name))
			gone(t, v, name)
		}
		close(stop)
		wg.Wait()
	})
}

// TestRemoveOfBase: what only the base of a union has, the union cannot remove
// and says so. It is about the unions alone.
func TestRemoveOfBase(t *testing.T) {
	base := afero.NewMemMapFs()
	require.NoError(t, afero.WriteFile(base, "/d/f", []byte("x"), 0o644))
	v := vfs.On(afero.NewCopyOnWriteFs(afero.NewReadOnlyFs(base), afero.NewMemMapFs()))
	assert.ErrorIs(t, v.Remove("/d/f"), fs.ErrPermission)
	err := v.RemoveAll("/d")
	assert.ErrorIs(t, err, fs.ErrPermission)
	assert.Contains(t, err.Error(), "/d/f", "the error lists what is left")
	assert.Equal(t, "x", read(t, v, "/d/f"))
}

func TestRemoveAll(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		_, err := v.MkdirAll(k.Join("d", "e", "f"), 0o755)
		require.NoError(t, err)
		write(t, v, k.Join("d", "x"), "x")
		write(t, v, k.Join("d", "e", "f", "y"), "y")
		write(t, v, k.Join("dx"), "a neighbour")
		require.NoError(t, v.RemoveAll(k.Join("d")))
		assert.Equal(t, []string{"dx"}, testfs.Leftovers(t, k.Fs, k.Dir))
		require.NoError(t, v.RemoveAll(k.Join("d")), "what is not there")
		require.NoError(t, v.RemoveAll(k.Join("dx", "y")), "below a file there is nothing")
		require.NoError(t, v.RemoveAll(k.Join("dx")))
		for _, name := range []string{".", "/", "./", "..", "x/.."} {
			assert.ErrorIs(t, v.RemoveAll(name), fs.ErrInvalid, name)
		}
	})
}

func TestSyncDir(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		require.NoError(t, v.SyncDir(k.Dir))
		assert.ErrorIs(t, v.SyncDir(k.Join("no")), fs.ErrNotExist)
		p := place(t, v, k.Join("a"), true)
		require.NoError(t, p.Sync())
	})
	for cause, want := range map[error]error{
		syscall.EINVAL: nil, syscall.ENOTSUP: nil, errors.ErrUnsupported: nil,
		syscall.EIO: syscall.EIO, syscall.ENOSPC: syscall.ENOSPC, syscall.EDQUOT: syscall.EDQUOT,
	} {
		spy := testfs.NewSpy(afero.NewMemMapFs())
		spy.Fail(func(n int, call string) bool { return strings.HasPrefix(call, "sync") }, testfs.Fault{Err: cause})
		err := vfs.On(spy).SyncDir("/")
		if want == nil {
			assert.NoError(t, err, cause)
		} else {
			assert.ErrorIs(t, err, want)
		}
	}
}

func TestList(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		for _, n := range []string{"a", "b", "c", "d", "e"} {
			write(t, v, k.Join(n), n)
		}
		seen := map[string]bool{}
		for name, err := range v.Names(k.Dir) {
			require.NoError(t, err)
			seen[name] = true
			require.NoError(t, v.Remove(k.Join(name)), "others are removed while it lists")
		}
		assert.Len(t, seen, 5)
		for _, err := range v.Names(k.Join("no")) {
			assert.ErrorIs(t, err, fs.ErrNotExist)
		}
	})
}

// TestUnwrap: what is known is looked through, what is not stays in the way.
func TestUnwrap(t *testing.T) {
	dir := t.TempDir()
	nested := afero.NewBasePathFs(afero.NewBasePathFs(afero.NewOsFs(), dir), "/")
	f, err := vfs.On(nested).Create("/a", 0o600)
	require.NoError(t, err)
	defer f.Close()
	g, ok := f.OSFile()
	require.True(t, ok)
	assert.Equal(t, filepath.Join(dir, "a"), filepath.Clean(g.Name()))
	raw, err := nested.Open("/a")
	require.NoError(t, err)
	defer raw.Close()
	_, ok = vfs.OSFile(raw)
	assert.True(t, ok)

	for _, fsys := range []afero.Fs{testfs.NewSpy(afero.NewOsFs()), struct{ afero.Fs }{afero.NewOsFs()}} {
		v := vfs.On(fsys)
		assert.False(t, v.OnDisk())
		assert.False(t, vfs.On(afero.NewBasePathFs(fsys, dir)).OnDisk())
	}
	spied, err := vfs.On(testfs.NewSpy(afero.NewOsFs())).Open(filepath.Join(dir, "a"))
	require.NoError(t, err)
	defer spied.Close()
	_, ok = spied.OSFile()
	assert.False(t, ok)
	mem, err := vfs.On(afero.NewMemMapFs()).Create("/a", 0o600)
	require.NoError(t, err)
	_, ok = mem.OSFile()
	assert.False(t, ok)
}
