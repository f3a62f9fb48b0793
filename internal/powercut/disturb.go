//go:build linux

package powercut

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// disturb has the file system mounted at mnt commit its metadata about that often
// until stop is called. A workload that is over in a second would otherwise end
// before the file system has written anything that it was not told to; it is these
// commits that make an empty file of a rename without a sync.
func disturb(mnt, kind string, every time.Duration) (stop func()) {
	if every == 0 {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-quit:
				return
			case <-time.After(time.Duration(rand.Int64N(2 * int64(every)))):
				if err := commit(mnt, kind, n); err != nil {
					fmt.Fprintln(os.Stderr, "powercut: commit:", err)
					os.Exit(1)
				}
			}
		}
	}()
	return func() { close(quit); <-done }
}

// commit has a file system commit its metadata, as the sync of another program
// may at any moment, without the data that waits to be written. The calls count n
// from 0 on.
func commit(mnt, kind string, n int) error {
	neighbour := filepath.Join(mnt, "neighbour")
	if kind != "btrfs" {
		f, err := os.Create(neighbour)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := fmt.Fprintln(f, n); err != nil {
			return err
		}
		return f.Sync()
	}
	// There the sync of a file logs just that file. A snapshot, though of another
	// subvolume, commits all.
	const snapCreate, subvolCreate = 0x50009401, 0x5000940e
	if n == 0 {
		return subvolume(subvolCreate, mnt, "neighbour", "")
	}
	return subvolume(snapCreate, mnt, fmt.Sprint("snapshot-", n), neighbour)
}

// subvolume makes a subvolume of dir by one of two calls: a new one, or one like
// source.
func subvolume(ioctl uintptr, dir, name, source string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	var args struct {
		source int64
		name   [4088]byte
	}
	copy(args.name[:], name)
	if source != "" {
		s, err := os.Open(source)
		if err != nil {
			return err
		}
		defer s.Close()
		args.source = int64(s.Fd())
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, d.Fd(), ioctl, uintptr(unsafe.Pointer(&args))); errno != 0 {
		return fmt.Errorf("btrfs: %w", errno)
	}
	return nil
}
