//go:build !windows

package rootfs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A prison is a root in a directory that has things worth stealing, and links in
// the root that lead to them.
type prison struct{ outer, base string }

func newPrison(t testing.TB) prison {
	t.Helper()
	outer := t.TempDir()
	p := prison{outer, filepath.Join(outer, "base")}
	for _, dir := range []string{"base/sub", "base-evil", "dir/sub"} {
		require.NoError(t, os.MkdirAll(filepath.Join(outer, dir), 0o755))
	}
	for _, file := range []string{"secret", "base-evil/secret", "dir/file", "base/inside", "base/sub/inside"} {
		require.NoError(t, os.WriteFile(filepath.Join(outer, file), []byte("contents of "+file), 0o640))
	}
	for link, target := range map[string]string{
		"rel": "../secret", "abs": p.out("secret"), "chain": "rel", "passwd": "/etc/passwd",
		"reldir": "../dir", "absdir": p.out("dir"), "up": "..", "new": "../created", "newdir": "../createddir",
		"back": "../base/inside", "absinside": p.out("base", "inside"), "devious": "sub/../../secret", "sub/deep": "../../dir",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(p.base, link)))
	}
	return p
}

func (p prison) out(elem ...string) string {
	return filepath.Join(append([]string{p.outer}, elem...)...)
}

// snapshot tells all that there is to tell of the prison and what is around it.
func (p prison) snapshot(t testing.TB) (all []string) {
	t.Helper()
	err := filepath.WalkDir(p.outer, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var content []byte
		if d.Type().IsRegular() {
			content, err = os.ReadFile(name)
		}
		all = append(all, fmt.Sprintf("%s %v %v %q", name, info.Mode(), info.ModTime(), content))
		return err
	})
	require.NoError(t, err)
	return all
}

// outside is snapshot without the prison.
func (p prison) outside(t testing.TB) []string {
	t.Helper()
	return slices.DeleteFunc(p.snapshot(t), func(line string) bool {
		return strings.HasPrefix(line, p.base+" ") || strings.HasPrefix(line, p.base+"/")
	})
}

func openFile(fsys afero.Fs, name string, flag int) error {
	f, err := fsys.OpenFile(name, flag, 0o600)
	if err == nil {
		_ = f.Close()
	}
	return err
}

func TestEscapes(t *testing.T) {
	reads := func(name string) func(*rootfs.Fs) error {
		return func(fsys *rootfs.Fs) error { _, err := afero.ReadFile(fsys, name); return err }
	}
	writes := func(name string) func(*rootfs.Fs) error {
		return func(fsys *rootfs.Fs) error { return openFile(fsys, name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC) }
	}
	creates := func(name string) func(*rootfs.Fs) error {
		return func(fsys *rootfs.Fs) error { return openFile(fsys, name, os.O_RDWR|os.O_CREATE|os.O_EXCL) }
	}
	for name, escape := range map[string]func(fsys *rootfs.Fs) error{
		"read ..":                         reads("../secret"),
		"read /..":                        reads("/../secret"),
		"read sub/../..":                  reads("sub/../../secret"),
		"read sibling of the same prefix": reads("../base-evil/secret"),
		"read relative link":              reads("rel"),
		"read absolute link":              reads("abs"),
		"read link to link":               reads("chain"),
		"read link with dots inside":      reads("devious"),
		"read link to passwd":             reads("passwd"),
		"read absolute link to inside":    reads("absinside"),
		"read link that comes back":       reads("back"),
		"read below relative link":        reads("reldir/file"),
		"read below absolute link":        reads("absdir/file"),
		"read below link in directory":    reads("sub/deep/file"),
		"read below link up":              reads("up/secret"),
		"write through relative link":     writes("rel"),
		"write through absolute link":     writes("abs"),
		"create through dangling link":    writes("new"),
		"create below link":               creates("reldir/new"),
		"create below absolute link":      creates("absdir/new"),
		"TempFile below link": func(fsys *rootfs.Fs) error {
			_, err := afero.TempFile(fsys, "reldir", "x")
			return err
		},
		"TempDir below link": func(fsys *rootfs.Fs) error { _, err := afero.TempDir(fsys, "absdir", "x"); return err },
		"TempDir with .. in the pattern": func(fsys *rootfs.Fs) error {
			_, err := afero.TempDir(fsys, ".", "../x")
			return err
		},
		"list link":              func(fsys *rootfs.Fs) error { _, err := afero.ReadDir(fsys, "reldir"); return err },
		"list up":                func(fsys *rootfs.Fs) error { _, err := afero.ReadDir(fsys, "up"); return err },
		"mkdir below link":       func(fsys *rootfs.Fs) error { return fsys.Mkdir("reldir/new", 0o700) },
		"mkdirall below link":    func(fsys *rootfs.Fs) error { return fsys.MkdirAll("absdir/new/er", 0o700) },
		"mkdirall through link":  func(fsys *rootfs.Fs) error { return fsys.MkdirAll("newdir/new", 0o700) },
		"rename out by ..":       func(fsys *rootfs.Fs) error { return fsys.Rename("inside", "../stolen") },
		"rename out by link":     func(fsys *rootfs.Fs) error { return fsys.Rename("inside", "reldir/stolen") },
		"rename over by link":    func(fsys *rootfs.Fs) error { return fsys.Rename("inside", "absdir/file") },
		"rename in by link":      func(fsys *rootfs.Fs) error { return fsys.Rename("reldir/file", "stolen") },
		"remove below link":      func(fsys *rootfs.Fs) error { return fsys.Remove("absdir/file") },
		"removeall below link":   func(fsys *rootfs.Fs) error { return fsys.RemoveAll("reldir/sub") },
		"removeall through up":   func(fsys *rootfs.Fs) error { return fsys.RemoveAll("up/dir") },
		"stat link":              func(fsys *rootfs.Fs) error { _, err := fsys.Stat("rel"); return err },
		"stat ..":                func(fsys *rootfs.Fs) error { _, err := fsys.Stat(".."); return err },
		"lstat below link":       func(fsys *rootfs.Fs) error { _, _, err := fsys.LstatIfPossible("reldir/file"); return err },
		"readlink below link":    func(fsys *rootfs.Fs) error { _, err := fsys.ReadlinkIfPossible("up/base/rel"); return err },
		"symlink below link":     func(fsys *rootfs.Fs) error { return fsys.SymlinkIfPossible("x", "reldir/new") },
		"chmod through link":     func(fsys *rootfs.Fs) error { return fsys.Chmod("abs", 0o777) },
		"chmod below link":       func(fsys *rootfs.Fs) error { return fsys.Chmod("reldir/file", 0o777) },
		"chown through link":     func(fsys *rootfs.Fs) error { return fsys.Chown("rel", os.Getuid(), os.Getgid()) },
		"chtimes through link":   func(fsys *rootfs.Fs) error { return fsys.Chtimes("rel", epoch, epoch) },
		"chtimes of a directory": func(fsys *rootfs.Fs) error { return fsys.Chtimes("absdir", epoch, epoch) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPrison(t)
			before := p.snapshot(t)
			err := escape(open(t, p.base))
			require.ErrorIs(t, err, fs.ErrInvalid)
			assert.ErrorContains(t, err, "path escapes from its base")
			assert.NotContains(t, err.Error(), p.outer, "the error shows where the root is")
			shape(t, err)
			assert.Equal(t, before, p.snapshot(t))
		})
	}
}

// What acts on a link and not on its target is allowed, and leaves the target
// alone.
func TestLinksThemselves(t *testing.T) {
	p := newPrison(t)
	fsys := open(t, p.base)
	before := p.outside(t)
	for _, link := range []string{"rel", "abs", "reldir", "new"} {
		require.NoError(t, fsys.Rename(link, "moved"))
		require.NoError(t, fsys.Remove("moved"))
	}
	for _, link := range []string{"absdir", "up", "newdir", "passwd"} {
		require.NoError(t, fsys.RemoveAll(link))
	}
	require.NoError(t, fsys.RemoveAll("sub"), "a directory with a link that leads out")
	assert.ErrorIs(t, openFile(fsys, "chain", os.O_WRONLY|os.O_CREATE|os.O_EXCL), fs.ErrExist)
	require.NoError(t, fsys.Rename("inside", "devious"), "a link is replaced, not followed")
	assert.NoFileExists(t, p.out("created"))

	assert.Equal(t, before, p.outside(t))
}

// A link that stays within the root is followed like any other.
func TestLinksWithin(t *testing.T) {
	fsys := open(t, t.TempDir())
	require.NoError(t, fsys.MkdirAll("a/b", 0o755))
	require.NoError(t, fsys.SymlinkIfPossible("../a/b", "/a/link"))
	require.NoError(t, afero.WriteFile(fsys, "/a/link/file", []byte("content"), 0o644))
	b, err := afero.ReadFile(fsys, "/a/b/file")
	require.NoError(t, err)
	assert.Equal(t, "content", string(b))
	target, err := fsys.ReadlinkIfPossible("/a/link")
	require.NoError(t, err)
	assert.Equal(t, "../a/b", target)
	info, lstat, err := fsys.LstatIfPossible("/a/link")
	require.NoError(t, err)
	assert.True(t, lstat)
	assert.Equal(t, fs.ModeSymlink, info.Mode().Type())
}

// FuzzNames lets no name out, whatever it is made of. The prison has links to
// every kind of outside.
func FuzzNames(f *testing.F) {
	for _, name := range []string{
		"", "..", "../secret", "/a/../../secret", "reldir/file", "up/secret", "sub/deep/../file", "chain", "absdir/../secret",
		"up/base/up/secret", "./devious", "inside/../..", "back", "new", "\x00", "sub//..//..//secret", "...", "up/./base-evil/x",
	} {
		f.Add(name, name)
	}
	f.Fuzz(func(t *testing.T, name, other string) {
		p := newPrison(t)
		fsys, err := rootfs.Open(p.base)
		require.NoError(t, err)
		defer func() { _ = fsys.Close() }()
		before := p.outside(t)
		_ = openFile(fsys, name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
		_ = fsys.Chmod(name, 0o700)
		_ = fsys.Chtimes(name, epoch, epoch)
		_ = fsys.Rename(name, other)
		_ = fsys.MkdirAll(name, 0o700)
		_ = fsys.SymlinkIfPossible(other, name)
		_ = fsys.Remove(other)
		_ = fsys.RemoveAll(name)
		assert.Equal(t, before, p.outside(t), "%q %q", name, other)
	})
}
