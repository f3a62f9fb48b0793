//go:build linux

package powercut

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A tool is a program of a file system, with its arguments but the last.
type tool []string

// run runs the tool on a file. Its error says what the tool said.
func (t tool) run(file string) error {
	cmd := exec.Command(t[0], append(t[1:len(t):len(t)], file)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", t[0], err, out)
	}
	return nil
}

var mkfs = map[string]tool{
	"ext4":  {"mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"},
	"xfs":   {"mkfs.xfs", "-q", "-f"},
	"btrfs": {"mkfs.btrfs", "-q", "-f"},
}

var fsck = map[string]tool{
	"ext4":  {"e2fsck", "-fn"},
	"xfs":   {"xfs_repair", "-n"},
	"btrfs": {"btrfs", "check", "--readonly"},
}

// whole are the pages that a file system relies on to be written whole, whoever
// writes files there. On btrfs it is the super block, and its copy: it has one sum
// for all of its 4096 bytes and no journal, so that a torn one cannot be mounted.
var whole = map[string][]int64{
	"btrfs": {64 << 10 / PageSize, 64 << 20 / PageSize},
}

// mount mounts the file system in the file image at dir. The loop device under it
// goes away with the mount.
func mount(image, dir, kind, options string) error {
	ctl, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer ctl.Close()
	img, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer img.Close()
	for {
		n, err := unix.IoctlRetInt(int(ctl.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return fmt.Errorf("LOOP_CTL_GET_FREE: %w", err)
		}
		loop := fmt.Sprintf("/dev/loop%d", n)
		err = mountLoop(loop, img, dir, kind, options)
		if !errors.Is(err, errLoopTaken) {
			return err
		}
	}
}

var errLoopTaken = errors.New("another process was faster")

func mountLoop(loop string, image *os.File, dir, kind, options string) error {
	dev, err := os.OpenFile(loop, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer dev.Close() // the mount has it open by then; if there is none, the device is free again
	err = unix.IoctlLoopConfigure(int(dev.Fd()), &unix.LoopConfig{
		Fd:   uint32(image.Fd()),
		Size: 512,
		Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR},
	})
	if errors.Is(err, unix.EBUSY) {
		return errLoopTaken
	}
	if err != nil {
		return fmt.Errorf("LOOP_CONFIGURE: %w", err)
	}
	if kind == "btrfs" {
		forgetBtrfs(loop)
	}
	if err := unix.Mount(loop, dir, kind, 0, options); err != nil {
		return &mountError{kind, err}
	}
	return nil
}

// A mountError says that a file system could not be mounted, though the disk could
// be read.
type mountError struct {
	kind string
	err  error
}

func (e *mountError) Error() string { return "mount " + e.kind + ": " + e.err.Error() }
func (e *mountError) Unwrap() error { return e.err }

// forgetBtrfs has the kernel forget the disk that path held before: it refuses
// one of the same identity and an older generation, as each crash state is.
func forgetBtrfs(path string) {
	const forgetDev = 0x50009405
	f, err := os.OpenFile("/dev/btrfs-control", os.O_RDWR, 0)
	if err != nil {
		return // the mount will say what is wrong
	}
	defer f.Close()
	var args [4096]byte
	copy(args[8:], path)
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, f.Fd(), forgetDev, uintptr(unsafe.Pointer(&args))) // fails if it knows none
}

// unmount waits for what the workload may still have in hand.
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
