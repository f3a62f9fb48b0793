//go:build !linux

package main

import "os"

// thisSystem is asked only for what package os offers.
var thisSystem = &system{
	rename:   os.Rename,
	exchange: func(string, string) error { return errNotAsked },
	renameTo: func(string, string) error { return errNotAsked },
	unnamed:  func(string) error { return errNotAsked },
	clone:    func(*os.File, *os.File) error { return errNotAsked },
	lock:     func(*os.File) error { return errNotAsked },
	inMemory: func(string) (bool, error) { return false, errNotAsked },
}
