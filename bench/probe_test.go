package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// able is a system that has everything, by other means: what each call does and
// nothing of how.
func able() *system {
	held := map[string]*os.File{}
	return &system{
		rename: os.Rename,
		exchange: func(a, b string) error {
			aside := a + ".aside"
			return errors.Join(os.Rename(a, aside), os.Rename(b, a), os.Rename(aside, b))
		},
		renameTo: func(from, to string) error {
			if _, err := os.Lstat(to); err == nil {
				return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
			}
			return os.Rename(from, to)
		},
		unnamed: func(string) error { return nil },
		clone:   func(_, _ *os.File) error { return nil },
		lock: func(f *os.File) error {
			if g := held[f.Name()]; g != nil && g != f {
				if _, err := g.Stat(); err == nil { // it is open
					return syscall.EAGAIN
				}
			}
			held[f.Name()] = f
			return nil
		},
		inMemory: func(string) (bool, error) { return false, nil },
	}
}

// answer returns the lines of the probe of which what is a part.
func answer(t *testing.T, sys *system, what string) string {
	t.Helper()
	i := slices.IndexFunc(probes, func(p probe) bool { return strings.Contains(p.what, what) })
	require.GreaterOrEqual(t, i, 0, what)
	dir := t.TempDir()
	var out strings.Builder
	require.NoError(t, probeDir(t.Context(), dir, probes[i:i+1], sys, &out))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
	parts := strings.SplitN(out.String(), "\n\n", 3)
	require.Len(t, parts, 3)
	return parts[1]
}

func TestProbeBothAnswers(t *testing.T) {
	refuse := func(string, string) error { return syscall.EINVAL }
	for _, test := range []struct {
		what   string
		broken func(s *system)
		why    string
	}{
		{"kept on a disk", func(s *system) {
			s.inMemory = func(string) (bool, error) { return true, nil }
		}, "in memory"},
		{"O_TMPFILE", func(s *system) { s.unnamed = func(string) error { return syscall.EOPNOTSUPP } }, "not supported"},
		{"RENAME_NOREPLACE", func(s *system) { s.renameTo = refuse }, "invalid"},
		{"RENAME_NOREPLACE", func(s *system) { s.renameTo = os.Rename }, "it replaced"},
		{"RENAME_EXCHANGE", func(s *system) { s.exchange = refuse }, "invalid"},
		{"RENAME_EXCHANGE", func(s *system) { s.exchange = func(string, string) error { return nil } }, "nothing was exchanged"},
		{"reflink", func(s *system) { s.clone = func(_, _ *os.File) error { return syscall.EXDEV } }, "link"},
		{"flock", func(s *system) { s.lock = func(*os.File) error { return syscall.ENOLCK } }, "lock"},
		{"flock", func(s *system) { s.lock = func(*os.File) error { return nil } }, "two held one lock"},
	} {
		t.Run(test.what+" "+test.why, func(t *testing.T) {
			if runtime.GOOS == "windows" {
				t.Skip("what the errors say, and what may be renamed, differ")
			}
			sys := able()
			assert.Regexp(t, "^  yes  ", answer(t, sys, test.what))
			test.broken(sys)
			said := answer(t, sys, test.what)
			assert.Regexp(t, "^  NO   ", said)
			assert.Contains(t, said, test.why)
			_, advice, _ := strings.Cut(said, "\n")
			assert.Regexp(t, `^ {7}[A-Z"].*\.$`, advice, "a line of advice")
		})
	}
}

func TestProbeSeesHalfAFile(t *testing.T) {
	sys := able()
	sys.rename = func(_, to string) error { // in place, as a copy would
		return errors.Join(os.Truncate(to, 0), os.WriteFile(to, make([]byte, 100), 0o600))
	}
	assert.Regexp(t, "^  NO   ", answer(t, sys, "atomic replace"))
}

func TestProbeSaysWhatItDidNotAsk(t *testing.T) {
	sys := able()
	sys.clone = func(_, _ *os.File) error { return errNotAsked }
	assert.Regexp(t, `(?m)^  \?    .*Linux only$`, answer(t, sys, "reflink"))
}

func TestProbeLooksAtTheDirectoryItself(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it has other rules than modes")
	}
	dir := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.Mkdir(dir, 0o700))
	for mode, want := range map[fs.FileMode]string{0o700: "  yes ", 0o777: "  NO  ", 0o777 | fs.ModeSticky: "  yes "} {
		require.NoError(t, os.Chmod(dir, mode))
		var out strings.Builder
		require.NoError(t, probeDir(t.Context(), dir, probes, able(), &out))
		assert.Contains(t, out.String(), want+" nobody else can remove", "%v", mode)
	}
}

func TestProbeThisSystem(t *testing.T) {
	status, out, errs := bench(t, makers, "-probe", t.TempDir())
	assert.Zero(t, status, errs)
	assert.Contains(t, out, "yes  atomic replace")
	assert.Regexp(t, `\d+ hold, \d+ do not`, out)
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "/") {
			assert.LessOrEqual(t, len(line), 140, line)
		}
	}

	status, _, errs = bench(t, makers, "-probe", filepath.Join(t.TempDir(), "missing"))
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, "missing")
}
