package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/tempkit/tempkit/tmpfs"
	"golang.org/x/sys/unix"
)

// mkfs makes a file system on the device that is its last argument. The ext4 is
// one with a journal, made in one go: what it would do later would be measured.
var mkfs = map[string][]string{
	"ext4":  {"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"},
	"xfs":   {"mkfs.xfs", "-q", "-f"},
	"btrfs": {"mkfs.btrfs", "-q", "-f"},
}

const (
	loopSize   = 8 << 30    // of the disk, in a file that takes what is written to it
	mountsAt   = "/dev/shm" // a tmpfs of this process's own, over a directory that Linux systems have
	privateVar = "TEMPKIT_BENCH_PRIVATE"
)

// private starts the program anew with mounts of its own, and returns in the new
// one. What it mounts is known to no other process but its children, which the
// kernel kills with it: however it ends, the kernel takes all of it away, mounts,
// loop devices and the files beneath, which have no names.
func private() error {
	if os.Getenv(privateVar) != "" {
		return os.Unsetenv(privateVar)
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w (-loop takes root)", err)
	}
	// What others unmount is unmounted here too, where the system shares its mounts.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := letGo(); err != nil {
		return err
	}
	if err := unix.Mount("tempkit", mountsAt, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700"); err != nil {
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

// onLoops calls fn on a new file system of each kind, in a file without a name in
// dir. It needs private.
func onLoops(dir string, kinds []string, fn func(dir, name string) error) error {
	for _, kind := range kinds {
		if mkfs[kind] == nil {
			return fmt.Errorf("-loop: no such kind of file system: %q", kind)
		}
	}
	for _, kind := range kinds {
		if err := onLoop(dir, kind, fn); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

func onLoop(dir, kind string, fn func(dir, name string) error) (err error) {
	image, err := tmpfs.CreateAnonymous(osFs, &tmpfs.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	if err := image.Truncate(loopSize); err != nil {
		return err
	}
	file, ok := image.OSFile()
	if !ok {
		return errors.New("not a file of the system")
	}
	at := filepath.Join(mountsAt, kind)
	if err := os.Mkdir(at, 0o755); err != nil {
		return err
	}
	if err := mountLoop(file, at, kind); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unmount(at)) }()
	return fn(at, kind)
}

// mountLoop makes a file system in the file image and mounts it at dir. The loop
// device under it goes away with the mount.
func mountLoop(image *os.File, dir, kind string) error {
	dev, err := freeLoop(image)
	if err != nil {
		return err
	}
	defer dev.Close() // the mount has it open by then; if there is none, the device is free again
	cmd := exec.Command(mkfs[kind][0], append(mkfs[kind][1:len(mkfs[kind]):len(mkfs[kind])], dev.Name())...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", mkfs[kind][0], err, out)
	}
	if err := unix.Mount(dev.Name(), dir, kind, 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", kind, err)
	}
	return nil
}

// freeLoop returns a loop device with image on it.
func freeLoop(image *os.File) (*os.File, error) {
	ctl, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer ctl.Close()
	for {
		n, err := unix.IoctlRetInt(int(ctl.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("LOOP_CTL_GET_FREE: %w", err)
		}
		dev, err := os.OpenFile(fmt.Sprint("/dev/loop", n), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(dev.Fd()), &unix.LoopConfig{
			Fd:   uint32(image.Fd()),
			Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR},
		})
		if err == nil {
			return dev, nil
		}
		_ = dev.Close()                  // the error that counts is at hand
		if !errors.Is(err, unix.EBUSY) { // else another process was faster
			return nil, fmt.Errorf("LOOP_CONFIGURE: %w", err)
		}
	}
}

// unmount waits for what the file system may still have in hand.
func unmount(dir string) error {
	var err error
	for range 500 {
		if err = unix.Unmount(dir, 0); !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}
