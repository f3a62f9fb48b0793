package remote_test

import (
	"crypto/rand"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/bench/remote/jail"
)

// A keeper gives each connection a sftp-server of its own, in a jail of its own.
type keeper struct {
	t      *testing.T
	dir    string
	server string // the program
	l      net.Listener
	served sync.WaitGroup
}

// keep starts a keeper that ends with the test, and returns its address.
func keep(t *testing.T) (addr string) {
	t.Helper()
	server, err := jail.SFTPServer()
	jail.Need(t, err)
	// No path, because a jail reaches none.
	l, err := net.Listen("unix", "@tempkit-"+rand.Text())
	require.NoError(t, err)
	k := &keeper{t: t, dir: t.TempDir(), server: server, l: l}
	k.served.Go(k.accept)
	t.Cleanup(func() {
		_ = l.Close()
		k.served.Wait()
	})
	return l.Addr().String()
}

func (k *keeper) accept() {
	for n := 0; ; n++ {
		conn, err := k.l.Accept()
		if err != nil {
			return // closed
		}
		k.served.Go(func() {
			defer func() { _ = conn.Close() }()
			if err := k.serve(conn, filepath.Join(k.dir, strconv.Itoa(n))); err != nil {
				k.t.Errorf("keeper: %v", err)
			}
		})
	}
}

// serve lasts as long as the connection.
func (k *keeper) serve(conn net.Conn, dir string) error {
	j, err := jail.New(dir, k.server)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	token := rand.Text()
	if err := os.WriteFile(filepath.Join(dir, jail.Marker), []byte(token), 0o644); err != nil {
		return err
	}
	server := j.Command("-e", "-l", "ERROR", "-u", "022")
	server.Stderr = os.Stderr
	in, err := server.StdinPipe()
	if err != nil {
		return err
	}
	out, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	k.served.Go(func() {
		_, _ = io.Copy(in, conn)
		_ = in.Close() // the server ends
	})
	defer func() { _ = server.Wait() }()
	if _, err := io.WriteString(conn, token+"\n"); err != nil {
		return nil // the client has gone, as it may
	}
	// Its first answer shows that the server has started, and needs no more of the system.
	first := make([]byte, 1<<10)
	n, err := out.Read(first)
	if err == nil {
		err = j.Clear()
	}
	if err != nil {
		_ = conn.Close()
		return err
	}
	if _, err := conn.Write(first[:n]); err == nil {
		_, _ = io.Copy(conn, out)
	}
	_ = conn.Close()
	return nil
}
