//go:build !linux

package atomicfs

// SetUnnamed does nothing: files have a name here in any case.
func SetUnnamed(bool) {}
