package vfs

import (
	"path/filepath"
	"reflect"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

type kind int

const (
	otherKind  kind = iota
	osKind          // afero.OsFs
	rootedKind      // an os.Root, or a base path on the operating system
	memoryKind      // MemMapFs, bare or under a base path
)

// A ground is what stands beneath an Fs.
type ground struct {
	kind kind
	root *rootfs.Fs // of a rooted one: the root, if its owner holds it open
	base string     // of a rooted one: the path below root, or else on the operating system
	lock any        // the key of the lock that check and act share; nil means none is needed

	// sftpfs is set of afero's own: it says that a file is synced and syncs nothing, and
	// gives a file that it opens another mode.
	sftpfs bool
}

// anyMemory is the lock of all that is memory and nothing else: two base paths
// over one MemMapFs share it, and an operation under it waits for no device.
const anyMemory = memoryKind

// look returns what is beneath fsys. It goes by the types that it knows, because
// a handle or a call would not show a fault injector in the middle, which must
// not be passed by. What it does not know is "other": slower, and as correct.
func look(fsys afero.Fs) ground {
	switch f := fsys.(type) {
	case *afero.OsFs, afero.OsFs:
		return ground{kind: osKind}
	case *rootfs.Fs:
		return ground{kind: rootedKind, root: f}
	case *afero.MemMapFs:
		return ground{kind: memoryKind, lock: anyMemory}
	case *afero.BasePathFs:
		path := reflect.ValueOf(f).Elem().FieldByName("path")
		if path.Kind() != reflect.String {
			return ground{}
		}
		return look(inner(f, "source")).below(path.String())
	case *afero.CopyOnWriteFs:
		return ground{lock: either(f, look(inner(f, "layer")), look(inner(f, "base")))}
	case *afero.CacheOnReadFs:
		return ground{lock: either(f, look(inner(f, "layer")), look(inner(f, "base")))}
	case *afero.ReadOnlyFs:
		return ground{lock: look(inner(f, "source")).lock}
	case *afero.RegexpFs:
		return ground{lock: look(inner(f, "source")).lock}
	case Veneer:
		return look(f.Beneath(Sealed{}))
	}
	return ground{sftpfs: isSftpfs(fsys)}
}

// isSftpfs goes by the name of the type: its package is of another module, on which
// this one does not depend.
func isSftpfs(fsys afero.Fs) bool {
	t := reflect.TypeOf(fsys)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t != nil && t.PkgPath() == "github.com/spf13/afero/sftpfs"
}

// inner returns the Fs in the unexported field of that name, or nil where this
// version of afero has no such field.
func inner(fsys afero.Fs, field string) afero.Fs {
	f := reflect.ValueOf(fsys).Elem().FieldByName(field)
	if f.Kind() != reflect.Interface {
		return nil
	}
	// A value that comes from an unexported field is not handed out; one at the same address is.
	in, _ := reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem().Interface().(afero.Fs)
	return in
}

// below returns the ground of a BasePathFs over g.
func (g ground) below(path string) ground {
	switch g.kind {
	case osKind:
		abs, err := filepath.Abs(path)
		if err != nil {
			return ground{}
		}
		return ground{kind: rootedKind, base: abs}
	case rootedKind:
		return ground{kind: rootedKind, root: g.root, base: filepath.Join(g.base, separator, path)}
	}
	return g
}

// either returns the lock of a union. One with a disk in it has a lock of its
// own, so that memory elsewhere never waits for that disk.
func either(union afero.Fs, layer, base ground) any {
	switch {
	case layer.lock == anyMemory && base.lock == anyMemory:
		return anyMemory
	case layer.lock != nil || base.lock != nil:
		return union
	}
	return nil
}
