package workdir_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/workdir"
)

// eachDir runs body with a work directory on each kind of Fs.
func eachDir(t *testing.T, body func(t *testing.T, k testfs.Kind, d *workdir.Dir)) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d, err := workdir.New(k.Fs, in(k))
		require.NoError(t, err)
		body(t, k, d)
		require.NoError(t, d.Close())
		for _, name := range left(t, k) {
			assert.NotContains(t, name, "work-")
		}
	})
}

// outside are names that lead out of a work directory.
var outside = []string{"", "..", "../x", "a/../../x", "/..", "/../x", "a\x00b", "./../x"}

func TestNamesThatLeaveAreRefused(t *testing.T) {
	eachDir(t, func(t *testing.T, k testfs.Kind, d *workdir.Dir) {
		before := left(t, k)
		for _, name := range outside {
			_, err := d.Join(name)
			assert.ErrorIs(t, err, fs.ErrInvalid, "Join %q", name)
			_, err = d.Subdir(name)
			assert.ErrorIs(t, err, fs.ErrInvalid, "Subdir %q", name)
			_, err = d.WriteFile(name, []byte("out"))
			assert.ErrorIs(t, err, fs.ErrInvalid, "WriteFile %q", name)
			err = d.Commit(name, k.Join("stolen"))
			assert.ErrorIs(t, err, fs.ErrInvalid, "Commit %q", name)
			_, err = d.Open(name)
			assert.ErrorIs(t, err, fs.ErrInvalid, "Open %q", name)
		}
		assert.Equal(t, before, left(t, k))
	})
}

func TestLinksThatLeaveAreRefused(t *testing.T) {
	eachDir(t, func(t *testing.T, k testfs.Kind, d *workdir.Dir) {
		if !k.Links {
			t.Skip("no links here")
		}
		require.NoError(t, k.Fs.Mkdir(k.Join("outside"), 0o755))
		k.WriteFile(t, k.Join("outside/secret"), "secret")
		for link, target := range map[string]string{
			"rel": "../outside", "abs": k.Real(k.Join("outside")), "file": "../outside/secret", "new": "../outside/new",
		} {
			require.NoError(t, os.Symlink(target, filepath.Join(k.Real(d.Path()), link)))
		}
		for _, name := range []string{"rel", "rel/secret", "abs/secret", "file", "new", "rel/a/b"} {
			_, err := d.Join(name)
			assert.ErrorIs(t, err, fs.ErrInvalid, "Join %s", name)
			_, err = d.WriteFile(name, []byte("out"))
			assert.Error(t, err, "WriteFile %s", name)
			_, err = d.Subdir(name + "/sub")
			assert.Error(t, err, "Subdir %s", name)
			assert.Error(t, d.Commit(name, k.Join("stolen")), "Commit %s", name)
		}
		require.NoError(t, d.Close())
		assert.Equal(t, []string{"outside", "outside/secret"}, left(t, k))
		assert.Equal(t, "secret", k.ReadFile(t, k.Join("outside/secret")))
	})
}

func TestJoin(t *testing.T) {
	eachDir(t, func(t *testing.T, k testfs.Kind, d *workdir.Dir) {
		for name, want := range map[string]string{
			"a": "a", "/a": "a", "./a//b/": "a/b", "a/../b": "b", ".": "", "/": "", "missing/x": "missing/x",
		} {
			got, err := d.Join(name)
			require.NoError(t, err, name)
			assert.Equal(t, filepath.Join(d.Path(), want), got, name)
		}
		name, err := d.WriteFile("x", []byte("x"))
		require.NoError(t, err)
		joined, err := d.Join("x")
		require.NoError(t, err)
		assert.Equal(t, name, joined)
		assert.Equal(t, "x", k.ReadFile(t, joined))
	})
}

func TestSubdirAndWriteFile(t *testing.T) {
	eachDir(t, func(t *testing.T, k testfs.Kind, d *workdir.Dir) {
		dir, err := d.Subdir("a/b")
		require.NoError(t, err)
		again, err := d.Subdir("/a/b")
		require.NoError(t, err)
		assert.Equal(t, dir, again)
		info, err := k.Fs.Stat(dir)
		require.NoError(t, err)
		assert.True(t, info.IsDir())

		file, err := d.WriteFile("a/b/c", []byte("one"))
		require.NoError(t, err)
		assert.Equal(t, "one", k.ReadFile(t, file))
		_, err = d.WriteFile("a/b/c", nil)
		require.NoError(t, err)
		assert.Equal(t, "", k.ReadFile(t, file))
		file, err = d.WriteFile("new/parents/x", []byte("x"))
		require.NoError(t, err)
		assert.Equal(t, "x", k.ReadFile(t, file))

		_, err = d.WriteFile("a/b", []byte("x"))
		require.Error(t, err, "a directory")
		_, err = d.WriteFile("a/b/c/d", []byte("x"))
		require.Error(t, err, "below a file")
		_, err = d.Subdir("a/b/c")
		require.Error(t, err, "a file")
	})
}

func TestCopyFS(t *testing.T) {
	src := fstest.MapFS{
		"bin/run":     {Data: []byte("#!"), Mode: 0o755},
		"bin/private": {Data: []byte("p"), Mode: 0o600},
		"empty":       {Mode: fs.ModeDir | 0o755},
		"a/b/c":       {Data: []byte("c"), Mode: 0o644},
	}
	eachDir(t, func(t *testing.T, k testfs.Kind, d *workdir.Dir) {
		require.NoError(t, d.CopyFS(src))
		assert.NoError(t, fstest.TestFS(d.IOFS(), "bin/run", "bin/private", "a/b/c", "empty"))
		want := t.TempDir()
		require.NoError(t, os.CopyFS(want, src))
		for name := range src {
			info, err := d.Stat(name)
			require.NoError(t, err)
			if k.OS {
				as, err := os.Stat(filepath.Join(want, name))
				require.NoError(t, err)
				assert.Equal(t, as.Mode(), info.Mode(), name)
			}
		}
		require.ErrorIs(t, d.CopyFS(fstest.MapFS{"a/b/c": {Data: []byte("other")}}), fs.ErrExist)
		data, err := afero.ReadFile(d, "a/b/c")
		require.NoError(t, err)
		assert.Equal(t, "c", string(data))
		require.ErrorIs(t, d.CopyFS(fstest.MapFS{"pipe": {Mode: fs.ModeNamedPipe | 0o600}}), fs.ErrInvalid)

		links := fstest.MapFS{"link": {Data: []byte("a/b/c"), Mode: fs.ModeSymlink | 0o777}}
		err = d.CopyFS(links)
		if !k.Links {
			assert.ErrorIs(t, err, errors.ErrUnsupported)
			return
		}
		require.NoError(t, err)
		target, err := fs.ReadLink(d.IOFS(), "link")
		require.NoError(t, err)
		assert.Equal(t, "a/b/c", target)
		data, err = fs.ReadFile(d.IOFS(), "link")
		require.NoError(t, err)
		assert.Equal(t, "c", string(data))
	})
}

func TestCopyFSStopsAtAnError(t *testing.T) {
	eachDir(t, func(t *testing.T, _ testfs.Kind, d *workdir.Dir) {
		require.ErrorIs(t, d.CopyFS(os.DirFS(filepath.Join(t.TempDir(), "missing"))), fs.ErrNotExist)
	})
}

func TestIOFS(t *testing.T) {
	eachDir(t, func(t *testing.T, k testfs.Kind, d *workdir.Dir) {
		fsys := d.IOFS()
		require.NoError(t, fstest.TestFS(fsys), "empty")
		for _, name := range []string{"b", "a/one", "a/two", "a/deep/er"} {
			_, err := d.WriteFile(name, []byte(name))
			require.NoError(t, err)
		}
		if k.Links {
			require.NoError(t, d.SymlinkIfPossible("a/one", "link"))
		}
		require.NoError(t, fstest.TestFS(fsys, "b", "a/one", "a/two", "a/deep/er"))
		for _, name := range []string{"../b", "/b", "a/../b", "a/", ""} {
			_, err := fs.ReadFile(fsys, name)
			assert.ErrorIs(t, err, fs.ErrInvalid, name)
			_, err = fs.Stat(fsys, name)
			assert.ErrorIs(t, err, fs.ErrInvalid, name)
			_, err = fs.ReadLink(fsys, name)
			assert.ErrorIs(t, err, fs.ErrInvalid, name)
		}
		_, err := fs.ReadFile(fsys, "missing")
		require.ErrorIs(t, err, fs.ErrNotExist)
		assert.NotContains(t, err.Error(), d.Path())
	})
}

func TestEnv(t *testing.T) {
	eachDir(t, func(t *testing.T, k testfs.Kind, d *workdir.Dir) {
		given := []string{"TMP=/1", "A=1", "TMPDIR=/2", "B=TMP=x", "TMPDIR=/3", "TEMP=/4", "TMPX=y"}
		env, err := d.Env(given)
		if !k.OS {
			require.ErrorIs(t, err, errors.ErrUnsupported)
			return
		}
		require.NoError(t, err)
		real := filepath.Join(k.Real(d.Path()), ".tmp")
		assert.Equal(t, []string{"A=1", "B=TMP=x", "TMPX=y", "TMPDIR=" + real, "TEMP=" + real, "TMP=" + real}, env)
		assert.Equal(t, "TMP=/1", given[0], "the caller's slice was changed")
		info, err := os.Stat(real)
		require.NoError(t, err)
		if runtime.GOOS != "windows" {
			assert.Equal(t, fs.ModeDir|0o700, info.Mode())
		}
		again, err := d.Env(env)
		require.NoError(t, err)
		assert.Equal(t, env, again)
		all, err := d.Env(nil)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, len(all), len(env[3:]))
	})
}

// On Windows a variable has the same name in any case.
func TestEnvCase(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if !k.OS {
			t.Skip("no child could see it")
		}
		d, err := workdir.New(k.Fs, in(k))
		require.NoError(t, err)
		for folds, kept := range map[bool][]string{true: {"A=1"}, false: {"tmp=1", "A=1", "TmpDir=2"}} {
			workdir.FoldEnv(t, folds)
			env, err := d.Env([]string{"tmp=1", "A=1", "TmpDir=2", "TEMP=3"})
			require.NoError(t, err)
			assert.Equal(t, kept, env[:len(env)-3])
		}
		require.NoError(t, d.Close())
	})
}

// What a child process leaves in its temporary directory goes with the work
// directory. OsFs alone: it is about the path that the child gets.
func TestEnvOfAChild(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	k := testfs.Kinds(t)[0]
	require.NoError(t, workdir.With(k.Fs, in(k), func(d *workdir.Dir) error {
		cmd := exec.Command(exe)
		var err error
		cmd.Env, err = d.Env(append(os.Environ(), childEnv+"=temporary"))
		require.NoError(t, err)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Equal(t, filepath.Join(d.Path(), ".tmp"), filepath.Dir(strings.TrimSpace(string(out))))
		_, err = os.Stat(strings.TrimSpace(string(out)))
		return err
	}))
	assert.Empty(t, left(t, k))
}

func TestCommit(t *testing.T) {
	eachDir(t, func(t *testing.T, k testfs.Kind, d *workdir.Dir) {
		for _, name := range []string{"f", "tree/a", "tree/b/c"} {
			_, err := d.WriteFile(name, []byte("of "+name))
			require.NoError(t, err)
		}
		require.NoError(t, d.Commit("f", k.Join("made/parents/f")))
		assert.Equal(t, "of f", k.ReadFile(t, k.Join("made/parents/f")))
		require.NoError(t, d.Commit("/tree/b/../b", k.Join("b")))
		assert.Equal(t, "of tree/b/c", k.ReadFile(t, k.Join("b/c")))

		k.WriteFile(t, k.Join("old"), "old")
		require.NoError(t, k.Fs.Chmod(k.Join("old"), 0o640))
		require.NoError(t, d.Commit("tree/a", k.Join("old")))
		assert.Equal(t, "of tree/a", k.ReadFile(t, k.Join("old")))
		if k.OS {
			info, err := k.Fs.Stat(k.Join("old"))
			require.NoError(t, err)
			assert.Equal(t, fs.FileMode(0o640), info.Mode())
		}
		require.NoError(t, d.Close())
		assert.Equal(t, []string{"b", "b/c", "made", "made/parents", "made/parents/f", "old"}, left(t, k))
	})
}

func TestCommitRefused(t *testing.T) {
	eachDir(t, func(t *testing.T, k testfs.Kind, d *workdir.Dir) {
		_, err := d.WriteFile("f", []byte("f"))
		require.NoError(t, err)
		_, err = d.WriteFile("tree/a", []byte("a"))
		require.NoError(t, err)
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		k.WriteFile(t, k.Join("file"), "file")

		assert.ErrorIs(t, d.Commit("missing", k.Join("x")), fs.ErrNotExist)
		assert.Error(t, d.Commit("f", k.Join("dir")), "a file onto a directory")
		assert.Error(t, d.Commit("tree", k.Join("file")), "a directory onto a file")
		assert.Error(t, d.Commit("f", ""), "no name")
		if k.Links {
			require.NoError(t, d.SymlinkIfPossible("f", "link"))
			assert.ErrorIs(t, d.Commit("link", k.Join("x")), fs.ErrInvalid)
		}
		assert.Equal(t, "f", k.ReadFile(t, filepath.Join(d.Path(), "f")))
		assert.Equal(t, "a", k.ReadFile(t, filepath.Join(d.Path(), "tree/a")))
		require.NoError(t, d.Commit("f", k.Join("f")), "after all that")
		require.NoError(t, d.Close())
		assert.Equal(t, []string{"dir", "f", "file"}, left(t, k))
	})
}

func TestCommitOfAll(t *testing.T) {
	eachDir(t, func(t *testing.T, k testfs.Kind, d *workdir.Dir) {
		_, err := d.WriteFile("a/b", []byte("b"))
		require.NoError(t, err)
		require.NoError(t, d.Commit(".", k.Join("done")))
		assert.Equal(t, []string{"done", "done/a", "done/a/b"}, left(t, k))
		require.NoError(t, d.Close())
		assert.Equal(t, []string{"done", "done/a", "done/a/b"}, left(t, k))
	})
}

// An existing directory is exchanged where the system can, and else nothing has
// changed.
func TestCommitDirOntoADirectory(t *testing.T) {
	eachDir(t, func(t *testing.T, k testfs.Kind, d *workdir.Dir) {
		require.NoError(t, k.Fs.Mkdir(k.Join("www"), 0o755))
		k.WriteFile(t, k.Join("www/old"), "old")
		_, err := d.WriteFile("site/new", []byte("new"))
		require.NoError(t, err)
		err = d.Commit("site", k.Join("www"))
		if err != nil {
			require.ErrorIs(t, err, errors.ErrUnsupported)
			assert.Equal(t, "old", k.ReadFile(t, k.Join("www/old")))
			assert.Equal(t, "new", k.ReadFile(t, filepath.Join(d.Path(), "site/new")))
			return
		}
		assert.Equal(t, "new", k.ReadFile(t, k.Join("www/new")))
		_, err = k.Fs.Stat(k.Join("www/old"))
		require.ErrorIs(t, err, fs.ErrNotExist)
	})
}

// A Commit with a fault at any call leaves the old contents or the new, and a
// file that was not committed where it was.
func TestErrorsOfCommit(t *testing.T) {
	eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
		k.WriteFile(t, k.Join("dest"), "old")
		d, err := workdir.New(s, in(k))
		if err != nil {
			return // of no interest here
		}
		if _, err := d.WriteFile("f", []byte("new")); err == nil {
			err = d.Commit("f", k.Join("dest"))
			there := k.ReadFile(t, k.Join("dest"))
			switch {
			case err == nil || errors.Is(err, atomicfs.ErrNotDurable):
				assert.Equal(t, "new", there)
			case there == "old":
				assert.Equal(t, "new", k.ReadFile(t, filepath.Join(d.Path(), "f")))
			default:
				assert.Equal(t, "new", there)
			}
			if len(s.Met()) == 0 {
				require.NoError(t, err)
			}
		}
		_ = d.Close() // may meet the fault as well
	})
}
