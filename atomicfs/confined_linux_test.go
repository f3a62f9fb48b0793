package atomicfs_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
)

// Where a sandbox forbids to link, or there is no /proc to do it by, a file is
// written by the way that every system has. The operating system alone has sandboxes.
func TestWritersThatMayNotLink(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.ENOENT} {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0], dir, strconv.Itoa(int(errno)))
		cmd.Env = append(os.Environ(), childEnv+"=confined")
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), errNoSandbox.Error()) {
			t.Skip(string(out))
		}
		require.NoError(t, err, "%v: %s", errno, out)
		assert.Equal(t, []string{"file"}, testfs.Leftovers(t, afero.NewOsFs(), dir))
	}
}

func init() { children["confined"] = confined } //nolint:gochecknoinits // of a test

// confined writes a file in every way while linkat fails. args are the directory and
// the number of the error.
func confined(args []string) error {
	errno, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if err := forbid(unix.SYS_LINKAT, uint32(errno)); err != nil {
		return fmt.Errorf("%w: %w", errNoSandbox, err)
	}
	fsys, name := afero.NewOsFs(), filepath.Join(args[0], "file")
	for way, write := range writers {
		for _, text := range []string{"new", strings.Repeat("replaced", 200_000)} {
			if err := write(fsys, name, text); err != nil {
				return fmt.Errorf("%s: %w", way, err)
			}
			if got, err := os.ReadFile(name); err != nil || string(got) != text {
				return fmt.Errorf("%s: %d bytes, %w", way, len(got), err)
			}
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	// A handle of NewFs goes on after a Sync.
	f, err := atomicfs.NewFs(fsys, nil).Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteString("one ")
	err = errors.Join(err, f.Sync())
	_, werr := f.WriteString("two")
	err = errors.Join(err, werr, f.Close())
	if got, _ := os.ReadFile(name); string(got) != "one two" {
		return errors.Join(err, fmt.Errorf("NewFs: %q", got))
	}
	g, cerr := atomicfs.Create(fsys, name, &atomicfs.Options{NoReplace: true})
	if !errors.Is(cerr, os.ErrExist) {
		return errors.Join(err, fmt.Errorf("NoReplace: %v, %w", g, cerr))
	}
	return err
}

var errNoSandbox = errors.New("no sandbox here")

// forbid lets a system call fail in all threads of this process from now on.
func forbid(call, errno uint32) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	const allow, fail, everyThread = 0x7fff0000, 0x00050000, 1
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
		{Code: unix.BPF_RET | unix.BPF_K, K: fail | errno},
		{Code: unix.BPF_RET | unix.BPF_K, K: allow},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, everyThread, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return errno
	}
	return nil
}
