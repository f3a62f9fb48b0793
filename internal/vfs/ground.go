package vfs

import (
	"path/filepath"
	"reflect"
	"strings"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A kind is how the operations of an FS are made. Whatever is neither the
// operating system nor memory is otherKind, the zero value: nothing is taken for
// granted there.
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

	odd *odd // nil of most
}

// An odd is what few Fs have: apart, because an FS is copied with every call.
type odd struct {
	// sftpfs is set of afero's own: it says that a file is synced and syncs nothing, and
	// gives a file that it opens another mode.
	sftpfs bool

	foreign Foreign // nil but in tests
}

func (g ground) sftpfs() bool { return g.odd != nil && g.odd.sftpfs }

func (g ground) foreign() Foreign {
	if g.odd == nil {
		return nil
	}
	return g.odd.foreign
}

// anyMemory is the lock of all that is memory and nothing else: two base paths
// over one MemMapFs share it, and an operation under it waits for no device.
const anyMemory = memoryKind

// look returns what is beneath fsys. It goes by the types that it knows, because
// a handle or a call would not show a fault injector in the middle, which must
// not be passed by. What it does not know is "other": slower, and as correct.
func look(fsys afero.Fs) ground {
	switch f := fsys.(type) {
	// These types exactly. An Fs that embeds one may have other methods.
	case *afero.OsFs, afero.OsFs:
		return ground{kind: osKind}
	case *rootfs.Fs:
		return ground{kind: rootedKind, root: f}
	case *afero.MemMapFs:
		return ground{kind: memoryKind, lock: anyMemory}
	case *afero.BasePathFs:
		// afero does not export it. Where a version has no such field, the base
		// path is an unknown Fs: slower, and as correct.
		path := reflect.ValueOf(f).Elem().FieldByName("path")
		if path.Kind() != reflect.String {
			return ground{}
		}
		return look(inner(f, "source")).below(path.String())
	// A union and a filter are called by their own methods always: a system call
	// would go past what they do. Only their lock is that of what is beneath.
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
	case Foreign:
		g := look(f.Under(Sealed{}))
		// Only the operating system's calls are made past it: memory does not say what
		// is open in it.
		if g.kind == memoryKind {
			g = ground{lock: g.lock}
		}
		g.odd = &odd{foreign: f}
		return g
	}
	if isSftpfs(fsys) {
		return ground{odd: &odd{sftpfs: true}}
	}
	return ground{}
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
// version of afero has no such field. fsys must be a pointer to a struct.
func inner(fsys afero.Fs, field string) afero.Fs {
	// A field that is not there has the kind Invalid.
	f := reflect.ValueOf(fsys).Elem().FieldByName(field)
	if f.Kind() != reflect.Interface {
		return nil
	}
	// A value that comes from an unexported field is not handed out; one at the same address is.
	in, _ := reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem().Interface().(afero.Fs)
	return in
}

// below returns the ground of a BasePathFs over g. What is neither the system nor
// a root stays what it is: the Fs itself keeps to its base.
func (g ground) below(path string) ground {
	switch g.kind {
	case osKind:
		// Now, so that a later chdir changes nothing. BasePathFs itself would go
		// by the directory of the moment.
		abs, err := filepath.Abs(path)
		if err != nil {
			return ground{}
		}
		return ground{kind: rootedKind, base: abs, odd: g.odd}
	case rootedKind:
		// One that would climb out of the base is for BasePathFs to refuse.
		if rel := filepath.Clean(strings.TrimLeft(path, slashes)); rel == ".." || strings.HasPrefix(rel, ".."+separator) {
			return ground{}
		}
		// The slash is for a bare root, whose base is "".
		g.base = filepath.Join(g.base, separator, path)
	}
	return g
}

// Same reports whether a and b are one Fs, so that a rename on the one is a rename
// on the other: the same pointer, or values that nothing tells apart.
func Same(a, b afero.Fs) bool {
	v, w := On(a), On(b) // without the veneers, of which each call may have made another
	if v.kind == osKind && w.kind == osKind {
		return true // they have no identity: they are empty
	}
	return identical(reflect.ValueOf(v.fsys), reflect.ValueOf(w.fsys))
}

// identical is == for values of all types: those that Go does not compare are
// identical if they share their memory.
func identical(a, b reflect.Value) bool {
	switch {
	case a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type():
		return false
	case !a.IsValid():
		return true
	case a.Comparable() && b.Comparable():
		return a.Equal(b)
	}
	switch a.Kind() {
	case reflect.Interface:
		return identical(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if !identical(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		return a.Pointer() == b.Pointer() && a.Len() == b.Len()
	case reflect.Map, reflect.Func:
		return a.Pointer() == b.Pointer()
	}
	return false // an array of such
}

// either returns the lock of a union. One with a disk in it has a lock of its
// own, so that memory elsewhere never waits for that disk. nil means that neither
// side is known to need one.
func either(union afero.Fs, layer, base ground) any {
	switch {
	case layer.lock == anyMemory && base.lock == anyMemory:
		return anyMemory
	case layer.lock != nil || base.lock != nil:
		return union
	}
	return nil
}
