package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// rawNamed are the system calls that a temporary cannot do without.
func rawNamed(dir string) []way {
	return []way{{impl: "raw", do: func() error {
		name := dir + "/tmp-" + rand.Text()
		fd, err := unix.Openat(unix.AT_FDCWD, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		if err := unix.Close(fd); err != nil {
			return err
		}
		return unix.Unlinkat(unix.AT_FDCWD, name, 0)
	}}}
}

// rawAnonymous are those of one without a name.
func rawAnonymous(dir string) []way {
	return []way{{impl: "raw", do: func() error {
		fd, err := unix.Openat(unix.AT_FDCWD, dir, unix.O_RDWR|unix.O_TMPFILE|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}}}
}

// rawWritings are the system calls that an atomic and durable write cannot do
// without: create, write, fsync, close, rename, fsync of the directory.
var rawWritings = []writing{{"raw", func(name string, data []byte) error {
	return rawReplace(name, func(fd int) error {
		_, err := unix.Write(fd, data)
		return err
	})
}}}

// rawReplace replaces name by what fill writes to a descriptor.
func rawReplace(name string, fill func(fd int) error) error {
	dir := filepath.Dir(name)
	temporary := dir + "/.tmp-" + rand.Text()
	fd, err := unix.Open(temporary, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	if err := fill(fd); err != nil {
		return err
	}
	if err := unix.Fsync(fd); err != nil {
		return err
	}
	if err := unix.Close(fd); err != nil {
		return err
	}
	if err := unix.Rename(temporary, name); err != nil {
		return err
	}
	return rawSyncDir(dir)
}

func rawSyncDir(dir string) error {
	d, err := unix.Open(dir, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Fsync(d); err != nil {
		return err
	}
	return unix.Close(d)
}

// rawStreamed is rawReplace with what a reader holds, a piece at a time. The disk
// hears of nothing before the fsync.
func rawStreamed(dest string, open func() io.Reader) []way {
	return []way{{impl: "raw", do: func() error {
		return rawReplace(dest, func(fd int) error {
			buf := make([]byte, 1<<20)
			for r := open(); ; {
				n, err := r.Read(buf)
				if n > 0 {
					if _, err := unix.Write(fd, buf[:n]); err != nil {
						return err
					}
				}
				if err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		})
	}}}
}

// rawCopy copies a file as the kernel does it alone, which is by sharing its
// blocks where the file system can.
func rawCopy(from, to string, ready func() error) []way {
	return []way{{impl: "copy_file_range", ready: ready, do: func() error {
		return copyBy(from, to, func(src, dst *os.File) error {
			for {
				n, err := unix.CopyFileRange(int(src.Fd()), nil, int(dst.Fd()), nil, 1<<30, 0)
				if err != nil || n == 0 {
					return err
				}
			}
		})
	}}}
}

// processorTime returns what this process has used of processors until now.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// flushCounter returns what tells how often the disk under dir was told to write
// its cache out. Where nobody counts that, as on btrfs and in memory, it tells so.
func flushCounter(dir string) func() (int64, bool) {
	var st unix.Stat_t
	none := func() (int64, bool) { return 0, false }
	if unix.Stat(dir, &st) != nil {
		return none
	}
	name := fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)))
	count := func() (int64, bool) {
		const flushes = 15 // the field, counted from 0
		text, err := os.ReadFile(name)
		fields := strings.Fields(string(text))
		if err != nil || len(fields) <= flushes {
			return 0, false
		}
		n, err := strconv.ParseInt(fields[flushes], 10, 64)
		return n, err == nil
	}
	if _, ok := count(); !ok {
		return none
	}
	return count
}

// sameVolume reports whether two directories are on one.
func sameVolume(a, b string) bool {
	var sa, sb unix.Stat_t
	return unix.Stat(a, &sa) == nil && unix.Stat(b, &sb) == nil && sa.Dev == sb.Dev
}

// fileSystem names the file system of dir.
func fileSystem(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "unknown"
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case 0x2fc12fc1:
		return "zfs"
	case 0xf2f52010:
		return "f2fs"
	case unix.MSDOS_SUPER_MAGIC:
		return "vfat"
	case unix.FUSE_SUPER_MAGIC:
		return "fuse"
	}
	return fmt.Sprintf("file system of type %#x", uint32(st.Type))
}
