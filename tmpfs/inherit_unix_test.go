//go:build unix

package tmpfs_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/tempkit/tempkit/internal/testfs"
)

// notInherited: C027. A child finds nothing under the number that the file has here.
func notInherited(t *testing.T, k testfs.Kind) {
	f := create(t, k, "secret")
	g := anonymous(t, k.Fs, k.Dir)
	for _, file := range []interface{ OSFile() (*os.File, bool) }{f, g} {
		h, ok := file.OSFile()
		require.True(t, ok)
		flags, err := unix.FcntlInt(h.Fd(), unix.F_GETFD, 0)
		require.NoError(t, err)
		assert.NotZero(t, flags&unix.FD_CLOEXEC)
		var st unix.Stat_t
		require.NoError(t, unix.Fstat(int(h.Fd()), &st))
		out := start(t, "inherit", fmt.Sprint(h.Fd())).wait(t)
		assert.NotEqual(t, fmt.Sprint(st.Ino), strings.TrimSpace(out))
	}
}

// childInherit prints the number of the file that is descriptor args[0], if any.
func childInherit(args []string) error {
	var fd int
	if _, err := fmt.Sscan(args[0], &fd); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil && !errors.Is(err, unix.EBADF) {
		return err
	}
	fmt.Println(st.Ino)
	return nil
}
