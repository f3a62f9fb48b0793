package vfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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
)

// TestRemoveAllOfAnyMode: no mode of a directory or a file in the tree keeps an
// ordinary user from removing what is his.
func TestRemoveAllOfAnyMode(t *testing.T) {
	if !testfs.AsUser(t) {
		return
	}
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		for mode := range fs.FileMode(8) {
			for _, all := range []bool{false, true} {
				top := filepath.Join(dir, "top")
				for _, d := range []string{top, filepath.Join(top, "a"), filepath.Join(top, "a", "b")} {
					require.NoError(t, os.Mkdir(d, 0o700))
					require.NoError(t, os.WriteFile(filepath.Join(d, "f"), []byte("x"), mode<<6))
				}
				modes := []string{filepath.Join(top, "a", "b"), filepath.Join(top, "a")}
				if all {
					modes = append(modes, top)
				}
				for _, d := range modes {
					require.NoError(t, os.Chmod(d, mode<<6))
				}
				require.NoError(t, v.RemoveAll(k.Join("top")), "mode %o", mode<<6)
				require.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
			}
		}
	})
}

// TestRemoveAllLeavesTheParentAlone: a directory above the tree is not made
// writable, and the error lists what is left, which is all of it.
func TestRemoveAllLeavesTheParentAlone(t *testing.T) {
	if !testfs.AsUser(t) {
		return
	}
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "p", "top"), 0o700))
		require.NoError(t, os.Chmod(filepath.Join(dir, "p"), 0o500))
		defer func() { _ = os.Chmod(filepath.Join(dir, "p"), 0o700) }()
		err := v.RemoveAll(k.Join("p", "top"))
		assert.ErrorIs(t, err, fs.ErrPermission)
		pathOf(t, err, "remove", k.Join("p", "top"))
		info, err := os.Stat(filepath.Join(dir, "p"))
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o500), info.Mode().Perm())
	})
}

// TestRemoveAllLinks: links go, and what they lead to keeps contents and mode.
func TestRemoveAllLinks(t *testing.T) {
	if !testfs.AsUser(t) {
		return
	}
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		out := filepath.Join(dir, "out")
		require.NoError(t, os.MkdirAll(filepath.Join(out, "d"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(out, "d", "f"), []byte("x"), 0o400))
		require.NoError(t, os.Chmod(filepath.Join(out, "d"), 0o500))
		defer func() { _ = os.Chmod(filepath.Join(out, "d"), 0o700) }()
		for mode := range fs.FileMode(8) {
			top := filepath.Join(dir, "top")
			require.NoError(t, os.Mkdir(top, 0o700))
			for link, target := range map[string]string{"f": "../out/d/f", "d": "../out/d", "none": "../out/none", "abs": out} {
				require.NoError(t, os.Symlink(target, filepath.Join(top, link)))
			}
			require.NoError(t, os.Chmod(top, mode<<6))
			require.NoError(t, v.RemoveAll(k.Join("top")))
			require.NoError(t, os.Symlink("out/d", filepath.Join(dir, "linkitself")))
			require.NoError(t, v.RemoveAll(k.Join("linkitself")))
		}
		assert.Equal(t, []string{"out", "out/d", "out/d/f"}, testfs.Leftovers(t, k.Fs, k.Dir))
		for name, mode := range map[string]fs.FileMode{"d": 0o500, "d/f": 0o400} {
			info, err := os.Stat(filepath.Join(out, name))
			require.NoError(t, err)
			assert.Equal(t, mode, info.Mode().Perm(), name)
		}
	})
}

// TestRemoveAllListsWhatIsLeft: one error for each path, the parents included.
func TestRemoveAllListsWhatIsLeft(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		spy := testfs.NewSpy(k.Fs)
		v := vfs.On(spy)
		_, err := v.MkdirAll(k.Join("d", "e"), 0o755)
		require.NoError(t, err)
		write(t, v, k.Join("d", "e", "stays"), "x")
		write(t, v, k.Join("d", "goes"), "x")
		spy.Fail(func(_ int, call string) bool {
			return strings.HasPrefix(call, "removeall") || strings.HasPrefix(call, "remove") && strings.HasSuffix(call, "stays")
		}, testfs.Fault{Err: syscall.EACCES})
		err = v.RemoveAll(k.Join("d"))
		assert.ErrorIs(t, err, fs.ErrPermission)
		assert.Equal(t, []string{"d", "d/e", "d/e/stays"}, testfs.Leftovers(t, k.Fs, k.Dir))
		assert.Equal(t, fmt.Sprintf("remove %s: permission denied\nremove %s: directory not empty\nremove %s: directory not empty",
			k.Join("d", "e", "stays"), k.Join("d", "e"), k.Join("d")), fmt.Sprint(err))
	})
}

// TestRemoveAllStopsAtAMount: another file system in the tree is somebody else's.
func TestRemoveAllStopsAtAMount(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	disk := filepath.Join(dir, "d", "disk")
	require.NoError(t, os.MkdirAll(disk, 0o755))
	testfs.Mount(t, "tmpfs", disk, "tmpfs", 0, "size=64k")
	require.NoError(t, os.WriteFile(filepath.Join(disk, "file"), []byte("theirs"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "goes"), nil, 0o600))
	err := vfs.On(afero.NewOsFs()).RemoveAll(dir)
	require.ErrorIs(t, err, syscall.EXDEV)
	require.ErrorContains(t, err, disk+": is on another device")
	assert.Equal(t, []string{"d", "d/disk", "d/disk/file"}, testfs.Leftovers(t, afero.NewOsFs(), dir))
}

// swap replaces a directory by a link to outside and back, until stop is closed.
func swap(stop <-chan struct{}, name, outside string) (swaps int) {
	aside := name + "-aside"
	for {
		select {
		case <-stop:
			_ = os.Remove(name)
			_ = os.Rename(aside, name)
			return swaps
		default:
		}
		if os.Rename(name, aside) == nil {
			if os.Symlink(outside, name) == nil {
				swaps++
			}
			_ = os.Remove(name)
			_ = os.Rename(aside, name)
		}
		// The remover may have taken it: give it something to remove.
		_ = os.MkdirAll(filepath.Join(name, "sub"), 0o000)
		_ = os.WriteFile(filepath.Join(name, "sub", "file"), nil, 0o600)
		_ = os.WriteFile(filepath.Join(name, "file"), nil, 0o600)
	}
}

// TestRemoveAllUnderAttack: a tree whose directories become links all the while
// leads nobody out of it.
func TestRemoveAllUnderAttack(t *testing.T) {
	if !testfs.AsUser(t) {
		return
	}
	onLinks(t, func(t *testing.T, k testfs.Kind, v vfs.FS, dir string) {
		out := filepath.Join(dir, "out")
		require.NoError(t, os.MkdirAll(filepath.Join(out, "sub"), 0o755))
		for _, f := range []string{"file", "sub/file", "keep"} {
			require.NoError(t, os.WriteFile(filepath.Join(out, f), []byte("x"), 0o644))
		}
		require.NoError(t, os.Chmod(filepath.Join(out, "sub"), 0o555))
		defer func() { _ = os.Chmod(filepath.Join(out, "sub"), 0o755) }()
		stop := make(chan struct{})
		var swaps atomic.Int64
		var wg sync.WaitGroup
		top := filepath.Join(dir, "top")
		for i := range 2 {
			name := filepath.Join(top, fmt.Sprintf("d%d", i))
			require.NoError(t, os.MkdirAll(name, 0o755))
			wg.Go(func() { swaps.Add(int64(swap(stop, name, out))) })
		}
		removals := 0
		for end := time.Now().Add(700 * time.Millisecond); time.Now().Before(end); removals++ {
			for i := range 2 {
				_ = v.RemoveAll(k.Join("top", fmt.Sprintf("d%d", i)))
			}
			runtime.Gosched()
		}
		close(stop)
		wg.Wait()
		t.Logf("%d removals, %d swaps", removals, swaps.Load())
		assert.Positive(t, swaps.Load())
		assert.Equal(t, []string{"file", "keep", "sub", "sub/file"}, testfs.Leftovers(t, afero.NewOsFs(), out))
		info, err := os.Stat(filepath.Join(out, "sub"))
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o555), info.Mode().Perm())
		require.NoError(t, v.RemoveAll(k.Join("top")))
	})
}

// TestRemoveAllOfABusyTree: while somebody goes on writing it ends, in success
// or in an error that lists what is left.
func TestRemoveAllOfABusyTree(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, v vfs.FS) {
		top := k.Join("top")
		_, err := v.MkdirAll(k.Join("top", "d"), 0o755)
		require.NoError(t, err)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if f, err := v.Create(k.Join("top", "d", fmt.Sprint(i)), 0o600); err == nil {
					_ = f.Close()
				} else if errors.Is(err, fs.ErrNotExist) {
					return
				}
			}
		})
		start := time.Now()
		err = v.RemoveAll(top)
		took := time.Since(start)
		close(stop)
		wg.Wait()
		assert.Less(t, took, 20*time.Second)
		if err != nil {
			assert.Contains(t, err.Error(), "remove "+top+": ")
		} else {
			gone(t, v, k.Join("top", "d"))
		}
		require.NoError(t, v.RemoveAll(top))
	})
}

// TestRemoveAllDeep: as deep as a path is long, and deeper.
func TestRemoveAllDeep(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	require.NoError(t, os.Mkdir("top", 0o700))
	require.NoError(t, os.Chdir("top"))
	for range 300 {
		require.NoError(t, os.Mkdir(strings.Repeat("d", 100), 0o700))
		require.NoError(t, os.Chdir(strings.Repeat("d", 100)))
	}
	require.NoError(t, os.Chdir(dir))
	require.NoError(t, vfs.On(afero.NewOsFs()).RemoveAll(filepath.Join(dir, "top")))
	assert.Empty(t, testfs.Leftovers(t, afero.NewOsFs(), dir))
}
