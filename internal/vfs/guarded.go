package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

// guarded is an afero.Fs that answers by the operations of v.
//
// It stands where no os.Root can: over a BasePathFs of memory, or of an Fs that
// is not known. It is safe for concurrent use as far as that is; what check and
// act share is the guard of v.
type guarded struct {
	v      FS
	closed atomic.Bool
}

// Close ends the use of g, as that of a root ends with its directory. Nothing is
// held open, so it cannot fail. Files that are open stay so.
func (g *guarded) Close() error {
	g.closed.Store(true)
	return nil
}

// at returns name slash-rooted, as all names of a guarded Fs are, unless it leads
// out by a link. follow says whether op goes where the last element leads. Nearly
// every method begins with it, so that a closed Fs refuses what it is asked.
func (g *guarded) at(op, name string, follow bool) (string, error) {
	clean, err := g.v.Clean(op, name)
	if err != nil {
		return "", err
	}
	if g.closed.Load() {
		return "", fail(op, name, fs.ErrClosed)
	}
	// An unknown Fs takes "a" and "/a" for two files; below a directory of ours
	// they are one.
	clean = filepath.Join(separator, clean)
	return clean, fail(op, name, g.staysIn(clean, follow))
}

// asked returns err about name, as the caller wrote it, if it is about what at made
// of that.
func asked(err error, at, name string) error {
	if e, ok := err.(*fs.PathError); ok && e.Path == at { //nolint:errorlint // one that wraps another names its own path
		return fail(e.Op, name, e.Err)
	}
	return err
}

// staysIn reports whether a link on the way of name leads out. An absolute target
// does: it is a path of the Fs beneath. A link that is put there later is not
// seen; only the operating system offers more, and rootfs has it. nil says that
// none was seen, or that the way ends before one could be.
func (g *guarded) staysIn(name string, follow bool) error {
	if g.v.kind != otherKind {
		return nil // in memory there are no links
	}
	// As the system walks: at is where it stands, and todo what is left, in which
	// the elements of a link take the place of its name.
	at, todo := separator, elements(name)
	for links := 0; len(todo) > 0; {
		elem := todo[0]
		todo = todo[1:]
		switch {
		case elem == ".":
			continue
		case elem == ".." && at == separator:
			return errEscapes
		// No link is in at any more, so its parent is where ".." leads.
		case elem == "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, elem)
		info, err := g.v.look(next)
		if err != nil {
			return nil // the operation itself will say so
		}
		if info.Mode()&fs.ModeSymlink == 0 || len(todo) == 0 && !follow {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return syscall.ELOOP
		}
		target, err := g.v.readlink(next)
		// A target that cannot be read may lead anywhere.
		if err != nil || filepath.IsAbs(target) {
			return errEscapes
		}
		todo = append(elements(target), todo...)
	}
	return nil
}

// Name names the kind, as that of every afero.Fs does.
func (g *guarded) Name() string { return "guarded" }

// Create truncates what is there, as os.Create does; its parent is not invented.
func (g *guarded) Create(name string) (afero.File, error) {
	return g.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open opens for reading alone, a directory too.
func (g *guarded) Open(name string) (afero.File, error) { return g.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile opens for whatever flag asks, O_APPEND included. All opening goes by it.
func (g *guarded) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	at, err := g.at("open", name, true)
	if err != nil {
		return nil, err
	}
	// Not returned as it is: a nil *File in an afero.File would not be nil.
	f, err := g.v.OpenFile(at, flag, perm)
	if err != nil {
		return nil, asked(err, at, name)
	}
	return f, nil
}

// Mkdir is exclusive within this process, whatever the Fs beneath.
func (g *guarded) Mkdir(name string, perm fs.FileMode) error {
	at, err := g.at("mkdir", name, false)
	if err != nil {
		return err
	}
	return asked(g.v.Mkdir(at, perm), at, name)
}

// MkdirAll fails where a file is in the way, also where the Fs would not say so.
func (g *guarded) MkdirAll(name string, perm fs.FileMode) error {
	at, err := g.at("mkdir", name, false)
	if err == nil {
		_, err = g.v.MkdirAll(at, perm)
	}
	return asked(err, at, name)
}

// Remove refuses a directory that is not empty.
func (g *guarded) Remove(name string) error {
	at, err := g.at("remove", name, false)
	if err != nil {
		return err
	}
	return asked(g.v.Remove(at), at, name)
}

// RemoveAll refuses the root, which is the owner's to remove. Its error lists
// every path that is left.
func (g *guarded) RemoveAll(name string) error {
	at, err := g.at("removeall", name, false)
	if err != nil {
		return err
	}
	return asked(g.v.RemoveAll(at), at, name)
}

// Rename replaces a file and refuses a directory in the place of newname. It is
// EINVAL into the directory itself, where MemMapFs would lose the tree.
func (g *guarded) Rename(oldname, newname string) error {
	from, err := g.at("rename", oldname, false)
	if err != nil {
		return err
	}
	at, err := g.at("rename", newname, false)
	if err != nil {
		return err
	}
	// Not followed: a link of that name is replaced itself.
	to, err := g.v.Pin(at, false)
	if err != nil {
		return failLink("rename", oldname, newname, err)
	}
	defer func() { _ = to.Close() }()
	return failLink("rename", oldname, newname, g.v.Rename(from, to))
}

// Stat follows links, as far as they stay below the base.
func (g *guarded) Stat(name string) (fs.FileInfo, error) {
	at, err := g.at("stat", name, true)
	if err != nil {
		return nil, err
	}
	info, err := g.v.Stat(at)
	return info, asked(err, at, name)
}

// Chmod, Chown and Chtimes follow links, as far as they stay below the base, and
// fail with fs.ErrNotExist rather than make anything.
func (g *guarded) Chmod(name string, mode fs.FileMode) error {
	return g.change("chmod", name, func(name string) error { return g.v.fsys.Chmod(name, mode) })
}

func (g *guarded) Chown(name string, uid, gid int) error {
	return g.change("chown", name, func(name string) error { return g.v.fsys.Chown(name, uid, gid) })
}

func (g *guarded) Chtimes(name string, atime, mtime time.Time) error {
	return g.change("chtimes", name, func(name string) error { return g.v.fsys.Chtimes(name, atime, mtime) })
}

// change does what goes by the name of a file that exists. What MemMapFs takes
// for missing may be below a file, which is another error. fn gets the name below
// the base, and runs under the guard.
func (g *guarded) change(op, name string, fn func(name string) error) error {
	at, err := g.at(op, name, true)
	if err != nil {
		return err
	}
	defer g.v.guard(at)() // a union copies the file first
	return fail(op, name, g.v.missing(at, fn(at)))
}

// LstatIfPossible tells whether the Fs beneath has looked at links at all.
func (g *guarded) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	at, err := g.at("lstat", name, false)
	if err != nil {
		return nil, false, err
	}
	info, err := g.v.Lstat(at)
	linked := false
	// Asked of the Fs, whose bool is the only truth: most have the method and no
	// links. v.Lstat has thrown it away.
	if l, ok := g.v.fsys.(afero.Lstater); ok && err == nil {
		_, linked, _ = l.LstatIfPossible(at)
	}
	return info, linked, asked(err, at, name)
}

// SymlinkIfPossible refuses: a base path would make the target another one, and
// could not keep what follows it from leaving.
func (g *guarded) SymlinkIfPossible(oldname, newname string) error {
	return failLink("symlink", oldname, newname, errNoSymlink)
}

// errNoSymlink matches what afero's own callers ask for, and what this module's
// do.
var errNoSymlink = errors.Join(afero.ErrNoSymlink, errors.ErrUnsupported)

// ReadlinkIfPossible returns the target as it is stored, wherever it leads. The
// error is errors.ErrUnsupported where there are no links.
func (g *guarded) ReadlinkIfPossible(name string) (string, error) {
	at, err := g.at("readlink", name, false)
	if err != nil {
		return "", err
	}
	target, err := g.v.Readlink(at)
	return target, asked(err, at, name)
}
