package tmpfs_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
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

func TestNames(t *testing.T) {
	eachEntry(t, func(t *testing.T, k testfs.Kind, e entry) {
		for pattern, want := range map[string]string{
			"":                          `^tmp-` + randomPart + `$`,
			"tempfile_test":             `^tempfile_test` + randomPart + `$`,
			"pre*":                      `^pre` + randomPart + `$`,
			"pre*.txt":                  `^pre` + randomPart + `\.txt$`,
			"*xyz":                      `^` + randomPart + `xyz$`,
			"a*b*c":                     `^a\*b` + randomPart + `c$`,
			"*":                         `^` + randomPart + `$`,
			" ünï*":                     `^ ünï` + randomPart + `$`,
			"..":                        `^\.\.` + randomPart + `$`,
			strings.Repeat("x", 255-26): `^x{229}` + randomPart + `$`,
		} {
			m, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir, Pattern: pattern})
			require.NoError(t, err, "pattern %q", pattern)
			if e.name != "CreateAnonymous" {
				assert.Regexp(t, want, path.Base(filepath.ToSlash(m.name)))
				assert.Equal(t, k.Join(path.Base(filepath.ToSlash(m.name))), m.name)
				info, err := k.Fs.Stat(m.name)
				require.NoError(t, err)
				assert.Equal(t, e.isDir, info.IsDir())
			}
			require.NoError(t, m.drop())
		}
		empty(t, k)
	})
}

func TestRefusedPatterns(t *testing.T) {
	eachEntry(t, func(t *testing.T, k testfs.Kind, e entry) {
		for pattern, want := range map[string]error{
			"a/b":                          fs.ErrInvalid,
			"/":                            fs.ErrInvalid,
			"../up*":                       fs.ErrInvalid,
			"*/":                           fs.ErrInvalid,
			`a\b`:                          fs.ErrInvalid,
			`*\`:                           fs.ErrInvalid,
			"a\x00b":                       fs.ErrInvalid,
			"*\x00":                        fs.ErrInvalid,
			strings.Repeat("X", 230):       syscall.ENAMETOOLONG,
			strings.Repeat("é", 115) + "*": syscall.ENAMETOOLONG, // bytes count, not runes
		} {
			_, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir, Pattern: pattern})
			require.ErrorIs(t, err, want, "pattern %q", pattern)
			pathError(t, err, pattern)
		}
		empty(t, k)
	})
}

// TestDirs: the directory must exist; it is not made, and a file in its place
// stays what it is.
func TestDirs(t *testing.T) {
	eachEntry(t, func(t *testing.T, k testfs.Kind, e entry) {
		k.WriteFile(t, k.Join("file"), "precious")
		for dir, want := range map[string]error{
			k.Join("missing"):         fs.ErrNotExist,
			k.Join("missing", "deep"): fs.ErrNotExist,
			k.Join("file"):            syscall.ENOTDIR,
			k.Join("file", "below"):   syscall.ENOTDIR,
			k.Dir + "\x00":            fs.ErrInvalid,
		} {
			_, err := e.make(k.Fs, tmpfs.Options{Dir: dir, Pattern: "p-*"})
			require.ErrorIs(t, err, want, dir)
			if strings.HasSuffix(dir, "\x00") {
				pathError(t, err, dir)
				continue
			}
			assert.ErrorContains(t, err, dir)
			assert.NotRegexp(t, randomPart, err)
		}
		assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
		assert.Equal(t, "precious", k.ReadFile(t, k.Join("file")))
	})
}

// TestDirSpelling: the spelling of the directory does not matter.
func TestDirSpelling(t *testing.T) {
	eachEntry(t, func(t *testing.T, k testfs.Kind, e entry) {
		for _, dir := range []string{k.Dir + "/", k.Dir + "/.", k.Dir + "/none/..", k.Dir + "//", path.Dir(k.Dir) + "//" + path.Base(k.Dir)} {
			m, err := e.make(k.Fs, tmpfs.Options{Dir: dir})
			require.NoError(t, err, dir)
			if m.name != "" {
				assert.Equal(t, filepath.FromSlash(k.Join(filepath.Base(m.name))), m.name)
			}
			require.NoError(t, m.drop())
		}
		empty(t, k)
	})
}

// TestRelativeDir: names are absolute. The working directory is the process's, so
// that this is about OsFs; elsewhere a relative name starts at the root.
func TestRelativeDir(t *testing.T) {
	for _, e := range entries {
		t.Run(e.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			require.NoError(t, os.Mkdir("sub", 0o700))
			wd, err := os.Getwd()
			require.NoError(t, err)
			for _, rel := range []string{".", "sub", "./sub/..", "sub/."} {
				m, err := e.make(afero.NewOsFs(), tmpfs.Options{Dir: rel})
				require.NoError(t, err)
				if m.name != "" {
					assert.Equal(t, filepath.Join(wd, rel), filepath.Dir(m.name))
				}
				t.Chdir(filepath.Join(dir, "sub")) // it goes by the name of then
				require.NoError(t, m.drop())
				t.Chdir(dir)
			}
			assert.Equal(t, []string{"sub"}, testfs.Leftovers(t, afero.NewOsFs(), dir))
		})
	}
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if k.Name == "OsFs" {
			return
		}
		for _, e := range entries {
			for _, rel := range []string{".", "./", strings.TrimPrefix(k.Dir, "/"), "./scratch/../scratch"} {
				m, err := e.make(k.Fs, tmpfs.Options{Dir: rel})
				require.NoError(t, err, "%s in %s", e.name, rel)
				if m.name != "" {
					assert.True(t, filepath.IsAbs(m.name), "%s in %s is %s", e.name, rel, m.name)
				}
				require.NoError(t, m.drop())
			}
			_, err := e.make(k.Fs, tmpfs.Options{Dir: "../up"})
			assert.ErrorIs(t, err, fs.ErrInvalid)
			pathError(t, err, "../up")
		}
		empty(t, k)
	})
}

// TestRelativeDirOfMemory: an Fs to which "a" and "/a" are two directories makes
// things in the one that it was told.
func TestRelativeDirOfMemory(t *testing.T) {
	fsys := afero.NewMemMapFs()
	require.NoError(t, fsys.Mkdir("rel", 0o700))
	for range 2 {
		f, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: "rel"})
		require.NoError(t, err)
		assert.Equal(t, "rel", filepath.Dir(f.Name()))
		assert.True(t, exists(t, fsys, f.Name()))
		require.NoError(t, f.Close())
		require.NoError(t, fsys.MkdirAll("/rel", 0o700)) // which is another
	}
}

// TestEmptyDir: "" is where the Fs keeps its temporaries, and never the
// process's directory on a virtual one.
func TestEmptyDir(t *testing.T) {
	eachEntry(t, func(t *testing.T, k testfs.Kind, e entry) {
		process := k.Dir
		if k.Name != "OsFs" {
			process = t.TempDir()
		}
		t.Setenv("TMPDIR", process)
		dir, err := tmpfs.TempDir(k.Fs)
		require.NoError(t, err)
		m, err := e.make(k.Fs, tmpfs.Options{})
		require.NoError(t, err)
		if m.name != "" {
			assert.Equal(t, dir, filepath.Dir(m.name))
		}
		if k.Name != "OsFs" {
			assert.Empty(t, testfs.Leftovers(t, afero.NewOsFs(), process))
		}
		require.NoError(t, m.drop())
		assert.Empty(t, testfs.Leftovers(t, k.Fs, dir))
	})
}

// TestModeAndOwnerPerm: files and directories are private unless asked otherwise.
func TestModeAndOwnerPerm(t *testing.T) {
	eachEntry(t, func(t *testing.T, k testfs.Kind, e entry) {
		perms := map[fs.FileMode]fs.FileMode{0: 0o600, 0o400: 0o400, 0o640: 0o640}
		if e.isDir {
			perms = map[fs.FileMode]fs.FileMode{0: 0o700, 0o500: 0o500, 0o750: 0o750}
		}
		for perm, want := range perms {
			if perm != 0 && !e.perm {
				continue
			}
			if perm == 0o400 && k.Name == "CacheOnReadFs" && os.Geteuid() != 0 {
				continue // it opens the file twice, and the second time may not write
			}
			m, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir, Perm: perm})
			require.NoError(t, err)
			var info fs.FileInfo
			if m.name != "" {
				info, err = k.Fs.Stat(m.name)
			} else {
				info, err = m.f.Stat()
			}
			require.NoError(t, err)
			if !k.OS || filepath.Separator == '/' {
				assert.Equal(t, want, info.Mode().Perm(), "perm %o", perm)
			}
			require.NoError(t, m.drop())
		}
		empty(t, k)
	})
}

// TestFileIsUsable: what comes back can be written and read.
func TestFileIsUsable(t *testing.T) {
	eachEntry(t, func(t *testing.T, k testfs.Kind, e entry) {
		m, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir})
		require.NoError(t, err)
		if m.isDir {
			k.WriteFile(t, path.Join(m.name, "x"), "hello")
			assert.Equal(t, "hello", k.ReadFile(t, path.Join(m.name, "x")))
		}
		if m.f != nil {
			_, err := m.f.WriteString("hello")
			require.NoError(t, err)
			_, err = m.f.Seek(0, io.SeekStart)
			require.NoError(t, err)
			b, err := io.ReadAll(m.f)
			require.NoError(t, err)
			assert.Equal(t, "hello", string(b))
			if m.name != "" {
				assert.Equal(t, "hello", k.ReadFile(t, m.name))
			}
		}
		require.NoError(t, m.drop())
		empty(t, k)
	})
}

// TestCollisions: a name that is taken, by whatever, is passed over untouched.
func TestCollisions(t *testing.T) {
	eachEntry(t, func(t *testing.T, k testfs.Kind, e entry) {
		if e.name == "CreateAnonymous" && k.OS {
			t.Skip("needs no name")
		}
		names := []string{"file", "dir", "link", "dangling", "free"}
		k.WriteFile(t, k.Join("p-file"), "precious")
		require.NoError(t, k.Fs.Mkdir(k.Join("p-dir"), 0o755))
		want := []string{"p-dir", "p-file"}
		if real := k.Real(k.Dir); k.Links && real != "" {
			require.NoError(t, os.Symlink("p-file", filepath.Join(real, "p-link")))
			require.NoError(t, os.Symlink("nothing", filepath.Join(real, "p-dangling")))
			want = []string{"p-dangling", "p-dir", "p-file", "p-link"}
		} else {
			names = []string{"file", "dir", "free"}
		}
		tried := 0
		tmpfs.SetRandom(t, func() string { tried++; return names[tried-1] })
		m, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir, Pattern: "p-*"})
		require.NoError(t, err)
		if m.name != "" {
			assert.Equal(t, k.Join("p-free"), m.name)
		}
		assert.Equal(t, len(names), tried)
		require.NoError(t, m.drop())
		assert.Equal(t, want, testfs.Leftovers(t, k.Fs, k.Dir))
		assert.Equal(t, "precious", k.ReadFile(t, k.Join("p-file")))
	})
}

// TestCollisionsEnd: a source of names that repeats itself is an error, and not a
// loop.
func TestCollisionsEnd(t *testing.T) {
	eachEntry(t, func(t *testing.T, k testfs.Kind, e entry) {
		if e.name == "CreateAnonymous" && k.OS {
			t.Skip("needs no name")
		}
		k.WriteFile(t, k.Join("p-same"), "precious")
		tries := 0
		tmpfs.SetRandom(t, func() string { tries++; return "same" })
		_, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir, Pattern: "p-*"})
		require.ErrorIs(t, err, fs.ErrExist)
		pathError(t, err, k.Join("p-*"))
		assert.Equal(t, 8, tries)
		assert.Equal(t, "precious", k.ReadFile(t, k.Join("p-same")))
	})
}

func TestRandomNamesDiffer(t *testing.T) {
	const perRoutine, routines = 20_000, 8
	form := regexp.MustCompile(`^` + randomPart + `$`)
	var mu sync.Mutex
	seen := make(map[string]bool, perRoutine*routines)
	var wg sync.WaitGroup
	for range routines {
		wg.Go(func() {
			for range perRoutine {
				name := tmpfs.Random()
				if !form.MatchString(name) {
					t.Errorf("name %q", name)
					return
				}
				mu.Lock()
				seen[name] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	assert.Len(t, seen, perRoutine*routines)
}

// TestManyAtOnce: files made by many goroutines in one directory are as many files.
func TestManyAtOnce(t *testing.T) {
	eachEntry(t, func(t *testing.T, k testfs.Kind, e entry) {
		const routines, each = 8, 8
		all := make([]made, routines*each)
		var wg sync.WaitGroup
		for r := range routines {
			wg.Go(func() {
				for i := range each {
					m, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir})
					if !assert.NoError(t, err) {
						return
					}
					all[r*each+i] = m
					if m.f != nil {
						_, err = fmt.Fprint(m.f, r, i)
						assert.NoError(t, err)
					}
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		names := map[string]bool{}
		for i, m := range all {
			if m.name != "" {
				names[m.name] = true
			}
			if m.f == nil {
				continue
			}
			_, err := m.f.Seek(0, io.SeekStart)
			require.NoError(t, err)
			b, err := io.ReadAll(m.f)
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprint(i/each, i%each), string(b))
		}
		assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), len(names))
		for _, m := range all {
			require.NoError(t, m.drop())
		}
		empty(t, k)
	})
}

// TestRefusers: a file system that refuses says so, and nothing is left.
func TestRefusers(t *testing.T) {
	testfs.EachRefuser(t, func(t *testing.T, k testfs.Kind) {
		for _, e := range entries {
			_, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir})
			require.ErrorIs(t, err, fs.ErrPermission, e.name)
			assert.NotRegexp(t, randomPart, err)
			_, err = e.make(k.Fs, tmpfs.Options{})
			require.ErrorIs(t, err, fs.ErrPermission, e.name)
		}
		_, err := tmpfs.TempDir(k.Fs)
		assert.ErrorIs(t, err, fs.ErrPermission)
		pathError(t, err, filepath.FromSlash("/tmp"))
		empty(t, k)
	})
}
