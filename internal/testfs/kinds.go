package testfs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A Kind is one file system out of those that must agree, with a directory to
// work in.
type Kind struct {
	Name  string
	Fs    afero.Fs
	Dir   string // an absolute path on Fs: a directory that exists and is empty
	OS    bool   // files are the operating system's, so that modes and permissions are real
	Links bool   // Fs has symbolic links

	real func(name string) string // nil where files have no path on the operating system
	make func(t testing.TB) Kind
}

// Join returns the path on k.Fs of what elem leads to in k.Dir.
func (k Kind) Join(elem ...string) string {
	if k.Name == "OsFs" {
		return filepath.Join(append([]string{k.Dir}, elem...)...)
	}
	return path.Join(append([]string{k.Dir}, elem...)...)
}

// Real returns the path on the operating system of the file that is name on k.Fs,
// or "" if there is none.
func (k Kind) Real(name string) string {
	if k.real == nil {
		return ""
	}
	return k.real(name)
}

// WriteFile makes the file name with mode 0644, to prepare or to stand in the way
// of what is tested. afero.WriteFile cannot: CacheOnReadFs reads back from the
// handle, so that a write-only one fails.
func (k Kind) WriteFile(t testing.TB, name, content string) {
	t.Helper()
	f, err := k.Fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	must(t, err)
	_, err = f.WriteString(content)
	must(t, err)
	must(t, f.Close())
	must(t, k.Fs.Chmod(name, 0o644))
}

// ReadFile returns the contents of the file name.
func (k Kind) ReadFile(t testing.TB, name string) string {
	t.Helper()
	b, err := afero.ReadFile(k.Fs, name)
	must(t, err)
	return string(b)
}

// Fresh returns another Kind of the same sort that has nothing in common with k.
func (k Kind) Fresh(t testing.TB) Kind {
	t.Helper()
	return k.make(t)
}

// Each runs body as a subtest on each of [Kinds], or on the kind of [Only].
func Each(t *testing.T, body func(t *testing.T, k Kind)) {
	t.Helper()
	each(t, eachOf, body)
}

// EachRefuser runs body as a subtest on each of [Refusers].
func EachRefuser(t *testing.T, body func(t *testing.T, k Kind)) {
	t.Helper()
	each(t, refusers, body)
}

// Kinds returns a new file system of each kind that must agree with the others.
func Kinds(t testing.TB) []Kind {
	t.Helper()
	return all(t, makers)
}

// Refusers returns file systems on which every change is refused with
// [fs.ErrPermission].
func Refusers(t testing.TB) []Kind {
	t.Helper()
	return all(t, refusers)
}

// scratch is k.Dir on a virtual file system. It is not "/tmp", the default place
// of temporaries there, so that k.Dir has the same contents on every kind.
const scratch = "/scratch"

// A maker makes a kind; the name is known before, for t.Run.
type maker struct {
	name string
	make func(t testing.TB) Kind
}

var makers = []maker{
	{"OsFs", func(t testing.TB) Kind {
		return Kind{Fs: afero.NewOsFs(), Dir: t.TempDir(), OS: true, real: func(name string) string { return name }}
	}},
	{"rootfs", func(t testing.TB) Kind {
		base := based(t)
		fsys, err := rootfs.Open(base)
		must(t, err)
		t.Cleanup(func() { _ = fsys.Close() })
		return Kind{Fs: fsys, OS: true, real: below(base)}
	}},
	{"MemMapFs", func(t testing.TB) Kind {
		fsys := afero.NewMemMapFs()
		must(t, fsys.MkdirAll(scratch, 0o755))
		return Kind{Fs: fsys}
	}},
	{"BasePathFs(OsFs)", func(t testing.TB) Kind {
		base := based(t)
		return Kind{Fs: afero.NewBasePathFs(afero.NewOsFs(), base), OS: true, real: below(base)}
	}},
	{"BasePathFs(MemMapFs)", func(t testing.TB) Kind {
		mem := afero.NewMemMapFs()
		must(t, mem.MkdirAll("/base"+scratch, 0o755))
		return Kind{Fs: afero.NewBasePathFs(mem, "/base")}
	}},
	// The directory is in the base alone, so that the first file in it makes the
	// layer copy it up.
	{"CopyOnWriteFs", func(t testing.TB) Kind {
		base := afero.NewReadOnlyFs(afero.NewBasePathFs(afero.NewOsFs(), based(t)))
		return Kind{Fs: afero.NewCopyOnWriteFs(base, afero.NewMemMapFs())}
	}},
	{"CacheOnReadFs", func(t testing.TB) Kind {
		base := based(t)
		source := afero.NewBasePathFs(afero.NewOsFs(), base)
		return Kind{Fs: afero.NewCacheOnReadFs(source, afero.NewMemMapFs(), 0), real: below(base)}
	}},
}

var refusers = []maker{
	{"ReadOnlyFs(BasePathFs(OsFs))", func(t testing.TB) Kind {
		base := based(t)
		return Kind{Fs: afero.NewReadOnlyFs(afero.NewBasePathFs(afero.NewOsFs(), base)), OS: true, real: below(base)}
	}},
	{"ReadOnlyFs(MemMapFs)", func(t testing.TB) Kind {
		mem := afero.NewMemMapFs()
		must(t, mem.MkdirAll(scratch, 0o755))
		return Kind{Fs: afero.NewReadOnlyFs(mem)}
	}},
}

func (m maker) kind(t testing.TB) Kind {
	t.Helper()
	k := m.make(t)
	k.Name, k.make = m.name, m.kind
	if k.Dir == "" {
		k.Dir = scratch
	}
	k.Links = k.OS && canLink()
	return k
}

func each(t *testing.T, makers []maker, body func(t *testing.T, k Kind)) {
	t.Helper()
	for _, m := range makers {
		t.Run(m.name, func(t *testing.T) { body(t, m.kind(t)) })
	}
}

func all(t testing.TB, makers []maker) (kinds []Kind) {
	t.Helper()
	for _, m := range makers {
		kinds = append(kinds, m.kind(t))
	}
	return kinds
}

// based returns a directory of the operating system in which scratch exists.
func based(t testing.TB) string {
	t.Helper()
	base := t.TempDir()
	must(t, os.Mkdir(filepath.Join(base, scratch), 0o755))
	return base
}

func below(base string) func(name string) string {
	return func(name string) string { return filepath.Join(base, filepath.FromSlash(name)) }
}

// canLink reports whether this process may make symbolic links, which on Windows
// is a privilege.
var canLink = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "canlink-*")
	if err != nil {
		return false
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return os.Symlink("target", filepath.Join(dir, "link")) == nil
})

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Leftovers lists what is below dir, sorted: paths relative to dir, with slashes,
// of files, directories and links, which are not followed. A dir that does not
// exist has none.
func Leftovers(t testing.TB, fsys afero.Fs, dir string) []string {
	t.Helper()
	var left []string
	err := afero.Walk(fsys, dir, func(name string, _ fs.FileInfo, err error) error {
		if name == dir && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err == nil && rel != "." {
			left = append(left, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Errorf("listing %s: %v", dir, err)
	}
	slices.Sort(left)
	return left
}
