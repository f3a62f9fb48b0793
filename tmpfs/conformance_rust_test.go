package tmpfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// checksOfRust are R02 to R33, named files.
var checksOfRust = map[string]check{
	"R02": nameOf("Create", "prefix*", "prefix", ""),
	"R03": nameOf("Create", "*suffix", "", "suffix"),
	"R04": roundTrip(tmpfs.Create),
	"R05": func(t *testing.T, k testfs.Kind) {
		f := create(t, k, "")
		assert.True(t, exists(t, k.Fs, f.Name()))
		require.NoError(t, f.Close())
		assert.False(t, exists(t, k.Fs, f.Name()))
	},
	"R06": func(t *testing.T, k testfs.Kind) {
		f := create(t, k, "abcde")
		old := f.Name()
		require.NoError(t, f.Keep(k.Join("persisted")))
		assert.False(t, exists(t, k.Fs, old))
		assert.Equal(t, "abcde", k.ReadFile(t, k.Join("persisted")))
	},
	"R07": func(t *testing.T, k testfs.Kind) { noClobber(t, k, false) },
	"R08": nameOf("Create", "tmp*.rs", "tmp", ".rs"),
	"R10": func(t *testing.T, k testfs.Kind) {
		if !canRemoveOpen(k) {
			t.Skip("an open file cannot be removed")
		}
		f := create(t, k, "")
		first, err := k.Fs.OpenFile(f.Name(), os.O_RDWR, 0)
		require.NoError(t, err)
		second, err := k.Fs.Open(f.Name())
		require.NoError(t, err)
		require.NoError(t, f.Close())
		_, err = first.WriteString("abcde")
		require.NoError(t, err)
		b, err := io.ReadAll(second)
		require.NoError(t, err)
		assert.Equal(t, "abcde", string(b))
		require.NoError(t, errors.Join(first.Close(), second.Close()))
	},
	"R11": unlinked,
	"R13": func(t *testing.T, k testfs.Kind) {
		f := create(t, k, "x")
		require.NoError(t, f.CloseHandle())
		info, err := k.Fs.Stat(f.Name())
		require.NoError(t, err)
		assert.False(t, info.IsDir())
	},
	"R14": func(t *testing.T, k testfs.Kind) {
		f := create(t, k, "abcde")
		require.NoError(t, f.CloseHandle())
		old := f.Name()
		require.NoError(t, f.Keep(k.Join("persisted")))
		assert.False(t, exists(t, k.Fs, old))
		assert.Equal(t, "abcde", k.ReadFile(t, k.Join("persisted")))
	},
	"R15": func(t *testing.T, k testfs.Kind) { noClobber(t, k, true) },
	"R16": func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("mine"), "abcde")
		k.WriteFile(t, k.Join("other"), "")
		f, err := tmpfs.Adopt(k.Fs, k.Join("mine"))
		require.NoError(t, err)
		assert.Equal(t, "abcde", content(t, f))
		require.NoError(t, f.Close())
		assert.Equal(t, []string{"other"}, testfs.Leftovers(t, k.Fs, k.Dir))
	},
	"R18": func(t *testing.T, k testfs.Kind) {
		if runtime.GOOS != "linux" {
			t.Skip("the working directory can be removed on Linux")
		}
		gone := k.Join("gone")
		require.NoError(t, os.Mkdir(gone, 0o700))
		t.Chdir(gone)
		require.NoError(t, os.Remove(gone))
		for _, e := range entries {
			_, err := e.make(k.Fs, tmpfs.Options{Dir: "."})
			require.ErrorIs(t, err, fs.ErrNotExist, e.name)
		}
		_, err := tmpfs.Adopt(k.Fs, "foo")
		require.ErrorIs(t, err, fs.ErrNotExist)
	},
	"R19": func(t *testing.T, k testfs.Kind) {
		t.Chdir(k.Dir)
		k.WriteFile(t, k.Join("foo"), "x")
		f, err := tmpfs.Adopt(k.Fs, "foo")
		require.NoError(t, err)
		assert.Equal(t, k.Join("foo"), f.Name())
		_, err = tmpfs.Adopt(k.Fs, "")
		require.ErrorIs(t, err, fs.ErrInvalid)
		require.ErrorIs(t, f.Keep(""), fs.ErrInvalid)
		require.NoError(t, f.Keep("kept"))
		assert.Equal(t, k.Join("kept"), f.Name())
	},
	"R20": func(t *testing.T, k testfs.Kind) {
		f := create(t, k, "old")
		require.NoError(t, f.CloseHandle())
		k.WriteFile(t, f.Name(), "new")
		temporary(t, k, f, "new")
	},
	"R21": func(t *testing.T, k testfs.Kind) {
		changeDir(t, k, func(dir string) (string, io.Closer) {
			f, err := tmpfs.Create(k.Fs, &tmpfs.Options{Dir: dir})
			require.NoError(t, err)
			return f.Name(), f
		})
	},
	"R22": func(t *testing.T, k testfs.Kind) {
		changeDir(t, k, func(dir string) (string, io.Closer) {
			d, err := tmpfs.Mkdir(k.Fs, &tmpfs.Options{Dir: dir})
			require.NoError(t, err)
			return d.Path(), d
		})
	},
	"R23": unlinked,
	"R25": writeOnly("Create"),
	"R26": func(t *testing.T, k testfs.Kind) {
		f := create(t, k, "abcde")
		require.NoError(t, f.Keep(f.Name()))
		assert.Equal(t, "abcde", k.ReadFile(t, f.Name()))
	},
	"R27": fourWays("Create"),
	"R28": func(t *testing.T, k testfs.Kind) { makeByName(t, k, "") },
	"R29": func(t *testing.T, k testfs.Kind) { makeByName(t, k, k.Dir) },
	"R30": func(t *testing.T, k testfs.Kind) {
		count := 0
		for range 3 {
			require.NoError(t, tmpfs.WithDir(k.Fs, nil, func(*tmpfs.Dir) error { count++; return nil }))
		}
		assert.Equal(t, 3, count)
	},
	"R31": func(t *testing.T, k testfs.Kind) {
		require.NoError(t, tmpfs.WithDir(k.Fs, &tmpfs.Options{Dir: "/tmp"}, func(d *tmpfs.Dir) error {
			l, err := net.Listen("unix", filepath.Join(d.Path(), "s")) // which must be short
			if err != nil {
				return err
			}
			defer func() { _ = l.Close() }()
			info, err := os.Lstat(filepath.Join(d.Path(), "s"))
			require.NoError(t, err)
			assert.NotZero(t, info.Mode()&fs.ModeSocket)
			l.(*net.UnixListener).SetUnlinkOnClose(false) // it goes with the directory
			return nil
		}))
	},
	"R32": func(t *testing.T, k testfs.Kind) {
		tries := 0
		tmpfs.SetRandom(t, func() string { tries++; return string("ab"[tries%2]) })
		for i, want := range []error{nil, nil, fs.ErrExist} {
			tries = 0
			_, name, err := tmpfs.CreateTemp(k.Fs, k.Dir, "p*")
			require.ErrorIs(t, err, want, "%d: %s", i, name)
		}
		assert.Equal(t, 8, tries)
		assert.Equal(t, []string{"pa", "pb"}, testfs.Leftovers(t, k.Fs, k.Dir))
	},
	"R33": func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("same"), "")
		tries := 0
		tmpfs.SetRandom(t, func() string {
			if tries++; tries <= 3 {
				return "same"
			}
			return fmt.Sprint("other", tries)
		})
		_, name, err := tmpfs.CreateTemp(k.Fs, k.Dir, "*")
		require.NoError(t, err)
		assert.Equal(t, k.Join("other4"), name)
		assert.Equal(t, 4, tries)
	},
}

func nameOf(name, pattern, prefix, suffix string) check {
	return func(t *testing.T, k testfs.Kind) {
		m, err := entriesOf(name)[0].make(k.Fs, tmpfs.Options{Dir: k.Dir, Pattern: pattern})
		require.NoError(t, err)
		base := filepath.Base(m.name)
		assert.True(t, strings.HasPrefix(base, prefix), base)
		assert.True(t, strings.HasSuffix(base, suffix), base)
		assert.Len(t, base, len(prefix)+26+len(suffix))
		require.NoError(t, m.drop())
	}
}

func roundTrip(make func(afero.Fs, *tmpfs.Options) (*tmpfs.File, error)) check {
	return func(t *testing.T, k testfs.Kind) {
		f, err := make(k.Fs, &tmpfs.Options{Dir: k.Dir})
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString("abcde")
		require.NoError(t, err)
		assert.Equal(t, "abcde", content(t, f))
	}
}

func noClobber(t *testing.T, k testfs.Kind, closed bool) {
	k.WriteFile(t, k.Join("there"), "old")
	f := create(t, k, "abcde")
	if closed {
		require.NoError(t, f.CloseHandle())
	}
	require.ErrorIs(t, f.KeepNew(k.Join("there")), fs.ErrExist)
	if !closed {
		assert.Equal(t, "abcde", content(t, f), "it can be used on")
	}
	require.NoError(t, f.KeepNew(k.Join("free")))
	assert.Equal(t, "abcde", k.ReadFile(t, k.Join("free")))
	assert.Equal(t, "old", k.ReadFile(t, k.Join("there")))
}

func unlinked(t *testing.T, k testfs.Kind) {
	if !canRemoveOpen(k) {
		t.Skip("an open file cannot be removed")
	}
	f := create(t, k, "abc")
	require.NoError(t, k.Fs.Remove(f.Name()))
	_, err := f.WriteString("de")
	require.NoError(t, err)
	assert.Equal(t, "abcde", content(t, f))
	require.NoError(t, f.Close())
	empty(t, k)
}

func changeDir(t *testing.T, k testfs.Kind, make func(dir string) (string, io.Closer)) {
	t.Helper()
	one, two := k.Join("one"), k.Join("two")
	require.NoError(t, os.Mkdir(one, 0o700))
	require.NoError(t, os.Mkdir(two, 0o700))
	t.Chdir(one)
	name, closer := make(".")
	other := filepath.Join(two, filepath.Base(name))
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	t.Chdir(two)
	require.NoError(t, closer.Close())
	assert.False(t, exists(t, k.Fs, name))
	assert.True(t, exists(t, k.Fs, other))
	t.Chdir(k.Dir)
}

func writeOnly(name string) check {
	return func(t *testing.T, k testfs.Kind) {
		if runtime.GOOS == "windows" || !testfs.AsUser(t) {
			return
		}
		dir := filepath.Join(k.Real(k.Dir), "dir")
		require.NoError(t, os.Mkdir(dir, 0o300))
		m, err := entriesOf(name)[0].make(k.Fs, tmpfs.Options{Dir: k.Join("dir")})
		require.NoError(t, err)
		_, err = m.f.WriteString("x")
		require.NoError(t, err)
		require.NoError(t, m.drop())
		require.NoError(t, os.Chmod(dir, 0o700))
		assert.Empty(t, testfs.Leftovers(t, afero.NewOsFs(), dir))
	}
}

// fourWays: kept or not, by a scope or by hand.
func fourWays(name string) check {
	return func(t *testing.T, k testfs.Kind) {
		for _, scoped := range []bool{false, true} {
			for _, kept := range []bool{false, true} {
				var at string
				opts := &tmpfs.Options{Dir: k.Dir}
				file := func(f *tmpfs.File) error {
					if at = f.Name(); kept {
						return f.Keep(at)
					}
					return nil
				}
				dir := func(d *tmpfs.Dir) error {
					if at = d.Path(); kept {
						return d.Keep(at)
					}
					return nil
				}
				switch {
				case scoped && name == "Create":
					require.NoError(t, tmpfs.WithFile(k.Fs, opts, file))
				case scoped:
					require.NoError(t, tmpfs.WithDir(k.Fs, opts, dir))
				case name == "Create":
					f := create(t, k, "")
					require.NoError(t, errors.Join(file(f), f.Close()))
				default:
					d := mkdir(t, k)
					require.NoError(t, errors.Join(dir(d), d.Close()))
				}
				assert.Equal(t, kept, exists(t, k.Fs, at))
			}
		}
	}
}

func makeByName(t *testing.T, k testfs.Kind, dir string) {
	t.Helper()
	var made string
	require.NoError(t, tmpfs.WithDir(k.Fs, &tmpfs.Options{Dir: dir}, func(d *tmpfs.Dir) error {
		made = path.Join(filepath.ToSlash(d.Path()), "made")
		if dir != "" {
			assert.Equal(t, dir, filepath.Dir(d.Path()))
		}
		k.WriteFile(t, made, "by name")
		return nil
	}))
	assert.False(t, exists(t, k.Fs, made))
}
