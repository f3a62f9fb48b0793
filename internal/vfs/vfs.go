// Package vfs holds the file operations as this library means them, the same on
// every afero.Fs.
//
// It is the only code that looks behind an Fs. What it finds there decides how
// an operation is made, never what the operation means:
//
//   - the operating system: the system call itself;
//   - the operating system under a base path (rootfs, BasePathFs over OsFs): the
//     system call through an os.Root, so that neither ".." nor a link leaves it;
//   - memory: the calls of the Fs under a lock, with a look before and after,
//     because MemMapFs is neither exclusive nor strict;
//   - anything else, a fault injector or a meter included: the calls of the Fs,
//     with the same looks.
//
// Errors are *fs.PathError or *os.LinkError with the name that the caller used.
// When an operation returns nil, a look has shown that it took place wherever
// the Fs is one that may say nil and do nothing.
package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/afero"
)

// An FS is an afero.Fs with the operations of this package. It is a small value;
// making one costs no input or output. It may be copied, and be used by many at a
// time as far as the Fs may.
type FS struct {
	ground
	fsys afero.Fs // what the caller gave, less the veneers of this module
}

// On returns fsys with the operations of this package. A base path that is
// relative is made absolute now, so that a later chdir changes nothing.
func On(fsys afero.Fs) FS {
	// Veneers stand on veneers. The ground is looked for below the last, and so
	// is what is called.
	for {
		v, ok := fsys.(Veneer)
		if !ok {
			break
		}
		fsys = v.Beneath(Sealed{})
	}
	g := look(fsys)
	return FS{ground: g, fsys: fsys}
}

// A Veneer is an Fs of this module that only adds something to the Fs beneath
// it. Sealed keeps others from being one: what is not known must stay in the way.
type Veneer interface {
	afero.Fs
	Beneath(Sealed) afero.Fs
}

// Sealed can be named within this module only.
type Sealed struct{}

// Fs returns the afero.Fs that v works on.
func (v FS) Fs() afero.Fs { return v.fsys }

// OnDisk reports whether the operating system's own files are beneath v, within
// reach of system calls. It is false of an Fs that is not known, whatever it
// stands on.
func (v FS) OnDisk() bool { return v.kind == osKind || v.kind == rootedKind }

// IsOS reports whether v is the operating system itself, with its directories.
func (v FS) IsOS() bool { return v.kind == osKind }

// InMemory reports whether the files live in this process alone. It is false of a
// union and of a filter, though memory may be all that is beneath.
func (v FS) InMemory() bool { return v.kind == memoryKind }

// Clean returns the form of name that v's operations use and return: without
// "." and ".." elements, absolute on the operating system and under a base
// path. Elsewhere a relative name stays relative, because to MemMapFs and to a
// remote Fs it is another file than the absolute one; so does "." on one that is not
// known, where it need not be the root.
//
// "" and a name with a NUL byte are refused, and so is one that climbs above the
// root of an Fs that is not the operating system; op is the verb of that error.
func (v FS) Clean(op, name string) (string, error) {
	refuse := func(err error) (string, error) {
		return "", &fs.PathError{Op: op, Path: name, Err: err}
	}
	switch {
	case name == "":
		return refuse(errEmpty)
	case strings.ContainsRune(name, 0):
		return refuse(errNUL)
	}
	if isClean(name) {
		return name, nil
	}
	if v.kind == osKind {
		abs, err := filepath.Abs(name)
		if err != nil {
			return refuse(err)
		}
		return abs, nil
	}
	// Without its leading slashes, so that a name that climbs shows it: of
	// "/../a" Clean would make "/a".
	clean := filepath.Clean(strings.TrimLeft(name, slashes))
	if clean == ".." || strings.HasPrefix(clean, ".."+separator) {
		return refuse(errEscapes)
	}
	if clean == "." {
		if v.kind == otherKind && v.lock == nil && !os.IsPathSeparator(name[0]) {
			return clean, nil // where a server lets names start, which is seldom its root
		}
		return separator, nil
	}
	// Under a base path "a" and "/a" are one file; elsewhere they may be two.
	if v.kind == rootedKind || os.IsPathSeparator(name[0]) {
		return separator + clean, nil
	}
	return clean, nil
}

const separator = string(filepath.Separator)

// isClean reports whether name is absolute and as filepath.Clean would make it,
// as most are that come here, or that it cannot tell: Clean looks at each byte.
func isClean(name string) bool {
	if separator != "/" || name[0] != '/' {
		return false
	}
	for rest := name[1:]; ; {
		switch {
		// A trailing slash, or two in a row.
		case rest == "" || rest[0] == '/':
			return false
		// "..a" is no climb, but to tell takes another look: that is left to
		// Clean.
		case rest[0] == '.' && (len(rest) == 1 || rest[1] == '/' || rest[1] == '.'):
			return false
		}
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return true
		}
		rest = rest[i+1:]
	}
}

// slashes are the characters that separate elements here.
var slashes = "/" + separator

// A refusal is a reason of our own that is a case of one in io/fs or syscall. It
// matches that by errors.Is, and shows its own text.
type refusal struct {
	text string
	is   error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.is }

var (
	errEmpty   = &refusal{"empty name", fs.ErrInvalid}
	errNUL     = &refusal{"name contains a NUL byte", fs.ErrInvalid}
	errEscapes = &refusal{"path escapes from its base", fs.ErrInvalid}
	errIsRoot  = &refusal{"is the root directory", fs.ErrInvalid}
)

// fail returns err as an error of op on name. The reason alone is kept of a
// *fs.PathError and the like: their paths are those of the layer below, which a
// base path must not tell. nil stays nil.
func fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: Reason(err)}
}

// failLink is fail for two names.
func failLink(op, old, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: old, New: name, Err: Reason(err)}
}

// Reason returns what went wrong, without the operation and the paths that a
// lower layer saw.
func Reason(err error) error {
	for {
		var next error
		switch e := err.(type) { //nolint:errorlint // peels one layer at a time
		case *fs.PathError:
			next = e.Err
		case *os.LinkError:
			next = e.Err
		case *os.SyscallError:
			next = e.Err
		}
		if next == nil {
			return err
		}
		err = next
	}
}

// Unsupported reports whether err says that a system or an Fs cannot do an
// operation at all, whatever the file. EINVAL is what a kernel says of a flag
// that the file system does not know, and what fsync says of what cannot be
// synced.
func Unsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOSYS) ||
		errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EINVAL)
}

// split returns the parent of the clean name, and its last element, which is ""
// of a root.
func split(name string) (dir, base string) {
	if i := strings.LastIndexByte(name, '/'); separator == "/" && i > 0 && i < len(name)-1 {
		return name[:i], name[i+1:] // as it is clean, this is all
	}
	dir, base = filepath.Split(name)
	if base == "" || name == "." { // where a relative name ends
		return name, ""
	}
	return filepath.Clean(dir), base
}
