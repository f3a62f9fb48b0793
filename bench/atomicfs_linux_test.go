package main

import (
	"crypto/rand"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// rawDurable are the system calls that an atomic and durable write cannot do
// without: create, write, fsync, close, rename, fsync of the directory.
var rawDurable = []writing{{"raw", func(name string, data []byte) error {
	dir := filepath.Dir(name)
	temporary := dir + "/.tmp-" + rand.Text()
	fd, err := unix.Open(temporary, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, data); err != nil {
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
	d, err := unix.Open(dir, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Fsync(d); err != nil {
		return err
	}
	return unix.Close(d)
}}}

// processorTime returns what this process has used of processors until now.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
