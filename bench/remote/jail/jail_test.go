package jail_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/bench/remote/jail"
)

// Whatever looks as if the server saw more than its jail is an error.
func TestCheck(t *testing.T) {
	jail.Need(t, jail.Possible())
	_, err := jail.SFTPServer()
	jail.Need(t, err)
	dir := filepath.Join(t.TempDir(), "host")
	h, err := jail.NewHost(dir)
	require.NoError(t, err)
	l, err := h.Connect(nil)
	require.NoError(t, err)
	defer l.End()
	token, err := os.ReadFile(filepath.Join(dir, jail.Marker))
	require.NoError(t, err)
	require.NoError(t, jail.Check(l.Client, string(token)))
	_, err = l.Stat(dir)
	require.Error(t, err, "the path of the jail itself is outside")

	assert.Error(t, jail.Check(l.Client, string(token)+"x"))
	assert.Error(t, jail.Check(l.Client, ""))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tmp"), 0o700))
	assert.ErrorContains(t, jail.Check(l.Client, string(token)), "/tmp")
	require.NoError(t, os.Remove(filepath.Join(dir, "tmp")))
	require.NoError(t, os.Remove(filepath.Join(dir, jail.Marker)))
	assert.Error(t, jail.Check(l.Client, string(token)))
	_, err = h.Connect(nil)
	assert.Error(t, err, "no connection comes of it")
}

// A server is nobody, and makes files as nobody.
func TestNobody(t *testing.T) {
	jail.Need(t, jail.Possible())
	h, err := jail.NewHost(filepath.Join(t.TempDir(), "host"))
	jail.Need(t, err)
	l, err := h.Connect(nil)
	require.NoError(t, err)
	defer l.End()
	f, err := l.Create("file") // where it starts
	require.NoError(t, err)
	info, err := f.Stat()
	require.NoError(t, err)
	require.NoError(t, f.Close())
	assert.EqualValues(t, jail.Nobody, info.Sys().(*sftp.FileStat).UID)
	assert.FileExists(t, filepath.Join(h.Real, "file"))
	require.NoError(t, os.WriteFile(filepath.Join(h.Real, "root"), nil, 0o600))
	_, err = l.Open("root")
	assert.ErrorIs(t, err, os.ErrPermission)
}
