package mount

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

// dieWithParent has the kernel kill what is started with this program.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// Attach returns a loop device with image on it, which goes away with what has it open:
// the file that is returned, and a mount.
func Attach(image *os.File) (*os.File, error) {
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
			Size: 512,
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

// On mounts the file system on a device at dir, with its own options. The caller closes
// dev afterwards: the mount has it open by then. If there is none, the error is an
// *Error.
func On(dev *os.File, dir, kind, options string) error {
	if kind == "btrfs" {
		forgetBtrfs(dev.Name())
	}
	if err := unix.Mount(dev.Name(), dir, kind, 0, options); err != nil {
		return &Error{kind, err}
	}
	return nil
}

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

// Off unmounts what is at dir. It waits for what the file system, or who was at work
// there, may still have in hand.
func Off(dir string) error {
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
