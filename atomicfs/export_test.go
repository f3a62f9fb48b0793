package atomicfs

import "path/filepath"

// SetUnnamed lets files have no name while they are written, where there are
// such files, or keeps them from that, as on a system that has none.
func SetUnnamed(can bool) { canBeUnnamed = can }

// Forget makes Sweep take the temporaries of those paths for ones whose process is
// dead.
func Forget(names ...string) {
	for _, name := range names {
		alive.names.Delete(filepath.Base(name))
	}
}
