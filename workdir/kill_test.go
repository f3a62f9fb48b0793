//go:build !(js || plan9 || wasip1 || windows)

package workdir_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// The children's directory, and where they say what must not be.
const (
	childDir        = "WORKDIR_TEST_DIR"
	childViolations = "WORKDIR_TEST_VIOLATIONS"
)

func violation(format string, args ...any) {
	f, err := os.OpenFile(os.Getenv(childViolations), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		_, _ = fmt.Fprintf(f, format+"\n", args...)
		_ = f.Close()
	}
	os.Exit(1)
}

// owner makes, uses and removes work directories until it is killed.
func owner() {
	fsys := afero.NewOsFs()
	for i := 0; ; i++ {
		d, err := workdir.New(fsys, &workdir.Options{Temp: tmpfs.Options{Dir: os.Getenv(childDir)}})
		if err != nil {
			violation("new: %v", err)
		}
		fmt.Println(d.Path())
		var names []string
		for j := range 5 {
			name, err := d.WriteFile(fmt.Sprintf("%d/file", j), []byte("mine"))
			if err != nil {
				violation("write: %v", err)
			}
			names = append(names, name)
			time.Sleep(rand.N(3 * time.Millisecond))
		}
		for _, name := range names {
			if data, err := os.ReadFile(name); err != nil || string(data) != "mine" {
				violation("a live owner lost %s: %q %v", name, data, err)
			}
		}
		if i%4 == 0 {
			err = keepForAWhile(d)
		} else {
			err = d.Close()
		}
		if err != nil {
			violation("close: %v", err)
		}
		fmt.Println("closed")
	}
}

// keepForAWhile keeps d where it is, sees it stay, and removes it as its user.
func keepForAWhile(d *workdir.Dir) error {
	mark, err := d.WriteFile("kept", nil)
	if err != nil {
		return err
	}
	if err := d.Keep(d.Path()); err != nil {
		return err
	}
	time.Sleep(rand.N(2 * time.Millisecond))
	if _, err := os.Stat(mark); err != nil {
		violation("what was kept has been swept: %v", err)
	}
	if err := os.Rename(d.Path(), d.Path()+".kept"); err != nil {
		return err
	}
	return os.RemoveAll(d.Path() + ".kept")
}

// ownersOwn reports whether name is a directory that its owner was killed with
// after it was kept.
func ownersOwn(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name, "kept"))
	return err == nil || strings.HasSuffix(name, ".kept")
}

// childAge is what the sweepers of the test take for old where they cannot ask:
// everything, so that no age keeps them from a lease that is being made.
const childAge = 1

// sweeper sweeps until it is killed.
func sweeper() {
	for {
		report, err := workdir.Sweep(context.Background(), afero.NewOsFs(), &workdir.SweepOptions{Dir: os.Getenv(childDir), MinAge: childAge})
		if err != nil {
			violation("sweep: %v", err)
		}
		for _, name := range report.Removed {
			if _, err := os.Lstat(name); err == nil {
				violation("swept and still there: %s", name)
			}
		}
		time.Sleep(rand.N(200 * time.Microsecond))
	}
}

// child returns a process of that part.
func child(t *testing.T, part, dir, violations string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	assert.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+part, childDir+"="+dir, childViolations+"="+violations)
	return cmd
}

// TestUnderSweeps makes and keeps directories while other processes do nothing but
// sweep: a live directory has its lease, and one that was kept stays.
func TestUnderSweeps(t *testing.T) {
	dir := t.TempDir()
	violations := filepath.Join(t.TempDir(), "violations")
	for range 2 {
		cmd := child(t, "sweeper", dir, violations)
		require.NoError(t, cmd.Start())
		defer func() {
			assert.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait() // it was killed
		}()
	}
	end := time.Now().Add(2 * time.Second)
	if testing.Short() {
		end = time.Now().Add(300 * time.Millisecond)
	}
	n := 0
	for ; time.Now().Before(end); n++ {
		d, err := workdir.New(afero.NewOsFs(), &workdir.Options{Temp: tmpfs.Options{Dir: dir}})
		require.NoError(t, err)
		lease := filepath.Join(dir, "."+filepath.Base(d.Path())+".lease")
		time.Sleep(rand.N(50 * time.Microsecond))
		_, err = os.Lstat(lease)
		require.NoError(t, err, "a live directory without a lease")
		require.NoError(t, d.Keep(d.Path()))
		time.Sleep(rand.N(300 * time.Microsecond))
		require.NoError(t, os.Remove(d.Path()), "what was kept has been swept")
		require.NoError(t, d.Close())
	}
	said, err := os.ReadFile(violations)
	require.ErrorIs(t, err, os.ErrNotExist, string(said))
	t.Logf("%d directories", n)
}

// TestLitterAfterKill kills owners and sweepers at random moments. Nothing that lives may
// be removed, and of what is dead nothing may be left in the end. OsFs alone:
// between processes there is nothing else.
func TestLitterAfterKill(t *testing.T) {
	kills := 210
	if testing.Short() {
		kills = 30
	}
	dir := t.TempDir()
	violations := filepath.Join(t.TempDir(), "violations")
	bystanders := plantBystanders(t, dir)

	var killed, atWork atomic.Int64
	var wg sync.WaitGroup
	keep := func(part string) { // one child after the other, each killed after a while
		for killed.Load() < int64(kills) {
			cmd := child(t, part, dir, violations)
			out, err := cmd.StdoutPipe()
			if !assert.NoError(t, err) || !assert.NoError(t, cmd.Start()) {
				return
			}
			_, _ = out.Read(make([]byte, 1)) // it has begun
			time.Sleep(rand.N(50 * time.Millisecond))
			assert.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
			said, err := io.ReadAll(out)
			assert.NoError(t, err)
			_ = cmd.Wait() // it was killed
			killed.Add(1)
			if lines := strings.Fields(string(said)); len(lines) > 0 && filepath.IsAbs(lines[len(lines)-1]) {
				atWork.Add(1)
			}
			if _, err := os.Stat(violations); err == nil {
				return
			}
		}
	}
	for range 3 {
		wg.Go(func() { keep("owner") })
		wg.Go(func() { keep("sweeper") })
	}
	wg.Wait()
	said, err := os.ReadFile(violations)
	require.ErrorIs(t, err, os.ErrNotExist, string(said))

	// Every directory was under lock, so that its age does not matter.
	report, err := workdir.Sweep(t.Context(), afero.NewOsFs(), &workdir.SweepOptions{Dir: dir})
	require.NoError(t, err)
	for _, name := range testfs.Leftovers(t, afero.NewOsFs(), dir) {
		if workName.MatchString(name) && !ownersOwn(dir, name) {
			assert.Contains(t, bystanders, name)
		}
	}
	_, err = workdir.Sweep(t.Context(), afero.NewOsFs(), &workdir.SweepOptions{Dir: dir, MinAge: childAge})
	require.NoError(t, err)
	t.Logf("%d kills, %d of owners at work; the last sweep removed %d directories", killed.Load(), atWork.Load(), len(report.Removed))
	// How many is a matter of the machine; none would be a matter of the test.
	assert.Greater(t, atWork.Load(), int64(kills/40))
	for name, why := range report.Kept {
		assert.Contains(t, bystanders, "."+filepath.Base(name)+".lease", why)
	}
	var others []string
	for _, name := range testfs.Leftovers(t, afero.NewOsFs(), dir) {
		if first, _, _ := strings.Cut(name, "/"); !ownersOwn(dir, first) {
			others = append(others, name)
		}
	}
	assert.Equal(t, bystanders, others, "of what is dead something is left, or a bystander is gone")
}
