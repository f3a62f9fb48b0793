package main // a main package cannot be imported, so that these tests stand inside

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tempkit/tempkit/tmpfs"
)

// bench runs the demonstration with a temporary directory of its own, which must
// be empty afterwards.
func bench(t *testing.T, makers []maker, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return benchContext(t.Context(), t, makers, args...)
}

func benchContext(ctx context.Context, t *testing.T, makers []maker, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	temp := t.TempDir()
	for _, name := range []string{"TMPDIR", "TEMP", "TMP"} {
		t.Setenv(name, temp)
	}
	var out, err bytes.Buffer
	status = run(ctx, args, makers, &out, &err)
	left, readErr := os.ReadDir(temp)
	require.NoError(t, readErr)
	assert.Empty(t, left, "left in the temporary directory")
	return status, out.String(), err.String()
}

func TestEveryKindTellsTheSame(t *testing.T) {
	status, out, errs := bench(t, makers)
	assert.Zero(t, status, "%s%s", out, errs)
	assert.Empty(t, errs)
	assert.Contains(t, out, "The 5 transcripts are identical")
	assert.Contains(t, out, "every promise was kept")
	for _, m := range makers {
		assert.Contains(t, out, m.name)
	}
	lines := strings.Split(out, "\n")
	assert.LessOrEqual(t, len(lines), 60, "a screen and a half")
	for _, line := range lines {
		if !strings.Contains(line, os.TempDir()) && !strings.Contains(line, "sha256") {
			assert.LessOrEqual(t, len(line), 100, line)
		}
	}
}

func TestVerboseShowsWhatHappenedOnEachKind(t *testing.T) {
	status, out, _ := bench(t, makers, "-v")
	assert.Zero(t, status)
	for _, m := range makers {
		assert.Contains(t, out, m.name+", in detail:")
	}
	assert.Contains(t, out, "the writer gave up", "errors are shown")
}

func TestNamedFilesAreUsed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	config := write("settings.json", `{ "a": 1 }`)
	page := write("page.html", "<html><body>hello</body></html>")
	empty := write("empty", "")
	again := write("twice/page.html", "<html></html>")
	write("tree/one", "1")
	two := write("tree/sub/two", "2")
	_ = os.Symlink(two, filepath.Join(dir, "tree", "link")) // where there are links, one is not copied

	status, out, errs := bench(t, makers, config, page, empty, again, filepath.Join(dir, "tree"))
	assert.Zero(t, status, "%s%s", out, errs)
	assert.Contains(t, out, "app.json written, 10 B")
	assert.Contains(t, out, "uploads/page.html: 31 B of text/html")
	assert.Contains(t, out, "uploads/empty: 0 B")
	assert.Contains(t, out, "uploads/4-page.html: 13 B of text/html")
	assert.Contains(t, out, "a copy of 2 files")
	assert.NotContains(t, out, "upload.bin", "what is named is not made")
}

func TestLargeFilesAreNotKeptInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a file of 65 MiB a dozen times")
	}
	large := filepath.Join(t.TempDir(), "large.img")
	f, err := os.Create(large)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(memoryMost+1))
	require.NoError(t, f.Close())

	status, out, errs := bench(t, makers, large)
	assert.Zero(t, status, "%s%s", out, errs)
	assert.Contains(t, out, "uploads/large.img: 64.0 MiB")
	assert.Contains(t, out, "left out on MemMapFs")
	assert.Contains(t, out, "left out on BasePathFs(MemMapFs)")
	assert.NotContains(t, out, "left out on BasePathFs(OsFs)")
}

func TestWhatIsNotThereIsAnError(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	status, _, errs := bench(t, makers, missing)
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, missing)

	status, _, errs = bench(t, makers, "-no-such-flag")
	assert.Equal(t, 2, status)
	assert.Contains(t, errs, "usage")
}

func TestInterruptedLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	late := []maker{makers[0], {"interrupted", func(scratch string) (*kind, error) {
		cancel()
		return osKind(scratch)
	}}}
	status, _, errs := benchContext(ctx, t, late)
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, context.Canceled.Error())
}

// A hooked Fs is a MemMapFs with some calls replaced.
type hooked struct {
	afero.Fs
	mkdir  func(fsys afero.Fs, name string, perm os.FileMode) error
	remove func(fsys afero.Fs, name string) error
	rename func(fsys afero.Fs, from, to string) error
}

func (h *hooked) Mkdir(name string, perm os.FileMode) error {
	if h.mkdir != nil {
		return h.mkdir(h.Fs, name, perm)
	}
	return h.Fs.Mkdir(name, perm)
}

func (h *hooked) Remove(name string) error {
	if h.remove != nil {
		return h.remove(h.Fs, name)
	}
	return h.Fs.Remove(name)
}

func (h *hooked) Rename(from, to string) error {
	if h.rename != nil {
		return h.rename(h.Fs, from, to)
	}
	return h.Fs.Rename(from, to)
}

// on returns a maker of a kind in memory on the Fs that wrap returns.
func on(wrap func(afero.Fs) afero.Fs) maker {
	return maker{"broken", func(string) (*kind, error) {
		k := newMemoryKind()
		k.fsys = wrap(afero.NewMemMapFs())
		k.base = k.fsys
		return k, nil
	}}
}

func TestABrokenPromiseIsSeen(t *testing.T) {
	tests := []struct {
		name  string
		maker maker
		says  string // what the report says of it
	}{
		{"a temporary is left behind", on(func(fsys afero.Fs) afero.Fs {
			return &hooked{Fs: fsys, remove: func(afero.Fs, string) error { return nil }}
		}), "BROKEN"},
		{"something is left beside the work directory", on(func(fsys afero.Fs) afero.Fs {
			return &hooked{Fs: fsys, mkdir: func(fsys afero.Fs, name string, perm os.FileMode) error {
				if strings.Contains(name, "work-") {
					if err := afero.WriteFile(fsys, "/tmp/litter", nil, 0o600); err != nil {
						return err
					}
				}
				return fsys.Mkdir(name, perm)
			}}
		}), `BROKEN: left behind: ["tmp/litter"]`},
		{"nothing is replaced", on(func(fsys afero.Fs) afero.Fs {
			return &hooked{Fs: fsys, rename: func(fsys afero.Fs, from, to string) error {
				if _, err := fsys.Stat(to); err == nil {
					return fsys.Remove(from)
				}
				return fsys.Rename(from, to)
			}}
		}), "BROKEN"},
		{"replacing is not atomic", on(func(fsys afero.Fs) afero.Fs {
			return &hooked{Fs: fsys, rename: func(fsys afero.Fs, from, to string) error {
				if _, err := fsys.Stat(to); err == nil {
					if err := afero.WriteFile(fsys, to, []byte("half"), 0o600); err != nil {
						return err
					}
					time.Sleep(10 * time.Millisecond)
				}
				return fsys.Rename(from, to)
			}}
		}), "BROKEN: a reader saw "},
		{"the temporary directory is another one", on(func(fsys afero.Fs) afero.Fs {
			return tmpfs.WithTempDir(fsys, "/elsewhere")
		}), "temporary directory, one by one:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			memory := makers[2]
			status, out, _ := bench(t, []maker{memory, tt.maker})
			assert.Equal(t, 1, status)
			assert.Contains(t, out, "NOT identical")
			assert.Contains(t, out, tt.says)
		})
	}
}

func TestAnEscapeIsSeen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege")
	}
	// A base path that the library cannot look behind follows the links in it.
	type opaque struct{ afero.Fs }
	leaky := maker{"leaky", func(scratch string) (*kind, error) {
		k, err := basePathOsKind(scratch)
		if err == nil {
			k.base = opaque{k.fsys}
		}
		return k, err
	}}
	status, out, _ := bench(t, []maker{leaky})
	assert.Equal(t, 1, status)
	assert.Contains(t, out, "BROKEN: from the base path, by")
}

func TestAFileLeftOpenIsSeen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a list of open files")
	}
	var left *os.File
	defer func() { assert.NoError(t, left.Close()) }()
	leaky := maker{"leaky", func(scratch string) (*kind, error) {
		k, err := osKind(scratch)
		if err == nil {
			left, err = os.Open(k.disk)
		}
		return k, err
	}}
	status, _, errs := bench(t, []maker{leaky})
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, "still open")
}
