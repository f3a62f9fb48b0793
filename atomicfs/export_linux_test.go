package atomicfs

// SetUnnamed lets files have no name while they are written, or keeps them from
// that, as on a system that has no such files.
func SetUnnamed(can bool) { canBeUnnamed = can }
