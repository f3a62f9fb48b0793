//go:build !unix

package testfs

import (
	"errors"
	"os/exec"
)

func dropPrivileges(*exec.Cmd) error { return errors.ErrUnsupported }
