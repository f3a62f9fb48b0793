package sshfs_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/bench/remote/sshfs"
)

// places are where distributions put OpenSSH's sftp-server.
var places = []string{
	"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server",
	"/usr/libexec/sftp-server", "/usr/lib/sftp-server",
}

// serve returns the files of a sftp-server over a pipe: the whole machine's, so that a
// test here names nothing that is not below its own t.TempDir. Bodies that expect a
// virtual Fs, on which "/tmp" is theirs to remove, must never run on it.
func serve(t *testing.T) *sshfs.Fs {
	t.Helper()
	for _, place := range places {
		if _, err := os.Stat(place); err != nil {
			continue
		}
		server := exec.Command(place)
		in, err := server.StdinPipe()
		require.NoError(t, err)
		out, err := server.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, server.Start())
		client, err := sftp.NewClientPipe(out, in)
		require.NoError(t, err)
		t.Cleanup(func() {
			_ = client.Close()
			_ = server.Wait()
		})
		return sshfs.New(client)
	}
	if os.Getenv("TEMPKIT_ROOT_TESTS") == "1" {
		t.Fatal("there is no sftp-server; on Debian: apt-get install openssh-sftp-server")
	}
	t.Skip("there is no sftp-server")
	return nil
}

func TestReplaces(t *testing.T) {
	fsys, name := serve(t), filepath.Join(t.TempDir(), "file")
	require.NoError(t, atomicfs.WriteFile(fsys, name, []byte("old"), 0o640))
	require.NoError(t, atomicfs.WriteFile(fsys, name, []byte("new"), 0o600))
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, "new", string(got))
	info, err := os.Stat(name)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o640), info.Mode(), "that of the old file")
}

// Of many that create one file, each by a connection of its own, one wins.
func TestNoReplace(t *testing.T) {
	const writers = 16
	name := filepath.Join(t.TempDir(), "file")
	var all sync.WaitGroup
	results, start := make([]error, writers), make(chan struct{})
	for i := range writers {
		f, err := atomicfs.Create(serve(t), name, &atomicfs.Options{NoReplace: true})
		require.NoError(t, err)
		_, err = f.Write([]byte{byte(i)})
		require.NoError(t, err)
		all.Go(func() {
			<-start
			results[i] = f.Commit()
			_ = f.Close()
		})
	}
	close(start) // each has looked, and found nothing
	all.Wait()
	winners := 0
	for i, err := range results {
		if err != nil {
			assert.ErrorIs(t, err, fs.ErrExist)
			continue
		}
		winners++
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, []byte{byte(i)}, got)
	}
	assert.Equal(t, 1, winners)
	left, err := os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	assert.Len(t, left, 1)
}

func TestExclusive(t *testing.T) {
	fsys, dir := serve(t), t.TempDir()
	for name, again := range map[string]func() error{
		"dir": func() error { return fsys.Mkdir(filepath.Join(dir, "dir"), 0o700) },
		"file": func() error {
			f, err := fsys.OpenFile(filepath.Join(dir, "file"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
			if err == nil {
				err = f.Close()
			}
			return err
		},
		"link": func() error { return fsys.SymlinkIfPossible("target", filepath.Join(dir, "link")) },
	} {
		require.NoError(t, again(), name)
		require.ErrorIs(t, again(), fs.ErrExist, name)
	}
}
