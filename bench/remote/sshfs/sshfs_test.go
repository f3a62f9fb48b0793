package sshfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/bench/remote/sshfs"
)

func TestReplaces(t *testing.T) {
	fsys, dir, real := serve(t)
	name := path.Join(dir, "file")
	require.NoError(t, atomicfs.WriteFile(fsys, name, []byte("old"), 0o640))
	require.NoError(t, atomicfs.WriteFile(fsys, name, []byte("new"), 0o600))
	got, err := os.ReadFile(filepath.Join(real, "file"))
	require.NoError(t, err)
	assert.Equal(t, "new", string(got))
	info, err := os.Stat(filepath.Join(real, "file"))
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o640), info.Mode(), "that of the old file")
}

// Readers on another connection see one of the files, whole, whenever they look.
func TestReaders(t *testing.T) {
	h := newHost(t)
	writes, reads := sshfs.New(connect(t, h, nil).Client), sshfs.New(connect(t, h, nil).Client)
	name := path.Join(h.Dir, "file")
	write := func(c byte) {
		require.NoError(t, atomicfs.WriteFile(writes, name, contents(c), 0o644))
	}
	write('o')
	done, failed := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(failed)
		for n := 0; ; n++ {
			got, err := afero.ReadFile(reads, name)
			if err != nil || !bytes.Equal(got, contents('o')) && !bytes.Equal(got, contents('n')) {
				failed <- fmt.Sprintf("%d bytes, %v", len(got), err)
				return
			}
			select {
			case <-done:
				if n > 0 {
					return
				}
			default:
			}
		}
	}()
	for range 20 {
		write('n')
		write('o')
	}
	close(done)
	assert.Empty(t, <-failed)
}

// Of many that create one file, each by a connection of its own, one wins.
func TestNoReplace(t *testing.T) {
	const writers = 16
	h := newHost(t)
	var all sync.WaitGroup
	results, start := make([]error, writers), make(chan struct{})
	for i := range writers {
		fsys := sshfs.New(connect(t, h, nil).Client)
		f, err := atomicfs.Create(fsys, path.Join(h.Dir, "file"), &atomicfs.Options{NoReplace: true})
		require.NoError(t, err)
		_, err = f.Write([]byte{byte(i)})
		require.NoError(t, err)
		all.Go(func() {
			<-start
			results[i] = f.Commit()
			_ = f.Close()
		})
	}
	close(start) // each has looked, and found nothing
	all.Wait()
	winners := 0
	for i, err := range results {
		if err != nil {
			assert.ErrorIs(t, err, fs.ErrExist)
			continue
		}
		winners++
		got, err := os.ReadFile(filepath.Join(h.Real, "file"))
		require.NoError(t, err)
		assert.Equal(t, []byte{byte(i)}, got)
	}
	assert.Equal(t, 1, winners)
	left, err := os.ReadDir(h.Real)
	require.NoError(t, err)
	assert.Len(t, left, 1)
}

func TestExclusive(t *testing.T) {
	fsys, dir, _ := serve(t)
	for name, again := range map[string]func() error{
		"dir": func() error { return fsys.Mkdir(path.Join(dir, "dir"), 0o700) },
		"file": func() error {
			f, err := fsys.OpenFile(path.Join(dir, "file"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
			if err == nil {
				err = f.Close()
			}
			return err
		},
		"link": func() error { return fsys.SymlinkIfPossible("target", path.Join(dir, "link")) },
		"hard": func() error { return fsys.LinkIfPossible(path.Join(dir, "target"), path.Join(dir, "hard")) },
	} {
		if name == "hard" {
			require.NoError(t, afero.WriteFile(fsys, path.Join(dir, "target"), nil, 0o600))
		}
		require.NoError(t, again(), name)
		require.ErrorIs(t, again(), fs.ErrExist, name)
	}
}

// What exists keeps its mode, however it is opened; what is made has the one asked
// for, less the umask of the server.
func TestModes(t *testing.T) {
	fsys, dir, real := serve(t)
	mode := func(name string) fs.FileMode {
		info, err := os.Stat(filepath.Join(real, name))
		require.NoError(t, err)
		return info.Mode().Perm()
	}
	for _, perm := range []fs.FileMode{0o600, 0o640, 0o666, 0o755, 0o400} {
		require.NoError(t, fsys.Mkdir(path.Join(dir, "dir"), perm|0o100))
		assert.Equal(t, (perm|0o100)&^0o022, mode("dir"))
		require.NoError(t, fsys.Remove(path.Join(dir, "dir")))

		f, err := fsys.OpenFile(path.Join(dir, "file"), os.O_RDWR|os.O_CREATE, perm)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		assert.Equal(t, perm&^0o022, mode("file"))
		require.NoError(t, fsys.Chmod(path.Join(dir, "file"), 0o700))
		for _, flag := range []int{os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREATE, os.O_RDWR | os.O_CREATE | os.O_TRUNC} {
			f, err := fsys.OpenFile(path.Join(dir, "file"), flag, perm)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			assert.Equal(t, fs.FileMode(0o700), mode("file"))
		}
		require.NoError(t, fsys.Remove(path.Join(dir, "file")))
	}
}

// Links are removed, moved and described, and not what they lead to.
func TestLinks(t *testing.T) {
	fsys, dir, real := serve(t)
	require.NoError(t, os.Mkdir(filepath.Join(real, "outside"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(real, "outside", "kept"), []byte("kept"), 0o644))
	require.NoError(t, fsys.MkdirAll(path.Join(dir, "tree", "sub"), 0o755))
	for link, target := range map[string]string{
		"tree/sub/abs": path.Join(dir, "outside"), "tree/rel": "../outside", "tree/file": "../outside/kept", "tree/none": "none", "alone": "outside",
	} {
		require.NoError(t, fsys.SymlinkIfPossible(target, path.Join(dir, link)))
		got, err := fsys.ReadlinkIfPossible(path.Join(dir, link))
		require.NoError(t, err)
		assert.Equal(t, target, got)
		stored, err := os.Readlink(filepath.Join(real, link))
		require.NoError(t, err)
		assert.Equal(t, target, stored, "not the other way round")
		info, looked, err := fsys.LstatIfPossible(path.Join(dir, link))
		require.NoError(t, err)
		assert.True(t, looked)
		assert.Equal(t, fs.ModeSymlink, info.Mode().Type())
	}
	require.NoError(t, fsys.Rename(path.Join(dir, "alone"), path.Join(dir, "moved")))
	require.NoError(t, fsys.RemoveAll(path.Join(dir, "moved")))
	require.NoError(t, fsys.RemoveAll(path.Join(dir, "tree")))
	require.NoError(t, fsys.RemoveAll(path.Join(dir, "tree")), "it is not there")
	left, err := os.ReadDir(real)
	require.NoError(t, err)
	require.Len(t, left, 1)
	got, err := os.ReadFile(filepath.Join(real, "outside", "kept"))
	require.NoError(t, err)
	assert.Equal(t, "kept", string(got))
}

// Sync asks the server, which answers for files and for directories.
func TestSync(t *testing.T) {
	fsys, dir, _ := serve(t)
	f, err := fsys.Create(path.Join(dir, "file"))
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	require.Error(t, f.Sync(), "the server no longer knows it")
	d, err := fsys.Open(dir)
	require.NoError(t, err)
	require.NoError(t, d.Sync())
	require.NoError(t, d.Close())
}

// What a server does not have is said, and leaves nothing.
func TestWithoutExtensions(t *testing.T) {
	for _, extension := range []string{"posix-rename", "hardlink", "fsync"} {
		t.Run(extension, func(t *testing.T) {
			h := newHost(t)
			h.Denied = []string{extension}
			fsys := sshfs.New(connect(t, h, nil).Client)
			name := path.Join(h.Dir, "file")
			require.NoError(t, os.WriteFile(filepath.Join(h.Real, "file"), []byte("old"), 0o666))
			var err error
			if extension == "hardlink" {
				require.ErrorIs(t, fsys.LinkIfPossible(name, path.Join(h.Dir, "link")), errors.ErrUnsupported)
				var f *atomicfs.File
				f, err = atomicfs.Create(fsys, path.Join(h.Dir, "new"), &atomicfs.Options{NoReplace: true})
				require.NoError(t, err)
				err = f.Commit()
				require.NoError(t, f.Close())
			} else {
				err = atomicfs.WriteFile(fsys, name, []byte("new"), 0o644)
			}
			require.ErrorIs(t, err, errors.ErrUnsupported)
			left, err := os.ReadDir(h.Real)
			require.NoError(t, err)
			assert.Len(t, left, 1)
			got, err := os.ReadFile(filepath.Join(h.Real, "file"))
			require.NoError(t, err)
			assert.Equal(t, "old", string(got))
		})
	}
}

// A listing that is read in parts has an end.
func TestReaddir(t *testing.T) {
	fsys, dir, _ := serve(t)
	for _, name := range []string{"a", "b", "c"} {
		require.NoError(t, fsys.Mkdir(path.Join(dir, name), 0o700))
	}
	d, err := fsys.Open(dir)
	require.NoError(t, err)
	defer d.Close()
	var names []string
	for range 10 {
		var page []string
		if page, err = d.Readdirnames(2); err != nil {
			break
		}
		names = append(names, page...)
	}
	assert.ErrorIs(t, err, io.EOF)
	assert.ElementsMatch(t, []string{"a", "b", "c"}, names)
}
