package atomicfs

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/tempkit/tempkit/internal/vfs"
)

// A target is what a name leads to: a place whose directory is held, and the
// regular file that is there to be replaced. Close lets go of the directory;
// whoever has found the target closes it.
type target struct {
	*vfs.Place
	o    Options     // with the defaults put in: a Perm of 0 is a mode of 0
	name string      // as the caller wrote it
	old  fs.FileInfo // the regular file, as it was when last seen; nil if none was
	free bool        // there was nothing when last looked, no link either
}

// A refusal is a reason of our own that is a case of fs.ErrInvalid.
type refusal string

func (r refusal) Error() string        { return string(r) }
func (r refusal) Is(target error) bool { return target == fs.ErrInvalid }

const errIrregular = refusal("not a regular file")

// find returns the target name. If parents is set, missing parents are made, and
// made durable. The error names what the caller wrote.
func find(v vfs.FS, name string, o Options, parents bool) (*target, error) {
	// Most names are no links: to look first saves a look.
	t, err := findAt(v, name, o, false, parents)
	if errors.Is(err, errIsLink) {
		t, err = findAt(v, name, o, true, parents)
	}
	if err != nil {
		return nil, fail("create", name, err)
	}
	return t, nil
}

// errIsLink says that a link is to be followed.
var errIsLink = errors.New("is a link")

// findAt is find with a link followed or not. The error is errIsLink for one that
// is to be followed and was not; nothing is held when it fails.
func findAt(v vfs.FS, name string, o Options, follow, parents bool) (*target, error) {
	p, err := pin(v, name, o, follow, parents)
	if err != nil {
		return nil, err
	}
	t := &target{Place: p, o: o, name: name}
	info, err := t.Lstat()
	// With follow set a link here was put there since it was followed: a rename
	// replaces it.
	if err == nil && info.Mode()&fs.ModeSymlink != 0 && o.follows() && !follow {
		err = errIsLink
	} else {
		err = t.saw(info, err)
	}
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	return t, nil
}

// follows reports whether a link in the place of the file leads on. As O_EXCL has
// it, a link is something that exists, wherever it leads. With NoReplace a
// dangling link is in the way too.
func (o Options) follows() bool { return !o.NoFollow && !o.NoReplace }

// pin holds the place name. Parents are made only once they have been missed,
// because most are there. It must be closed.
func pin(v vfs.FS, name string, o Options, follow, parents bool) (*vfs.Place, error) {
	p, err := v.Pin(name, follow)
	if errors.Is(err, fs.ErrNotExist) && parents {
		if err := v.MakeParents(name, !o.NoSync); err != nil {
			return nil, err
		}
		// Once: parents that vanish again are somebody else's doing.
		return v.Pin(name, follow)
	}
	return p, err
}

// look sees what is at the place now, and refuses what may not be replaced. nil
// means that the temporary may be put there, now.
func (t *target) look() error { return t.saw(t.Lstat()) }

// saw notes what was seen, info or err, which is that of an Lstat.
func (t *target) saw(info fs.FileInfo, err error) error {
	t.free = errors.Is(err, fs.ErrNotExist)
	switch {
	case t.free:
		return nil // t.old stays: the mode is that of the file that was replaced in the caller's eyes
	case err != nil:
		return err
	case t.o.NoReplace:
		return fs.ErrExist
	case info.IsDir():
		return syscall.EISDIR
	case info.Mode()&fs.ModeSymlink != 0:
		return nil // one that NoFollow asks to replace, or that was put there meanwhile: a rename replaces it
	case !info.Mode().IsRegular():
		return errIrregular
	}
	t.old = info
	return nil
}

// keepsMode reports whether the file gets the mode of the one that it replaces.
func (t *target) keepsMode() bool {
	if t.old == nil || t.o.ExactPerm {
		return false
	}
	// A file in memory may have no mode at all, because nothing there needs one.
	return t.OnDisk() || t.old.Mode().Perm() != 0
}

// perm is what the temporary is made with: never more than what the file will have.
func (t *target) perm() fs.FileMode {
	if t.keepsMode() {
		mode := t.old.Mode().Perm()
		if owner, group, others := mode>>6, mode>>3&7, mode&7; group == others && owner&others == others {
			return mode // whoever it belongs to until it is dressed, nobody may do more than in the end
		}
		// The group and the others may be other people until the owner is set.
		return mode & 0o600
	}
	return t.o.Perm.Perm() // less the umask and what else the system takes away by itself
}

// asMade reports whether the file was made with the mode and the owner that it is to
// have. What took bits of its mode away then, the umask or an access control list, is to
// have its way.
func (t *target) asMade() bool {
	return t.old == nil && !t.o.ExactPerm && t.o.Perm.Perm() != 0
}

// dress gives the file the owner, then the mode, that it is to have; changing the
// owner may clear bits of the mode. It is done to the temporary, before the sync,
// and never to the target by its name.
func (t *target) dress(h *vfs.File) error {
	mode, exact := t.o.Perm.Perm(), t.o.ExactPerm || t.o.Perm.Perm() == 0
	if t.keepsMode() {
		mode, exact = t.old.Mode().Perm(), true
	}
	if t.asMade() {
		return nil
	}
	now, err := h.Stat()
	if err != nil {
		return err
	}
	if t.old != nil {
		if err := own(h, t.old, now); err != nil {
			return err
		}
	}
	if exact && now.Mode().Perm() != mode {
		return h.Chmod(mode)
	}
	return nil
}

// own gives the file the owner and the group of old, or the group alone, as far
// as this process may. That it may not is no error. Neither is it that the Fs has
// no owners.
func own(h *vfs.File, old, now fs.FileInfo) error {
	uid, gid, ok := vfs.Owner(old)
	nowUID, nowGID, _ := vfs.Owner(now)
	if !ok || uid == nowUID && gid == nowGID {
		return nil
	}
	// root alone may give a file away; its group anybody may change to one that
	// he is in.
	err := h.Chown(uid, gid)
	if mayNot(err) && gid != nowGID {
		err = h.Chown(-1, gid)
	}
	if mayNot(err) {
		return nil
	}
	return err
}

// mayNot reports whether err says that this process may not change an owner, or
// that there is none to change: EINVAL is of a user that this namespace lacks.
func mayNot(err error) bool {
	return errors.Is(err, fs.ErrPermission) || err != nil && vfs.Unsupported(err)
}

// fail returns err as an error of op on the name that the caller used.
func fail(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: reason(err)}
}

// reason returns what went wrong without the path, which may be the temporary's.
// Of several the texts are joined in one line, and errors.Is finds each.
func reason(err error) error {
	err = vfs.Reason(err)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Is(err, ErrNotDurable) {
		return err
	}
	var all error
	for _, err := range joined.Unwrap() {
		if all == nil {
			all = reason(err)
		} else {
			all = fmt.Errorf("%w; %w", all, reason(err))
		}
	}
	return all
}
