package tmpfs_test

import (
	"errors"
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
	"github.com/tempkit/tempkit/tmpfs"
)

// TestTempDirOfVirtualFs: "/tmp" within, made private when it is missing, and
// never anything of the process.
func TestTempDirOfVirtualFs(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if k.Name == "OsFs" {
			t.Skip("see TestSystemTempDir")
		}
		process := t.TempDir()
		t.Setenv("TMPDIR", process)
		for range 2 {
			dir, err := tmpfs.TempDir(k.Fs)
			require.NoError(t, err)
			assert.Equal(t, filepath.FromSlash("/tmp"), dir)
			info, err := k.Fs.Stat("/tmp")
			require.NoError(t, err)
			assert.True(t, info.IsDir())
			assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
			assert.Empty(t, testfs.Leftovers(t, k.Fs, "/tmp"))
		}
		require.NoError(t, k.Fs.Chmod("/tmp", 0o755))
		_, err := tmpfs.TempDir(k.Fs)
		require.NoError(t, err)
		info, err := k.Fs.Stat("/tmp")
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o755), info.Mode().Perm(), "one that is there stays as it is")

		require.NoError(t, k.Fs.Remove("/tmp"))
		k.WriteFile(t, "/tmp", "precious")
		_, err = tmpfs.TempDir(k.Fs)
		require.ErrorIs(t, err, syscall.ENOTDIR)
		pathError(t, err, filepath.FromSlash("/tmp"))
		assert.Equal(t, "precious", k.ReadFile(t, "/tmp"))
		assert.Empty(t, testfs.Leftovers(t, afero.NewOsFs(), process))
	})
}

func TestWithTempDir(t *testing.T) {
	eachEntry(t, func(t *testing.T, k testfs.Kind, e entry) {
		fsys := tmpfs.WithTempDir(k.Fs, k.Join("a", "b"))
		empty(t, k) // nothing is made before it is needed
		m, err := e.make(fsys, tmpfs.Options{})
		require.NoError(t, err)
		if m.name != "" {
			assert.Equal(t, k.Join("a", "b"), filepath.Dir(m.name))
			assert.True(t, exists(t, k.Fs, m.name))
		}
		info, err := k.Fs.Stat(k.Join("a", "b"))
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
		require.NoError(t, m.drop())
		// Options.Dir goes before it.
		m, err = e.make(fsys, tmpfs.Options{Dir: k.Dir})
		require.NoError(t, err)
		if m.name != "" {
			assert.Equal(t, k.Dir, filepath.Dir(m.name))
		}
		require.NoError(t, m.drop())
		assert.Equal(t, []string{"a", "a/b"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// TestWithTempDirNested: the last one counts, "" asks for the default, and other
// layers may lie between.
func TestWithTempDirNested(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		is := func(want string, fsys afero.Fs) {
			t.Helper()
			dir, err := tmpfs.TempDir(fsys)
			require.NoError(t, err)
			assert.Equal(t, want, dir)
		}
		one := tmpfs.WithTempDir(k.Fs, k.Join("one"))
		two := tmpfs.WithTempDir(one, k.Join("two"))
		is(k.Join("one"), one)
		is(k.Join("two"), two)
		is(k.Join("one"), tmpfs.WithTempDir(two, k.Dir+"/none/../one/."))
		def, err := tmpfs.TempDir(k.Fs)
		require.NoError(t, err)
		is(def, tmpfs.WithTempDir(two, ""))
		// A layer that is not known has temporaries of its own.
		if k.Name != "OsFs" {
			is(filepath.FromSlash("/tmp"), testfs.NewSpy(two))
		}
		d := mkdirOn(t, two, "")
		is(filepath.FromSlash("/tmp"), d)
		is(filepath.FromSlash("/t"), tmpfs.WithTempDir(d, "/t"))
		is(filepath.FromSlash("/t"), tmpfs.WithTempDir(d, "t"))
		for _, bad := range []string{"../up", "a\x00b"} {
			if k.Name == "OsFs" && bad == "../up" {
				continue // is a directory as any other
			}
			_, err := tmpfs.TempDir(tmpfs.WithTempDir(k.Fs, bad))
			require.ErrorIs(t, err, fs.ErrInvalid)
		}
		k.WriteFile(t, k.Join("file"), "precious")
		_, err = tmpfs.TempDir(tmpfs.WithTempDir(k.Fs, k.Join("file", "x")))
		assert.ErrorIs(t, err, syscall.ENOTDIR)
	})
}

// TestRelativeTempDirOfMemory: it is absolute all the same, unless somebody has
// made a relative one.
func TestRelativeTempDirOfMemory(t *testing.T) {
	mem := afero.NewMemMapFs()
	dir, err := tmpfs.TempDir(tmpfs.WithTempDir(mem, "rel/temps"))
	require.NoError(t, err)
	assert.Equal(t, filepath.FromSlash("/rel/temps"), dir)
	assert.True(t, exists(t, mem, "/rel/temps"))
	require.NoError(t, mem.Mkdir("mine", 0o700))
	dir, err = tmpfs.TempDir(tmpfs.WithTempDir(mem, "mine"))
	require.NoError(t, err)
	assert.Equal(t, "mine", dir)
}

// TestWithTempDirIsTheFs: what WithTempDir returns answers as the Fs beneath does.
func TestWithTempDirIsTheFs(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		fsys := tmpfs.WithTempDir(k.Fs, k.Join("temps"))
		assert.Equal(t, k.Fs.Name(), fsys.Name())
		k.WriteFile(t, k.Join("file"), "hello")
		b, err := afero.ReadFile(fsys, k.Join("file"))
		require.NoError(t, err)
		assert.Equal(t, "hello", string(b))
		// The optional interfaces say what those beneath say.
		var linked, wantLinked bool
		var linkErr, readErr error
		if l, ok := k.Fs.(afero.Lstater); ok {
			_, wantLinked, err = l.LstatIfPossible(k.Join("file"))
			require.NoError(t, err)
		}
		_, linked, err = fsys.(afero.Lstater).LstatIfPossible(k.Join("file"))
		require.NoError(t, err)
		assert.Equal(t, wantLinked, linked)
		linkErr = fsys.(afero.Linker).SymlinkIfPossible("file", k.Join("link"))
		target, readErr := fsys.(afero.LinkReader).ReadlinkIfPossible(k.Join("link"))
		if l, ok := k.Fs.(afero.Linker); ok && l.SymlinkIfPossible("file", k.Join("link2")) == nil {
			require.NoError(t, linkErr)
			require.NoError(t, readErr)
			want, err := k.Fs.(afero.LinkReader).ReadlinkIfPossible(k.Join("link2"))
			require.NoError(t, err)
			assert.Equal(t, want, target)
		} else {
			assert.ErrorIs(t, linkErr, afero.ErrNoSymlink)
			assert.Error(t, readErr)
		}
		// The layer does not hide what this library makes of the Fs beneath.
		f := createOn(t, fsys, "", "x")
		_, isOS := f.OSFile()
		assert.Equal(t, k.OS, isOS)
		assert.Same(t, fsys, f.Fs())
	})
}

// system makes an environment for TempDir on the operating system: a directory
// for each name, as its variable, or as a candidate of the system.
type system struct {
	t   *testing.T
	dir string
}

func newSystem(t *testing.T) system {
	t.Helper()
	s := system{t, t.TempDir()}
	for _, name := range []string{"TMPDIR", "TEMP", "TMP"} {
		t.Setenv(name, s.at(strings.ToLower(name)))
		s.mkdir(strings.ToLower(name), 0o700)
	}
	s.mkdir("sys1", 0o700)
	s.mkdir("sys2", 0o700)
	tmpfs.SetSystemDirs(t, s.at("sys1"), s.at("sys2"))
	return s
}

func (s system) at(name string) string { return filepath.Join(s.dir, name) }

func (s system) mkdir(name string, mode fs.FileMode) {
	s.t.Helper()
	require.NoError(s.t, os.MkdirAll(s.at(name), 0o700))
	require.NoError(s.t, os.Chmod(s.at(name), mode))
	s.t.Cleanup(func() { _ = os.Chmod(s.at(name), 0o700) })
}

// is checks that name is the temporary directory, and what Create uses.
func (s system) is(name string) {
	s.t.Helper()
	fsys := afero.NewOsFs()
	f, err := tmpfs.Create(fsys, nil) // first, with what is remembered
	require.NoError(s.t, err)
	assert.Equal(s.t, s.at(name), filepath.Dir(f.Name()))
	require.NoError(s.t, f.Close())
	dir, err := tmpfs.TempDir(fsys)
	require.NoError(s.t, err)
	assert.Equal(s.t, s.at(name), dir)
	for _, d := range []string{"tmpdir", "temp", "tmp", "sys1", "sys2"} {
		if info, err := os.Lstat(s.at(d)); err == nil && info.Mode().Perm()&0o500 == 0o500 && info.IsDir() {
			assert.Empty(s.t, testfs.Leftovers(s.t, fsys, s.at(d)), "the probe left something")
		}
	}
}

// isAgain is is for a directory that has become usable: TempDir looks for itself,
// what is remembered goes on to be used until then.
func (s system) isAgain(name string) {
	s.t.Helper()
	dir, err := tmpfs.TempDir(afero.NewOsFs())
	require.NoError(s.t, err)
	assert.Equal(s.t, s.at(name), dir)
	s.is(name)
}

// TestSystemTempDir: the candidates in their order; the first usable one it is,
// at each moment. It is about OsFs alone.
func TestSystemTempDir(t *testing.T) {
	s := newSystem(t)
	s.is("tmpdir")
	require.NoError(t, os.Remove(s.at("tmpdir"))) // missing
	s.is("temp")
	require.NoError(t, os.Remove(s.at("temp")))
	require.NoError(t, os.WriteFile(s.at("temp"), nil, 0o600)) // a file
	s.is("tmp")
	t.Setenv("TMP", "")
	s.is("sys1")
	require.NoError(t, os.Remove(s.at("sys1")))
	s.is("sys2")
	s.mkdir("tmpdir", 0o700)
	s.isAgain("tmpdir")
	t.Setenv("TMPDIR", s.at("sys2")) // the environment is read each time
	s.is("sys2")
}

func TestSystemTempDirRelative(t *testing.T) {
	s := newSystem(t)
	s.mkdir("sub/tmp", 0o700)
	t.Chdir(s.dir)
	t.Setenv("TMPDIR", "tmp")
	s.is("tmp")
	t.Chdir(s.at("sub"))
	s.is("sub/tmp")
}

// TestNoTempDir: the error tells of each candidate, once, and why not.
func TestNoTempDir(t *testing.T) {
	s := newSystem(t)
	require.NoError(t, os.Remove(s.at("tmpdir")))
	require.NoError(t, os.Remove(s.at("temp")))
	require.NoError(t, os.WriteFile(s.at("temp"), nil, 0o600))
	t.Setenv("TMP", s.at("temp"))
	require.NoError(t, os.RemoveAll(s.at("sys1")))
	require.NoError(t, os.Symlink("sys1", s.at("sys1"))) // round and round
	require.NoError(t, os.RemoveAll(s.at("sys2")))
	for _, e := range entries {
		_, err := e.make(afero.NewOsFs(), tmpfs.Options{})
		require.ErrorIs(t, err, fs.ErrNotExist, e.name)
	}
	_, err := tmpfs.TempDir(afero.NewOsFs())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, err, syscall.ENOTDIR)
	require.ErrorIs(t, err, syscall.ELOOP)
	lines := []string{"no usable temporary directory:"}
	for _, c := range []struct {
		name string
		err  error
	}{{"tmpdir", syscall.ENOENT}, {"temp", syscall.ENOTDIR}, {"sys1", syscall.ELOOP}, {"sys2", syscall.ENOENT}} {
		lines = append(lines, "tempdir "+s.at(c.name)+": "+c.err.Error())
	}
	assert.Equal(t, strings.Join(lines, "\n"), err.Error())
	var perr *fs.PathError
	require.ErrorAs(t, err, &perr)
	assert.Equal(t, s.at("tmpdir"), perr.Path)
	assert.False(t, errors.Is(err, fs.ErrPermission))
}
