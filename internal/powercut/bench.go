//go:build linux

package powercut

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tempkit/tempkit/internal/mount"
)

// A Bench is a file system on a disk whose power can be cut. It is for one
// goroutine; several may be at work in one process.
type Bench struct {
	Kind    string // ext4, xfs or btrfs
	Options string // of its mount, separated by commas

	dir   string // of its own, in mount.Scratch
	disk  string // path of the drive
	stop  func() error
	fresh Image // the file system as it was made
}

// The files and directories of a bench.
const (
	imageFile = "image" // what is on the disk
	logFile   = "log"   // what the disk took
	fuseDir   = "fuse"  // the drive's mount, in the drive's process alone
	mountDir  = "mnt"
	homeDir   = "home" // of the scenario, in mountDir
)

// size is that of the smallest file system that mkfs.xfs likes, and a little more.
const size = 320 << 20

// Open makes a bench for each file system, given as its kind and mount options,
// such as "ext4" or "ext4:noauto_da_alloc:data=writeback". It needs mount.Private.
//
// The drives are all started before anything is mounted: each has a copy of this
// process's mounts, and would hold what is among them.
func Open(names ...string) (benches []*Bench, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, Close(benches))
		}
	}()
	for _, name := range names {
		kind, options, _ := strings.Cut(name, ":")
		if !mount.Known(kind) {
			return benches, fmt.Errorf("no such kind of file system: %q", kind)
		}
		b := &Bench{Kind: kind, Options: strings.ReplaceAll(options, ":", ",")}
		if b.dir, err = os.MkdirTemp(mount.Scratch, fmt.Sprintf("%s%s-", Mark(os.Getpid()), kind)); err != nil {
			return benches, err
		}
		for _, dir := range []string{fuseDir, mountDir} {
			if err := os.Mkdir(b.path(dir), 0o755); err != nil {
				return benches, err
			}
		}
		if b.disk, b.stop, err = startDrive(b.dir, size); err != nil {
			return benches, err
		}
		benches = append(benches, b)
	}
	for _, b := range benches {
		if err := b.format(); err != nil {
			return benches, err
		}
	}
	return benches, nil
}

// Close ends the drives and removes the files of the benches.
func Close(benches []*Bench) error {
	var errs []error
	for _, b := range benches {
		errs = append(errs, b.stop(), os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}

// Mark is what the names of all that a process of that ID puts on loop devices
// contain.
func Mark(pid int) string { return fmt.Sprintf("powercut-%d-", pid) }

// String returns the name that the bench was opened with.
func (b *Bench) String() string {
	if b.Options == "" {
		return b.Kind
	}
	return b.Kind + ":" + strings.ReplaceAll(b.Options, ",", ":")
}

func (b *Bench) path(name string) string { return filepath.Join(b.dir, name) }

// home is where scenarios are at work.
func (b *Bench) home() string { return filepath.Join(b.path(mountDir), homeDir) }

// format makes the file system that all scenarios begin with.
func (b *Bench) format() error {
	if err := (Image{}).Store(b.path(imageFile), size); err != nil {
		return err
	}
	if err := mount.Format(b.Kind, b.path(imageFile)); err != nil {
		return err
	}
	err := b.mounted(b.path(imageFile), func() error { return os.Mkdir(b.home(), 0o755) })
	if err != nil {
		return err
	}
	b.fresh, err = Load(b.path(imageFile))
	return err
}

// mounted calls f while the file system on the disk is mounted.
func (b *Bench) mounted(disk string, f func() error) (err error) {
	if err := b.mount(disk); err != nil {
		return err
	}
	// Deferred, so that a panic in f leaves nothing that the end of the drive would
	// have to wait for.
	defer func() { err = errors.Join(err, mount.Off(b.path(mountDir))) }()
	return f()
}

// mount mounts the file system on the disk. The loop device under it goes away with the
// mount.
func (b *Bench) mount(disk string) error {
	image, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer image.Close()
	dev, err := mount.Attach(image)
	if err != nil {
		return err
	}
	defer dev.Close()
	return mount.On(dev, b.path(mountDir), b.Kind, b.Options)
}
