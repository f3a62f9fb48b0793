//go:build !windows

package rootfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A place is a file system and where in it the calls of a test go.
type place struct {
	afero.Fs
	links afero.Symlinker
	dir   string
}

func (p place) at(name string) string { return p.dir + "/" + name }

// plant makes the tree that the calls find.
func plant(t *testing.T, dir string) {
	t.Helper()
	for _, d := range []string{"d", "d/sub", "empty", "closed"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	for _, f := range []string{"f", "g", "d/file", "closed/file"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, f), []byte("content of "+f), 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "locked"), nil, 0o600))
	require.NoError(t, os.Chmod(filepath.Join(dir, "locked"), 0))
	require.NoError(t, os.Chmod(filepath.Join(dir, "closed"), 0o500))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "closed"), 0o700) })
	for link, target := range map[string]string{
		"lf": "f", "ld": "d", "llf": "lf", "dangling": "missing", "loop": "loop", "d/up": "../f",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, link)))
	}
}

// describe returns what is in dir, by what package os says.
func describe(dir string) (all []string) {
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, name)
		info, ierr := d.Info()
		if err = errors.Join(err, ierr); err != nil {
			all = append(all, rel+": "+kind(err))
			return nil
		}
		line := fmt.Sprint(rel, " ", info.Mode())
		if target, err := os.Readlink(name); err == nil {
			line += " -> " + target
		}
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(name)
			line += fmt.Sprintf(" %q %s", b, kind(err))
		}
		if info.ModTime().Equal(epoch) {
			line += " epoch"
		}
		all = append(all, line)
		return nil
	})
	return all
}

// kind returns the errno beneath err: two errors of one errno match the same
// things.
func kind(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return "nil"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, fs.ErrInvalid):
		return "invalid"
	}
	return "other: " + err.Error()
}

func described(info fs.FileInfo, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return fmt.Sprint(info.Name(), info.Mode()), nil
	}
	return fmt.Sprint(info.Name(), info.Mode(), info.Size()), nil
}

// opened opens a file, writes and reads a little, and says how it went.
func opened(p place, name string, flag int, perm fs.FileMode) (any, error) {
	f, err := p.OpenFile(p.at(name), flag, perm)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	_, writeErr := f.Write([]byte("new"))
	b := make([]byte, 7)
	n, readErr := f.ReadAt(b, 0)
	_, seekErr := f.Seek(-1, 0)
	return fmt.Sprintf("write %s, read %q %s, seek %s", kind(writeErr), b[:n], kind(readErr), kind(seekErr)), nil
}

func listed(p place, name string) (any, error) {
	infos, err := afero.ReadDir(p, p.at(name))
	var lines []string
	for _, info := range infos {
		lines = append(lines, fmt.Sprint(info.Name(), info.Mode()))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n"), err
}

const (
	rw    = os.O_RDWR
	creat = os.O_RDWR | os.O_CREATE
	excl  = creat | os.O_EXCL
	trunc = creat | os.O_TRUNC
)

// A call acts on a place and returns what it can say of the outcome.
type call func(p place) (any, error)

// table returns the calls by their names.
func table() map[string]call {
	calls := map[string]call{}
	on := func(method string, act func(p place, name string) (any, error), names ...string) {
		for _, name := range names {
			calls[method+" "+name] = func(p place) (any, error) { return act(p, name) }
		}
	}
	on("open", func(p place, name string) (any, error) { return opened(p, name, os.O_RDONLY, 0) },
		"f", "d", "missing", "f/x", "missing/x", "lf", "llf", "ld", "ld/file", "d/up", "dangling", "loop", "loop/x", "locked",
		strings.Repeat("x", 256))
	on("rdwr", func(p place, name string) (any, error) { return opened(p, name, rw, 0) }, "f", "d", "lf", "missing")
	on("append", func(p place, name string) (any, error) {
		f, err := p.OpenFile(p.at(name), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return nil, err
		}
		_, err = f.WriteString("!")
		return nil, errors.Join(err, f.Close())
	}, "f", "d")
	on("create", func(p place, name string) (any, error) { return opened(p, name, creat, 0o666) },
		"f", "new", "d", "f/x", "missing/x", "dangling", "loop", "ld/new", "closed/new")
	on("trunc", func(p place, name string) (any, error) { return opened(p, name, trunc, 0o640) }, "f", "new", "lf", "d")
	on("excl", func(p place, name string) (any, error) { return opened(p, name, excl, 0o600) },
		"f", "new", "d", "lf", "dangling", "missing/x", "f/x")
	on("excl sticky", func(p place, name string) (any, error) {
		return opened(p, name, excl, 0o600|fs.ModeSticky|fs.ModeSetgid)
	}, "new")
	on("Create", func(p place, name string) (any, error) {
		f, err := p.Create(p.at(name))
		if err != nil {
			return nil, err
		}
		return nil, f.Close()
	}, "f", "new", "d")
	on("mkdir", func(p place, name string) (any, error) { return nil, p.Mkdir(p.at(name), 0o777) },
		"new", "f", "d", "lf", "dangling", "missing/x", "f/x", "ld/new", "closed/new", "new/")
	on("mkdir sticky", func(p place, name string) (any, error) { return nil, p.Mkdir(p.at(name), 0o700|fs.ModeSticky) }, "new")
	on("mkdirall", func(p place, name string) (any, error) { return nil, p.MkdirAll(p.at(name), 0o750) },
		"new", "new/er/dir", "d", "d/new", "f", "f/x", "f/x/y", "lf", "ld", "ld/new/er", "dangling", "dangling/x", "loop", "loop/x",
		"closed/new")
	on("remove", func(p place, name string) (any, error) { return nil, p.Remove(p.at(name)) },
		"f", "d", "empty", "missing", "f/x", "missing/x", "lf", "ld", "dangling", "loop", "ld/file", "closed/file", "locked")
	on("removeall", func(p place, name string) (any, error) { return nil, p.RemoveAll(p.at(name)) },
		"f", "d", "empty", "missing", "missing/x", "lf", "ld", "dangling", "loop", "ld/sub")
	for from, targets := range map[string][]string{
		"f":           {"new", "f", "g", "d", "empty", "d/new", "missing/x", "g/x", "lf", "ld", "ld/new"},
		"d":           {"new", "d", "f", "empty", "d/sub/x", "ld"},
		"lf":          {"new", "f", "ld"},
		"dangling":    {"new"},
		"missing":     {"new", "missing", "f"},
		"f/x":         {"new"},
		"closed/file": {"new"},
	} {
		on("rename "+from, func(p place, name string) (any, error) { return nil, p.Rename(p.at(from), p.at(name)) }, targets...)
	}
	on("stat", func(p place, name string) (any, error) { return described(p.Stat(p.at(name))) },
		"f", "d", "missing", "f/x", "lf", "llf", "ld", "d/up", "dangling", "loop", "locked")
	on("lstat", func(p place, name string) (any, error) {
		info, _, err := p.links.LstatIfPossible(p.at(name))
		return described(info, err)
	}, "f", "d", "missing", "f/x", "lf", "ld/up", "dangling", "loop")
	on("readlink", func(p place, name string) (any, error) { return p.links.ReadlinkIfPossible(p.at(name)) },
		"f", "d", "missing", "lf", "dangling", "ld/up")
	on("symlink", func(p place, name string) (any, error) { return nil, p.links.SymlinkIfPossible("f", p.at(name)) },
		"new", "f", "lf", "missing/x", "ld/new", "f/x")
	on("chmod", func(p place, name string) (any, error) { return nil, p.Chmod(p.at(name), 0o711|fs.ModeSticky) },
		"d", "f", "missing", "lf", "ld", "dangling", "f/x", "locked")
	on("chown", func(p place, name string) (any, error) { return nil, p.Chown(p.at(name), os.Getuid(), os.Getgid()) },
		"d", "f", "missing", "lf", "f/x")
	on("chtimes", func(p place, name string) (any, error) { return nil, p.Chtimes(p.at(name), epoch, epoch) },
		"d", "f", "missing", "lf", "dangling")
	on("list", listed, "d", "ld", "empty", "f", "missing", "locked")
	return calls
}

// TestAsOsFs makes one call after the other on afero.OsFs and on a root of a like
// tree: results, kinds of error, verbs and trees must agree.
func TestAsOsFs(t *testing.T) {
	compare(t)
}

// The same where no quicker call is there than those of os.Root.
func TestAsOsFsByRootAlone(t *testing.T) {
	rootfs.ByRootAlone(t)
	compare(t, "open ", "rdwr ", "create ", "trunc ", "excl ")
	// The root as a file goes with its directory, whatever that is called by now.
	old, moved := filepath.Join(t.TempDir(), "old"), filepath.Join(t.TempDir(), "moved")
	require.NoError(t, os.Mkdir(old, 0o755))
	fsys := open(t, old)
	require.NoError(t, os.Rename(old, moved))
	dir, err := fsys.Dir()
	require.NoError(t, err)
	is, err := dir.Stat()
	require.NoError(t, err)
	want, err := os.Stat(moved)
	require.NoError(t, err)
	assert.True(t, os.SameFile(want, is))
	require.NoError(t, fsys.Close())
	_, err = fsys.Dir()
	require.ErrorIs(t, err, fs.ErrClosed)
}

// The same without privileges: to root, nothing is forbidden.
func TestAsOsFsForAUser(t *testing.T) {
	if testfs.AsUser(t) {
		compare(t)
	}
}

// compare makes the calls whose names begin with one of those, or all.
func compare(t *testing.T, prefixes ...string) {
	t.Helper()
	calls := table()
	maps.DeleteFunc(calls, func(name string, _ call) bool {
		return len(prefixes) > 0 && !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	})
	t.Logf("%d calls", len(calls))
	for name, act := range calls {
		t.Run(name, func(t *testing.T) {
			osDir, rootDir := t.TempDir(), t.TempDir()
			plant(t, osDir)
			plant(t, rootDir)
			osfs := &afero.OsFs{}
			fsys := open(t, rootDir)

			want, wantErr := act(place{osfs, osfs, osDir})
			got, err := act(place{fsys, fsys, ""})
			assert.Equal(t, kind(wantErr), kind(err), "%v and %v", wantErr, err)
			assert.Equal(t, want, got)
			assert.Equal(t, describe(osDir), describe(rootDir))
			if wantErr == nil || err == nil {
				return
			}
			wantOp, wantPaths := shape(t, wantErr)
			op, paths := shape(t, err)
			assert.Len(t, paths, len(wantPaths))
			if !strings.HasPrefix(name, "removeall") { // there, package os names a system call
				assert.Equal(t, wantOp, op)
			}
			if !strings.HasPrefix(name, "mkdirall") { // there, package os may name a parent
				for i := range paths {
					assert.Equal(t, strings.TrimPrefix(wantPaths[i], osDir), paths[i])
				}
			}
		})
	}
}
