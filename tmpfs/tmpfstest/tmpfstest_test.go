package tmpfstest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/tmpfs/tmpfstest"
)

func ExampleFile() {
	test := func(t testing.TB) {
		fsys := afero.NewMemMapFs()
		name := tmpfstest.File(t, fsys, "*.toml", "debug = true\n")
		b, err := afero.ReadFile(fsys, name)
		fmt.Printf("%s %s%v\n", filepath.Ext(name), b, err)
	}
	run(test) // as go test does
	// Output: .toml debug = true
	// <nil>
}

func ExampleDir() {
	test := func(t testing.TB) {
		d := tmpfstest.Dir(t, afero.NewMemMapFs())
		fmt.Println(d.Mkdir("/a", 0o700))
	}
	run(test)
	// Output: <nil>
}

func ExampleTree() {
	test := func(t testing.TB) {
		d := tmpfstest.Tree(t, afero.NewMemMapFs(), map[string]string{
			"go.mod":      "module m\n",
			"cmd/main.go": "package main\n",
			"empty/":      "",
		})
		names, err := afero.Glob(d, "/*/*")
		fmt.Println(names, err)
	}
	run(test)
	// Output: [/cmd/main.go] <nil>
}

func ExampleSnapshot() {
	test := func(t testing.TB) {
		d := tmpfstest.Tree(t, afero.NewMemMapFs(), map[string]string{"a/b": "hello", "c/": ""})
		fmt.Println(d.Rename("/a/b", "/c/d"))
		fmt.Println(tmpfstest.Snapshot(t, d, "/"))
	}
	run(test)
	// Output:
	// <nil>
	// map[a/: c/d:hello]
}

// A fake is a test that can fail without failing another.
type fake struct {
	testing.TB // nil: what is not here must not be called
	name       string
	log, errs  []string
	cleanups   []func()
}

type fatal struct{}

func (f *fake) Helper()           {}
func (f *fake) Name() string      { return f.name }
func (f *fake) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }
func (f *fake) Failed() bool      { return len(f.errs) > 0 }

func (f *fake) Logf(format string, args ...any) { f.log = append(f.log, fmt.Sprintf(format, args...)) }

func (f *fake) Errorf(format string, args ...any) {
	f.errs = append(f.errs, fmt.Sprintf(format, args...))
}

func (f *fake) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	panic(fatal{})
}

// run runs test as package testing does.
func run(test func(t testing.TB)) *fake {
	f := &fake{name: "TestIt/the_case: ünï"}
	call := func(fn func()) {
		defer func() {
			if r := recover(); r != nil && r != any(fatal{}) {
				panic(r)
			}
		}()
		fn()
	}
	call(func() { test(f) })
	for len(f.cleanups) > 0 {
		last := f.cleanups[len(f.cleanups)-1]
		f.cleanups = f.cleanups[:len(f.cleanups)-1]
		call(last)
	}
	return f
}

// on runs body on every kind, with an Fs whose temporaries are in k.Dir.
func on(t *testing.T, body func(t *testing.T, k testfs.Kind, fsys afero.Fs)) {
	t.Helper()
	testfs.Each(t, func(t *testing.T, k testfs.Kind) { body(t, k, tmpfs.WithTempDir(k.Fs, k.Dir)) })
}

func TestFile(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, fsys afero.Fs) {
		type text string
		f := run(func(tb testing.TB) {
			for pattern, want := range map[string]string{"": "TestIt_the_case___n_-", "data-*.bin": "data-"} {
				name := tmpfstest.File(tb, fsys, pattern, []byte{0, 1, 2})
				assert.True(t, strings.HasPrefix(filepath.Base(name), want), name)
				assert.Equal(t, "\x00\x01\x02", k.ReadFile(t, name))
			}
			name := tmpfstest.File(tb, fsys, "", text("hello"))
			assert.Equal(t, "hello", k.ReadFile(t, name))
			k.WriteFile(t, name, "changed")
			require.NoError(t, k.Fs.Remove(tmpfstest.File(tb, fsys, "", "")))
		})
		assert.Empty(t, f.errs)
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestDir(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, fsys afero.Fs) {
		f := run(func(tb testing.TB) {
			d := tmpfstest.Dir(tb, fsys)
			assert.Equal(t, k.Dir, filepath.Dir(d.Path()))
			require.NoError(t, d.MkdirAll("/a/b", 0o700))
			require.NoError(t, tmpfstest.Dir(tb, fsys).Close())
			require.NoError(t, tmpfstest.Dir(tb, fsys).Keep(k.Join("kept")))
			inner := tmpfstest.Dir(tb, d)
			require.NoError(t, inner.Mkdir("/c", 0o700))
		})
		assert.Empty(t, f.errs)
		assert.Empty(t, f.log)
		assert.Equal(t, []string{"kept"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestTreeAndSnapshot(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, fsys afero.Fs) {
		f := run(func(tb testing.TB) {
			want := map[string]string{"a": "1", "b/c/d": "2", "b/c/e": "", "empty/": "", "b/also/": "", "x y": "\x00"}
			d := tmpfstest.Tree(tb, fsys, want)
			assert.Equal(t, want, tmpfstest.Snapshot(tb, d, "/"))
			assert.Equal(t, want, tmpfstest.Snapshot(tb, fsys, d.Path()))
			assert.Equal(t, map[string]string{"c/d": "2", "c/e": "", "also/": ""}, tmpfstest.Snapshot(tb, d, "/b"))
			assert.Equal(t, map[string]string{}, tmpfstest.Snapshot(tb, d, "/empty"))
			assert.Equal(t, map[string]string{}, tmpfstest.Snapshot(tb, tmpfstest.Tree(tb, fsys, nil), "/"))
			if k.Links {
				top := k.Real(d.Path())
				require.NoError(t, os.Symlink("b", filepath.Join(top, "link")))
				require.NoError(t, os.Symlink("nothing", filepath.Join(top, "empty", "none")))
				want["link"], want["empty/none"] = "-> b", "-> nothing"
				delete(want, "empty/")
				assert.Equal(t, want, tmpfstest.Snapshot(tb, d, "/"))
			}
		})
		assert.Empty(t, f.errs)
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// TestFatal: what cannot be made ends the test there, and leaves nothing.
func TestFatal(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, fsys afero.Fs) {
		for name, test := range map[string]func(t testing.TB){
			"pattern": func(t testing.TB) { tmpfstest.File(t, fsys, "a/b", "") },
			"no dir":  func(t testing.TB) { tmpfstest.Dir(t, tmpfs.WithTempDir(k.Fs, "a\x00b")) },
			"escape":  func(t testing.TB) { tmpfstest.Tree(t, fsys, map[string]string{"../x": ""}) },
			"twice":   func(t testing.TB) { tmpfstest.Tree(t, fsys, map[string]string{"x": "1", "./x": "2"}) },
			"file and directory": func(t testing.TB) {
				tmpfstest.Tree(t, fsys, map[string]string{"x": "1", "x/y": "2"})
			},
			"missing": func(t testing.TB) { tmpfstest.Snapshot(t, fsys, k.Join("missing")) },
		} {
			went := false
			f := run(func(t testing.TB) { test(t); went = true })
			assert.False(t, went, name)
			assert.Len(t, f.errs, 1, name)
			assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir), name)
		}
	})
}

// TestLeak: what is left is reported, with the path.
func TestLeak(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, _ afero.Fs) {
		s := testfs.NewSpy(k.Fs)
		fsys := tmpfs.WithTempDir(s, k.Dir)
		for name, test := range map[string]func(t testing.TB) string{
			"Dir":  func(t testing.TB) string { return tmpfstest.Dir(t, fsys).Path() },
			"File": func(t testing.TB) string { return tmpfstest.File(t, fsys, "", "x") },
		} {
			var path string
			f := run(func(t testing.TB) {
				path = test(t)
				s.Fail(testfs.Calls("remove"), testfs.Fault{Err: syscall.EACCES})
			})
			s.Reset()
			require.Len(t, f.errs, 1, name)
			assert.Contains(t, f.errs[0], path, name)
			assert.Contains(t, f.errs[0], "permission denied", name)

		}
		for name, again := range map[string]func(d *tmpfs.Dir) error{
			"kept":  func(d *tmpfs.Dir) error { return d.Keep(d.Path()) },
			"again": func(d *tmpfs.Dir) error { return errors.Join(d.Close(), k.Fs.Mkdir(d.Path(), 0o700)) },
		} {
			var path string
			f := run(func(tb testing.TB) {
				d := tmpfstest.Dir(tb, fsys)
				path = d.Path()
				require.NoError(t, again(d))
			})
			require.Len(t, f.errs, 1, name)
			assert.Contains(t, f.errs[0], path+" is left", name)
		}
	})
}

// TestKept: by $TMPFS_KEEP, of a test that failed or of any, with the path in the log.
func TestKept(t *testing.T) {
	on(t, func(t *testing.T, k testfs.Kind, fsys afero.Fs) {
		for _, c := range []struct {
			keep         string
			failed, kept bool
		}{
			{"", false, false}, {"", true, false},
			{"failed", false, false}, {"failed", true, true},
			{"always", false, true}, {"always", true, true},
			{"1", true, false},
		} {
			k := k.Fresh(t)
			fsys := tmpfs.WithTempDir(k.Fs, k.Dir)
			t.Setenv("TMPFS_KEEP", c.keep)
			var paths []string
			f := run(func(t testing.TB) {
				d := tmpfstest.Tree(t, fsys, map[string]string{"a": "1"})
				paths = []string{path.Join(filepath.ToSlash(d.Path()), "a"), tmpfstest.File(t, fsys, "", "1")}
				closed := tmpfstest.Dir(t, fsys)
				_ = closed.Close()
				if c.failed {
					t.Errorf("oh no")
				}
			})
			log := strings.Join(f.log, "\n")
			for _, name := range paths {
				_, err := k.Fs.Stat(name)
				assert.Equal(t, c.kept, err == nil, "%+v", c)
				assert.Equal(t, c.kept, !errors.Is(err, fs.ErrNotExist))
			}
			if c.kept {
				assert.Contains(t, log, "kept "+filepath.Dir(filepath.FromSlash(paths[0])))
				assert.Contains(t, log, "kept "+paths[1])
				assert.Len(t, f.log, 2)
			} else {
				assert.NotContains(t, log, "kept ")
				assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
			}
			if c.keep == "1" {
				assert.Contains(t, log, "TMPFS_KEEP")
			}
			assert.Equal(t, c.failed, f.Failed())
		}
	})
}
