package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tempkit/tempkit/internal/mount"
	"github.com/tempkit/tempkit/tmpfs"
)

const loopSize = 8 << 30 // of the disk, in a file that takes what is written to it

// onLoops calls fn on a new file system of each kind, in a file without a name in
// dir. It needs mount.Private.
func onLoops(dir string, kinds []string, fn func(dir, name string) error) error {
	for _, kind := range kinds {
		if !mount.Known(kind) {
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
	at := filepath.Join(mount.Scratch, kind)
	if err := os.Mkdir(at, 0o755); err != nil {
		return err
	}
	if err := mountLoop(file, at, kind); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mount.Off(at)) }()
	return fn(at, kind)
}

// mountLoop makes a file system in the file image and mounts it at dir. The loop
// device under it goes away with the mount.
func mountLoop(image *os.File, dir, kind string) error {
	dev, err := mount.Attach(image)
	if err != nil {
		return err
	}
	defer dev.Close() // the mount has it open by then; if there is none, the device is free again
	if err := mount.Format(kind, dev.Name()); err != nil {
		return err
	}
	return mount.On(dev, dir, kind, "")
}
