//go:build !windows

package workdir_test

import (
	"context"
	"fmt"
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

func tell(file, line string) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		_, _ = f.WriteString(line + "\n")
		_ = f.Close()
	}
}

func violation(format string, args ...any) {
	tell(os.Getenv(childViolations), fmt.Sprintf(format, args...))
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
			err = d.Keep(d.Path() + ".kept")
			if err == nil {
				err = os.RemoveAll(d.Path())
			}
		} else {
			err = d.Close()
		}
		if err != nil {
			violation("close: %v", err)
		}
	}
}

// childAge is what the sweepers of the test take for old, where they cannot ask.
const childAge = 20 * time.Millisecond

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
			tell(os.Getenv(childViolations)+".removed", name)
		}
		time.Sleep(rand.N(2 * time.Millisecond))
	}
}

// TestKilled kills owners and sweepers at random moments. Nothing that lives may
// be removed, and of what is dead nothing may be left in the end. OsFs alone:
// between processes there is nothing else.
func TestKilled(t *testing.T) {
	kills := 210
	if testing.Short() {
		kills = 30
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	violations := filepath.Join(t.TempDir(), "violations")
	bystanders := plantBystanders(t, dir)

	var killed atomic.Int64
	var wg sync.WaitGroup
	keep := func(part string) { // one child after the other, each killed after a while
		for killed.Load() < int64(kills) {
			cmd := exec.Command(exe)
			cmd.Env = append(os.Environ(), childEnv+"="+part, childDir+"="+dir, childViolations+"="+violations)
			out, err := cmd.StdoutPipe()
			if !assert.NoError(t, err) || !assert.NoError(t, cmd.Start()) {
				return
			}
			_, _ = out.Read(make([]byte, 1)) // it has begun
			time.Sleep(rand.N(50 * time.Millisecond))
			assert.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
			_ = cmd.Wait() // it was killed
			killed.Add(1)
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

	time.Sleep(2 * childAge)
	report, err := workdir.Sweep(t.Context(), afero.NewOsFs(), &workdir.SweepOptions{Dir: dir, MinAge: childAge})
	require.NoError(t, err)
	removed, err := os.ReadFile(violations + ".removed")
	require.NoError(t, err)
	swept := len(strings.Fields(string(removed)))
	t.Logf("%d kills; sweeps that lived removed %d directories, the last one %d", killed.Load(), swept, len(report.Removed))
	assert.Greater(t, swept, kills/10, "hardly an owner died at work")
	for name, why := range report.Kept {
		assert.Contains(t, bystanders, "."+filepath.Base(name)+".lease", why)
	}
	var others []string
	for _, name := range testfs.Leftovers(t, afero.NewOsFs(), dir) {
		if first, _, _ := strings.Cut(name, "/"); !strings.HasSuffix(first, ".kept") {
			others = append(others, name)
		}
	}
	assert.Equal(t, bystanders, others, "of what is dead something is left, or a bystander is gone")
}
