//go:build !windows

package rootfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// attackEnv makes the test binary the attacker of the directory that it names.
const attackEnv = "ROOTFS_TEST_ATTACK"

func TestMain(m *testing.M) {
	if base := os.Getenv(attackEnv); base != "" {
		done := make(chan struct{})
		go func() { // the end of the test, or of its process, ends the attack
			_, _ = io.Copy(io.Discard, os.Stdin)
			close(done)
		}()
		swap(base, done)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// swap makes base/d a directory and a link to ../outside by turns until done.
func swap(base string, done <-chan struct{}) {
	dir, aside := filepath.Join(base, "d"), filepath.Join(base, "aside")
	for {
		select {
		case <-done:
			return
		default:
		}
		// What is attacked may have made the directory anew, and so be in the way.
		if os.Rename(dir, aside) != nil {
			_ = os.RemoveAll(aside)
		}
		_ = os.Symlink("../outside", dir)
		_ = os.Remove(dir)
		_ = os.Rename(aside, dir)
	}
}

func byGoroutine(t *testing.T, base string) (stop func()) {
	done, over := make(chan struct{}), make(chan struct{})
	go func() { swap(base, done); close(over) }()
	return func() { close(done); <-over }
}

func byProcess(t *testing.T, base string) (stop func()) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), attackEnv+"="+base)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return func() {
		assert.NoError(t, stdin.Close())
		assert.NoError(t, cmd.Wait())
	}
}

// arena makes a base with a directory d, and beside it a directory outside with
// something in it for every call that might reach it.
func arena(t *testing.T) (base, outside string) {
	t.Helper()
	dir := t.TempDir()
	base, outside = filepath.Join(dir, "base"), filepath.Join(dir, "outside")
	for _, d := range []string{filepath.Join(base, "d"), filepath.Join(outside, "tree", "sub")} {
		require.NoError(t, os.MkdirAll(d, 0o755))
	}
	for _, f := range []string{"victim", "tree/file", "tree/sub/file"} {
		require.NoError(t, os.WriteFile(filepath.Join(outside, f), []byte("content"), 0o640))
	}
	return base, outside
}

// assault makes, until over, the calls that do harm where they get through the
// link, and counts those that succeed and those that are refused for the link.
func assault(fsys afero.Fs, over func() bool) (tries, done, refused int) {
	for !over() {
		f, err := fsys.Create("/d/new")
		if err == nil {
			_, _ = f.WriteString("taken")
			_ = f.Close()
		}
		g, openErr := fsys.OpenFile("/d/victim", os.O_WRONLY|os.O_TRUNC, 0)
		if openErr == nil {
			_ = g.Close()
		}
		for _, err := range []error{
			err, openErr,
			fsys.Mkdir("/d/newdir", 0o755),
			fsys.MkdirAll("/d/new/er/dir", 0o755),
			fsys.Chmod("/d/victim", 0o777),
			fsys.Chtimes("/d/victim", epoch, epoch),
			fsys.Rename("/d/victim", "/stolen"),
			fsys.Rename("/d/new", "/d/newer"),
			fsys.RemoveAll("/d/tree"),
			fsys.Remove("/d/newer"),
			fsys.Remove("/d/newdir"),
		} {
			tries++
			switch {
			case err == nil:
				done++
			case errors.Is(err, fs.ErrInvalid):
				refused++
			}
		}
	}
	return tries, done, refused
}

func TestLinkSwappingAttacker(t *testing.T) {
	for name, attack := range map[string]func(t *testing.T, base string) (stop func()){
		"goroutine": byGoroutine, "process": byProcess,
	} {
		t.Run(name, func(t *testing.T) {
			base, outside := arena(t)
			fsys := open(t, base)
			before := prison{outer: outside}.snapshot(t)
			stop := attack(t, base)
			deadline := time.Now().Add(2 * time.Second)
			tries, done, refused := assault(fsys, func() bool { return time.Now().After(deadline) })
			stop()
			assert.Equal(t, before, prison{outer: outside}.snapshot(t))
			t.Logf("%d calls, %d done in the root, %d refused, none done outside", tries, done, refused)
			assert.NotZero(t, done, "the attack left nothing to attack")
			assert.NotZero(t, refused, "no call met the link")
		})
	}
}

// The same attack gets through afero.BasePathFs in no time: it is a real one.
func TestLinkSwappingAttackerWinsElsewhere(t *testing.T) {
	base, outside := arena(t)
	before := prison{outer: outside}.snapshot(t)
	stop := byGoroutine(t, base)
	deadline := time.Now().Add(10 * time.Second)
	assault(afero.NewBasePathFs(afero.NewOsFs(), base), func() bool {
		_, victim := os.Lstat(filepath.Join(outside, "victim"))
		_, taken := os.Lstat(filepath.Join(outside, "new"))
		return victim != nil || taken == nil || time.Now().After(deadline)
	})
	stop()
	assert.NotEqual(t, before, prison{outer: outside}.snapshot(t))
}
