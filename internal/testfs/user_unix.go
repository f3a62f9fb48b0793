//go:build unix

package testfs

import (
	"os/exec"
	"syscall"
)

// nobody is the user and the group that own nothing.
const nobody = 65534

func dropPrivileges(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return nil
}
