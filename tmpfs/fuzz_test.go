package tmpfs_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// FuzzPattern makes files and directories by any pattern: the name is what the
// pattern says, in the directory that was given, and every kind answers alike.
func FuzzPattern(f *testing.F) {
	for _, pattern := range []string{"", "*", "a*b", "../*", "a/b", `a\b`, "\x00", "..", ".", "**", strings.Repeat("x", 230), "\xff*", "CON", "a\n*", "-rf *"} {
		f.Add(pattern)
	}
	kinds := testfs.Kinds(f)
	f.Fuzz(func(t *testing.T, pattern string) {
		var first []string
		for _, k := range kinds {
			o := &tmpfs.Options{Dir: k.Dir, Pattern: pattern}
			var answers []string
			file, err := tmpfs.Create(k.Fs, o)
			answers = append(answers, testfs.Answer(err))
			if err == nil {
				requireMatch(t, k, pattern, file.Name())
				require.NoError(t, file.Close())
			}
			dir, err := tmpfs.Mkdir(k.Fs, o)
			answers = append(answers, testfs.Answer(err))
			if err == nil {
				requireMatch(t, k, pattern, dir.Path())
				require.NoError(t, dir.Close())
			}
			require.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
			if first == nil {
				first = answers
			}
			require.Equal(t, first, answers, "%s", k.Name)
		}
	})
}

// requireMatch requires that name is what a pattern makes in k.Dir.
func requireMatch(t *testing.T, k testfs.Kind, pattern, name string) {
	t.Helper()
	if pattern == "" {
		pattern = "tmp-*"
	}
	before, after := pattern, ""
	if i := strings.LastIndex(pattern, "*"); i >= 0 {
		before, after = pattern[:i], pattern[i+1:]
	}
	base, ok := strings.CutPrefix(filepath.ToSlash(name), filepath.ToSlash(k.Dir)+"/")
	require.True(t, ok, name)
	require.Equal(t, len(before)+26+len(after), len(base))
	require.True(t, strings.HasPrefix(base, before) && strings.HasSuffix(base, after), name)
	require.NotContains(t, base, "/")
}

// FuzzDir gives any names to a temporary directory and to what keeps files: nothing
// outside of the directory changes.
func FuzzDir(f *testing.F) {
	for _, names := range [][2]string{{"a", "b"}, {"../precious", "x"}, {"/../../precious", "a/b"}, {"", "."}, {"link/precious", "link"}, {"a\x00", "..\\precious"}, {"sub/../../precious", "./sub/."}, {"a/", "a//b"}} {
		f.Add(names[0], names[1])
	}
	kinds := testfs.Kinds(f)
	for _, k := range kinds {
		require.NoError(f, k.Fs.MkdirAll(k.Join("keep"), 0o755))
		k.WriteFile(f, k.Join("keep", "file"), "precious")
	}
	f.Fuzz(func(t *testing.T, name, other string) {
		for _, k := range kinds {
			d, err := tmpfs.Mkdir(k.Fs, &tmpfs.Options{Dir: k.Dir, Pattern: "dir-*"})
			require.NoError(t, err)
			if k.Links {
				// A way out, for those that follow it.
				require.NoError(t, d.SymlinkIfPossible("../keep", "/link"))
			}
			_ = d.MkdirAll("/sub", 0o755)
			if file, err := d.Create(name); err == nil {
				_, _ = file.WriteString("mine")
				_ = file.Close()
			}
			_ = d.MkdirAll(other, 0o755)
			_ = d.Rename(name, other)
			_ = d.Rename(other, name)
			_ = d.Chmod(other, 0o700)
			_ = d.SymlinkIfPossible(name, other)
			_ = d.Remove(name)
			_ = d.RemoveAll(other)
			_ = tmpfs.RemoveAll(d, name)
			_, _ = tmpfs.MkdirTemp(d, name, "*")
			if file, err := tmpfs.Create(d, &tmpfs.Options{Dir: "/"}); err == nil {
				_ = file.Keep(other)
				_ = file.Close()
			}
			require.NoError(t, d.Close())
			require.Equal(t, []string{"keep", "keep/file"}, testfs.Leftovers(t, k.Fs, k.Dir), k.Name)
			require.Equal(t, "precious", k.ReadFile(t, k.Join("keep", "file")), k.Name)
			info, err := k.Fs.Stat(k.Join("keep"))
			require.NoError(t, err)
			if k.OS {
				require.Equal(t, "-rwxr-xr-x", "-"+info.Mode().Perm().String()[1:], k.Name)
			}
		}
	})
}
