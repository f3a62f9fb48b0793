package tmpfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
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

// mkdir makes a temporary directory with a file in it in the directory of k.
func mkdir(t testing.TB, k testfs.Kind) *tmpfs.Dir {
	t.Helper()
	return mkdirOn(t, k.Fs, k.Dir)
}

func mkdirOn(t testing.TB, fsys afero.Fs, dir string) *tmpfs.Dir {
	t.Helper()
	d, err := tmpfs.Mkdir(fsys, &tmpfs.Options{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	require.NoError(t, d.MkdirAll("/sub", 0o700))
	writeIn(t, d, "/sub/file", "hello")
	return d
}

func writeIn(t testing.TB, d afero.Fs, name, text string) {
	t.Helper()
	f, err := d.Create(name)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func readIn(t testing.TB, d afero.Fs, name string) string {
	t.Helper()
	b, err := afero.ReadFile(d, name)
	require.NoError(t, err)
	return string(b)
}

func TestDir(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d := mkdir(t, k)
		// Names are slash-rooted, and what is made by one Fs is there on the other.
		for _, name := range []string{"/sub/file", "sub/file", "./sub//file", "sub/../sub/file"} {
			assert.Equal(t, "hello", readIn(t, d, name), name)
		}
		assert.Equal(t, "hello", k.ReadFile(t, path.Join(d.Path(), "sub", "file")))
		k.WriteFile(t, path.Join(d.Path(), "other"), "from above")
		assert.Equal(t, "from above", readIn(t, d, "/other"))
		require.NoError(t, d.Rename("/other", "/sub/other"))
		require.NoError(t, d.Remove("/sub/other"))
		assert.Equal(t, []string{"sub", "sub/file"}, testfs.Leftovers(t, d, "/"))
		require.NoError(t, d.Close())
		require.NoError(t, d.Close())
		empty(t, k)
	})
}

// TestLitterDirIsNotLeft: no name leads out, in either direction.
func TestLitterDirIsNotLeft(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("outside"), "precious")
		d := mkdir(t, k)
		sibling := d.Path() + "-evil" // what a test of prefixes takes for a part of it
		require.NoError(t, k.Fs.Mkdir(sibling, 0o755))
		k.WriteFile(t, path.Join(sibling, "file"), "precious")
		for _, name := range []string{
			"../outside", "/../outside", "sub/../../outside", "../" + filepath.Base(sibling) + "/file",
			"../../../../../../../../etc/passwd", "", "a\x00b",
		} {
			for op, err := range outward(d, name) {
				require.ErrorIs(t, err, fs.ErrInvalid, "%s %q", op, name)
				assert.NotContains(t, strings.ReplaceAll(err.Error(), name, ""), filepath.Base(d.Path()), "where it is must not be told")
			}
		}
		for _, name := range []string{"/", ".", "sub/.."} {
			assert.Error(t, d.Remove(name), name)
			assert.Error(t, d.RemoveAll(name), name)
			assert.Error(t, d.Rename(name, "/x"), name)
			assert.Error(t, d.Rename("/sub", name), name)
		}
		assert.Equal(t, "precious", k.ReadFile(t, k.Join("outside")))
		assert.Equal(t, "precious", k.ReadFile(t, path.Join(sibling, "file")))
		assert.Equal(t, []string{"sub", "sub/file"}, testfs.Leftovers(t, d, "/"))
	})
}

// outward calls everything that takes a name.
func outward(d *tmpfs.Dir, name string) map[string]error {
	errs := map[string]error{
		"mkdir":     d.Mkdir(name, 0o700),
		"mkdirall":  d.MkdirAll(name, 0o700),
		"remove":    d.Remove(name),
		"removeall": d.RemoveAll(name),
		"from":      d.Rename(name, "/x"),
		"to":        d.Rename("/sub", name),
		"chmod":     d.Chmod(name, 0o777),
		"chown":     d.Chown(name, os.Getuid(), os.Getgid()),
	}
	_, errs["create"] = d.Create(name)
	_, errs["open"] = d.Open(name)
	_, errs["openfile"] = d.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	_, errs["stat"] = d.Stat(name)
	_, _, errs["lstat"] = d.LstatIfPossible(name)
	_, errs["readlink"] = d.ReadlinkIfPossible(name)
	return errs
}

// TestDirLinks: links within are followed, links that lead out are not, whether
// they were made by the Dir or by somebody else.
func TestDirLinks(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d := mkdir(t, k)
		_, links, err := d.LstatIfPossible("/sub")
		require.NoError(t, err)
		if !k.OS {
			assert.ErrorIs(t, d.SymlinkIfPossible("sub", "/link"), errors.ErrUnsupported)
			return
		}
		if !k.Links {
			t.Skip("links are a privilege")
		}
		assert.True(t, links)
		k.WriteFile(t, k.Join("outside"), "precious")
		require.NoError(t, d.SymlinkIfPossible("sub/file", "/in"))
		target, err := d.ReadlinkIfPossible("/in")
		require.NoError(t, err)
		assert.Equal(t, "sub/file", target)
		assert.Equal(t, "hello", readIn(t, d, "/in"))
		real := k.Real(d.Path())
		require.NoError(t, os.Symlink("../outside", filepath.Join(real, "rel")))
		require.NoError(t, os.Symlink(k.Real(k.Join("outside")), filepath.Join(real, "abs")))
		require.NoError(t, os.Symlink("..", filepath.Join(real, "up")))
		for _, name := range []string{"rel", "abs", "up/outside"} {
			_, err := d.Open(name)
			require.Error(t, err, name)
			_, err = d.Create(name)
			require.Error(t, err, name)
			require.Error(t, d.Chmod(name, 0o777), name)
			_, err = d.Stat(name)
			require.Error(t, err, name)
		}
		require.NoError(t, d.Close())
		assert.Equal(t, "precious", k.ReadFile(t, k.Join("outside")))
		assert.Equal(t, []string{"outside"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestDirKeep(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d := mkdir(t, k)
		require.NoError(t, d.Keep(k.Join("kept")))
		assert.Equal(t, k.Join("kept"), d.Path())
		assert.Equal(t, "hello", readIn(t, d, "/sub/file"), "it is still the Fs")
		writeIn(t, d, "/late", "late")
		assert.ErrorIs(t, d.Keep(k.Join("again")), fs.ErrClosed)
		assert.ErrorIs(t, d.Keep(d.Path()), fs.ErrClosed)
		require.NoError(t, d.Close())
		require.NoError(t, d.Close())
		assert.Equal(t, []string{"kept", "kept/late", "kept/sub", "kept/sub/file"}, testfs.Leftovers(t, k.Fs, k.Dir))
		_, err := d.Stat("/late")
		assert.ErrorIs(t, err, fs.ErrClosed, "after Close it is not an Fs")
		_, err = d.Create("/later")
		assert.ErrorIs(t, err, fs.ErrClosed)
	})
}

// What is temporary in a directory that is kept goes along: it is removed, or kept,
// where it is by then.
func TestDirKeepTakesAlong(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d := mkdir(t, k)
		in := &tmpfs.Options{Dir: "/sub"}
		removed, err := tmpfs.Create(d, in)
		require.NoError(t, err)
		kept, err := tmpfs.Create(d, in)
		require.NoError(t, err)
		inner, err := tmpfs.Mkdir(d, in)
		require.NoError(t, err)
		deep, err := tmpfs.Create(inner, &tmpfs.Options{Dir: "/"})
		require.NoError(t, err)
		require.NoError(t, d.Keep(k.Join("one")))
		require.NoError(t, deep.Keep("/deep"))
		require.NoError(t, kept.Keep("/kept"))
		require.NoError(t, removed.Close())
		require.NoError(t, inner.Keep("/inner"))
		require.NoError(t, errors.Join(inner.Close(), d.Close()))
		assert.Equal(t, []string{"one", "one/inner", "one/inner/deep", "one/kept", "one/sub", "one/sub/file"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestDirKeepWhereItIs(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d := mkdir(t, k)
		name := d.Path()
		require.NoError(t, d.Keep(name+"/."))
		assert.Equal(t, name, d.Path())
		require.NoError(t, d.Close())
		assert.Equal(t, "hello", k.ReadFile(t, path.Join(name, "sub", "file")))

		d = mkdir(t, k)
		require.NoError(t, tmpfs.RemoveAll(k.Fs, d.Path()))
		assert.ErrorIs(t, d.Keep(d.Path()), fs.ErrNotExist)
		assert.ErrorIs(t, d.Keep(k.Join("elsewhere")), fs.ErrNotExist)
		require.NoError(t, d.Close())
	})
}

// TestDirKeepRefused: nothing is replaced, not even an empty directory, and the
// directory is still temporary and the Fs.
func TestDirKeepRefused(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("file"), "precious")
		require.NoError(t, k.Fs.Mkdir(k.Join("void"), 0o755))
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		k.WriteFile(t, k.Join("dir", "in"), "precious")
		want := []string{"dir", "dir/in", "file", "void"}
		if k.Links {
			require.NoError(t, os.Symlink("nothing", filepath.Join(k.Real(k.Dir), "link")))
			want = []string{"dir", "dir/in", "file", "link", "void"}
		}
		d := mkdir(t, k)
		refused := map[string]error{
			k.Join("file"):             fs.ErrExist,
			k.Join("void"):             fs.ErrExist,
			k.Join("dir"):              fs.ErrExist,
			k.Join("missing", "x"):     fs.ErrNotExist,
			k.Join("file", "x"):        syscall.ENOTDIR,
			path.Join(d.Path(), "x"):   syscall.EINVAL, // into itself
			path.Join(d.Path(), "sub"): fs.ErrExist,
			"":                         fs.ErrInvalid,
		}
		if k.Links {
			refused[k.Join("link")] = fs.ErrExist
		}
		for name, want := range refused {
			err := d.Keep(name)
			require.ErrorIs(t, err, want, name)
			if !strings.HasPrefix(name, d.Path()) {
				pathError(t, err, name)
			}
			assert.Equal(t, "hello", readIn(t, d, "/sub/file"))
		}
		require.NoError(t, d.Close())
		assert.Equal(t, want, testfs.Leftovers(t, k.Fs, k.Dir))
		assert.Equal(t, "precious", k.ReadFile(t, k.Join("dir", "in")))
	})
}

// TestDirKeepRace: of many that want one name, one gets it.
func TestDirKeepRace(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		const racers = 16
		dirs, errs := make([]*tmpfs.Dir, racers), make([]error, racers)
		for i := range dirs {
			dirs[i] = mkdir(t, k)
		}
		var wg sync.WaitGroup
		for i, d := range dirs {
			wg.Go(func() { errs[i] = d.Keep(k.Join("prize")) })
		}
		wg.Wait()
		won := 0
		for i, d := range dirs {
			if errs[i] == nil {
				won++
			} else {
				assert.ErrorIs(t, errs[i], fs.ErrExist)
			}
			require.NoError(t, d.Close())
		}
		assert.Equal(t, 1, won)
		assert.Equal(t, []string{"prize", "prize/sub", "prize/sub/file"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// TestDirCloseAgain: what refused to go can go later.
func TestDirCloseAgain(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		spy := testfs.NewSpy(k.Fs)
		d := mkdirOn(t, spy, k.Dir)
		spy.Fail(testfs.Calls("remove"), testfs.Fault{Err: syscall.EACCES})
		err := d.Close()
		require.ErrorIs(t, err, fs.ErrPermission)
		for _, left := range []string{"", "sub", "sub/file"} {
			assert.ErrorContains(t, err, filepath.Join(d.Path(), left), "it lists what is left")
		}
		spy.Reset()
		require.NoError(t, d.Close())
		require.NoError(t, d.Close())
		empty(t, k)
	})
}

// TestDirRemovedBySomebodyElse: Close has nothing to do, and says nothing.
func TestDirRemovedBySomebodyElse(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d := mkdir(t, k)
		require.NoError(t, k.Fs.RemoveAll(d.Path()))
		require.NoError(t, d.Close())
		assert.ErrorIs(t, d.Keep(k.Join("kept")), fs.ErrClosed)
		empty(t, k)
	})
}

// TestDirInDir: a Dir is an Fs as any other, with temporaries of its own.
func TestDirInDir(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		outer := mkdir(t, k)
		inner, err := tmpfs.Mkdir(outer, nil)
		require.NoError(t, err)
		assert.Equal(t, filepath.FromSlash("/tmp"), filepath.Dir(inner.Path()))
		writeIn(t, inner, "/deep", "deep")
		assert.Equal(t, "deep", k.ReadFile(t, path.Join(outer.Path(), filepath.ToSlash(inner.Path()), "deep")))
		f, err := tmpfs.Create(inner, &tmpfs.Options{Dir: "/"})
		require.NoError(t, err)
		require.NoError(t, f.Keep("/kept"))
		require.NoError(t, inner.Keep("/inner"))
		assert.Equal(t, []string{"inner", "inner/deep", "inner/kept", "sub", "sub/file", "tmp"}, testfs.Leftovers(t, outer, "/"))
		require.NoError(t, inner.Close())
		require.NoError(t, outer.Close())
		empty(t, k)
	})
}
