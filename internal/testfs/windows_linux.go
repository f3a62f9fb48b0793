package testfs

import (
	"os"
	"path/filepath"
	"strings"
)

// seesOpen is whether openBelow knows what is open.
const seesOpen = true

// openBelow returns the regular files that this process has open and that are name,
// a path of the operating system, or below it. The last element is not followed.
func openBelow(name string) (open []string) {
	const fds = "/proc/self/fd"
	dir, err := filepath.EvalSymlinks(filepath.Dir(name))
	if err != nil {
		return nil // it is not there: the call will say so
	}
	name = filepath.Join(dir, filepath.Base(name))
	list, err := os.ReadDir(fds)
	if err != nil {
		panic(err) // or nothing would ever be refused
	}
	for _, fd := range list {
		target, err := os.Readlink(filepath.Join(fds, fd.Name()))
		if err != nil || target != name && !strings.HasPrefix(target, name+"/") {
			continue
		}
		if info, err := os.Stat(filepath.Join(fds, fd.Name())); err == nil && info.Mode().IsRegular() {
			open = append(open, target)
		}
	}
	return open
}
