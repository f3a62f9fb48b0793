// Package jail starts programs that see a directory of their own and nothing else:
// their root is changed to it, and they are nobody. It is for servers whose clients
// may remove "/tmp", which on a virtual file system is theirs.
package jail

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Nobody is the user that the programs run as.
const Nobody = 65534

// Program is where the program is, as it sees it.
const Program = "/program"

// support are the directories of what the program needs to start.
var support = []string{"lib", "lib64", "usr", "etc", "dev"}

// A Jail is a directory that programs are confined to.
type Jail struct{ Dir string }

// New makes dir, which must not exist, a jail for a copy of program. All in it
// belongs to nobody.
func New(dir, program string) (*Jail, error) {
	j := &Jail{Dir: dir}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if err := j.adopt(program, Program); err != nil {
		return nil, err
	}
	for _, lib := range libraries(program) {
		if err := j.adopt(lib, lib); err != nil {
			return nil, err
		}
	}
	for name, text := range map[string]string{
		"etc/passwd": fmt.Sprintf("nobody:x:%d:%[1]d:nobody:/:/program\n", Nobody), // sftp-server asks who it is
		"dev/null":   "",                                                           // and looks whether it could open this
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
		if err := os.Chown(path, Nobody, Nobody); err != nil {
			return nil, err
		}
	}
	return j, os.Chown(dir, Nobody, Nobody)
}

// libraries returns the paths of the shared libraries that a program loads, and of
// what loads them.
func libraries(program string) (paths []string) {
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		return nil // it is static
	}
	for _, word := range strings.Fields(string(out)) {
		if strings.HasPrefix(word, "/") {
			paths = append(paths, word)
		}
	}
	return paths
}

// adopt copies a file of the system into the jail.
func (j *Jail) adopt(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	to = filepath.Join(j.Dir, to)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// Clear removes what the program has needed to start, once it runs.
func (j *Jail) Clear() error {
	for _, name := range append(support, Program) {
		if err := os.RemoveAll(filepath.Join(j.Dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// Command returns the program to be run with these arguments, without any
// environment.
func (j *Jail) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(Program, args...)
	cmd.Dir = "/" // in the jail
	cmd.Env = []string{}
	confine(cmd, j.Dir)
	return cmd
}
