package atomicfs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// eachWithLinks is testfs.Each for what only file systems with links can show.
func eachWithLinks(t *testing.T, body func(t *testing.T, k testfs.Kind)) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if !k.Links {
			t.Skip("no links here")
		}
		body(t, k)
	})
}

// link makes a link by the operating system: BasePathFs would change its target.
func link(t *testing.T, k testfs.Kind, target, name string) {
	t.Helper()
	require.NoError(t, os.Symlink(target, k.Real(name)))
}

func TestLinksAreFollowed(t *testing.T) {
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		require.NoError(t, k.Fs.MkdirAll(k.Join("data", "deep"), 0o755))
		k.WriteFile(t, k.Join("data", "file"), "old")
		links := map[string]string{
			"relative": "data/file",
			"chain":    "relative",
			"up":       "data/deep/../file",
			"dangling": "data/missing",
			"hang":     "dangling",
		}
		for name, target := range links {
			link(t, k, target, k.Join(name))
		}
		link(t, k, "../data/deep", k.Join("data", "dir"))
		for name, real := range map[string]string{
			"relative": "data/file", "chain": "data/file", "up": "data/file",
			"dangling": "data/missing", "hang": "data/missing", "data/dir/../file": "data/file",
		} {
			name := k.Join(filepath.FromSlash(name))
			for way, write := range writers {
				text := name + " by " + way
				require.NoError(t, write(k.Fs, name, text))
				require.Equal(t, text, k.ReadFile(t, k.Join(filepath.FromSlash(real))))
			}
		}
		for name, target := range links {
			got, err := os.Readlink(k.Real(k.Join(name)))
			require.NoError(t, err, "it is a link still")
			require.Equal(t, target, got)
		}
		assert.Equal(t, []string{
			"chain", "dangling", "data", "data/deep", "data/dir", "data/file", "data/missing", "hang", "relative", "up",
		}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestAbsoluteLinks(t *testing.T) {
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("file"), "old")
		link(t, k, k.Real(k.Join("file")), k.Join("link"))
		err := atomicfs.WriteFile(k.Fs, k.Join("link"), []byte("new"), 0o644)
		if k.Name == "rootfs" && err != nil {
			// A root follows no absolute link by itself; that this one leads inside is known all the same.
			t.Errorf("refused: %v", err)
		}
		require.NoError(t, err)
		assert.Equal(t, "new", k.ReadFile(t, k.Join("file")))
	})
}

func TestLinksThatLeadNowhere(t *testing.T) {
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		link(t, k, "loop2", k.Join("loop"))
		link(t, k, "loop", k.Join("loop2"))
		link(t, k, "missing/dir/file", k.Join("no-parent"))
		for way, write := range writers {
			require.ErrorIs(t, write(k.Fs, k.Join("loop"), "x"), eloop, way)
			require.ErrorIs(t, write(k.Fs, k.Join("no-parent"), "x"), fs.ErrNotExist, way)
		}
		assert.Equal(t, []string{"loop", "loop2", "no-parent"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// A link in a base path that leads out of it is an error, and nothing is written
// outside.
func TestLinksThatLeadOut(t *testing.T) {
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		if k.Name == "OsFs" {
			t.Skip("there is no outside")
		}
		outside := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(outside, "victim"), []byte("old"), 0o644))
		link(t, k, filepath.Join(outside, "victim"), k.Join("file"))
		link(t, k, filepath.Join(outside, "new"), k.Join("dangling"))
		link(t, k, outside, k.Join("dir"))
		link(t, k, "../../../../../../../../../.."+filepath.Join(outside, "victim"), k.Join("up"))
		for way, write := range writers {
			for _, name := range []string{k.Join("file"), k.Join("dangling"), k.Join("up"), k.Join("dir", "victim"), k.Join("dir", "new")} {
				if way == "NewFs" && strings.HasPrefix(name, k.Join("dir")) {
					continue // its MkdirAll is the Fs's own
				}
				err := write(k.Fs, name, "x")
				require.Error(t, err, "%s %s", way, name)
				require.NotContains(t, err.Error(), outside)
			}
		}
		data, err := os.ReadFile(filepath.Join(outside, "victim"))
		require.NoError(t, err)
		assert.Equal(t, "old", string(data))
		entries, err := os.ReadDir(outside)
		require.NoError(t, err)
		assert.Len(t, entries, 1)
	})
}

func TestNoFollow(t *testing.T) {
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("file"), "old")
		for i, target := range []string{"file", "missing", k.Real(k.Dir)} {
			name := k.Join(fmt.Sprint("link", i))
			link(t, k, target, name)
			f := create(t, k.Fs, name, &atomicfs.Options{NoFollow: true})
			put(t, f, "new")
			require.NoError(t, f.Commit())
			info, err := os.Lstat(k.Real(name))
			require.NoError(t, err)
			assert.True(t, info.Mode().IsRegular())
			assert.Equal(t, "new", k.ReadFile(t, name))
		}
		assert.Equal(t, "old", k.ReadFile(t, k.Join("file")))
		assert.Equal(t, []string{"file", "link0", "link1", "link2"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// As with O_EXCL, a link exists, wherever it leads.
func TestNoReplaceOfLinks(t *testing.T) {
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		link(t, k, "missing", k.Join("link"))
		_, err := atomicfs.Create(k.Fs, k.Join("link"), &atomicfs.Options{NoReplace: true})
		require.ErrorIs(t, err, fs.ErrExist)
		assert.Equal(t, []string{"link"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// Another name of the old file goes on to show the old contents.
func TestHardLinks(t *testing.T) {
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("file"), "old")
		require.NoError(t, os.Link(k.Real(k.Join("file")), k.Real(k.Join("other"))))
		require.NoError(t, atomicfs.WriteFile(k.Fs, k.Join("file"), []byte("new"), 0o644))
		assert.Equal(t, "new", k.ReadFile(t, k.Join("file")))
		assert.Equal(t, "old", k.ReadFile(t, k.Join("other")))
	})
}

func TestLongNames(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join(strings.Repeat("n", 255))
		for way, write := range writers {
			require.NoError(t, write(k.Fs, name, way))
			require.Equal(t, way, k.ReadFile(t, name))
		}
		if !k.OS {
			return // in memory nothing is too long
		}
		err := atomicfs.WriteFile(k.Fs, name+"n", nil, 0o644)
		require.ErrorIs(t, err, enametoolong)
		assert.Equal(t, []string{strings.Repeat("n", 255)}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestDirectoryInThePlace(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("place")
		before := func() {
			require.NoError(t, k.Fs.Mkdir(name, 0o755))
			k.WriteFile(t, filepath.Join(name, "child"), "child")
		}
		after := func(err error) {
			t.Helper()
			require.ErrorIs(t, err, eisdir)
			requirePathError(t, err, name)
			assert.Equal(t, []string{"place", "place/child"}, testfs.Leftovers(t, k.Fs, k.Dir))
			require.NoError(t, k.Fs.RemoveAll(name))
		}
		before()
		_, err := atomicfs.Create(k.Fs, name, nil)
		after(err)

		f := create(t, k.Fs, name, nil)
		put(t, f, "text")
		before()
		err = f.Commit()
		require.NoError(t, f.Close())
		after(err)

		f = create(t, k.Fs, name, &atomicfs.Options{NoReplace: true})
		before()
		require.ErrorIs(t, f.Commit(), fs.ErrExist)
		require.NoError(t, f.Close())
	})
}

// A directory that is renamed while a file in it is being written takes the file
// along, and one that takes its name is not written to.
func TestParentMovesMeanwhile(t *testing.T) {
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		for _, instead := range []string{"nothing", "directory", "link"} {
			t.Run(instead, func(t *testing.T) {
				k := k.Fresh(t)
				require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
				require.NoError(t, k.Fs.Mkdir(k.Join("other"), 0o755))
				batch := atomicfs.NewBatch(k.Fs, nil)
				require.NoError(t, batch.WriteFile(k.Join("dir", "batch"), []byte("new"), 0o644))
				aside, err := atomicfs.NewFs(k.Fs, nil).Create(k.Join("dir", "aside"))
				require.NoError(t, err)
				f := create(t, k.Fs, k.Join("dir", "file"), nil)
				for _, w := range []interface{ WriteString(string) (int, error) }{f, aside} {
					put(t, w, "new")
				}

				require.NoError(t, k.Fs.Rename(k.Join("dir"), k.Join("moved")))
				switch instead {
				case "directory":
					require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
				case "link":
					link(t, k, "other", k.Join("dir"))
				}
				require.NoError(t, f.Commit())
				require.NoError(t, aside.Sync())
				put(t, aside, "er")
				require.NoError(t, aside.Close())
				require.NoError(t, batch.Commit())

				assert.Equal(t, []string{"aside", "batch", "file"}, testfs.Leftovers(t, k.Fs, k.Join("moved")))
				assert.Equal(t, "newer", k.ReadFile(t, k.Join("moved", "aside")))
				assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Join("other")))
				if instead == "directory" {
					assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Join("dir")))
				}
			})
		}
	})
}

// A directory that is gone is an error, and not made again.
func TestParentIsRemovedMeanwhile(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		f := create(t, k.Fs, k.Join("dir", "file"), nil)
		put(t, f, "text")
		require.NoError(t, tmpfs.RemoveAll(k.Fs, k.Join("dir")))
		err := f.Commit()
		require.ErrorIs(t, err, fs.ErrNotExist)
		requirePathError(t, err, k.Join("dir", "file"))
		require.NoError(t, f.Close())
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestModeAndOwnerModes(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		mode := func(name string) fs.FileMode {
			info, err := k.Fs.Stat(name)
			require.NoError(t, err)
			return info.Mode()
		}
		name := k.Join("new")
		f := create(t, k.Fs, name, nil)
		require.NoError(t, f.Commit())
		assert.Equal(t, fs.FileMode(0o644), mode(name).Perm(), "the default; the umask of tests leaves it")

		name = k.Join("exact")
		for _, perm := range []fs.FileMode{0o777, 0o600, 0o666, 0o400} {
			f := create(t, k.Fs, name, &atomicfs.Options{Perm: perm, ExactPerm: true})
			require.NoError(t, f.Commit())
			assert.Equal(t, perm, mode(name).Perm())
		}

		name = k.Join("kept")
		k.WriteFile(t, name, "old")
		for _, perm := range []fs.FileMode{0o777, 0o600, 0o666, 0o444} {
			require.NoError(t, k.Fs.Chmod(name, perm))
			require.NoError(t, atomicfs.WriteFile(k.Fs, name, []byte("new"), 0o755))
			assert.Equal(t, perm, mode(name).Perm())
		}

		name = k.Join("none")
		require.NoError(t, atomicfs.WriteFile(k.Fs, name, []byte("new"), 0))
		assert.Equal(t, fs.FileMode(0), mode(name).Perm(), "as os.WriteFile takes it")

		name = k.Join("special")
		f = create(t, k.Fs, name, &atomicfs.Options{Perm: 0o755 | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky, ExactPerm: true})
		require.NoError(t, f.Commit())
		assert.Equal(t, fs.FileMode(0o755), mode(name)&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky))
	})
}

// A file that somebody makes while another is being written is one that exists, and
// one that somebody removes has had a mode.
func TestModeAndOwnerOfFileMadeMeanwhile(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		f := create(t, k.Fs, name, nil)
		k.WriteFile(t, name, "meanwhile")
		require.NoError(t, k.Fs.Chmod(name, 0o604))
		require.NoError(t, f.Commit())
		assert.Equal(t, fs.FileMode(0o604), mode(k.Fs, name))

		f = create(t, k.Fs, name, nil)
		require.NoError(t, k.Fs.Remove(name))
		require.NoError(t, f.Commit())
		assert.Equal(t, fs.FileMode(0o604), mode(k.Fs, name))
	})
}

// In memory a file may have no mode at all: the default it is then.
func TestModeAndOwnerOfNone(t *testing.T) {
	for _, k := range testfs.Kinds(t) {
		if k.Name != "MemMapFs" {
			continue
		}
		f, err := k.Fs.Create(k.Join("file")) // which gives it none
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.NoError(t, atomicfs.WriteFile(k.Fs, k.Join("file"), []byte("new"), 0o640))
		info, err := k.Fs.Stat(k.Join("file"))
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o640), info.Mode().Perm())
	}
}

// Relative names are those of the Fs.
func TestRelativeNames(t *testing.T) {
	mem := afero.NewMemMapFs()
	require.NoError(t, atomicfs.WriteFile(mem, "dir/file", []byte("relative"), 0o644))
	require.NoError(t, atomicfs.WriteFile(mem, "/dir/file", []byte("absolute"), 0o644))
	data, err := afero.ReadFile(mem, "dir/file")
	require.NoError(t, err)
	assert.Contains(t, []string{"relative", "absolute"}, string(data), "one file or two, as the Fs has it")

	t.Chdir(t.TempDir())
	require.NoError(t, atomicfs.WriteFile(afero.NewOsFs(), "dir/file", []byte("text"), 0o644))
	assert.FileExists(t, "dir/file")
	err = atomicfs.WriteFile(afero.NewOsFs(), "dir", []byte("text"), 0o644)
	requirePathError(t, err, "dir")
}
