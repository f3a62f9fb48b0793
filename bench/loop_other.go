//go:build !linux

package main

import (
	"errors"
	"fmt"
)

func onLoops(string, []string, func(dir, name string) error) error {
	return fmt.Errorf("-loop: %w: it takes Linux", errors.ErrUnsupported)
}

func private() error { return nil }
