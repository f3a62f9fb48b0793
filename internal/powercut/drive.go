//go:build linux

package powercut

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// A drive is a FUSE file that logs the writes and the flushes it is sent.
//
// It runs in a process of its own with mounts of its own. If one process served
// the file and synced through it, or were among those whose end unmounts what is
// on it, then the disk could wait for the end of the process and the end of the
// process for the disk, and every sync on the machine for both.
type drive struct {
	fs.Inode
	size int64

	mu         sync.Mutex // the log tells in which order the image changed
	image, log *os.File
}

func (d *drive) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o600, uint64(d.size)
	return 0
}

// Open has every read and write come straight here, past the page cache.
func (d *drive) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (d *drive) Read(_ context.Context, _ fs.FileHandle, b []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := d.image.ReadAt(b, off)
	if err != nil && err != io.EOF {
		return nil, fs.ToErrno(err)
	}
	return fuse.ReadResultData(b[:n]), 0
}

func (d *drive) Write(_ context.Context, _ fs.FileHandle, b []byte, off int64) (uint32, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.image.WriteAt(b, off); err != nil {
		return 0, fs.ToErrno(err)
	}
	_, err := d.log.Write(AppendEvent(nil, off, b))
	return uint32(len(b)), fs.ToErrno(err)
}

func (d *drive) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.log.Write(AppendEvent(nil, 0, nil))
	return fs.ToErrno(err)
}

// serveDrive is the process of the drive in dir. It ends when stdin does, which
// the kernel sees to if the process at the other end is killed.
func serveDrive(dir string, size int64) error {
	image, err := os.OpenFile(filepath.Join(dir, imageFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	// To append, because the log begins anew when it is truncated from outside.
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	d := &drive{size: size, image: image, log: log}
	root := &fs.Inode{}
	_, err = fs.Mount(filepath.Join(dir, fuseDir), root, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "powercut", Name: "powercut", MaxWrite: 1 << 20},
		OnAdd: func(ctx context.Context) {
			root.AddChild(filepath.Base(dir), root.NewPersistentInode(ctx, d, fs.StableAttr{Mode: fuse.S_IFREG}), false)
		},
	})
	if err != nil {
		return fmt.Errorf("FUSE: %w", err)
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// startDrive starts the drive in dir. It returns the path of the disk and what
// ends the drive.
func startDrive(dir string, size int64) (disk string, stop func() error, err error) {
	cmd := self("drive", dir, fmt.Sprint(size))
	cmd.SysProcAttr.Unshareflags = unix.CLONE_NEWNS
	cmd.SysProcAttr.Pdeathsig = 0  // stdin ends it
	cmd.SysProcAttr.Setpgid = true // an interrupt from the keyboard is not for the disk
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("drive: %w", err)
	}
	stop = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	if _, err := out.Read(make([]byte, 1)); err != nil {
		return "", nil, errors.Join(fmt.Errorf("drive: %w", err), stop())
	}
	return fmt.Sprintf("/proc/%d/root%s", cmd.Process.Pid, filepath.Join(dir, fuseDir, filepath.Base(dir))), stop, nil
}

// self is a command that runs this program as one of its other processes. It is
// killed with the process that starts it.
func self(role string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}
