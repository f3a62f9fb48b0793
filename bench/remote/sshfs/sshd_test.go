package sshfs_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/bench/remote/jail"
	"github.com/tempkit/tempkit/bench/remote/sshfs"
)

// sshdScript prepares a place that sshd takes for safe and that goes with it: mounts of
// its own, of which nobody else sees anything. $1 is sshd, $2 the directory of its
// files, $3 the user.
const sshdScript = `set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p -m 755 /run/sshd /run/jail
mkdir -m 700 /run/jail/files
chown "$3" /run/jail/files
cp "$2/marker" /run/jail/marker
cp "$2/authorized" /run/authorized
exec "$1" -D -e -f "$2/sshd_config"`

// sshdConfig lets one user in, by one key, to a directory that is his root.
const sshdConfig = `ListenAddress 127.0.0.1:%[1]d
HostKey %[2]s/host
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile /run/authorized
AllowUsers %[3]s
ChrootDirectory /run/jail
Subsystem sftp internal-sftp
ForceCommand internal-sftp
AllowTcpForwarding no
X11Forwarding no
`

// sshUser has no files of his own anywhere.
const sshUser = "nobody"

// The whole way: TCP, keys, sshd and its own server.
func TestSSHD(t *testing.T) {
	jail.Need(t, jail.Possible())
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		sshd = "/usr/sbin/sshd"
		_, err = os.Stat(sshd)
	}
	if err != nil {
		err = errors.New("there is no sshd; on Debian: apt-get install openssh-server")
	}
	jail.Need(t, err)
	if out, err := exec.Command("unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run").CombinedOutput(); err != nil {
		jail.Need(t, fmt.Errorf("no mounts of its own here: %w: %s", err, out))
	}

	dir := t.TempDir()
	marker := rand.Text()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "marker"), []byte(marker), 0o644))
	hostKey, userKey := newKey(t), newKey(t)
	block, err := ssh.MarshalPrivateKey(hostKey, "")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "host"), pem.EncodeToMemory(block), 0o600))
	signer, err := ssh.NewSignerFromKey(userKey)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "authorized"), ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o644))
	host, err := ssh.NewSignerFromKey(hostKey)
	require.NoError(t, err)
	conn := dialSSHD(t, sshd, dir, &ssh.ClientConfig{
		User: sshUser, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(host.PublicKey()),
	})
	client, err := sftp.NewClient(conn)
	require.NoError(t, err)
	defer func() { _ = client.Close() }()
	require.NoError(t, jail.Check(client, marker))

	fsys := sshfs.New(client)
	for _, text := range []string{"old", "new"} {
		require.NoError(t, atomicfs.WriteFile(fsys, "/files/app.json", []byte(text), 0o644))
		got, err := afero.ReadFile(fsys, "/files/app.json")
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
	}
	names, err := afero.ReadDir(fsys, "/files")
	require.NoError(t, err)
	assert.Len(t, names, 1)
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}

// dialSSHD starts sshd with the keys in dir and logs in.
func dialSSHD(t *testing.T, sshd, dir string, config *ssh.ClientConfig) *ssh.Client {
	t.Helper()
	const tries = 5 // the port is free when it is chosen, and may not be a moment later
	for n := 1; ; n++ {
		conn, said, err := startSSHD(t, sshd, dir, config)
		if err == nil {
			return conn
		}
		require.Less(t, n, tries, "%v\n%s", err, said)
	}
}

func startSSHD(t *testing.T, sshd, dir string, config *ssh.ClientConfig) (conn *ssh.Client, said string, err error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	text := fmt.Sprintf(sshdConfig, port, dir, sshUser)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sshd_config"), []byte(text), 0o644))
	server := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", sshdScript, "sh", sshd, dir, sshUser)
	var out bytes.Buffer
	server.Stderr = &out
	require.NoError(t, server.Start())
	ended := make(chan struct{})
	go func() {
		_ = server.Wait()
		close(ended)
	}()
	stop := func() {
		_ = server.Process.Kill()
		<-ended
	}
	for {
		conn, err = ssh.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), config)
		if err == nil {
			t.Cleanup(func() {
				_ = conn.Close()
				stop()
			})
			return conn, "", nil
		}
		refused := &net.OpError{}
		select {
		case <-ended:
			return nil, out.String(), err
		case <-time.After(20 * time.Millisecond):
		}
		if !errors.As(err, &refused) {
			stop()
			return nil, out.String(), err
		}
	}
}
