package atomicfs

import "github.com/tempkit/tempkit/internal/vfs"

// SetUnnamed lets files have no name while they are written, where there are
// such files, or keeps them from that, as on a system that has none.
func SetUnnamed(can bool) { canBeUnnamed = can && vfs.Unnamed }
