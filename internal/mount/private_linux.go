package mount

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// privateVar is set for the program that has been started anew, and for no child.
const privateVar = "TEMPKIT_PRIVATE_MOUNTS"

// Private starts the program anew with mounts of its own. It must be called
// before anything else is done, and returns in the new program.
//
// All that it mounts, and the files in Scratch, are among these mounts and known to
// no other process but its children, which it lets the kernel kill with it. So the
// kernel takes everything away, loop devices too, however this process ends.
func Private() error {
	if os.Getenv(privateVar) != "" {
		return os.Unsetenv(privateVar)
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w (it takes root)", err)
	}
	// What others unmount is unmounted here too, where the system shares its mounts;
	// nothing of this process is mounted there.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := letGo(); err != nil {
		return err
	}
	if err := unix.Mount("tempkit", Scratch, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	return syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), privateVar+"=1"))
}

// letGo lets go of what others have on loop devices: they could not detach them
// for good while they are among this process's mounts.
func letGo() error {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(info)) {
		before, after, _ := strings.Cut(line, " - ")
		where, what := strings.Fields(before), strings.Fields(after)
		if len(what) > 1 && len(where) > 4 && strings.HasPrefix(what[1], "/dev/loop") {
			_ = unix.Unmount(where[4], unix.MNT_DETACH) // one that this program itself is on goes on to be used
		}
	}
	return nil
}
