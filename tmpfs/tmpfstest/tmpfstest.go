// Package tmpfstest gives tests temporary files, directories and trees that are
// gone, and checked to be gone, when the test ends.
//
// They lie in tmpfs.TempDir of the Fs and are called after the test. What cannot
// be made fails the test at once; what cannot be removed, or is there again after
// it was removed, fails it at its end.
//
// With TMPFS_KEEP=failed in the environment those of a failed test stay, with
// TMPFS_KEEP=always all of them; the test's log says where.
package tmpfstest

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/tmpfs"
)

// File returns the path of a temporary file that holds content. (Python
// recipe: temp_text_file, temp_binary_file)
//
// The pattern is that of tmpfs.Options; "" means the name of the test. The test
// may remove the file, or put another in its place.
func File[T ~string | ~[]byte](t testing.TB, fsys afero.Fs, pattern string, content T) string {
	t.Helper()
	if pattern == "" {
		pattern = after(t)
	}
	f, err := tmpfs.Create(fsys, &tmpfs.Options{Pattern: pattern})
	must(t, err)
	name := f.Name()
	t.Cleanup(func() { end(t, fsys, f, name) })
	_, err = f.Write([]byte(content))
	must(t, err)
	must(t, f.CloseHandle())
	return name
}

// Dir returns a temporary directory. It is kept, and its path logged, if the
// test failed and $TMPFS_KEEP is "failed", or always if it is "always".
//
// The test may close it, or keep it under another name, which is then its own to
// remove.
func Dir(t testing.TB, fsys afero.Fs) *tmpfs.Dir {
	t.Helper()
	d, err := tmpfs.Mkdir(fsys, &tmpfs.Options{Pattern: after(t)})
	must(t, err)
	name := d.Path()
	t.Cleanup(func() { end(t, fsys, d, name) })
	return d
}

// Tree writes files (path to content) into a temporary directory. Paths have
// slashes; one that ends in a slash is a directory. Files have mode 0644 and
// directories 0755, less the umask.
func Tree(t testing.TB, fsys afero.Fs, files map[string]string) *tmpfs.Dir {
	t.Helper()
	d := Dir(t, fsys)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if dir, _ := path.Split(name); dir != "" {
			must(t, d.MkdirAll(dir, 0o755))
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		// Exclusively, because "a" and "./a" are one file.
		f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
		must(t, err)
		_, err = f.WriteString(files[name])
		must(t, errors.Join(err, f.Close()))
	}
	return d
}

// Snapshot returns path to content for everything under dir, for comparing
// trees.
//
// Paths are relative to dir, with slashes. A directory that is empty is its path
// with a slash at the end and no content, as Tree takes it; others go without
// saying. A link is not followed: its content is "-> " and its target. What is
// neither has its type for content, such as "p---------".
func Snapshot(t testing.TB, fsys afero.Fs, dir string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	must(t, afero.Walk(fsys, dir, func(name string, info fs.FileInfo, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if parent := path.Dir(rel) + "/"; rel != "." {
			delete(tree, parent)
		}
		switch {
		case info.IsDir() && rel == ".":
		case info.IsDir():
			tree[rel+"/"] = ""
		default:
			tree[rel], err = contents(fsys, name, info)
		}
		return err
	}))
	return tree
}

// contents returns what Snapshot tells of name, which is no directory. Of what is
// neither a file nor a link nothing is opened: a FIFO would wait for its other end.
func contents(fsys afero.Fs, name string, info fs.FileInfo) (string, error) {
	mode := info.Mode().Type() &^ fs.ModeTemporary // which MemMapFs sets
	switch {
	case mode&fs.ModeSymlink != 0:
		l, ok := fsys.(afero.LinkReader)
		if !ok {
			return "-> ", nil
		}
		target, err := l.ReadlinkIfPossible(name)
		return "-> " + target, err
	case mode != 0:
		return mode.String(), nil
	}
	b, err := afero.ReadFile(fsys, name)
	return string(b), err
}

// end removes it, or keeps it, at the end of the test. That it is gone is looked at
// and not taken from Close: a test that makes it again behind our back, by a
// goroutine that it has left running, say, fails.
func end(t testing.TB, fsys afero.Fs, it interface {
	Keep(name string) error
	Close() error
}, name string) {
	t.Helper()
	if keeps(t) && it.Keep(name) == nil { // else the test has closed, removed or kept it
		t.Logf("tmpfstest: kept %s", name)
		must(t, it.Close())
		return
	}
	if err := it.Close(); err != nil {
		t.Errorf("tmpfstest: %v", err)
		return
	}
	if _, err := lstat(fsys, name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("tmpfstest: %s is left (%v)", name, err)
	}
}

// keeps reports whether what the test has made is to stay.
func keeps(t testing.TB) bool {
	t.Helper()
	switch keep := os.Getenv("TMPFS_KEEP"); keep {
	case "always":
		return true
	case "failed":
		return t.Failed()
	case "":
	default:
		t.Logf(`tmpfstest: TMPFS_KEEP is %q, and neither "failed" nor "always"`, keep)
	}
	return false
}

// lstat is Stat of the name itself, where fsys tells links from what they lead to: a
// link whose target is gone is left all the same.
func lstat(fsys afero.Fs, name string) (fs.FileInfo, error) {
	if l, ok := fsys.(afero.Lstater); ok {
		info, _, err := l.LstatIfPossible(name)
		return info, err
	}
	return fsys.Stat(name)
}

// maxName keeps the names of temporaries readable, and short of every limit.
const maxName = 64

// after returns a pattern made of the name of the test, in letters that every file
// system takes, so that what is left can be told from what others leave.
func after(t testing.TB) string {
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, t.Name())
	return name[:min(len(name), maxName)] + "-*"
}

// must ends the test, because what would follow is a failure of nothing else.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("tmpfstest: %v", err)
	}
}
