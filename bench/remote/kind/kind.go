// Package kind makes testfs.Each run its bodies on package sshfs. It is put into the
// test binaries of the rooms, which are run where a jailed sftp-server answers.
package kind

import (
	"bufio"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/pkg/sftp"

	"github.com/tempkit/tempkit/bench/remote/jail"
	"github.com/tempkit/tempkit/bench/remote/sshfs"
	"github.com/tempkit/tempkit/internal/testfs"
)

const (
	// Address is the environment variable that says where the servers are: each
	// connection to it is one to a server of its own, in a jail of its own, whose token
	// is the first line.
	Address = "TEMPKIT_SFTP"
	// Name is that of the kind, and so of the subtests.
	Name = "sshfs"
)

var _ = join()

func join() bool {
	testfs.Only(Name, func(t testing.TB) testfs.Kind {
		fsys := dial(t)
		if err := fsys.Mkdir("/scratch", 0o755); err != nil {
			t.Fatal(err)
		}
		return testfs.Kind{Fs: fsys}
	})
	return true
}

// dial returns the files of a new server, once it is sure that they are those of its
// jail: a body may remove what it takes for its own.
func dial(t testing.TB) *sshfs.Fs {
	t.Helper()
	conn, err := net.Dial("unix", os.Getenv(Address))
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	token, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	client, err := sftp.NewClientPipe(r, conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := jail.Check(client, strings.TrimSpace(token)); err != nil {
		t.Fatal(err)
	}
	if err := client.Remove(jail.Marker); err != nil {
		t.Fatal(err)
	}
	return sshfs.New(client)
}
