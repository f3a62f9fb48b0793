package tmpfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

func TestRemoveAll(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		require.NoError(t, k.Fs.MkdirAll(k.Join("top", "a", "b"), 0o755))
		for _, name := range []string{"top/x", "top/a/x", "top/a/b/x", "file"} {
			k.WriteFile(t, k.Join(name), "x")
		}
		require.NoError(t, tmpfs.RemoveAll(k.Fs, k.Join("top")+"/."))
		require.NoError(t, tmpfs.RemoveAll(k.Fs, k.Dir+"//none/../file"))
		empty(t, k)
		require.NoError(t, tmpfs.RemoveAll(k.Fs, k.Join("top")), "it is gone, as was asked for")
		require.NoError(t, tmpfs.RemoveAll(k.Fs, k.Join("top", "a", "b")))
		k.WriteFile(t, k.Join("file"), "x")
		require.NoError(t, tmpfs.RemoveAll(k.Fs, k.Join("file", "below")))
		assert.True(t, exists(t, k.Fs, k.Join("file")))
	})
}

// TestRemoveAllRefuses: what a zero value, or a mistake, would make of the whole
// file system.
func TestRemoveAllRefuses(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("file"), "precious")
		if k.Name == "OsFs" {
			t.Chdir(k.Dir)
		}
		names := []string{"", ".", "./", "/", "//", "/.", "..", "./.", "a/..", "/a/..", "/../..", "a\x00b"}
		for _, name := range names {
			if name == "a/.." && k.Name == "OsFs" {
				require.NoError(t, os.Mkdir("a", 0o700))
			}
			err := tmpfs.RemoveAll(k.Fs, name)
			require.ErrorIs(t, err, fs.ErrInvalid, "%q", name)
		}
		assert.Equal(t, "precious", k.ReadFile(t, k.Join("file")))
	})
}

// TestRemoveAllRefusesTempDir: under every spelling, given or by default, there
// or not. What is in it may go.
func TestRemoveAllRefusesTempDir(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		t.Setenv("TMPDIR", k.Join("tmpdir"))
		t.Setenv("TEMP", k.Join("temp")) // any candidate
		own := k.Join("own")
		for _, name := range []string{"tmpdir", "temp", "own"} {
			require.NoError(t, k.Fs.Mkdir(k.Join(name), 0o700))
			k.WriteFile(t, k.Join(name, "file"), "precious")
		}
		refused := func(fsys afero.Fs, name string) {
			t.Helper()
			err := tmpfs.RemoveAll(fsys, name)
			require.ErrorIs(t, err, fs.ErrInvalid, name)
			pathError(t, err, name)
		}
		with := tmpfs.WithTempDir(k.Fs, own)
		refused(with, own)
		refused(with, own+"/")
		refused(with, k.Dir+"/./none/..//own/.")
		def := []string{k.Join("tmpdir"), k.Join("temp")}
		if k.Name != "OsFs" {
			refused(with, strings.TrimPrefix(own, "/"))
			def = []string{"/tmp", "tmp", "./tmp/", "/x/../tmp"}
		}
		for range 2 {
			for _, name := range def {
				refused(k.Fs, name)
			}
			if k.Name != "OsFs" {
				require.NoError(t, k.Fs.MkdirAll("/tmp/sub", 0o700))
			}
		}
		assert.Equal(t, "precious", k.ReadFile(t, k.Join("own", "file")))
		require.NoError(t, tmpfs.RemoveAll(with, k.Join("own", "file")))
		if k.Name != "OsFs" {
			require.NoError(t, tmpfs.RemoveAll(k.Fs, "/tmp/sub"))
			require.NoError(t, tmpfs.RemoveAll(with, "/tmp"), "it is not the temporary directory of this one")
		}
		require.NoError(t, tmpfs.RemoveAll(k.Fs, own), "nor this")
		if k.Links {
			// A link to it is a link; but by way of a link it is still itself.
			real := k.Real(k.Dir)
			temp := k.Join("tmpdir")
			with := tmpfs.WithTempDir(k.Fs, temp)
			require.NoError(t, os.Symlink("tmpdir", filepath.Join(real, "link")))
			require.NoError(t, os.Symlink(".", filepath.Join(real, "here")))
			refused(with, k.Join("here", "tmpdir"))
			require.NoError(t, tmpfs.RemoveAll(with, k.Join("link")))
			assert.Equal(t, "precious", k.ReadFile(t, k.Join("tmpdir", "file")))
			// And the other way round.
			require.NoError(t, os.Symlink("tmpdir", filepath.Join(real, "link")))
			with = tmpfs.WithTempDir(k.Fs, k.Join("link"))
			refused(with, k.Join("link"))
			refused(with, k.Join("tmpdir"))
		}
	})
}

// onDisk runs body, as an ordinary user, on the kinds whose files are the
// system's, with a directory of the system.
func onDisk(t *testing.T, body func(t *testing.T, k testfs.Kind, real string)) {
	t.Helper()
	if !testfs.AsUser(t) {
		return
	}
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if !k.OS || !k.Links {
			t.Skip("no modes, no links")
		}
		body(t, k, k.Real(k.Dir))
	})
}

// TestCloseAnyMode: whatever the modes of what is in it, and its own, a temporary
// directory goes; what its links lead to keeps contents and mode.
func TestCloseAnyMode(t *testing.T) {
	onDisk(t, func(t *testing.T, k testfs.Kind, real string) {
		out := filepath.Join(real, "out")
		require.NoError(t, os.Mkdir(out, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(out, "file"), []byte("precious"), 0o400))
		require.NoError(t, os.Chmod(out, 0o500))
		defer func() { _ = os.Chmod(out, 0o700) }()
		for mode := range fs.FileMode(8) {
			for _, where := range []string{"", "dir", "dir/dir"} {
				d := mkdir(t, k)
				top := k.Real(d.Path())
				require.NoError(t, os.MkdirAll(filepath.Join(top, "dir", "dir"), 0o700))
				for _, dir := range []string{"", "dir", "dir/dir"} {
					require.NoError(t, os.WriteFile(filepath.Join(top, dir, "f"), nil, mode<<6))
					for link, target := range map[string]string{"tofile": filepath.Join(out, "file"), "todir": out, "tonothing": "nothing", "up": ".."} {
						require.NoError(t, os.Symlink(target, filepath.Join(top, dir, link)))
					}
				}
				require.NoError(t, os.Chmod(filepath.Join(top, where), mode<<6))
				require.NoError(t, d.Close(), "mode %o at %q", mode<<6, where)
				assert.False(t, exists(t, k.Fs, d.Path()))
			}
		}
		assert.Equal(t, []string{"out", "out/file"}, testfs.Leftovers(t, k.Fs, k.Dir))
		for name, want := range map[string]fs.FileMode{"": 0o500, "file": 0o400} {
			info, err := os.Stat(filepath.Join(out, name))
			require.NoError(t, err)
			assert.Equal(t, want, info.Mode().Perm(), name)
		}
	})
}

// TestCloseKeepsParentMode: a directory above is not changed, also where that
// would help; the error says what is left, and Close can be called again.
func TestCloseKeepsParentMode(t *testing.T) {
	onDisk(t, func(t *testing.T, k testfs.Kind, real string) {
		d := mkdir(t, k)
		require.NoError(t, os.Chmod(real, 0o500))
		defer func() { _ = os.Chmod(real, 0o700) }()
		err := d.Close()
		require.ErrorIs(t, err, fs.ErrPermission)
		assert.ErrorContains(t, err, d.Path())
		info, err := os.Stat(real)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o500), info.Mode().Perm())
		require.NoError(t, os.Chmod(real, 0o700))
		require.NoError(t, d.Close())
		empty(t, k)
	})
}

// childSwap replaces the directories in args[0] by links to args[1] and back, and
// puts new ones there, until args[2] is there. It prints how often.
func childSwap(args []string) error {
	top, outside, end := args[0], args[1], args[2]
	swaps := 0
	for {
		if _, err := os.Stat(end); err == nil {
			fmt.Println(swaps)
			return nil
		}
		dirs, _ := os.ReadDir(top)
		for _, dir := range dirs {
			for _, name := range []string{filepath.Join(top, dir.Name()), filepath.Join(top, dir.Name(), "sub")} {
				aside := name + "-aside"
				if os.Rename(name, aside) != nil {
					continue
				}
				if os.Symlink(outside, name) == nil {
					swaps++
				}
				_ = os.Remove(name)
				_ = os.Rename(aside, name)
			}
		}
	}
}

// TestCloseUnderAttack: for two seconds another process swaps the directories that
// are being removed for links, and nothing outside is touched.
func TestCloseUnderAttack(t *testing.T) {
	onDisk(t, func(t *testing.T, k testfs.Kind, real string) {
		arena := k.Join("arena")
		require.NoError(t, k.Fs.Mkdir(arena, 0o755))
		out := filepath.Join(real, "out")
		require.NoError(t, os.MkdirAll(filepath.Join(out, "sub"), 0o755))
		want := []string{"file", "sub", "sub/file"}
		for _, name := range []string{"file", "sub/file"} {
			require.NoError(t, os.WriteFile(filepath.Join(out, name), []byte("precious"), 0o644))
		}
		require.NoError(t, os.Chmod(filepath.Join(out, "sub"), 0o555))
		defer func() { _ = os.Chmod(filepath.Join(out, "sub"), 0o755) }()
		end := filepath.Join(real, "end")
		attacker := start(t, "swap", k.Real(arena), out, end)
		closed, failed := 0, 0
		var left []*tmpfs.Dir
		long := 2 * time.Second
		if testing.Short() {
			long /= 10
		}
		for until := time.Now().Add(long); time.Now().Before(until); {
			d, err := tmpfs.Mkdir(k.Fs, &tmpfs.Options{Dir: arena})
			if err != nil {
				continue // swapped at birth
			}
			// By the Dir, which is not diverted either.
			for _, dir := range []string{"sub/x/y", "sub/z", "other"} {
				_ = d.MkdirAll(dir, 0o700)
				_ = afero.WriteFile(d, dir+"/file", nil, 0o600)
			}
			_ = d.Chmod("other", 0)
			if err := d.Close(); err != nil {
				failed++
				assert.ErrorContains(t, err, path.Base(filepath.ToSlash(d.Path())))
				left = append(left, d)
				continue
			}
			closed++
		}
		require.NoError(t, os.WriteFile(end, nil, 0o600))
		swaps := strings.TrimSpace(attacker.wait(t))
		t.Logf("%d removed, %d not, %s swaps", closed, failed, swaps)
		assert.NotEqual(t, "0", swaps)
		assert.Positive(t, closed)
		assert.Equal(t, want, testfs.Leftovers(t, afero.NewOsFs(), out))
		for _, name := range []string{"file", "sub/file"} {
			b, err := os.ReadFile(filepath.Join(out, name))
			require.NoError(t, err)
			assert.Equal(t, "precious", string(b))
		}
		info, err := os.Stat(filepath.Join(out, "sub"))
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o555), info.Mode().Perm())
		for _, d := range left {
			require.NoError(t, d.Close(), "with the attacker gone")
		}
		require.NoError(t, tmpfs.RemoveAll(k.Fs, arena))
	})
}

// TestCloseBusy: beside a writer that goes on, Close ends, in success or with what
// is left.
func TestCloseBusy(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d := mkdir(t, k)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				f, name, err := tmpfs.CreateTemp(k.Fs, path.Join(d.Path(), "sub"), "busy-*")
				if errors.Is(err, fs.ErrNotExist) {
					return
				}
				if err == nil {
					_ = f.Close()
					if i%3 == 0 {
						_ = k.Fs.Remove(name)
					}
				}
			}
		}()
		begin := time.Now()
		err := d.Close()
		took := time.Since(begin)
		close(stop)
		<-stopped
		assert.Less(t, took, 20*time.Second)
		if err != nil {
			assert.ErrorContains(t, err, d.Path())
			require.NoError(t, d.Close())
		}
		empty(t, k)
	})
}
