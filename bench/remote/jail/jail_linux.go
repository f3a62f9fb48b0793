package jail

import (
	"os"
	"os/exec"
	"syscall"
)

func possible() bool { return os.Geteuid() == 0 }

// confine makes cmd run as nobody with dir as its root.
func confine(cmd *exec.Cmd, dir string) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:     dir,
		Credential: &syscall.Credential{Uid: Nobody, Gid: Nobody},
	}
}
