package main

import (
	"crypto/rand"

	"golang.org/x/sys/unix"
)

// rawNamed are the system calls that a temporary cannot do without.
var rawNamed = []temporary{{"raw", func(dir string) error {
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

var rawAnonymous = []temporary{{"raw", func(dir string) error {
	fd, err := unix.Openat(unix.AT_FDCWD, dir, unix.O_RDWR|unix.O_TMPFILE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}}}
