package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// pinRooted is pin below an os.Root. The root refuses every way out; the links
// are resolved here all the same, because those that BasePathFs makes hold the
// absolute path of their target, which a root never follows, also where it lies
// below the base. The place must be closed. name is clean, and a missing last
// element is no error.
func (v FS) pinRooted(name string, follow bool) (*Place, error) {
	var top *os.Root
	if v.root != nil {
		top = v.root.Root()
	} else {
		var err error
		if top, err = openRoot(v.base); err != nil {
			return nil, err
		}
		// What is opened below it stays open.
		defer func() { _ = top.Close() }()
	}
	w := walk{top: top, base: v.real(separator)}
	if v.root != nil {
		w.below = inRoot(v.base)
	}
	dir, base := split(name)
	if base == "" {
		return nil, syscall.EISDIR
	}
	// Most names have no link in them that the root refuses.
	if root, err := top.OpenRoot(w.path(inRoot(dir))); err == nil {
		p := v.placeIn(root, base)
		info, err := p.Lstat()
		if err != nil && errors.Is(err, fs.ErrNotExist) || err == nil && (!follow || info.Mode()&fs.ModeSymlink == 0) {
			return p, nil
		}
		// A link that is to be followed, or a look that failed: the long way,
		// which says what is wrong.
		_ = p.Close()
	}
	if err := w.to(inRoot(name), follow); err != nil {
		return nil, err
	}
	// The links lead back to the base itself, at which nothing can be put.
	if len(w.done) == 0 {
		return nil, syscall.EISDIR
	}
	last := len(w.done) - 1
	// What was resolved may be a link by now. The root follows it, or refuses if
	// it leads out; either way the place is inside that.
	root, err := top.OpenRoot(w.path(w.done[:last]...))
	if err != nil {
		return nil, err
	}
	return v.placeIn(root, w.done[last]), nil
}

// A walk resolves a name element by element below top. done are the elements of
// where it stands below the base, and never a link: those are resolved when they
// are met. links counts them over the whole walk.
type walk struct {
	top   *os.Root
	base  string // the path of the base on the operating system
	below string // the base below top
	done  []string
	links int
}

// path returns the path of a directory below top. With the dot it is not opened
// unless it is a directory: a FIFO would wait for its writer. The dot in front is
// for an empty path, which a root refuses.
func (w *walk) path(elems ...string) string {
	return filepath.Join(".", w.below, filepath.Join(elems...)) + separator + "."
}

// to goes to name, which is relative to what is done. Each element but the last
// must be a directory; the last may be missing. The error is errEscapes where the
// way leads above the base, and the bare reason else.
func (w *walk) to(name string, follow bool) error {
	elems := elements(name)
	for i, elem := range elems {
		last := i == len(elems)-1
		switch elem {
		case ".":
			continue
		case "..":
			if len(w.done) == 0 {
				return errEscapes
			}
			// done has no links in it, so the element before is the parent.
			w.done = w.done[:len(w.done)-1]
			continue
		}
		w.done = append(w.done, elem)
		at := filepath.Join(w.below, filepath.Join(w.done...))
		info, err := w.top.Lstat(at)
		switch {
		// It is for the caller to put there.
		case err != nil && last && errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		// A link on the way is always followed, as the system does; the last one
		// if asked.
		case info.Mode()&fs.ModeSymlink != 0 && (!last || follow):
			if err := w.follow(at); err != nil {
				return err
			}
			// A link may end at a file, or at nothing, which is right for the
			// last element alone.
			if !last {
				if err := w.mustBeDir(); err != nil {
					return err
				}
			}
		case !last && !info.IsDir():
			return syscall.ENOTDIR
		}
	}
	return nil
}

// follow goes where the link at leads, which is what was done last. It goes on by
// to, which may follow more: maxLinks ends that, a loop included.
func (w *walk) follow(at string) error {
	if w.links++; w.links > maxLinks {
		return syscall.ELOOP
	}
	target, err := w.top.Readlink(at)
	if err != nil {
		return err
	}
	w.done = w.done[:len(w.done)-1]
	// As BasePathFs has written it: a path of the operating system, good as long
	// as it lies below the base.
	if filepath.IsAbs(target) {
		rel, err := filepath.Rel(w.base, target)
		if err != nil || !filepath.IsLocal(rel) {
			return errEscapes
		}
		w.done, target = nil, rel
	}
	return w.to(target, true)
}

// mustBeDir reports why what is done is no directory to go on from. A link to
// nothing, which to lets pass, is fs.ErrNotExist here.
func (w *walk) mustBeDir() error {
	info, err := w.top.Lstat(filepath.Join(w.below, filepath.Join(w.done...)))
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	return err
}

// elements returns what stands between the separators of name. Empty ones are
// left out.
func elements(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(slashes, r) })
}
