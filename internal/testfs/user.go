package testfs

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// asUser tells the child of [AsUser] that it is one.
const asUser = "TESTFS_AS_USER"

// AsUser makes a test that is about permissions run without privileges. Where
// this process has none it returns true, and the test goes on. Where it is root,
// to which nothing is forbidden, it runs the test in a child process as an
// ordinary user, reports how that ended, and returns false: the test is over.
func AsUser(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	if os.Getenv(asUser) != "" {
		t.Fatal("the child is still root")
	}
	dir, err := os.MkdirTemp("", "as-user-*")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777))
	// The binary itself is where only root can reach it.
	binary := filepath.Join(dir, "test.bin")
	must(t, copyFile(binary, executable(t)))
	var pattern []string
	for _, elem := range strings.Split(t.Name(), "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(elem)+"$")
	}
	cmd := exec.Command(binary, "-test.run="+strings.Join(pattern, "/"), "-test.v", "-test.count=1")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asUser+"=1", "TMPDIR="+dir, "HOME="+dir)
	if err := dropPrivileges(cmd); err != nil {
		t.Skip("cannot run as another user: ", err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("as an ordinary user: %v\n%s", err, out)
	}
	if bytes.Contains(out, []byte("no tests to run")) {
		t.Fatalf("the child found no test of this name:\n%s", out)
	}
	if bytes.Contains(out, []byte("--- SKIP: "+t.Name()+" (")) {
		t.Skipf("as an ordinary user:\n%s", out)
	}
	return false
}

func executable(t *testing.T) string {
	t.Helper()
	name, err := os.Executable()
	must(t, err)
	return name
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
