//go:build unix

package live_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// childVariable makes the test binary a child of that name instead of testing.
// Its arguments are what the child wants to know.
const childVariable = "LIVE_TEST_CHILD"

// children are what this binary does as another process.
var children = map[string]func(args []string) error{"job": runJob}

// What is done first is done on the first thread of the process, and so are all
// the system calls of a job that starts no goroutines: strace counts by thread.
func init() { runtime.LockOSThread() } //nolint:gochecknoinits // of a test

func TestMain(m *testing.M) {
	name := os.Getenv(childVariable)
	if name == "" {
		goleak.VerifyTestMain(m)
		return
	}
	err := children[name](os.Args[1:])
	// What a child has covered counts, too, where the tests run with -cover: package
	// testing writes it at the end of a run, of no tests.
	if dir := os.Getenv("TEMPKIT_COVERAGE"); dir != "" {
		os.Stdout = os.Stderr
		profile := filepath.Join(dir, fmt.Sprint(os.Getpid()))
		err = errors.Join(err, flag.CommandLine.Parse([]string{"-test.run=^$", "-test.coverprofile=" + profile}))
		m.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child prepares a process of that name.
func child(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), childVariable+"="+name, "GOTRACEBACK=all")
	cmd.Stderr = os.Stderr
	return cmd
}

// runJob does the job args[0] on the ground args[1] in the directory args[2], once
// for each line of its standard input, and says what came of it. The directory is
// args[2], or the line below it.
func runJob(args []string) error {
	j, g, err := find(args[0], args[1])
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fsys, at, err := g.open(args[2] + "/" + lines.Text())
		if err != nil {
			return err
		}
		begin()
		err = j.run(fsys, at)
		end()
		if c, ok := fsys.(interface{ Close() error }); ok {
			_ = c.Close()
		}
		say(os.Stdout, err)
	}
	return lines.Err()
}

func find(name, on string) (job, ground, error) {
	for _, j := range slices.Concat(jobs, copies) {
		for _, g := range grounds {
			if j.name == name && g.name == on {
				return j, g, nil
			}
		}
	}
	return job{}, ground{}, errors.New("no job " + name + " on " + on)
}

// The moments between which a trace is of the job: calls that nobody else makes.
const (
	beginMark = "/tempkit-begins"
	endMark   = "/tempkit-ends"
)

func begin() { _, _ = os.Lstat(beginMark) }
func end()   { _, _ = os.Lstat(endMark) }

// once does a job in a fresh process.
func once(t testing.TB, cmd *exec.Cmd, dir string) outcome {
	t.Helper()
	cmd.Stdin = strings.NewReader("\n")
	out, err := cmd.Output()
	if err != nil {
		return outcome{died: true, err: fmt.Sprint(err, ": ", string(out))}
	}
	return understand(out, dir)
}

// Each job does what it says, on each ground, in a process of its own: the other
// tests rely on it.
func TestJobs(t *testing.T) {
	for _, j := range slices.Concat(jobs, copies) {
		for _, g := range grounds {
			dir := t.TempDir()
			require.NoError(t, j.prepare(dir))
			o := once(t, child(t, "job", j.name, g.name, dir), dir)
			require.Equal(t, outcome{}, o, "%s on %s", j.name, g.name)
			wrong, litter := j.judge(dir, o)
			require.Empty(t, wrong, "%s on %s", j.name, g.name)
			require.Empty(t, litter, "%s on %s", j.name, g.name)
		}
	}
}

// inMemory lets the temporary directories of the test be in a file system in
// memory, if there is one: for tests that sync thousands of times, to see what is
// asked of the disk and not what the disk does.
func inMemory(t *testing.T) {
	t.Helper()
	if dir, err := os.MkdirTemp("/dev/shm", "probe-*"); err == nil {
		_ = os.Remove(dir)
		t.Setenv("TMPDIR", "/dev/shm")
	}
}
