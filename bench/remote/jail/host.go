package jail

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pkg/sftp"
)

// A Host is a directory that sftp-servers serve, each over a pipe to one client. As
// root they are in a jail; else they can do what this user can, and it is for their
// clients to name nothing outside Dir.
type Host struct {
	Dir  string // an empty directory, as the servers name it, and where they start
	Real string // its path on this machine

	// Denied are requests of the protocol that the servers refuse, and say that they do not
	// know.
	Denied []string

	token   string // of the jail, if it is one
	command func(args ...string) *exec.Cmd
}

// arguments let the servers speak of errors alone, and make modes the same everywhere.
var arguments = []string{"-e", "-l", "ERROR", "-u", "022"}

// NewHost makes the directory dir, which must not exist, a host.
func NewHost(dir string) (*Host, error) {
	program, err := SFTPServer()
	if err != nil {
		return nil, err
	}
	if Possible() != nil {
		command := func(args ...string) *exec.Cmd {
			cmd := exec.Command(program, args...)
			cmd.Dir = dir
			return cmd
		}
		return &Host{Dir: dir, Real: dir, command: command}, os.Mkdir(dir, 0o755)
	}
	j, err := New(dir, program)
	if err != nil {
		return nil, err
	}
	h := &Host{Dir: "/files", Real: filepath.Join(dir, "files"), token: rand.Text()}
	h.command = func(args ...string) *exec.Cmd {
		cmd := j.Command(args...)
		cmd.Dir = h.Dir
		return cmd
	}
	if err := os.WriteFile(filepath.Join(dir, Marker), []byte(h.token), 0o644); err != nil {
		return nil, err
	}
	if err := os.Mkdir(h.Real, 0o755); err != nil {
		return nil, err
	}
	// Its root is not theirs: nothing is made there unasked.
	return h, errors.Join(os.Chown(h.Real, Nobody, Nobody), os.Chown(dir, 0, 0))
}

// A Link is a connection to a server of its own.
type Link struct {
	*sftp.Client
	server *exec.Cmd
}

// A Pipe is what the client writes to and reads from. kill ends the server, without a
// word.
type Pipe func(in io.WriteCloser, out io.Reader, kill func()) (io.WriteCloser, io.Reader)

// Connect starts a server. What is between it and its client is pipe's to say, once it
// is sure that the server is where it should be; nil is a pipe alone.
func (h *Host) Connect(pipe Pipe) (*Link, error) {
	if h.token != "" && pipe != nil {
		l, err := h.Connect(nil) // nothing is to count that is not the caller's
		if err != nil {
			return nil, err
		}
		l.End()
	}
	args := arguments
	if len(h.Denied) > 0 {
		args = append(slices.Clone(args), "-P", strings.Join(h.Denied, ","))
	}
	server := h.command(args...)
	server.Stderr = os.Stderr
	in, err := server.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	l := &Link{server: server}
	out := io.Reader(stdout)
	if pipe != nil {
		in, out = pipe(in, out, func() { _ = server.Process.Kill() })
	}
	l.Client, err = sftp.NewClientPipe(out, in)
	if err == nil && h.token != "" && pipe == nil {
		err = Check(l.Client, h.token)
	}
	if err != nil {
		_ = server.Process.Kill()
		_ = server.Wait()
		return nil, err
	}
	return l, nil
}

// End closes the connection and waits for the end of the server.
func (l *Link) End() {
	_ = l.Close()
	_ = l.server.Process.Kill()
	_ = l.server.Wait()
}
