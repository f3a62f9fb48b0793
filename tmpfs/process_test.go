package tmpfs_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

// A child is what this binary does when it is run as another process.
type child func(args []string) error

// children by the name that start gives.
var children = map[string]child{
	"keepnew": childKeepNew,
	"names":   childNames,
	"hold":    childHold,
	"clean":   childClean,
	"swap":    childSwap,
	"inherit": childInherit,
}

const childVariable = "TMPFS_TEST_CHILD"

func TestMain(m *testing.M) {
	name := os.Getenv(childVariable)
	if name == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if err := children[name](os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A process is a child that runs.
type process struct {
	*exec.Cmd
	out bytes.Buffer
}

// start runs a child. The test must see to its end; if it does not, the child
// ends with the test.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := prepare(t, name, args...)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func prepare(t *testing.T, name string, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.CommandContext(t.Context(), exe, args...)}
	p.Env = append(os.Environ(), childVariable+"="+name)
	p.Stdout, p.Stderr = &p.out, os.Stderr
	return p
}

// wait waits for the end of a child, and returns what it printed.
func (p *process) wait(t *testing.T) string {
	t.Helper()
	if err := p.Wait(); err != nil {
		t.Fatalf("child: %v\n%s", err, p.out.String())
	}
	return p.out.String()
}

// kill ends a child by force, and waits until it has ended.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // "signal: killed"
}
