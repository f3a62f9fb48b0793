package vfs_test

import (
	"errors"
	"fmt"
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
	"github.com/tempkit/tempkit/internal/vfs"
)

// onLinks runs body on the kinds that have links, with the directory on the
// operating system: links are made there, because afero's calls store another
// target than the one asked for.
func onLinks(t *testing.T, body func(t *testing.T, k testfs.Kind, v vfs.FS, dir string)) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		if k.Links {
			body(t, k, v, k.Real(k.Dir))
		}
	})
}

// put creates a file at the place that name leads to.
func put(v vfs.FS, name, contents string) error {
	p, err := v.Pin(name, true)
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	tmp := p.Beside(".tmp")
	f, err := tmp.Create(tmp.Name, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.WriteString(contents); err == nil {
		err = f.Close()
	}
	if err == nil {
		err = tmp.Rename(tmp.Name, p)
	}
	return err
}

func TestPinFollowsLinks(t *testing.T) {
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "d", "e"), 0o755))
		for link, target := range map[string]string{
			"plain": "file", "d/up": "../file", "chain": "d/up", "dangling": "d/new", "todir": "d",
			"d/e/deep": "../../d/e/../up", "loop": "loop", "ping": "pong", "pong": "ping", "nowhere": "no/where",
		} {
			require.NoError(t, os.Symlink(target, filepath.Join(dir, link)))
		}
		for _, name := range []string{"file", "plain", "chain", "d/up", "d/e/deep", "todir/up", "todir/e/deep"} {
			require.NoError(t, put(v, k.Join(name), name), name)
			b, err := os.ReadFile(filepath.Join(dir, "file"))
			require.NoError(t, err)
			assert.Equal(t, name, string(b))
		}
		require.NoError(t, put(v, k.Join("dangling"), "new"))
		b, err := os.ReadFile(filepath.Join(dir, "d", "new"))
		require.NoError(t, err)
		assert.Equal(t, "new", string(b))
		for _, name := range []string{"loop", "ping"} {
			err := put(v, k.Join(name), "x")
			assert.ErrorIs(t, err, syscall.ELOOP)
			pathOf(t, err, "open", k.Join(name))
		}
		assert.ErrorIs(t, put(v, k.Join("nowhere"), "x"), fs.ErrNotExist)
		assert.ErrorIs(t, put(v, k.Join("todir"), "x"), fs.ErrExist, "a directory at the end")

		p := place(t, v, k.Join("plain"), false)
		info, err := p.Lstat()
		require.NoError(t, err)
		assert.NotZero(t, info.Mode()&fs.ModeSymlink, "not followed when not asked to")
	})
}

// TestPinLongChain: 40 links are followed and 41 are not, as on Linux.
// TestPinOfWhatIsNoPlace: a link to the base itself, to a file on the way, to nothing on
// the way.
func TestPinOfWhatIsNoPlace(t *testing.T) {
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		write(t, v, k.Join("file"), "text")
		top := strings.Repeat("../", strings.Count(filepath.ToSlash(k.Dir), "/"))
		for link, target := range map[string]string{"top": top, "file-link": "file", "nothing": "none", "twice": "file-link", "back": "file-link/../file"} {
			require.NoError(t, os.Symlink(target, filepath.Join(dir, link)))
		}
		for name, want := range map[string]error{
			"top": syscall.EISDIR, "back": syscall.ENOTDIR, "file-link/x": syscall.ENOTDIR, "twice/x": syscall.ENOTDIR, "nothing/x": fs.ErrNotExist,
			"file-link/x/y": syscall.ENOTDIR,
		} {
			p, err := v.Pin(k.Join(strings.Split(name, "/")...), true)
			if !assert.ErrorIs(t, err, want, name) && err == nil {
				_ = p.Close()
			}
		}
		assert.Equal(t, "text", read(t, v, k.Join("file")))
	})
}

func TestPinLongChain(t *testing.T) {
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		target := "file"
		for i := range 41 {
			link := fmt.Sprintf("l%d", i+1)
			require.NoError(t, os.Symlink(target, filepath.Join(dir, link)))
			target = link
		}
		require.NoError(t, put(v, k.Join("l40"), "40"))
		assert.Equal(t, "40", read(t, v, k.Join("file")))
		assert.ErrorIs(t, put(v, k.Join("l41"), "41"), syscall.ELOOP)
		assert.Equal(t, "40", read(t, v, k.Join("file")))
	})
}

// TestPinAbsoluteLink: a link to an absolute path is followed on the operating
// system, and through a base path where it leads below the base, as the links do
// that BasePathFs itself makes.
func TestPinAbsoluteLink(t *testing.T) {
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
		require.NoError(t, os.Symlink(filepath.Join(dir, "d", "file"), filepath.Join(dir, "abs")))
		require.NoError(t, os.Symlink(filepath.Join(dir, "d"), filepath.Join(dir, "absdir")))
		for _, name := range []string{"abs", "absdir/file"} {
			require.NoError(t, put(v, k.Join(name), name))
			assert.Equal(t, name, read(t, v, k.Join("d", "file")))
		}
	})
}

// TestPinKeepsIn: through a base path or a root, no link leads out.
func TestPinKeepsIn(t *testing.T) {
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		if k.Name == "OsFs" {
			return
		}
		outside := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(outside, "file"), []byte("old"), 0o644))
		up := strings.Repeat("../", 20)
		for link, target := range map[string]string{
			"file": filepath.Join(outside, "file"), "dir": outside, "relfile": up + outside + "/file", "reldir": up + outside,
			"new": filepath.Join(outside, "new"), "chain": "file", "base": dir + "/../../../../../../../../.." + outside + "/file",
		} {
			require.NoError(t, os.Symlink(target, filepath.Join(dir, link)))
		}
		for _, name := range []string{"file", "dir/file", "dir/new", "relfile", "reldir/new", "new", "chain", "base"} {
			err := put(v, k.Join(name), "evil")
			assert.Error(t, err, name)
			assert.NotContains(t, fmt.Sprint(err), outside, "the error tells nothing of what is outside")
			_, err = v.Create(k.Join(name), 0o600)
			assert.Error(t, err, name)
		}
		assert.Error(t, v.Mkdir(k.Join("dir", "x"), 0o700))
		_, err := v.MkdirAll(k.Join("dir", "x", "y"), 0o700)
		assert.Error(t, err)
		assert.Error(t, v.Remove(k.Join("dir", "file")))
		assert.Error(t, v.Chmod(k.Join("dir", "file"), 0o777))
		_ = v.RemoveAll(k.Join("dir", "file"))
		write(t, v, k.Join("mine"), "mine")
		assert.Error(t, rename(v, k.Join("mine"), k.Join("dir", "mine")))
		assert.Error(t, rename(v, k.Join("dir", "file"), k.Join("stolen")))
		assert.Equal(t, []string{"file"}, testfs.Leftovers(t, afero.NewOsFs(), outside))
		b, err := os.ReadFile(filepath.Join(outside, "file"))
		require.NoError(t, err)
		assert.Equal(t, "old", string(b))
	})
}

// TestPinIsNotDiverted: what is done by a place goes to the directory that it
// was pinned in, wherever that is by now and whatever has its name.
func TestPinIsNotDiverted(t *testing.T) {
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		outside := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
		p := place(t, v, k.Join("d", "file"), true)
		tmp := p.Beside(".tmp")
		f, err := tmp.Create(tmp.Name, 0o600)
		require.NoError(t, err)
		require.NoError(t, os.Rename(filepath.Join(dir, "d"), filepath.Join(dir, "moved")))
		require.NoError(t, os.Symlink(outside, filepath.Join(dir, "d")))
		_, err = f.WriteString("x")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.NoError(t, tmp.Rename(tmp.Name, p))
		require.NoError(t, p.Sync())
		assert.Empty(t, testfs.Leftovers(t, afero.NewOsFs(), outside))
		b, err := os.ReadFile(filepath.Join(dir, "moved", "file"))
		require.NoError(t, err)
		assert.Equal(t, "x", string(b))
	})
}

// TestDirectoryWithoutReading: a directory that may be written to and not read
// cannot be held; what is done in it goes by its path.
func TestDirectoryWithoutReading(t *testing.T) {
	if !testfs.AsUser(t) {
		return
	}
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		if k.Name != "OsFs" {
			return // a root itself is opened for reading
		}
		require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o300))
		defer func() { _ = os.Chmod(filepath.Join(dir, "d"), 0o700) }()
		require.NoError(t, put(v, k.Join("d", "file"), "x"))
		assert.Equal(t, "x", read(t, v, k.Join("d", "file")))
		require.NoError(t, v.RenameNew(k.Join("d", "file"), place(t, v, k.Join("d", "other"), false)))
		require.NoError(t, v.Remove(k.Join("d", "other")))
		_, err := v.MkdirAll(k.Join("d", "e", "f"), 0o700)
		require.NoError(t, err)
		require.NoError(t, os.Chmod(filepath.Join(dir, "d", "e"), 0))
		require.NoError(t, v.RemoveAll(k.Join("d", "e")))
		gone(t, v, k.Join("d", "e"))
		assert.ErrorIs(t, v.SyncDir(k.Join("d")), fs.ErrPermission)
	})
}

// TestPinBlocksOnNothing: a FIFO where a directory should be is refused, not
// waited for.
func TestPinBlocksOnNothing(t *testing.T) {
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		if err := mkfifo(filepath.Join(dir, "fifo")); err != nil {
			t.Skip("no FIFOs here: ", err)
		}
		for _, follow := range []bool{false, true} {
			_, err := v.Pin(k.Join("fifo", "x"), follow)
			assert.ErrorIs(t, err, syscall.ENOTDIR)
		}
		_, err := v.Create(k.Join("fifo", "x"), 0o600)
		assert.ErrorIs(t, err, syscall.ENOTDIR)
		_, err = v.Sub(k.Join("fifo"))
		assert.Error(t, err)
		p := place(t, v, k.Join("fifo"), true)
		info, err := p.Lstat()
		require.NoError(t, err)
		assert.NotZero(t, info.Mode()&fs.ModeNamedPipe)
		require.NoError(t, v.RemoveAll(k.Join("fifo")))
	})
}

// TestChdir: a relative name is made absolute when it is used, and so is a base
// path that is relative. It is about the working directory, which only the
// operating system has.
func TestChdir(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	t.Chdir(first)
	v := vfs.On(afero.NewOsFs())
	based := vfs.On(afero.NewBasePathFs(afero.NewOsFs(), "."))
	f, err := v.Create("a", 0o600)
	require.NoError(t, err)
	p := place(t, v, "b", true)
	t.Chdir(second)
	assert.Equal(t, filepath.Join(first, "a"), f.Name())
	require.NoError(t, f.Close())
	require.NoError(t, v.Rename(f.Name(), p))
	require.NoError(t, based.Mkdir("c", 0o700))
	assert.Equal(t, []string{"b", "c"}, testfs.Leftovers(t, afero.NewOsFs(), first))
	assert.Empty(t, testfs.Leftovers(t, afero.NewOsFs(), second))
}

func TestUnnamed(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		f, err := v.CreateUnnamed(k.Dir, 0o640)
		if vfs.Unsupported(err) {
			return
		}
		require.NoError(t, err)
		defer f.Close()
		assert.Empty(t, f.Name())
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
		_, err = f.WriteString("hello")
		require.NoError(t, err)
		write(t, v, k.Join("taken"), "old")
		assert.ErrorIs(t, v.Link(f, place(t, v, k.Join("taken"), false)), fs.ErrExist)
		require.NoError(t, v.Link(f, place(t, v, k.Join("a"), false)))
		assert.Equal(t, "hello", read(t, v, k.Join("a")))
		assert.Equal(t, "old", read(t, v, k.Join("taken")))
		_, err = v.CreateUnnamed(k.Join("no"), 0o600)
		assert.Error(t, err)
		_, err = v.CreateUnnamed(k.Join("a"), 0o600)
		assert.Error(t, err)
	})
}

func TestExchange(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		for _, d := range []string{"a", "b"} {
			require.NoError(t, v.Mkdir(k.Join(d), 0o755))
			write(t, v, k.Join(d, "f"), d)
		}
		err := v.Exchange(k.Join("a"), place(t, v, k.Join("b"), false))
		if err != nil {
			require.True(t, vfs.Unsupported(err), "%v", err)
			assert.Equal(t, "a", read(t, v, k.Join("a", "f")))
			return
		}
		assert.Equal(t, "b", read(t, v, k.Join("a", "f")))
		assert.Equal(t, "a", read(t, v, k.Join("b", "f")))
	})
}

// An exchange that says EIO has taken place or not: it is looked at.
func TestExchangeWhoseAnswerIsLost(t *testing.T) {
	for _, done := range []bool{true, false} {
		on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
			for _, d := range []string{"a", "b"} {
				require.NoError(t, v.Mkdir(k.Join(d), 0o755))
				write(t, v, k.Join(d, "f"), d)
			}
			to := place(t, v, k.Join("b"), false)
			if !v.OnDisk() {
				t.Skip("there is no such system call")
			}
			vfs.LosingAnswers(t, done)
			err := v.Exchange(k.Join("a"), to)
			if vfs.Unsupported(err) {
				t.Skip("nor here")
			}
			now := map[bool]string{true: "b", false: "a"}[done]
			if done {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, syscall.EIO)
				require.NotErrorIs(t, err, vfs.ErrInDoubt)
			}
			assert.Equal(t, now, read(t, v, k.Join("a", "f")))
		})
	}
}

// Nothing is removed while nobody knows whose it is.
func TestExchangeOfNothing(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		require.NoError(t, v.Mkdir(k.Join("d"), 0o755))
		to := place(t, v, k.Join("d"), false)
		for _, old := range []string{k.Join("none"), k.Join("none", "x")} {
			err := v.Exchange(old, to)
			if !errors.Is(err, errors.ErrUnsupported) {
				require.ErrorIs(t, err, fs.ErrNotExist)
			}
		}
		assert.Equal(t, []string{"d"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestExchangeInDoubt(t *testing.T) {
	k := testfs.CrashKind(t)
	for _, d := range []string{"a", "b"} {
		require.NoError(t, k.Fs.Mkdir(k.Join(d), 0o755))
	}
	spy := testfs.NewSpy(k.Fs)
	spy.Fail(testfs.Calls("exchange"), testfs.Fault{Err: syscall.EIO, Done: true}) // and exchanged
	v := vfs.On(spy)
	err := v.Exchange(k.Join("a"), place(t, v, k.Join("b"), false))
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorIs(t, err, vfs.ErrInDoubt)
}

func TestLock(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		f, err := v.Create(k.Join("f"), 0o600)
		require.NoError(t, err)
		ok, err := f.Lock()
		if vfs.Unsupported(err) {
			assert.False(t, ok)
			require.NoError(t, f.Close())
			return
		}
		require.NoError(t, err)
		require.True(t, ok)
		other, err := os.Open(k.Real(k.Join("f")))
		require.NoError(t, err)
		defer other.Close()
		require.NoError(t, f.Close())
		ok, err = vfs.LockFile(other)
		require.NoError(t, err)
		assert.False(t, ok, "the lock outlives the handle")
		f.Unlock()
		ok, err = vfs.LockFile(other)
		require.NoError(t, err)
		assert.True(t, ok)
	})
}
