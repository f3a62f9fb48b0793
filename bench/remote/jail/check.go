package jail

import (
	"errors"
	"io"
	"io/fs"

	"github.com/pkg/sftp"
)

// Marker is a file in the root directory of a jail. What it holds is known to who made
// the jail, and to nobody else.
const Marker = "/marker"

// Check returns an error unless the root directory of a server is that of a jail: it
// holds the marker with that token, and nothing of a system. It comes before anything
// else is done, because a client may remove what it takes for its own.
func Check(client *sftp.Client, token string) error {
	f, err := client.Open(Marker)
	if err != nil {
		return errors.Join(errOutside, err)
	}
	got, err := io.ReadAll(f)
	_ = f.Close() // only read
	if err != nil || token == "" || string(got) != token {
		return errors.Join(errOutside, err)
	}
	for _, name := range []string{"/etc/hostname", "/etc/shadow", "/proc", "/sys", "/home", "/root", "/var", "/tmp"} {
		if _, err := client.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(errOutside, errors.New("it sees "+name), err)
		}
	}
	return nil
}

var errOutside = errors.New("the server is not in its jail")
