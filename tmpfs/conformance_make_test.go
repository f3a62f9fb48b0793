package tmpfs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// checksOfMaking are C006 to C053: names, the temporary directory, mkstemp and mkdtemp.
var checksOfMaking = map[string]check{
	"C006": func(t *testing.T, _ testfs.Kind) {
		assert.Equal(t, []string{
			"Adopt", "AdoptDir", "Create", "CreateAnonymous", "CreateTemp", "Dir",
			"Dir.Beneath", "Dir.Close", "Dir.Keep", "Dir.KeepAt", "Dir.LstatIfPossible", "Dir.Path",
			"Dir.ReadlinkIfPossible", "Dir.SymlinkIfPossible",
			"File", "File.Close", "File.CloseHandle", "File.Fs", "File.Keep", "File.KeepAt", "File.KeepNew",
			"File.Name", "File.OSFile", "File.ReadFrom", "File.WriteTo",
			"Mkdir", "MkdirTemp", "Options", "RemoveAll", "TempDir", "WithDir", "WithFile", "WithTempDir",
		}, exported(t))
	},
	"C007": func(t *testing.T, k testfs.Kind) {
		for range 20 {
			assert.Regexp(t, `^`+randomPart+`$`, filepath.Base(named(t, k, "*")))
		}
	},
	"C008": func(t *testing.T, k testfs.Kind) {
		seen := map[string]bool{}
		for range 100 {
			seen[named(t, k, "*")] = true
		}
		assert.Len(t, seen, 100)
	},
	"C009": func(t *testing.T, k testfs.Kind) {
		var names []string
		for len(names) < 20 {
			names = append(names, named(t, k, ""))
		}
		slices.Sort(names)
		assert.Len(t, slices.Compact(names), 20)
	},
	"C010": func(t *testing.T, _ testfs.Kind) {
		first, second := start(t, "names"), start(t, "names")
		a, b := strings.Fields(first.wait(t)), strings.Fields(second.wait(t))
		require.Len(t, a, 10)
		assert.Len(t, slices.Compact(slices.Sorted(slices.Values(append(a, b...)))), 20)
	},
	"C011": func(t *testing.T, _ testfs.Kind) {
		tmpfs.SetSystemDirs(t, filepath.Join(t.TempDir(), "missing"))
		for _, name := range []string{"TMPDIR", "TEMP", "TMP"} {
			t.Setenv(name, filepath.Join(t.TempDir(), "missing"))
		}
		_, err := tmpfs.TempDir(afero.NewOsFs())
		require.Error(t, err)
		assert.Greater(t, strings.Count(err.Error(), "\ntempdir "), 3)
	},
	"C012": func(t *testing.T, _ testfs.Kind) {
		s := newSystem(t)
		for _, name := range []string{"tmpdir", "temp", "tmp"} {
			s.isAgain(name)
			require.NoError(t, os.Remove(s.at(name)))
		}
	},
	"C013": func(t *testing.T, _ testfs.Kind) {
		s := newSystem(t)
		s.is("tmpdir")
		if runtime.GOOS == "linux" {
			t.Setenv("TMPDIR", "/proc") // exists, and nobody can make a file there
			s.is("temp")
			_, err := tmpfs.TempDir(afero.NewOsFs())
			require.NoError(t, err)
		}
		for _, name := range []string{"TEMP", "TMP"} {
			t.Setenv(name, "/proc")
		}
		tmpfs.SetSystemDirs(t)
		if runtime.GOOS == "linux" {
			_, err := tmpfs.TempDir(afero.NewOsFs())
			assert.ErrorIs(t, err, fs.ErrNotExist)
		}
		// A probe that cannot write: TestSystemTempDirFull, which mounts a disk for it.
	},
	"C015": func(t *testing.T, _ testfs.Kind) {
		names := make([]string, 64)
		var wg sync.WaitGroup
		for i := range names {
			wg.Go(func() { names[i] = tmpfs.Random() })
		}
		wg.Wait()
		slices.Sort(names)
		assert.Len(t, slices.Compact(names), 64)
	},
	"C016": func(t *testing.T, _ testfs.Kind) { readOnlyDirectory(t, "Create", "CreateTemp", "CreateAnonymous") },
	"C017": func(t *testing.T, _ testfs.Kind) { readOnlyDirectory(t, "Mkdir", "MkdirTemp") },
	"C018": missingDirectory("Create", "CreateTemp", "CreateAnonymous"),
	"C019": missingDirectory("Mkdir", "MkdirTemp"),
	"C020": fileAsDirectory("Create", "CreateTemp", "CreateAnonymous"),
	"C021": fileAsDirectory("Mkdir", "MkdirTemp"),
	"C022": func(t *testing.T, k testfs.Kind) {
		for _, pattern := range patterns {
			f, name, err := tmpfs.CreateTemp(k.Fs, k.Dir, pattern)
			require.NoError(t, err)
			_, err = f.WriteString("blat")
			require.NoError(t, err)
			require.NoError(t, f.Close())
			fits(t, k, name, pattern)
			assert.Equal(t, "blat", k.ReadFile(t, name))
		}
	},
	"C023": notUTF8("Create"),
	"C024": func(t *testing.T, k testfs.Kind) {
		for range 100 {
			f := create(t, k, "x")
			assert.True(t, exists(t, k.Fs, f.Name()))
		}
		assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 100)
	},
	"C025": givenDirectory("Create"),
	"C026": func(t *testing.T, k testfs.Kind) { hasMode(t, k, named(t, k, ""), 0o600) },
	"C027": notInherited,
	"C029": taken("Create", false),
	"C030": taken("Create", true),
	"C031": func(t *testing.T, _ testfs.Kind) {
		fsys := afero.NewMemMapFs()
		name, err := tmpfs.MkdirTemp(fsys, "", "")
		require.NoError(t, err)
		assert.Regexp(t, `^tmp-`+randomPart+`$`, filepath.Base(name))
	},
	"C032": func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("tmp-xxxxxx.xxx"), "")
		assert.True(t, exists(t, k.Fs, k.Join("tmp-xxxxxx.xxx")))
	},
	"C033": func(t *testing.T, k testfs.Kind) {
		dir, err := tmpfs.TempDir(k.Fs)
		require.NoError(t, err)
		assert.True(t, filepath.IsAbs(filepath.FromSlash(dir)) || strings.HasPrefix(dir, string(filepath.Separator)))
		info, err := k.Fs.Stat(dir)
		require.NoError(t, err)
		assert.True(t, info.IsDir())
	},
	"C034": func(t *testing.T, k testfs.Kind) {
		dir, err := tmpfs.TempDir(k.Fs)
		require.NoError(t, err)
		f := createOn(t, k.Fs, dir, "blat")
		assert.Equal(t, "blat", k.ReadFile(t, f.Name()))
	},
	"C035": func(t *testing.T, k testfs.Kind) {
		first, err := tmpfs.TempDir(k.Fs)
		require.NoError(t, err)
		for range 10 {
			again, err := tmpfs.TempDir(k.Fs)
			require.NoError(t, err)
			assert.Equal(t, first, again)
		}
	},
	"C036": func(t *testing.T, k testfs.Kind) {
		dir := k.Join("aBc-Temp")
		require.NoError(t, os.Mkdir(dir, 0o700))
		t.Setenv("TMPDIR", dir)
		got, err := tmpfs.TempDir(k.Fs)
		require.NoError(t, err)
		assert.Equal(t, dir, got)
	},
	"C037": func(t *testing.T, k testfs.Kind) {
		dirs := []string{k.Dir}
		if k.Name == "OsFs" {
			t.Chdir(k.Dir)
			dirs = append(dirs, ".")
		}
		for _, dir := range dirs {
			for _, pattern := range patterns {
				f, name, err := tmpfs.CreateTemp(k.Fs, dir, pattern)
				require.NoError(t, err)
				require.NoError(t, f.Close())
				fits(t, k, name, pattern)
				assert.Equal(t, k.Dir, filepath.Dir(name))
			}
		}
	},
	"C038": notUTF8("CreateTemp"),
	"C039": givenDirectory("CreateTemp"),
	"C041": func(t *testing.T, k testfs.Kind) {
		for _, pattern := range patterns {
			name, err := tmpfs.MkdirTemp(k.Fs, k.Dir, pattern)
			require.NoError(t, err)
			fits(t, k, name, pattern)
			require.NoError(t, k.Fs.Remove(name))
		}
		empty(t, k)
	},
	"C042": notUTF8("MkdirTemp"),
	"C043": func(t *testing.T, k testfs.Kind) {
		for range 100 {
			_, err := tmpfs.MkdirTemp(k.Fs, k.Dir, "")
			require.NoError(t, err)
		}
		assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 100)
	},
	"C044": givenDirectory("MkdirTemp"),
	"C045": func(t *testing.T, k testfs.Kind) {
		name, err := tmpfs.MkdirTemp(k.Fs, k.Dir, "")
		require.NoError(t, err)
		hasMode(t, k, name, 0o700)
	},
	"C047": taken("MkdirTemp", false),
	"C048": taken("MkdirTemp", true),
	"C050": func(t *testing.T, k testfs.Kind) {
		if k.Name == "OsFs" {
			t.Chdir(k.Dir)
		}
		name, err := tmpfs.MkdirTemp(k.Fs, ".", "")
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(name, string(filepath.Separator)) || filepath.IsAbs(name), name)
		require.NoError(t, k.Fs.Remove(name))
	},
	"C051": func(t *testing.T, k testfs.Kind) { inventedNames(t, k, 1) },
	"C052": func(t *testing.T, k testfs.Kind) { inventedNames(t, k, 100) },
}

// patterns are the forms that CPython tries: prefix and suffix, each or none.
var patterns = []string{"", "a*", "*b", "a*b", "aa*.txt"}

// fits checks that the base of name is what pattern makes.
func fits(t *testing.T, k testfs.Kind, name, pattern string) {
	t.Helper()
	prefix, suffix, _ := strings.Cut(pattern, "*")
	if pattern == "" {
		prefix = "tmp-"
	}
	assert.Regexp(t, "^"+prefix+randomPart+suffix+"$", filepath.Base(name))
	assert.Equal(t, k.Join(filepath.Base(name)), name)
}

// named returns the name of a file that has been made of pattern.
func named(t *testing.T, k testfs.Kind, pattern string) string {
	t.Helper()
	f, name, err := tmpfs.CreateTemp(k.Fs, k.Dir, pattern)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return name
}

func hasMode(t *testing.T, k testfs.Kind, name string, want fs.FileMode) {
	t.Helper()
	info, err := k.Fs.Stat(name)
	require.NoError(t, err)
	if runtime.GOOS != "windows" || !k.OS {
		assert.Equal(t, want, info.Mode().Perm())
	}
}

// entriesOf returns the entry points of those names.
func entriesOf(names ...string) (some []entry) {
	for _, e := range entries {
		if slices.Contains(names, e.name) {
			some = append(some, e)
		}
	}
	return some
}

func readOnlyDirectory(t *testing.T, names ...string) {
	t.Helper()
	for _, k := range testfs.Refusers(t) {
		for _, e := range entriesOf(names...) {
			_, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir})
			require.ErrorIs(t, err, fs.ErrPermission, "%s on %s", e.name, k.Name)
			empty(t, k)
		}
	}
	if runtime.GOOS == "windows" || !testfs.AsUser(t) {
		return
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500))
	for _, e := range entriesOf(names...) {
		_, err := e.make(afero.NewOsFs(), tmpfs.Options{Dir: dir})
		require.ErrorIs(t, err, fs.ErrPermission, e.name)
		assert.Empty(t, testfs.Leftovers(t, afero.NewOsFs(), dir))
	}
}

func missingDirectory(names ...string) check {
	return func(t *testing.T, k testfs.Kind) {
		for _, e := range entriesOf(names...) {
			_, err := e.make(k.Fs, tmpfs.Options{Dir: k.Join("missing")})
			require.ErrorIs(t, err, fs.ErrNotExist, e.name)
			empty(t, k)
		}
	}
}

func fileAsDirectory(names ...string) check {
	return func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("file"), "precious")
		for _, e := range entriesOf(names...) {
			_, err := e.make(k.Fs, tmpfs.Options{Dir: k.Join("file")})
			require.ErrorIs(t, err, syscall.ENOTDIR, e.name)
			assert.Equal(t, "precious", k.ReadFile(t, k.Join("file")))
		}
		assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
	}
}

func givenDirectory(names ...string) check {
	return func(t *testing.T, k testfs.Kind) {
		require.NoError(t, k.Fs.Mkdir(k.Join("given"), 0o755))
		for _, e := range entriesOf(names...) {
			m, err := e.make(k.Fs, tmpfs.Options{Dir: k.Join("given")})
			require.NoError(t, err)
			assert.Equal(t, k.Join("given"), filepath.Dir(m.name))
			assert.Equal(t, []string{filepath.Base(m.name)}, testfs.Leftovers(t, k.Fs, k.Join("given")))
			require.NoError(t, m.drop())
		}
	}
}

func notUTF8(names ...string) check {
	return func(t *testing.T, k testfs.Kind) {
		if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
			t.Skip("names are Unicode here")
		}
		for _, e := range entriesOf(names...) {
			m, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir, Pattern: "\xff\xfe*\xe9"})
			require.NoError(t, err)
			base := filepath.Base(m.name)
			assert.True(t, strings.HasPrefix(base, "\xff\xfe") && strings.HasSuffix(base, "\xe9"), "%q", base)
			assert.True(t, exists(t, k.Fs, m.name))
			require.NoError(t, m.drop())
		}
	}
}

// taken forces the names aaa, aaa and bbb: the second temporary must be bbb.
func taken(name string, isDir bool) check {
	return func(t *testing.T, k testfs.Kind) {
		names := []string{"aaa", "aaa", "bbb"}
		tmpfs.SetRandom(t, func() string {
			first := names[0]
			names = names[1:]
			return first
		})
		first := "CreateTemp"
		if isDir {
			first = "MkdirTemp"
		}
		var got []string
		for _, e := range []entry{entriesOf(first)[0], entriesOf(name)[0]} {
			m, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir, Pattern: "*"})
			require.NoError(t, err)
			got = append(got, filepath.Base(m.name))
		}
		assert.Equal(t, []string{"aaa", "bbb"}, got)
		assert.Equal(t, got, testfs.Leftovers(t, k.Fs, k.Dir))
	}
}

func inventedNames(t *testing.T, k testfs.Kind, n int) {
	t.Helper()
	d := mkdir(t, k)
	for range n {
		f, err := d.OpenFile("/"+tmpfs.Random(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	assert.Len(t, testfs.Leftovers(t, d, "/"), n+2)
}

// childNames prints the names of ten temporaries.
func childNames([]string) error {
	for range 10 {
		name, err := tmpfs.MkdirTemp(afero.NewMemMapFs(), "", "*")
		if err != nil {
			return err
		}
		fmt.Println(filepath.Base(name))
	}
	return nil
}
