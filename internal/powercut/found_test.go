//go:build linux

package powercut_test

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/workdir"
)

var osFs = afero.NewOsFs()

// A thing is what a workload puts in place, in versions 1, 2, 3 and so on. Its
// String is its path in the scenario's directory, and what promises call it.
type thing interface {
	fmt.Stringer

	// verify returns an error unless the thing is in dir as it was promised: that
	// version or a later one, whole. One that was not promised may be missing,
	// unless it was there before.
	verify(dir string, promised int) error

	// owns reports whether what has that path in dir is the thing or part of it.
	owns(name string, isDir bool) bool
}

// verifyAll returns an error unless all things are as promised, and nothing else
// is in dir but their parents and no more than most temporaries, which the sweeps
// of the rooms take.
func verifyAll[T thing](dir string, things []T, promised map[string]int, most int) error {
	look := func() error {
		for _, t := range things {
			if err := t.verify(dir, promised[t.String()]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := look(); err != nil {
		return err
	}
	before, err := litter(dir, things)
	if err != nil {
		return err
	}
	if len(before) > most {
		return fmt.Errorf("litter: %d temporaries and not at most %d: %s", len(before), most, strings.Join(before, ", "))
	}
	if err := sweep(dir); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	after, err := litter(dir, things)
	if err != nil {
		return err
	}
	if len(after) > 0 {
		return fmt.Errorf("litter, not swept: %s", strings.Join(after, ", "))
	}
	if err := look(); err != nil {
		return fmt.Errorf("after the sweep: %w", err)
	}
	return nil
}

// temporary is what the names of temporaries are like: by them somebody knows
// whose they are.
var temporary = map[bool]*regexp.Regexp{ // by whether it is a directory
	false: regexp.MustCompile(`^(\.tmp-[a-z2-7]{26}(-dir|-age)?|\.work-[a-z2-7]{26}\.lease)$`),
	true:  regexp.MustCompile(`^(work-[a-z2-7]{26}|\.work-[a-z2-7]{26}\.(dead|claim))$`),
}

// litter returns the temporaries in dir, a directory with all that is in it as
// one. It is an error if there is anything else but the things and their parents.
func litter[T thing](dir string, things []T) (found []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("unreadable: %w", err)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		known := func(t T) bool {
			return t.owns(name, e.IsDir()) || e.IsDir() && strings.HasPrefix(t.String(), name+"/")
		}
		switch {
		case path == dir, slices.ContainsFunc(things, known):
			return nil
		case !temporary[e.IsDir()].MatchString(e.Name()):
			return fmt.Errorf("not recognised: %s", name)
		}
		found = append(found, name)
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	return found, err
}

// sweep runs the sweeps of the rooms on dir and all directories below it.
func sweep(dir string) error {
	ctx := context.Background()
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		// Any age will do: the machine has come up again, and nobody who wrote this is alive.
		if _, err := workdir.Sweep(ctx, osFs, &workdir.SweepOptions{Dir: path, MinAge: time.Nanosecond}); err != nil {
			return err
		}
		_, err = atomicfs.Sweep(ctx, osFs, path, time.Nanosecond)
		return err
	})
}
