package blobstage_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// versitygwModule is the server of the tests, an S3 gateway to a directory.
const versitygwModule = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range atExit {
		end()
	}
	os.Exit(code)
}

var atExit []func()

// versitygw returns the address of a versitygw, which is built and started when it
// is first asked for and ends with the tests.
func versitygw(t testing.TB) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("versitygw is not for Windows")
	}
	addr, err := startVersitygw()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

var startVersitygw = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "versitygw-*")
	if err != nil {
		return "", err
	}
	atExit = append(atExit, func() { _ = os.RemoveAll(dir) })
	build := exec.Command("go", "install", versitygwModule)
	build.Dir = dir // in no module
	build.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-buildvcs=false", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", build, err, out)
	}
	for _, sub := range []string{"data", "side"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return "", err
		}
	}
	const tries = 5 // the port is free when it is chosen, and may not be a moment later
	for n := 1; ; n++ {
		addr, err := runVersitygw(dir)
		if err == nil || n == tries {
			return addr, err
		}
	}
})

// runVersitygw starts the server and waits until it answers.
func runVersitygw(dir string) (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr = l.Addr().String()
	if err := l.Close(); err != nil {
		return "", err
	}
	// Not every file system has extended attributes for users: a directory of its own does.
	server := exec.Command(filepath.Join(dir, "versitygw"), "--access", accessKey, "--secret", secretKey, "--quiet",
		"--port", addr, "posix", "--sidecar", filepath.Join(dir, "side"), filepath.Join(dir, "data"))
	server.Stderr = os.Stderr
	server.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	if err := server.Start(); err != nil {
		return "", err
	}
	var status error
	ended := make(chan struct{})
	go func() {
		status = server.Wait()
		close(ended)
	}()
	stop := func() {
		_ = server.Process.Kill()
		<-ended
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
		if err != nil {
			return "", err
		}
		answer, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = answer.Body.Close()
			atExit = append([]func(){stop}, atExit...) // before its directory is removed
			return addr, nil
		}
		select {
		case <-ended:
			return "", fmt.Errorf("versitygw has ended: %w", status)
		case <-ctx.Done():
			stop()
			return "", ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
