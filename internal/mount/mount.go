// Package mount makes file systems on loop devices of which nothing is left, however
// the program ends that made them: they are among mounts of its own ([Private]), and
// a loop device goes with its mount.
//
// A file system is made in three steps: [Attach] puts a loop device on a file,
// [Format] makes a file system on either, [On] mounts the device. [Off] unmounts it,
// and the device goes. All of it takes Linux, root and the tools of the file system;
// elsewhere each function returns an error that matches errors.ErrUnsupported.
package mount

import (
	"fmt"
	"os/exec"
)

// Scratch is where a program mounts things and keeps files once Private has returned:
// a tmpfs of its own, over a directory that Linux systems have.
const Scratch = "/dev/shm"

// A tool is a program, with its arguments but the last.
type tool []string

// mkfs makes a file system as it is going to be: what would be left to do later would
// be found in a measurement, or lost in a power cut.
var mkfs = map[string]tool{
	"ext4":  {"mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"},
	"xfs":   {"mkfs.xfs", "-q", "-f"},
	"btrfs": {"mkfs.btrfs", "-q", "-f"},
}

var fsck = map[string]tool{
	"ext4":  {"e2fsck", "-fn"},
	"xfs":   {"xfs_repair", "-n"},
	"btrfs": {"btrfs", "check", "--readonly"},
}

// Known reports whether there are tools for a kind of file system: ext4, xfs, btrfs.
func Known(kind string) bool { return mkfs[kind] != nil }

// Format makes a file system on a file or a device. The error says what the tool said.
func Format(kind, file string) error { return mkfs[kind].run(file) }

// Check looks for damage in the file system in a file, which is not mounted. An error
// that matches *exec.ExitError is the tool's verdict.
func Check(kind, file string) error { return fsck[kind].run(file) }

// run runs the tool on a file. The tool dies with this program.
func (t tool) run(file string) error {
	cmd := exec.Command(t[0], append(t[1:len(t):len(t)], file)...)
	dieWithParent(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", t[0], err, out)
	}
	return nil
}

// An Error says that a file system could not be mounted, though its device could be
// read.
type Error struct {
	Kind string
	Err  error
}

func (e *Error) Error() string { return "mount " + e.Kind + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }
