package vfs

import (
	"os"
	"path/filepath"

	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// rooted calls fn with the rooted Fs beneath v. That of a base path is opened for
// the one call: a directory held open would need somebody to close it. fn must
// not keep the rooted Fs, nor return anything that needs it: an open file does
// not.
func rooted[T any](v FS, fn func(r *rootfs.Fs) (T, error)) (T, error) {
	if v.root != nil {
		return fn(v.root)
	}
	r, err := rootfs.Open(v.base)
	if err != nil {
		var none T
		return none, err
	}
	defer func() { _ = r.Close() }()
	return fn(r)
}

// at returns where name is below the rooted Fs beneath v. name is clean.
func (v FS) at(name string) string {
	if v.root != nil && v.base != "" {
		return filepath.Join(v.base, name)
	}
	return name
}

// real returns the path of name on the operating system, as far as it is known,
// for those calls of a system that take no directory handle. Whoever uses it is
// not kept inside.
func (v FS) real(name string) string {
	switch {
	case v.kind != rootedKind:
		return name
	case v.root != nil:
		return filepath.Join(v.root.Root().Name(), v.base, name)
	}
	return filepath.Join(v.base, name)
}

// inRoot returns name as os.Root takes it. It is relative and does not climb; the
// root itself is ".".
func inRoot(name string) string {
	rel, err := filepath.Rel(separator, filepath.Clean(separator+name))
	if err != nil {
		return "."
	}
	return rel
}

// openRoot opens the directory dir of the operating system, of which links may be
// followed but nothing that would block. The caller closes it.
func openRoot(dir string) (*os.Root, error) {
	// With the dot it is not opened unless it is a directory: a FIFO would wait for its writer.
	return os.OpenRoot(dir + separator + ".")
}
