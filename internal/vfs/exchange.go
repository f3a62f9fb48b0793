package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// An Exchanger is an Fs of this module that can swap two names at one moment, as
// some systems can. Sealed keeps others from being one.
type Exchanger interface {
	Exchange(_ Sealed, oldname, newname string) error
	// Exchanged reports whether what was is at name now.
	Exchanged(_ Sealed, was fs.FileInfo, name string) (bool, error)
}

// ErrInDoubt is what Exchange says next to the error of a call that may have taken
// place, if that cannot be found out.
var ErrInDoubt = errors.New("it is not known whether the two have changed places")

// Exchange swaps what is at old with what is at the place, at one moment. The
// error is errors.ErrUnsupported where the system cannot. Both must exist. When
// it returns an error nothing has changed, unless that is ErrInDoubt. It is not
// durable before the directories of both are synced.
func (v FS) Exchange(old string, to *Place) error {
	clean, err := v.Clean("rename", old)
	if err != nil {
		return err
	}
	if x, ok := v.fsys.(Exchanger); ok && Same(v.fsys, to.fsys) {
		var was fs.FileInfo
		if was, err = v.look(clean); err == nil {
			err = answered(x.Exchange(Sealed{}, clean, to.Name), func() (bool, error) { return x.Exchanged(Sealed{}, was, to.Name) })
		}
		return failLink("exchange", clean, to.User, err)
	}
	if !v.OnDisk() || !to.OnDisk() || v.foreign() != nil {
		return failLink("exchange", clean, to.User, errors.ErrUnsupported)
	}
	from, err := v.source(clean, to)
	if err != nil {
		return failLink("exchange", clean, to.User, err)
	}
	defer func() { _ = from.Close() }()
	was, err := from.Lstat()
	if err == nil {
		err = answered(from.rename(to, exchange), func() (bool, error) {
			now, err := to.Lstat()
			return err == nil && os.SameFile(was, now), err
		})
	}
	return failLink("exchange", clean, to.User, err)
}

// answered returns what came of an exchange that answered err. The answer of a file
// system in another process may be lost: with the new tree in place, its caller
// would then remove the old one as its own.
func answered(err error, exchanged func() (bool, error)) error {
	switch {
	case err == nil:
		return nil
	// Kernels, file systems and other systems each have a word for it: callers
	// are to need one.
	case Unsupported(err):
		return errors.ErrUnsupported
	}
	switch done, lookErr := exchanged(); {
	case lookErr != nil && !Gone(lookErr):
		return fmt.Errorf("%w: %w", Reason(err), ErrInDoubt)
	case done:
		return nil
	}
	return err
}
