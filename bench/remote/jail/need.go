package jail

import (
	"errors"
	"os"
	"testing"
)

// Need skips a test if what it needs is not here, which err says, or fails it where
// that must be here.
func Need(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case Must():
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// Must reports whether what a test needs must be here.
func Must() bool { return os.Getenv("TEMPKIT_ROOT_TESTS") == "1" }

// Possible returns an error where no program can be confined.
func Possible() error {
	if possible() {
		return nil
	}
	return errors.New("to confine a program takes root on Linux")
}

// sftpServers are where distributions put OpenSSH's sftp-server.
var sftpServers = []string{
	"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server",
	"/usr/libexec/sftp-server", "/usr/lib/sftp-server",
}

// SFTPServer returns the path of OpenSSH's sftp-server.
func SFTPServer() (string, error) {
	for _, path := range sftpServers {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no sftp-server; on Debian: apt-get install openssh-sftp-server")
}
