package tmpfs_test

import (
	"errors"
	"io/fs"
	"os"
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

// TestGoTempfile: what os/tempfile_test.go asserts of os.CreateTemp and
// os.MkdirTemp, less the patterns, which are in TestNames.
func TestGoTempfile(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, e := range entriesOf("CreateTemp", "MkdirTemp") {
			bad := k.Join("not-exist")
			_, err := e.make(k.Fs, tmpfs.Options{Dir: bad, Pattern: "foo"})
			require.ErrorIs(t, err, fs.ErrNotExist)
			var perr *fs.PathError
			require.ErrorAs(t, err, &perr)
			assert.Contains(t, perr.Path, bad)
			for _, pattern := range []string{"foo/*bar", "foo*/bar", "/foo*", "foo*bar/", string(os.PathSeparator) + "foo"} {
				_, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir, Pattern: pattern})
				require.ErrorContains(t, err, "pattern contains a path separator")
			}
			m, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir + strings.Repeat("/", 3), Pattern: "foo"})
			require.NoError(t, err)
			assert.Equal(t, k.Dir, filepath.Dir(m.name), "no slash is doubled")
			require.NoError(t, m.drop())
		}
		empty(t, k)
	})
}

// TestNodeTmp: the ways out of a base that node-tmp has had: a directory that is a
// link to outside, a template or a prefix or a postfix with a path in it.
func TestNodeTmp(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, e := range entries {
			for _, pattern := range []string{"../evil-*", "*/../../evil", "a/../../evil-*", "/evil-*", `..\evil-*`, "*\\..\\evil"} {
				_, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir, Pattern: pattern})
				require.ErrorIs(t, err, fs.ErrInvalid, pattern)
			}
			if k.Name != "OsFs" {
				for _, dir := range []string{"../out", "/../out", k.Dir + "/../../out", "a/../../out"} {
					_, err := e.make(k.Fs, tmpfs.Options{Dir: dir})
					require.ErrorIs(t, err, fs.ErrInvalid, dir)
				}
			}
		}
		empty(t, k)
		if !k.Links || k.Name == "OsFs" {
			return // the system follows its own links
		}
		out, real := t.TempDir(), k.Real(k.Dir)
		for link, target := range map[string]string{
			"abs": out, "rel": relative(t, real, out), "chain": "abs", "file": filepath.Join(out, "file"),
		} {
			require.NoError(t, os.Symlink(target, filepath.Join(real, link)))
		}
		require.NoError(t, os.Mkdir(filepath.Join(out, "sub"), 0o700))
		for _, e := range entries {
			for _, dir := range []string{"abs", "rel", "chain", "abs/sub", "rel/sub", "chain/sub", "file", "abs/.", "abs/sub/../sub"} {
				_, err := e.make(k.Fs, tmpfs.Options{Dir: k.Join(dir)})
				require.Error(t, err, "%s in %s", e.name, dir)
				assert.NotContains(t, err.Error(), out, "where the link leads must not be told")
			}
		}
		assert.Equal(t, []string{"sub"}, testfs.Leftovers(t, afero.NewOsFs(), out))
	})
}

func relative(t *testing.T, from, to string) string {
	t.Helper()
	rel, err := filepath.Rel(from, to)
	require.NoError(t, err)
	return rel
}

// TestJUnit: a temporary directory goes or stays as was asked, whatever becomes of
// the test that uses it.
func TestJUnit(t *testing.T) {
	failed := errors.New("failed")
	outcomes := map[string]func() error{
		"passes": func() error { return nil },
		"fails":  func() error { return failed },
		"panics": func() error { panic(failed) },
		"exits":  func() error { runtime.Goexit(); return nil },
	}
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for outcome, end := range outcomes {
			for mode, kept := range map[string]bool{
				"always": true,
				"never":  false, "on success": outcome == "passes",
			} {
				var name string
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { _ = recover() }()
					_ = tmpfs.WithDir(k.Fs, &tmpfs.Options{Dir: k.Dir}, func(d *tmpfs.Dir) error {
						name = d.Path()
						writeIn(t, d, "/file", "hello")
						if mode == "always" {
							assert.NoError(t, d.Keep(name))
						}
						err := end()
						if mode == "on success" && err == nil {
							return d.Keep(name)
						}
						return err
					})
				}()
				<-done
				assert.Equal(t, kept, exists(t, k.Fs, name), "%s, kept %s", outcome, mode)
				require.NoError(t, tmpfs.RemoveAll(k.Fs, name))
			}
		}
		empty(t, k)
	})
}

// TestNodeDisposable: what Node's tests of mkdtempDisposable assert.
func TestNodeDisposable(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if k.Name == "OsFs" {
			t.Chdir(k.Dir)
		}
		d, err := tmpfs.Mkdir(k.Fs, &tmpfs.Options{Dir: k.Dir, Pattern: "foo."})
		require.NoError(t, err)
		assert.Regexp(t, `^foo\.`+randomPart+`$`, filepath.Base(d.Path()))
		writeIn(t, d, "/file", "contents go with it")
		require.NoError(t, d.Close())
		assert.False(t, exists(t, k.Fs, d.Path()))
		require.NoError(t, d.Close(), "a second time does nothing")

		d = mkdir(t, k)
		require.NoError(t, d.Close())
		require.NoError(t, k.Fs.Mkdir(d.Path(), 0o700)) // somebody else's by now
		require.NoError(t, d.Close())
		assert.True(t, exists(t, k.Fs, d.Path()), "what came after is not touched")
		require.NoError(t, k.Fs.Remove(d.Path()))
		empty(t, k)
	})
}
