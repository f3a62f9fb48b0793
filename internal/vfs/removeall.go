package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// RemoveAll removes name and all below it, and returns nil if nothing is there.
// Directories that are read-only do not stop it; links are removed and never
// followed, and neither they nor a swap of directories lead it out of the tree;
// other devices are not entered. "", "." and the root are refused. The error
// lists every path that is left.
func (v FS) RemoveAll(name string) error {
	clean, err := v.Clean("removeall", name)
	if err != nil {
		return err
	}
	// Asked of the name as it was written: once it is absolute, "." is the
	// working directory's own name.
	if base := filepath.Base(filepath.Clean(name)); base == "." || base == ".." {
		return fail("removeall", name, fs.ErrInvalid)
	}
	if _, base := split(clean); base == "" {
		return fail("removeall", clean, errIsRoot)
	}
	if !v.OnDisk() {
		return v.removeAll(clean)
	}
	// The parent is held, and name is an entry of it from here on, wherever the
	// parent is moved to.
	p, err := v.pin(clean, false)
	if Gone(err) {
		return nil
	}
	if err != nil {
		return fail("removeall", clean, err)
	}
	defer func() { _ = p.Close() }()
	info, err := p.Lstat()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fail("removeall", clean, err)
	}
	r := &remover{}
	// That of name itself: a tree that is all of a volume may go.
	r.device, r.known = device(info)
	level := above{path: filepath.Dir(clean)}
	if p.pinned != nil {
		level.root = p.pinned.Root()
	}
	return errors.Join(r.entry(level, filepath.Base(clean), info)...)
}

// A remover removes one tree of the operating system, in one goroutine.
type remover struct {
	device uint64
	known  bool
	end    time.Time // of its patience with what may pass, once that began
}

// An above is a directory that the remover stands in. Only the top one may have
// no root: one that may be written to but not read. Every step down is by the
// root of the step before, so that no path is looked up twice.
type above struct {
	root *os.Root
	path string // as the caller knows it, for errors
}

// lstat describes base itself. base is one element, here and below.
func (a above) lstat(base string) (fs.FileInfo, error) {
	// Nothing holds this directory: by its path, which another may divert.
	if a.root == nil {
		return os.Lstat(filepath.Join(a.path, base))
	}
	return a.root.Lstat(base)
}

// remove removes base, which must be empty if it is a directory.
func (a above) remove(base string) error {
	if a.root == nil {
		return os.Remove(filepath.Join(a.path, base))
	}
	return a.root.Remove(base)
}

// open opens the directory base. That it is no link, and the one that was looked
// at, is for the caller to see: a root follows links that stay in it. The caller
// closes the root.
func (a above) open(base string) (*os.Root, error) {
	if a.root == nil {
		return openRoot(filepath.Join(a.path, base))
	}
	return a.root.OpenRoot(base + separator + ".") // not opened unless it is a directory
}

// chmod gives the directory base rwx for its owner, and never what a link in its
// place leads to. Its other bits stay as they are, but for the special ones.
func (a above) chmod(base string, mode fs.FileMode) error {
	var dir *os.File
	if a.root == nil {
		base = filepath.Join(a.path, base)
	} else {
		var err error
		// chmodAt takes a file, and os.Root has no call that leaves a link alone:
		// its Chmod follows those that stay inside.
		if dir, err = a.root.Open("."); err != nil {
			return err
		}
		defer func() { _ = dir.Close() }()
	}
	return chmodAt(dir, base, uint32(mode.Perm()|0o700))
}

// errSwapped says that a directory is not the one that was looked at.
var errSwapped = errors.New("was swapped meanwhile")

// entry removes base and what is below it, and returns an error for each path
// that is left. info describes base, or is nil if it is not known. What is gone
// already, whoever took it, is no error. What may pass by itself is tried again
// as long as there is patience, from a new look on.
func (r *remover) entry(in above, base string, info fs.FileInfo) (left []error) {
	path := filepath.Join(in.path, base)
	for wait := time.Millisecond; ; wait *= 2 {
		var err error
		if info == nil {
			info, err = in.lstat(base)
		}
		left = nil
		switch {
		case err != nil:
		case info.IsDir():
			left, err = r.dir(in, base, info)
		default:
			err = in.remove(base)
		}
		if err == nil && len(left) == 0 || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		// ENOTDIR and EISDIR are of a swap between the look and the act.
		passes := errors.Is(err, errSwapped) || busy(Reason(err)) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR)
		// What is left below has been tried for long enough where it is.
		if len(left) > 0 || !passes || !r.bears() {
			return append(left, fail("remove", path, err))
		}
		time.Sleep(wait)
		// What is there may be something else by now.
		info = nil
	}
}

// bears reports whether there is patience left. It is one span for the whole
// tree: a thousand files that are held open would else take two seconds each.
func (r *remover) bears() bool {
	if r.end.IsZero() {
		r.end = time.Now().Add(patience)
	}
	return time.Now().Before(r.end)
}

// dir empties and removes the directory base. What is left below it is listed;
// err is about base itself.
func (r *remover) dir(in above, base string, info fs.FileInfo) (left []error, err error) {
	// A mount in the tree is somebody else's file system. Its name could not be
	// removed anyway.
	if dev, ok := device(info); ok && r.known && dev != r.device {
		return nil, &refusal{"is on another device", syscall.EXDEV}
	}
	root, err := in.open(base)
	// Only after a refusal, so that a directory that needs no help keeps its mode
	// if it stays.
	if errors.Is(err, fs.ErrPermission) {
		if in.chmod(base, info.Mode()) == nil {
			root, err = in.open(base)
		}
	}
	if err != nil {
		// Empty, it can be removed without being opened.
		if in.remove(base) == nil {
			return nil, nil
		}
		return nil, err
	}
	left, err = r.empty(above{root, filepath.Join(in.path, base)}, info)
	_ = root.Close() // before the removal, for Windows
	if err != nil {
		return left, err
	}
	if len(left) > 0 {
		// Not asked of the system, whose answer is known.
		return left, syscall.ENOTEMPTY
	}
	// ENOTEMPTY here is of a file that came since, or that the listing has missed
	// because others were removed: entry comes again.
	return nil, in.remove(base)
}

// empty removes what is in the directory, if it is the one that info describes.
// err is about the directory itself; if it is errSwapped, nothing was removed.
func (r *remover) empty(in above, info fs.FileInfo) (left []error, err error) {
	dir, err := in.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	// The root may have followed a link that was put in the place of the
	// directory: what is open is compared, not the name.
	if now, err := dir.Stat(); err != nil || !os.SameFile(info, now) {
		return nil, errSwapped
	}
	for {
		// Names alone: ReadDir would look at each entry of a directory in an os.Root.
		names, err := dir.Readdirnames(pageOfNames)
		for _, name := range names {
			left = append(left, r.child(in, dir, name)...)
		}
		if err == io.EOF {
			return left, nil
		}
		if err != nil {
			return left, err
		}
	}
}

// child removes the entry name of dir. If it may not, dir gets rwx by its own
// handle and it is tried once more. The error about name itself, if any, is the
// last.
func (r *remover) child(in above, dir *os.File, name string) []error {
	remove := func() []error {
		if in.remove(name) == nil { // most are files, and need no look
			return nil
		}
		return r.entry(in, name, nil)
	}
	// Where an entry may not be removed, it is its directory that lacks the
	// right, as a rule.
	left := remove()
	if len(left) == 0 || !errors.Is(left[len(left)-1], fs.ErrPermission) {
		return left
	}
	// The mode that it has now, which an earlier child may have changed. One that
	// has rwx is refused for another reason.
	info, err := dir.Stat()
	if err != nil || info.Mode().Perm()&0o700 == 0o700 || dir.Chmod(info.Mode().Perm()|0o700) != nil {
		return left
	}
	return remove()
}

// removeAll removes by the calls of the Fs. name is clean and no root. It holds
// the guard from end to end.
func (v FS) removeAll(name string) error {
	defer v.guard(name)()
	info, err := v.look(name)
	if Gone(err) {
		return nil
	}
	if err != nil {
		return fail("removeall", name, err)
	}
	err = v.fsys.RemoveAll(name)
	if v.gone(name, err) == nil {
		return nil
	}
	// Some say nil and do nothing, or stop at the first refusal.
	return errors.Join(v.removeTree(name, info)...)
}

// removeTree removes name, children first, and returns an error for each path
// that is left. The guard must be held. An Fs without Lstat shows a link as what
// it leads to, and what is below that goes.
func (v FS) removeTree(name string, info fs.FileInfo) (left []error) {
	if info.IsDir() {
		names, err := v.list(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			left = append(left, fail("remove", name, err))
		}
		for _, base := range names {
			child := filepath.Join(name, base)
			// What has gone since the listing is no concern.
			if info, err := v.look(child); err == nil {
				left = append(left, v.removeTree(child, info)...)
			}
		}
		if len(left) > 0 {
			return append(left, fail("remove", name, syscall.ENOTEMPTY))
		}
	}
	if err := v.gone(name, v.fsys.Remove(name)); err != nil {
		left = append(left, fail("remove", name, err))
	}
	return left
}
