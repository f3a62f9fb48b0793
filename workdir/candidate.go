package workdir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/tempkit/tempkit/internal/vfs"
)

// leftAlone is why a directory is. It is no failure of the sweep.
type leftAlone string

func (l leftAlone) Error() string { return string(l) }

// errGone says that there is nothing to do or to report: somebody else was faster.
var errGone = errors.New("gone")

// A candidate is a directory that has a lease, or something of that name.
//
// It is removed in steps, and a sweep that is killed after any of them leaves a
// state that the next sweep goes on from, because the lease goes last:
//
//   - the lease is locked, where there are locks, and found to have no owner;
//   - the directory ".<name>.claim" is made, so that on an Fs without locks
//     other sweeps keep away;
//   - the directory is renamed to ".<name>.dead";
//   - that is removed, then the claim, then the lease.
//
// Whatever bears one of these names and is not a directory of this user's stops
// it: names can be guessed from the lease, so that others may have put it there.
type candidate struct {
	*sweeper
	name  string
	info  fs.FileInfo // of the lease
	lease *vfs.File   // open; on the operating system under lock, if that can be
	sure  bool        // the owner was asked, and is dead
}

func (c *candidate) dead() string  { return c.path("." + c.name + ".dead") }
func (c *candidate) claim() string { return c.path("." + c.name + ".claim") }

// close gives back the lock on the lease.
func (c *candidate) close() {
	if c.lease != nil {
		_ = c.lease.Close() // nothing was written
		c.lease = nil
	}
}

// sweep removes the directory if its owner is dead, and reports whether there
// was one.
func (c *candidate) sweep() (removed bool, err error) {
	if err := c.ask(); err != nil {
		return false, err
	}
	if !claims.add(c.name) {
		return false, leftAlone("being removed by another sweep")
	}
	defer claims.remove(c.name)
	// What is there is looked up only now: another sweep of this process may have
	// come and gone since the lease was read.
	there, err := c.mine(c.path(c.name))
	if err != nil {
		return false, err
	}
	rest, err := c.mine(c.dead())
	if err != nil {
		return false, err
	}
	if c.DryRun {
		return there || rest, nil
	}
	if there || rest {
		if err := c.remove(there); err != nil {
			return false, err
		}
	} else if err := c.dropClaim(); err != nil {
		return false, err
	}
	// Under lock until it is gone: an owner that has just made it, and locks it now,
	// would be left without. Where an open file cannot be removed, neither can that of
	// such an owner.
	if !c.v.OpenRenames() {
		c.close()
	}
	return there || rest, gone(c.v.Remove(c.path(leaseOf(c.name))))
}

// ask returns nil if the owner of the directory is dead, else why it is not
// known to be.
func (c *candidate) ask() error {
	if c.v.InMemory() {
		births.RLock()
		defer births.RUnlock()
	}
	if owners.has(c.name) {
		return leftAlone("in use by this process")
	}
	if err := c.open(); err != nil {
		return err
	}
	locked, err := c.read()
	switch {
	case err != nil:
		return err
	case c.v.InMemory():
		c.sure = true // nobody but this process could own it
		return nil
	}
	got, err := c.lease.TryLock()
	asked := err == nil
	switch {
	case asked && !got:
		return leftAlone("in use, by its owner or by another sweep")
	case asked && locked:
		c.sure = true // it had the lock as long as it lived
		return c.again()
	case time.Since(c.lastSeen()) < c.MinAge:
		return leftAlone(fmt.Sprintf("younger than %v, and its owner cannot be asked", c.MinAge))
	}
	return c.again()
}

// open opens the lease, if it can be one: it follows nothing and waits for nothing.
func (c *candidate) open() error {
	path := c.path(leaseOf(c.name))
	info, err := c.v.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errGone
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return leftAlone("its lease is not a regular file")
	case !own(info):
		return leftAlone("its lease belongs to another user")
	}
	flag := os.O_RDONLY
	if c.v.OnDisk() {
		flag = os.O_RDWR | unblocked // for writing, because NFS gives no lock otherwise
	}
	f, err := c.v.OpenFile(path, flag, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return errGone
	}
	if err != nil {
		return err
	}
	c.info, c.lease = info, f
	if now, err := f.Stat(); c.v.OnDisk() && (err != nil || !os.SameFile(info, now)) {
		return leftAlone("its lease was swapped meanwhile")
	}
	return nil
}

// read reports whether the lease says that its owner has it under lock.
func (c *candidate) read() (locked bool, err error) {
	held, err := io.ReadAll(io.LimitReader(c.lease, int64(len(c.name))+1))
	switch {
	case err != nil:
		return false, err
	case string(held) == c.name:
		return true, nil
	case len(bytes.Trim(held, "\x00")) == 0: // empty, or what a power cut left of its bytes
		return false, nil
	}
	return false, leftAlone("its lease is not its own")
}

// again looks once more whether the lease is the one that is open. An owner that
// keeps its directory removes the lease under lock: who opened it before, and gets
// the lock after, holds one that is none any more.
func (c *candidate) again() error {
	now, err := c.v.Lstat(c.path(leaseOf(c.name)))
	if errors.Is(err, fs.ErrNotExist) {
		return errGone
	}
	if err == nil && c.v.OnDisk() && !os.SameFile(c.info, now) {
		return leftAlone("its lease was swapped meanwhile")
	}
	return err
}

// lastSeen is when somebody last did something that tells of an owner: made or
// renewed the lease, or put something into the directory.
func (c *candidate) lastSeen() time.Time {
	last := c.info.ModTime()
	if dir, err := c.v.Lstat(c.path(c.name)); err == nil && dir.ModTime().After(last) {
		last = dir.ModTime()
	}
	return last
}

// mine reports whether path is a directory of this user. Anything else there is
// left alone.
func (c *candidate) mine(path string) (bool, error) {
	info, err := c.v.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.IsDir():
		return false, leftAlone("is not a directory")
	case !own(info):
		return false, leftAlone("belongs to another user")
	}
	return true, nil
}

// own reports whether a file belongs to the user that this process acts as, as
// far as there are users.
func own(info fs.FileInfo) bool {
	uid, _, ok := vfs.Owner(info)
	return !ok || uid == os.Geteuid()
}

// remove removes the directory, which is there or has been renamed aside.
func (c *candidate) remove(there bool) error {
	if err := c.stake(); err != nil {
		return err
	}
	err := c.removeClaimed(there)
	// Not kept for a second try, which would have to wait for it to grow old.
	if derr := c.dropClaim(); err == nil {
		err = derr
	}
	return err
}

// gone returns the error of a removal, unless somebody else was faster.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
