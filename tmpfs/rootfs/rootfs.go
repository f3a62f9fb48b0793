// Package rootfs is an afero.Fs over an [os.Root]: a base path that neither ".."
// nor a symbolic link can leave.
//
// [afero.BasePathFs] joins a base and a name, and the operating system then
// follows whatever links it finds on the way. An Fs of this package resolves
// every name from an open directory, element by element, so that a link that
// leads out is refused, also one that is put in place during the call. It goes
// with its directory when that is renamed.
//
// # Names
//
// Names are slash-rooted: "/a", "a" and "./a" are one file, and "/" is the
// directory itself. A name is cleaned before it is used, so that "missing/../a"
// and "a/" are "a". Refused, with an error that matches [fs.ErrInvalid], are ""
// and names that contain NUL; names that climb above the root, such as "../a" or
// "/a/../../b"; names that lead out by a link; and "/" where it would be removed
// or renamed.
//
// # Errors
//
// Errors are [*fs.PathError] or [*os.LinkError] with the verbs of package os and
// the name that the caller used. They never show where the root is.
//
// # Differences from afero.OsFs
//
//   - The target of a link is relative to the link's directory. An absolute
//     target leads out, also if it points into the root.
//   - At most 8 links are followed in one name, not 40.
//   - A directory that may be searched and not read cannot be passed.
//   - Chmod, Chown and Chtimes of a name that is swapped for a link meanwhile may
//     change the link, or another file in the root; never one outside.
//   - [syscall.O_NOFOLLOW] among the flags of OpenFile does not keep a link
//     within the root from being followed.
//
// Mounts, /proc and device files in the directory are entered and opened as
// anywhere else. See [os.Root] for the platforms (js and plan9) whose Root is
// weaker than this.
package rootfs

import (
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/afero"
)

// Fs is an afero.Fs, [afero.Symlinker] and io.Closer. Names are slash-rooted:
// "/a", "a" and "./a" are one file. It is safe for concurrent use.
type Fs struct {
	afero.Fs // the calls of afero.Fs, which tree answers
	tree     *tree
}

var _ afero.Symlinker = (*Fs)(nil)

// New returns an Fs of what is below root. It owns root: Close closes it.
func New(root *os.Root) *Fs {
	t := newTree(root)
	return &Fs{Fs: t, tree: t}
}

// Open returns an Fs of what is below the directory dir of the operating system,
// links in dir followed. An error is a [*fs.PathError]; nothing is made.
func Open(dir string) (*Fs, error) {
	// Asked first because os.OpenRoot waits for a writer if dir is a FIFO, and
	// does not say ENOTDIR in a way that errors.Is understands.
	info, err := os.Stat(dir)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: underlying(err)}
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return New(root), nil
}

// Root returns the root beneath, which is valid until Close. It is for what
// afero.Fs has no word for; its errors are as package os makes them.
func (f *Fs) Root() *os.Root { return f.tree.root }

// Dir returns the root directory as an open file, for system calls relative to
// it. It is the Fs's own, which closes it; do not read entries from it.
func (f *Fs) Dir() (*os.File, error) { return f.tree.file() }

// Close closes the root. Files that are open stay so; every other call fails
// with [fs.ErrClosed] from then on. A second Close returns nil.
func (f *Fs) Close() error { return f.tree.close() }

// LstatIfPossible describes name itself, which may be a link. The bool is always
// true.
func (f *Fs) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	info, err := f.tree.lstat(name)
	return info, true, err
}

// SymlinkIfPossible makes the link newname to oldname, which is stored as it is:
// it may lead out of the root, or nowhere, and is then refused when followed.
func (f *Fs) SymlinkIfPossible(oldname, newname string) error {
	return f.tree.symlink(oldname, newname)
}

// ReadlinkIfPossible returns what the link name stores.
func (f *Fs) ReadlinkIfPossible(name string) (string, error) {
	return f.tree.readlink(name)
}
