package testfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/afero"
)

// A Written is a file that an operation writes: what it is before and after.
type Written struct {
	Name     string
	Old, New State
}

const stranger = 1234 // a user and a group that are not this process's

// Replaced is a file of size bytes in the place of another, whose mode and owner,
// which are neither the usual ones, it is to keep.
func Replaced(name string, size int) Written {
	was := State{Data: Content('o', size+1), Mode: 0o604, UID: stranger, GID: stranger}
	will := was
	will.Data = Content('n', size)
	return Written{name, was, will}
}

// Added is a file of size bytes where there was none.
func Added(name string, size int) Written {
	return Written{Name: name, New: As(Content('n', size), 0o644)}
}

// Writes are what an operation writes: what each file must be, whatever befalls it,
// and what may be left beside them.
type Writes struct {
	Dir        string // exists before; all that the operation makes is below
	Files      []Written
	NotDurable error // says that what is in place may not survive
	// Failure returns what the operation's error says about a file; nil means that it
	// is about all.
	Failure func(name string, err error) error

	Litter   *regexp.Regexp                                 // the path of a temporary
	InFlight int                                            // how many may be left of a cut; 0 means 1
	Returns  bool                                           // a cut may bring back one that was removed, not renamed
	Known    func(name string) bool                         // of other paths that may be there, or nil
	Sweep    func(disk *CrashFs, dirs, left []string) error // removes what is left in dirs; nil means that nobody does
}

// Before makes what is there before.
func (w Writes) Before(fsys afero.Fs) error {
	if err := fsys.MkdirAll(w.Dir, 0o755); err != nil {
		return err
	}
	for _, f := range w.Files {
		if f.Old.Data == nil {
			continue
		}
		if err := fsys.MkdirAll(path.Dir(f.Name), 0o755); err != nil {
			return err
		}
		if err := afero.WriteFile(fsys, f.Name, f.Old.Data, f.Old.Mode); err != nil {
			return err
		}
		if err := fsys.Chown(f.Name, f.Old.UID, f.Old.GID); err != nil {
			return err
		}
	}
	return nil
}

// Holds says what is wrong with a disk: a file that is neither the old one nor the
// new, one that must be new and is not, one that is new in spite of an error; more
// temporaries than there may be, and what nobody knows; or that a sweep of it does
// not end well.
func (w Writes) Holds(disk *CrashFs, s Seen) error {
	if err := w.Found(disk, s); err != nil {
		return err
	}
	var litter []string
	err := disk.Strangers(w.Dir, func(name string) bool {
		if w.Litter.MatchString(name) {
			litter = append(litter, name)
			return true
		}
		return w.knows(name)
	})
	switch {
	case err != nil || len(litter) == 0:
		return err
	case len(litter) > max(w.InFlight, 1):
		return fmt.Errorf("%d temporaries are left", len(litter))
	case s.Ended && !s.Cut && (s.Err == nil && len(s.Met) < 2 || !s.Unremoved()): // a second attempt may have succeeded
		return errors.New("a temporary is left")
	case s.Ended && s.Faultless() && !w.Returns:
		return errors.New("a temporary comes back after all was well")
	case w.Sweep == nil:
		return nil
	}
	return w.swept(disk, s, litter)
}

// Found is the part of Holds that is about the files themselves.
func (w Writes) Found(disk *CrashFs, s Seen) error {
	for _, f := range w.Files {
		states := []State{f.Old, f.New}
		if s.MetAny("chown") && f.Old.Data != nil { // and may not change it: the owner is not kept then
			own := As(f.New.Data, f.New.Mode)
			group := own
			group.GID = f.New.GID
			states = append(states, own, group)
		}
		if s.Cut && len(s.Met) > 1 && s.MetAny("close ") { // found bad in its place, and taken back with the mode that it had
			taken := f.New
			taken.Mode = 0o600
			states = append(states, taken)
		}
		if s.MetWith(syscall.ENOTSUP, "openfile ") && s.MetWith(syscall.ENOTSUP, "chmod ") { // an Fs without modes
			modeless := f.New
			modeless.Mode = 0o666
			states = append(states, modeless)
		}
		which, err := disk.Which(f.Name, states...)
		if err != nil {
			return err
		}
		if bytes.Equal(f.Old.Data, f.New.Data) || !s.Ended {
			continue
		}
		if err := w.judge(f.Name, which > 0, s); err != nil {
			return err
		}
	}
	return nil
}

// judge says whether a file may be the new one, or the old, once the operation has
// returned.
func (w Writes) judge(name string, isNew bool, s Seen) error {
	failure := s.Err
	if w.Failure != nil {
		failure = w.Failure(name, s.Err)
	}
	inPlace := failure == nil || errors.Is(failure, w.NotDurable)
	switch {
	case s.Cut && !isNew && failure == nil && !s.NoDirSync(w.Dir):
		return fmt.Errorf("%s is lost, and was acknowledged", name)
	case !s.Cut && !isNew && inPlace:
		return fmt.Errorf("%s is the old one, in spite of %w", name, s.Err)
	case !s.Cut && isNew && !inPlace && !unseen(s, name):
		return fmt.Errorf("%s is the new one, in spite of %w", name, s.Err)
	}
	return nil
}

// NoDirSync reports whether the disk said that what is below dir, or dir, cannot be
// synced: then nobody can promise that anything survives.
func (s Seen) NoDirSync(dir string) bool { return s.MetWith(syscall.ENOTSUP, "sync "+dir) }

// unseen reports whether the rename to name took place and nobody could know, or
// take it back: its answer was lost, and so was that of the look which would have
// told; or the file was found bad after it, and the way back was barred.
func unseen(s Seen, name string) bool {
	for i, call := range s.Met {
		words := strings.Fields(call) // what is renamed may be a directory that name is in
		told := map[string]string{"rename": "lstat", "exchange": "exchanged "}[words[0]]
		if s.How[i].Done && told != "" && strings.HasPrefix(name+"/", words[2]+"/") && s.MetAny(told) {
			return true
		}
	}
	return len(s.Met) > 1 && s.MetAny("close ") && s.MetAny("stat", "lstat", "rename")
}

func (w Writes) knows(name string) bool {
	if w.Known != nil && w.Known(name) {
		return true
	}
	return slices.ContainsFunc(w.Files, func(f Written) bool {
		return f.Name == name || strings.HasPrefix(f.Name, name+"/")
	})
}

// swept says what is wrong after a sweep of what a dead process has left: litter is
// still there, or something else is not.
func (w Writes) swept(disk *CrashFs, s Seen, litter []string) error {
	before := disk.Paths()
	stays := map[string]bool{} // what belongs to the other user by now is for that one to sweep, or for root
	for _, name := range litter {
		state, err := disk.StateOf(name)
		stays[name] = err == nil && state.UID == stranger && os.Geteuid() != 0
	}
	var dirs []string
	for _, name := range litter {
		if dir := path.Dir(name); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	if err := w.Sweep(disk, dirs, litter); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	after := disk.Paths()
	for _, name := range before {
		there, isLitter := slices.Contains(after, name), slices.Contains(litter, name)
		if there != (!isLitter || stays[name]) {
			return fmt.Errorf("after a sweep, that %s is there is %t", name, there)
		}
	}
	return w.Found(disk, s)
}
