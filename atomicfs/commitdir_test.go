package atomicfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

func ExampleCommitDir() {
	fsys := afero.NewMemMapFs()
	err := tmpfs.WithDir(fsys, nil, func(d *tmpfs.Dir) error {
		if err := afero.WriteFile(d, "index.html", []byte("<p>"), 0o644); err != nil {
			return err
		}
		return atomicfs.CommitDir(d, "/srv/site")
	})
	data, rerr := afero.ReadFile(fsys, "/srv/site/index.html")
	fmt.Println(err, string(data), rerr)
	// Output: <nil> <p> <nil>
}

// tree returns a temporary directory in which each of some files holds text.
func tree(t *testing.T, fsys afero.Fs, parent, text string) *tmpfs.Dir {
	t.Helper()
	d, err := tmpfs.Mkdir(fsys, &tmpfs.Options{Dir: parent, Pattern: "mine-*"})
	require.NoError(t, err)
	for _, name := range []string{"a", "b/c", "b/d/e"} {
		require.NoError(t, atomicfs.WriteFile(d, filepath.FromSlash(name), []byte(text), 0o644))
	}
	return d
}

var treeNames = []string{"a", "b", "b/c", "b/d", "b/d/e"}

// TestCommitDirInPlace: where it is already, a directory is not exchanged for
// itself.
func TestCommitDirInPlace(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d := tree(t, k.Fs, k.Dir, "one")
		require.NoError(t, atomicfs.CommitDir(d, d.Path()))
		require.NoError(t, d.Close())
		assert.Equal(t, treeNames, testfs.Leftovers(t, k.Fs, d.Path()))
		assert.Equal(t, "one", k.ReadFile(t, filepath.Join(d.Path(), "a")))
	})
}

func TestCommitDir(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("missing", "site")
		d := tree(t, k.Fs, k.Dir, "one")
		require.NoError(t, atomicfs.CommitDir(d, name))
		assert.Equal(t, treeNames, testfs.Leftovers(t, k.Fs, name))
		assert.Equal(t, "one", k.ReadFile(t, filepath.Join(name, "b", "d", "e")))
		require.ErrorIs(t, atomicfs.CommitDir(d, k.Join("other")), fs.ErrClosed)
		require.NoError(t, d.Close())
		require.ErrorIs(t, atomicfs.CommitDir(d, k.Join("other")), fs.ErrClosed)
		assert.Equal(t, treeNames, testfs.Leftovers(t, k.Fs, name))

		d = tree(t, k.Fs, k.Dir, "two")
		err := atomicfs.CommitDir(d, name)
		if errors.Is(err, errors.ErrUnsupported) {
			requirePathError(t, err, name)
			assert.Equal(t, "one", k.ReadFile(t, filepath.Join(name, "a")))
			require.NoError(t, atomicfs.CommitDir(d, k.Join("other")), "it is temporary still")
			require.NoError(t, d.Close())
			return
		}
		require.NoError(t, err)
		assert.True(t, k.OS, "elsewhere nothing can exchange two directories")
		require.NoError(t, d.Close())
		require.ErrorIs(t, atomicfs.CommitDir(d, k.Join("other")), fs.ErrClosed)
		assert.Equal(t, "two", k.ReadFile(t, filepath.Join(name, "a")))
		assert.Equal(t, []string{"missing", "missing/site", "missing/site/a", "missing/site/b", "missing/site/b/c",
			"missing/site/b/d", "missing/site/b/d/e"}, testfs.Leftovers(t, k.Fs, k.Dir), "and the old one is gone")
	})
}

func TestNoPretenceCommitDirRefuses(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d := tree(t, k.Fs, k.Dir, "new")
		defer d.Close()
		k.WriteFile(t, k.Join("file"), "old")
		names := map[string]error{k.Join("file"): enotdir, k.Join("file", "child"): enotdir, "": fs.ErrInvalid}
		if k.Links {
			require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
			link(t, k, "dir", k.Join("link"))
			names[k.Join("link")] = enotdir
		}
		for name, reason := range names {
			err := atomicfs.CommitDir(d, name)
			require.ErrorIs(t, err, reason, "%q", name)
			requirePathError(t, err, name)
		}
		assert.Equal(t, "old", k.ReadFile(t, k.Join("file")))
		require.NoError(t, atomicfs.CommitDir(d, k.Join("ok")))
	})
}

// Every file and directory is synced, from the bottom up, before the name.
func TestDurableOrderOfCommitDir(t *testing.T) {
	k := testfs.Kinds(t)[0]
	spy := testfs.NewSpy(k.Fs)
	d, err := tmpfs.Mkdir(spy, &tmpfs.Options{Dir: k.Dir, Pattern: "mine-*"})
	require.NoError(t, err)
	for _, name := range []string{"a", "b/c", "b/d/e"} {
		require.NoError(t, k.Fs.MkdirAll(filepath.Dir(filepath.Join(d.Path(), name)), 0o755))
		k.WriteFile(t, filepath.Join(d.Path(), name), "text")
	}
	if k.Links {
		require.NoError(t, os.Symlink("a", filepath.Join(d.Path(), "link")))
		require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(d.Path(), "out")))
	}
	spy.Reset()
	require.NoError(t, atomicfs.CommitDir(d, k.Join("site")))
	var acts []string
	files := map[string]bool{}
	for _, line := range strings.Split(spy.Script(k.Dir), "\n") {
		op, rest, _ := strings.Cut(line, " ")
		rest = strings.ReplaceAll(rest, "mine-*", "d")
		switch {
		case op == "sync" && len(files) < 3: // in no order
			files[rest] = true
		case op == "sync" || op == "rename":
			acts = append(acts, op+" "+rest)
		}
	}
	assert.Equal(t, map[string]bool{"d/a": true, "d/b/c": true, "d/b/d/e": true}, files)
	assert.Equal(t, []string{"sync d/b/d", "sync d/b", "sync d", "rename d site", "sync ."}, acts)
}

// What cannot be synced is not put in place.
func TestCommitDirSyncFails(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, n := range []int{1, 3, 4, 6} {
			spy := testfs.NewSpy(k.Fs)
			d := tree(t, spy, k.Dir, "new")
			syncs := 0
			spy.Fail(func(_ int, call string) bool {
				if strings.HasPrefix(call, "sync") {
					syncs++
				}
				return strings.HasPrefix(call, "sync") && syncs == n
			}, testfs.Fault{Err: testfs.ErrFault})
			err := atomicfs.CommitDir(d, k.Join("site"))
			require.ErrorIs(t, err, testfs.ErrFault)
			require.NotErrorIs(t, err, atomicfs.ErrNotDurable)
			assert.NotContains(t, testfs.Leftovers(t, k.Fs, k.Dir), "site")
			spy.Reset()
			require.NoError(t, d.Close())
			assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
		}
		spy := testfs.NewSpy(k.Fs)
		d := tree(t, spy, k.Dir, "new")
		spy.Fail(func(_ int, call string) bool { return call == "sync "+k.Dir }, testfs.Fault{Err: testfs.ErrFault})
		err := atomicfs.CommitDir(d, k.Join("site"))
		require.ErrorIs(t, err, testfs.ErrFault)
		require.ErrorIs(t, err, atomicfs.ErrNotDurable)
		require.NoError(t, d.Close())
		assert.Equal(t, treeNames, testfs.Leftovers(t, k.Fs, k.Join("site")))
	})
}

// A reader sees the old tree or the new one at every moment.
func TestAtomicForReadersOfCommitDir(t *testing.T) {
	inMemory(t)
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("site")
		d := tree(t, k.Fs, k.Dir, "0")
		require.NoError(t, atomicfs.CommitDir(d, name))
		stop, done := make(chan struct{}), make(chan int)
		go func() {
			reads := 0
			for {
				select {
				case <-stop:
					done <- reads
					return
				default:
				}
				_, err := k.Fs.Stat(name)
				assert.NoError(t, err, "it is there at every moment")
				reads++
			}
		}()
		for i := range 20 {
			d := tree(t, k.Fs, k.Dir, fmt.Sprint(i+1))
			err := atomicfs.CommitDir(d, name)
			assert.NoError(t, errors.Join(err, d.Close()))
			if err != nil {
				break
			}
		}
		close(stop)
		assert.NotZero(t, <-done)
		assert.Equal(t, "20", k.ReadFile(t, filepath.Join(name, "b", "c")))
	})
}

// A file that is being written in the directory is put in place where that is by then.
func TestCommitDirTakesAlong(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d, err := tmpfs.Mkdir(k.Fs, &tmpfs.Options{Dir: k.Dir})
		require.NoError(t, err)
		f, err := atomicfs.Create(d, "/file", nil)
		require.NoError(t, err)
		put(t, f, "text")
		require.NoError(t, atomicfs.CommitDir(d, k.Join("dir")))
		require.NoError(t, f.Commit())
		require.NoError(t, d.Close())
		assert.Equal(t, []string{"dir", "dir/file"}, testfs.Leftovers(t, k.Fs, k.Dir))
		assert.Equal(t, "text", k.ReadFile(t, k.Join("dir", "file")))
	})
}
