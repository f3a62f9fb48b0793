package testfs_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
)

// A listener is a test of its own, of which it keeps what it says when it fails.
type listener struct {
	testing.TB
	errors []string
}

func (l *listener) Helper()             {}
func (l *listener) Logf(string, ...any) {}
func (l *listener) Errorf(format string, args ...any) {
	l.errors = append(l.errors, fmt.Sprintf(format, args...))
}

// said returns what an instrument says when it fails, "" if it does not.
func said(t *testing.T, run func(t testing.TB)) string {
	t.Helper()
	t.Setenv("TEMPKIT_FIGURES", "")
	l := &listener{TB: t}
	run(l)
	return strings.Join(l.errors, "\n")
}

// careful is the right protocol as a proof; act replaces what it does, unless nil.
func careful(act func(fsys afero.Fs) error) testfs.Proof {
	w := testfs.Writes{
		Dir: "/dir", Files: []testfs.Written{testfs.Added("/dir/file", 5000)}, NotDurable: errPlaced,
		Litter: regexp.MustCompile(`/\.tmp$`),
	}
	if act == nil {
		act = func(fsys afero.Fs) error {
			return placed(protocols["right"].put(fsys, "/dir/file", testfs.Content('n', 5000)))
		}
	}
	return testfs.Proof{Name: "careful", Before: w.Before, Act: act, Holds: w.Holds}
}

// errPlaced is of a protocol whose last step, the sync of the directory, failed.
var errPlaced = errors.New("in place")

func placed(err error) error {
	if err != nil && strings.Contains(err.Error(), " /dir:") {
		return fmt.Errorf("%w: %w", errPlaced, err)
	}
	return err
}

func TestProveCrashesTellsRightFromWrong(t *testing.T) {
	prove := func(p testfs.Proof) func(t testing.TB) {
		return func(t testing.TB) { testfs.ProveCrashes(t, "test", 500, []testfs.Proof{p}) }
	}
	assert.Empty(t, said(t, prove(careful(nil))))
	for name, p := range protocols {
		if p.sound {
			continue
		}
		what := said(t, prove(careful(func(fsys afero.Fs) error { return p.put(fsys, "/dir/file", testfs.Content('n', 5000)) })))
		assert.Contains(t, what, "cut at", name)
	}
	fails := careful(nil)
	fails.Before = func(afero.Fs) error { return errors.New("no disk") }
	assert.Contains(t, said(t, prove(fails)), "no disk")
}

// Each of these writes well as long as nothing fails.
func TestProveFaultsTellsRightFromWrong(t *testing.T) {
	if testfs.Short() {
		t.Skip("of a tenth of the plans none may be the one that tells")
	}
	prove := func(p testfs.Proof) func(t testing.TB) {
		return func(t testing.TB) { testfs.ProveFaults(t, "test", 50, 50, []testfs.Proof{p}) }
	}
	t.Setenv("TEMPKIT_PROOFS", "all")
	create := func(fsys afero.Fs) (afero.File, error) {
		return fsys.OpenFile("/dir/.tmp", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	}
	finish := func(fsys afero.Fs) error {
		if err := fsys.Rename("/dir/.tmp", "/dir/file"); err != nil {
			return errors.Join(err, fsys.Remove("/dir/.tmp"))
		}
		d, err := fsys.Open("/dir")
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errPlaced, err)
		}
		return nil
	}
	for want, act := range map[string]func(fsys afero.Fs) error{
		"open still": func(fsys afero.Fs) error {
			f, err := create(fsys)
			if err != nil {
				return err
			}
			if _, err := f.Write(testfs.Content('n', 5000)); err != nil {
				return err
			}
			return errors.Join(f.Sync(), f.Close(), finish(fsys))
		},
		"is retried after it has failed": func(fsys afero.Fs) error {
			f, err := create(fsys)
			if err != nil {
				return err
			}
			_, err = f.Write(testfs.Content('n', 5000))
			if err == nil && f.Sync() != nil {
				err = f.Sync()
			}
			if err = errors.Join(err, f.Close()); err != nil {
				return errors.Join(err, fsys.Remove("/dir/.tmp"))
			}
			return finish(fsys)
		},
		"has failed, and all is said to be well": func(fsys afero.Fs) error {
			f, err := create(fsys)
			if err != nil {
				return err
			}
			if n, err := f.Write(testfs.Content('n', 5000)); err != nil || n < 5000 {
				return errors.Join(err, io.ErrShortWrite, f.Close(), fsys.Remove("/dir/.tmp"))
			}
			if err := f.Sync(); err != nil {
				return errors.Join(err, f.Close(), fsys.Remove("/dir/.tmp"))
			}
			_ = f.Close()
			return finish(fsys)
		},
		"a temporary is left": func(fsys afero.Fs) error {
			f, err := create(fsys)
			if err != nil {
				return err
			}
			_, err = f.Write(testfs.Content('n', 5000))
			if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
				return err
			}
			return finish(fsys)
		},
	} {
		assert.Contains(t, said(t, prove(careful(act))), want)
	}
	failing := careful(func(afero.Fs) error { return errors.New("never works") })
	assert.Contains(t, said(t, prove(failing)), "without any fault: never works")
}

func TestProveTeethTellsWhatNobodyNotices(t *testing.T) {
	if testfs.Short() {
		t.Skip("so are they")
	}
	some := careful(nil)
	none := []string{"no sync of directories before the rename", "the error of an exchange believed"}
	assert.Empty(t, said(t, func(t testing.TB) { testfs.ProveTeeth(t, "test", []testfs.Proof{some}, none...) }))
	blind := some
	blind.Holds = func(*testfs.CrashFs, testfs.Seen) error { return nil }
	what := said(t, func(t testing.TB) { testfs.ProveTeeth(t, "test", []testfs.Proof{blind}, none...) })
	for _, name := range []string{"no file sync", "no sync of the directory after the rename", "chmod after the file sync"} {
		assert.Contains(t, what, name+": nobody notices")
	}
}

// A write is torn by pages, or by what Tear says.
func TestTear(t *testing.T) {
	for _, c := range []struct {
		piece  int64
		states int
	}{{4096, 2 * 2}, {512, 2 * 4}} {
		f := testfs.NewCrash()
		f.Tear(c.piece)
		act{t, f}.write("/a", "")
		f.Settle()
		h, err := f.OpenFile("/a", os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = h.Write(testfs.Content('n', 1000))
		require.NoError(t, err)
		n, err := f.Crashes(f.Now(), testfs.POSIX, 100, newRand(), func(state *testfs.CrashFs) error {
			_, err := state.Which("/a", testfs.As([]byte{}, 0o644), testfs.As(make([]byte, 1000), 0o644),
				testfs.As(testfs.Content('n', 1000), 0o644))
			if err != nil && c.piece == 4096 {
				return err
			}
			return nil
		})
		require.NoError(t, err)
		assert.Equal(t, c.states, n, "the size, and each piece, is there or not")
	}
}

func TestSpyDoesSomethingElseInstead(t *testing.T) {
	f := testfs.NewCrash()
	act{t, f}.write("/a", "A")
	s := testfs.NewSpy(f)
	var calls []string
	s.Fail(testfs.Calls("re"), testfs.Fault{Instead: func(call string, act func() error) error {
		calls = append(calls, call)
		if strings.HasPrefix(call, "rename") {
			return act()
		}
		return nil
	}})
	require.NoError(t, s.Rename("/a", "/b"))
	require.NoError(t, s.Remove("/b"))
	assert.Equal(t, "b=A", tree(t, f))
	assert.Equal(t, []string{"rename /a /b", "remove /b"}, calls)
	assert.Equal(t, calls, s.Met())
	assert.Equal(t, "something else", fmt.Sprint(testfs.Fault{Instead: func(string, func() error) error { return nil }}))
}
