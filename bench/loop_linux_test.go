package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/mount"
)

// loopsOf returns the loop devices whose file is, or was, below dir.
func loopsOf(t *testing.T, dir string) (loops []string) {
	t.Helper()
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	require.NoError(t, err)
	for _, file := range files {
		// One that goes away meanwhile is not there.
		if backing, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(backing), dir) {
			loops = append(loops, file)
		}
	}
	return loops
}

// The file systems that are made for a measurement go with the process that made
// them, also when that is killed.
func TestLoopLeavesNothing(t *testing.T) {
	if os.Geteuid() != 0 || os.Getenv("TEMPKIT_ROOT_TESTS") != "1" {
		t.Skip("it takes root, TEMPKIT_ROOT_TESTS=1, mkfs.ext4 and loop devices")
	}
	program, dir := filepath.Join(t.TempDir(), "bench"), t.TempDir()
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)

	out, err = exec.Command(program, "-full", "-dir", dir, "-loop", "ext4", "-only", "rootfs").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "ext4, /dev/shm/ext4")
	assert.Contains(t, string(out), "rootfs: open, read, close")

	cmd := exec.Command(program, "-full", "-dir", dir, "-loop", "ext4", "-only", "temporary|Batch")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.Contains(lines.Text(), "anonymous") {
	}
	assert.NotEmpty(t, loopsOf(t, dir), "it is at work")
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed

	assert.Eventually(t, func() bool { return len(loopsOf(t, dir)) == 0 }, time.Minute, 50*time.Millisecond)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
	assert.NoDirExists(t, filepath.Join(mount.Scratch, "ext4"))
}
