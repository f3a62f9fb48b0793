package tmpfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// eachFault makes each call of an operation fail in turn, on every kind.
func eachFault(t *testing.T, run func(t *testing.T, k testfs.Kind, s *testfs.Spy)) {
	t.Helper()
	testfs.Each(t, func(t *testing.T, k testfs.Kind) { testfs.EachFault(t, k, run) })
}

// nothingLeft checks, after an operation has failed with err, that there is
// nothing but want in the directory of k, and that err tells no temporary's name.
// Where everything fails from some call on, nothing can be removed any more: then
// err says what is left.
func nothingLeft(t *testing.T, k testfs.Kind, s *testfs.Spy, err error, want ...string) {
	t.Helper()
	assert.Empty(t, s.OpenFiles(), "open")
	left := testfs.Leftovers(t, k.Fs, k.Dir)
	if len(s.Met()) <= 1 || slices.Equal(left, want) {
		assert.ElementsMatch(t, want, left)
		if err != nil && !strings.HasPrefix(err.Error(), "keep ") { // that is of a name that was given to Keep
			assert.NotRegexp(t, randomPart, err.Error())
		}
	}
}

// TestErrorsOfMaking: when making a temporary fails, there is none.
func TestErrorsOfMaking(t *testing.T) {
	for _, e := range entries {
		t.Run(e.name, func(t *testing.T) {
			eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
				m, err := e.make(s, tmpfs.Options{Dir: k.Dir})
				if err != nil {
					require.NotEmpty(t, s.Met(), "it failed by itself: %v", err)
					nothingLeft(t, k, s, err)
					return
				}
				if m.name != "" {
					assert.True(t, exists(t, k.Fs, m.name))
				}
				met := len(s.Met())
				s.Reset()
				require.NoError(t, m.drop(), "after %d faults", met)
				empty(t, k)
			})
		})
	}
}

// TestErrorsOfKeep: the name has the old contents or the new, whole; nil means
// the new; and Close removes what was not kept.
func TestErrorsOfKeep(t *testing.T) {
	makers := map[string]func(*testfs.Spy, *tmpfs.Options) (*tmpfs.File, error){
		"Create":          func(s *testfs.Spy, o *tmpfs.Options) (*tmpfs.File, error) { return tmpfs.Create(s, o) },
		"CreateAnonymous": func(s *testfs.Spy, o *tmpfs.Options) (*tmpfs.File, error) { return tmpfs.CreateAnonymous(s, o) },
	}
	for maker, makeFile := range makers {
		for name, keep := range keeps {
			t.Run(maker+" and "+name, func(t *testing.T) {
				eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
					dest, old := k.Join("dest"), ""
					if name == "Keep" {
						old = "old"
						k.WriteFile(t, dest, old)
					}
					f, err := makeFile(s, &tmpfs.Options{Dir: k.Dir})
					if err == nil {
						if _, err = f.WriteString("new"); err == nil {
							err = keep(f, dest)
						}
						if err != nil && f.Name() == "" && errors.Is(err, errors.ErrUnsupported) {
							require.NoError(t, ignore(f.Close(), s))
							return // it cannot be kept here
						}
					}
					now := ""
					if exists(t, k.Fs, dest) {
						now = k.ReadFile(t, dest)
					}
					if err == nil {
						assert.Equal(t, "new", now)
					} else {
						require.NotEmpty(t, s.Met(), "it failed by itself: %v", err)
						assert.Contains(t, []string{old, "new"}, now)
					}
					want := []string{}
					if now != "" {
						want = append(want, "dest")
					}
					if f != nil {
						if err == nil {
							require.NoError(t, f.Close())
							_, err := f.WriteString("late")
							require.ErrorIs(t, err, fs.ErrClosed)
						} else {
							require.NoError(t, ignore(f.Close(), s))
							require.NoError(t, f.Close())
						}
						assert.Empty(t, s.OpenFiles(), "open")
						assert.ElementsMatch(t, want, testfs.Leftovers(t, k.Fs, k.Dir))
						return
					}
					nothingLeft(t, k, s, err, want...)
				})
			})
		}
	}
}

// ignore ends the faults of s. What failed because of them may be done again.
func ignore(err error, s *testfs.Spy) error {
	met := len(s.Met())
	s.Reset()
	if met > 0 {
		return nil
	}
	return err
}

// TestErrorsOfDirKeep: the directory is where it was or where it was to go, whole.
func TestErrorsOfDirKeep(t *testing.T) {
	eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
		d, err := tmpfs.Mkdir(s, &tmpfs.Options{Dir: k.Dir})
		if err != nil {
			nothingLeft(t, k, s, err)
			return
		}
		k.WriteFile(t, path.Join(d.Path(), "file"), "hello")
		before := d.Path()
		err = d.Keep(k.Join("dest"))
		if err == nil {
			assert.Equal(t, k.Join("dest"), d.Path())
			assert.Equal(t, "hello", k.ReadFile(t, k.Join("dest", "file")))
		} else {
			require.NotEmpty(t, s.Met(), "it failed by itself: %v", err)
			assert.Equal(t, before, d.Path())
			left := testfs.Leftovers(t, k.Fs, k.Dir)
			assert.Contains(t, [][]string{{filepath.Base(before), filepath.Base(before) + "/file"}, {"dest", "dest/file"}}, left)
		}
		require.NoError(t, ignore(d.Close(), s))
		require.NoError(t, d.Close())
		if exists(t, k.Fs, k.Join("dest")) {
			require.NoError(t, tmpfs.RemoveAll(k.Fs, k.Join("dest")))
		}
		empty(t, k)
	})
}

// TestErrorsOfRemoval: nil means that everything is gone; an error names all that
// is left, and can be followed by another try.
func TestErrorsOfRemoval(t *testing.T) {
	removals := map[string]func(s *testfs.Spy, d *tmpfs.Dir) error{
		"Dir.Close": func(_ *testfs.Spy, d *tmpfs.Dir) error { return d.Close() },
		"RemoveAll": func(s *testfs.Spy, d *tmpfs.Dir) error { return tmpfs.RemoveAll(s, d.Path()) },
	}
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
				d, err := tmpfs.Mkdir(s, &tmpfs.Options{Dir: k.Dir})
				if err != nil {
					return // see TestErrorsOfMaking
				}
				require.NoError(t, k.Fs.Mkdir(path.Join(d.Path(), "sub"), 0o755))
				for _, file := range []string{"a", "sub/b"} {
					k.WriteFile(t, path.Join(d.Path(), file), "hello")
				}
				err = remove(s, d)
				if left := testfs.Leftovers(t, k.Fs, k.Dir); err == nil {
					assert.Empty(t, left)
				} else {
					require.NotEmpty(t, s.Met(), "it failed by itself: %v", err)
					assert.ErrorContains(t, err, filepath.FromSlash(d.Path()))
				}
				assert.Empty(t, s.OpenFiles(), "open")
				s.Reset()
				require.NoError(t, remove(s, d))
				require.NoError(t, d.Close())
				empty(t, k)
			})
		})
	}
}

// TestErrorsOfAdopt: what is not adopted stays as it is; what is goes with Close.
func TestErrorsOfAdopt(t *testing.T) {
	eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
		k.WriteFile(t, k.Join("file"), "hello")
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		k.WriteFile(t, k.Join("dir", "in"), "hello")
		want := []string{"dir", "dir/in", "file"}
		f, ferr := tmpfs.Adopt(s, k.Join("file"))
		d, derr := tmpfs.AdoptDir(s, k.Join("dir"))
		assert.Equal(t, want, testfs.Leftovers(t, k.Fs, k.Dir))
		assert.Equal(t, "hello", k.ReadFile(t, k.Join("file")))
		failed := len(s.Met()) > 0
		s.Reset()
		if ferr != nil {
			require.True(t, failed, "it failed by itself: %v", ferr)
			pathError(t, ferr, k.Join("file"))
			require.NoError(t, k.Fs.Remove(k.Join("file")))
		} else {
			require.NoError(t, f.Close())
		}
		if derr != nil {
			require.True(t, failed, "it failed by itself: %v", derr)
			pathError(t, derr, k.Join("dir"))
			require.NoError(t, tmpfs.RemoveAll(k.Fs, k.Join("dir")))
		} else {
			require.NoError(t, d.Close())
		}
		assert.Empty(t, s.OpenFiles(), "open")
		empty(t, k)
	})
}

// TestErrorsOfTempDir: the directory is there if TempDir says so.
func TestErrorsOfTempDir(t *testing.T) {
	eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
		fsys := tmpfs.WithTempDir(s, k.Join("a", "b"))
		dir, err := tmpfs.TempDir(fsys)
		if err != nil {
			require.NotEmpty(t, s.Met(), "it failed by itself: %v", err)
			pathError(t, err, k.Join("a", "b"))
			s.Reset()
			dir, err = tmpfs.TempDir(fsys)
		}
		require.NoError(t, err)
		assert.Equal(t, k.Join("a", "b"), dir)
		info, err := k.Fs.Stat(dir)
		require.NoError(t, err)
		assert.True(t, info.IsDir())
	})
}

// TestErrorsAreMet: the tests above make calls that can fail.
func TestErrorsAreMet(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		s := testfs.NewSpy(k.Fs)
		for _, e := range entries {
			s.Reset()
			m, err := e.make(s, tmpfs.Options{Dir: k.Dir})
			require.NoError(t, err)
			assert.GreaterOrEqual(t, len(s.Calls()), 2, fmt.Sprint(e.name, s.Calls()))
			require.NoError(t, m.drop())
		}
	})
}
