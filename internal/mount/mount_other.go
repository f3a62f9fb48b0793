//go:build !linux

package mount

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

var errNoLinux = fmt.Errorf("%w: it takes Linux", errors.ErrUnsupported)

// Private fails.
func Private() error { return errNoLinux }

// Attach fails.
func Attach(*os.File) (*os.File, error) { return nil, errNoLinux }

// On fails.
func On(*os.File, string, string, string) error { return errNoLinux }

// Off fails.
func Off(string) error { return errNoLinux }

func dieWithParent(*exec.Cmd) {}
