//go:build linux

package powercut_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/powercut"
)

const killedVar = "POWERCUT_TEST_KILLED" // set for the processes that are killed, and their children

// However the process that cuts the power ends, or the one that serves a disk, no
// process, mount or loop device is left.
func TestKilled(t *testing.T) {
	skipUnlessAsked(t)
	for i := range 6 {
		t.Run(fmt.Sprint("the process that mounts, ", i), func(t *testing.T) {
			cmd := startVictim(t)
			time.Sleep(rand.N(700 * time.Millisecond))
			require.NoError(t, cmd.Process.Kill())
			require.Error(t, cmd.Wait())
			assertGone(t, cmd.Process.Pid)
		})
	}
	for i := range 3 {
		t.Run(fmt.Sprint("the process that serves the disk, ", i), func(t *testing.T) {
			cmd := startVictim(t)
			time.Sleep(rand.N(300 * time.Millisecond))
			for _, pid := range relatives(cmd.Process.Pid) {
				if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err == nil && bytes.Contains(env, []byte("POWERCUT_ROLE=drive")) {
					require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
				}
			}
			assert.Error(t, cmd.Wait(), "without its disk it cannot succeed")
			assertGone(t, cmd.Process.Pid)
		})
	}
}

// startVictim starts the power cuts in a process of their own, and returns when
// that has a loop device.
func startVictim(t *testing.T) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestPowerCuts$", "-powercut.fs="+*flagFs)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", killedVar, os.Getpid()))
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it is dead by then if all is well
	require.Eventually(t, func() bool { return len(loops(t, cmd.Process.Pid)) > 0 }, 20*time.Second, time.Millisecond)
	return cmd
}

// loops returns the loop devices that a process of that ID has set up.
func loops(t *testing.T, pid int) (attached []string) {
	names, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	require.NoError(t, err)
	for _, name := range names {
		file, err := os.ReadFile(name)
		if err == nil && strings.Contains(string(file), powercut.Mark(pid)) {
			attached = append(attached, name+": "+strings.TrimSpace(string(file)))
		}
	}
	return attached
}

// relatives returns the processes that the process of that ID, or this one for
// such a process, has started, and that process itself.
func relatives(pid int) (list []int) {
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		other, err := strconv.Atoi(filepath.Base(name))
		if err != nil || other == os.Getpid() {
			continue
		}
		env, err := os.ReadFile(name + "/environ")
		if err == nil && bytes.Contains(env, fmt.Appendf(nil, "%s=%d\x00", killedVar, os.Getpid())) || other == pid {
			list = append(list, other)
		}
	}
	return list
}

// assertGone waits for all of a process that is dead to go.
func assertGone(t *testing.T, pid int) {
	t.Helper()
	const patience = 20 * time.Second // what it had in hand must fail first, and the machine may be busy
	assert.Eventually(t, func() bool { return len(relatives(pid)) == 0 }, patience, 10*time.Millisecond, "its processes")
	assert.Eventually(t, func() bool { return len(loops(t, pid)) == 0 }, patience, 10*time.Millisecond, "its loop devices")
	tables, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	require.NoError(t, err)
	for _, table := range tables {
		mounts, err := os.ReadFile(table)
		if err == nil && strings.Contains(string(mounts), powercut.Mark(pid)) {
			t.Errorf("%s has its mounts:\n%s", table, mounts)
		}
	}
}
