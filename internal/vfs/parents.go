package vfs

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// ErrParents is what MakeParents says next to its reason. Directories may be left
// then that are not durable, and a second attempt takes them for durable because they
// are there: whoever has another way to do the same must not try it.
var ErrParents = errors.New("missing directories could not be made durable")

// A parentsError is a reason for which errors.Is finds ErrParents, and that reads as
// it did: who asked for a file is told why there is none.
type parentsError struct{ error }

func (parentsError) Is(target error) bool { return target == ErrParents }
func (e parentsError) Unwrap() error      { return e.error }

// MakeParents makes the directories that lead to name and, if durable is set, makes
// them durable. The error is ErrParents, too.
func (v FS) MakeParents(name string, durable bool) error {
	clean, err := v.Clean("mkdir", name)
	if err != nil {
		return err
	}
	if err := v.makeDirs(filepath.Dir(clean), 0o777, durable); err != nil {
		return parentsError{Reason(err)}
	}
	return nil
}

// MakeDurable is MkdirAll that makes the entries of what it makes durable. If it
// fails none of that is left, as far as it can be removed. A directory that exists
// already is taken for durable.
func (v FS) MakeDurable(name string, perm fs.FileMode) error { return v.makeDirs(name, perm, true) }

func (v FS) makeDirs(name string, perm fs.FileMode, durable bool) error {
	made, err := v.MkdirAll(name, perm)
	for i := 0; i < len(made) && err == nil && durable; i++ {
		err = v.SyncDir(filepath.Dir(made[i]))
	}
	// The innermost first: only the last that was made can be empty.
	for i := len(made) - 1; i >= 0 && err != nil; i-- {
		_ = v.Remove(made[i]) // one that somebody else uses by now refuses
	}
	return err
}
