package sshfs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/bench/remote/jail"
	"github.com/tempkit/tempkit/bench/remote/sshfs"
)

// Nothing here says anything without the server, the example included.
func TestMain(m *testing.M) {
	if _, err := jail.SFTPServer(); err != nil {
		fmt.Println(err)
		if jail.Must() {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// newHost returns an empty directory that servers serve.
func newHost(t *testing.T) *jail.Host {
	t.Helper()
	h, err := jail.NewHost(filepath.Join(t.TempDir(), "host"))
	require.NoError(t, err)
	return h
}

// connect returns a connection to a server of h that ends with the test.
func connect(t *testing.T, h *jail.Host, pipe jail.Pipe) *jail.Link {
	t.Helper()
	l, err := h.Connect(pipe)
	require.NoError(t, err)
	t.Cleanup(l.End)
	return l
}

// serve returns the files of a server, its directory, and the path of that here.
func serve(t *testing.T) (fsys *sshfs.Fs, dir, real string) {
	t.Helper()
	h := newHost(t)
	return sshfs.New(connect(t, h, nil).Client), h.Dir, h.Real
}
