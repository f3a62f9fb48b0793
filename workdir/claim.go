package workdir

import (
	"errors"
	"io/fs"
	"time"
)

// removeClaimed removes what the claim is for.
func (c *candidate) removeClaimed(there bool) error {
	// Again, because on an Fs without locks its owner may have kept the directory, or
	// another sweep removed it, while the claim was made.
	if err := c.again(); err != nil {
		return err
	}
	if there {
		// Aside, so that a directory that is half removed goes by no name that
		// somebody might use. In the same parent: elsewhere a directory that is
		// read-only could not be moved.
		to, err := c.v.Pin(c.dead(), false)
		if err != nil {
			return err
		}
		err = c.v.RenameNew(c.path(c.name), to)
		_ = to.Close()
		if errors.Is(err, fs.ErrNotExist) {
			return errGone
		}
		if err != nil {
			return err
		}
	}
	return c.v.RemoveAll(c.dead())
}

// claims are the directories that sweeps of this process are at, by name.
var claims names

// stake makes the claim, or takes over that of a sweeper that is dead. Mkdir is
// exclusive in memory too.
func (c *candidate) stake() error {
	err := c.v.Mkdir(c.claim(), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return c.takeOver()
	}
	return err
}

// takeOver returns nil if the claim that is there is a dead sweeper's. One that
// lives has the lease under lock, where there are locks, and is of this process
// in memory.
func (c *candidate) takeOver() error {
	info, err := c.v.Lstat(c.claim())
	switch {
	case err != nil:
		return err
	case !info.IsDir() || !own(info):
		return leftAlone("claimed by another user")
	case !c.sure && time.Since(info.ModTime()) < c.MinAge:
		return leftAlone("being removed by another sweep")
	}
	return nil
}

// dropClaim removes the claim, if there is one.
func (c *candidate) dropClaim() error {
	if there, err := c.mine(c.claim()); err != nil || !there {
		return err
	}
	return gone(c.v.Remove(c.claim()))
}
