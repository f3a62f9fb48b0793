package workdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// SweepOptions adjusts a sweep. A nil *SweepOptions asks for the defaults.
type SweepOptions struct {
	Dir    string        // where to look; "" means tmpfs.TempDir(fsys)
	MinAge time.Duration // leave what is younger alone when its owner cannot be asked; 0 means 24 h
	DryRun bool          // remove nothing, and report what would be removed
}

const defaultMinAge = 24 * time.Hour

// A SweepReport says what a sweep found.
type SweepReport struct {
	Removed []string          // directories removed
	Kept    map[string]string // directories left alone, and why
}

// Sweep removes the work directories whose owners have died. It removes
// nothing that it cannot prove to be its own and abandoned.
//
// It looks at leases only, never into directories, reads the names in Dir as it
// goes, and acts on what belongs to its own user. Any number of sweeps and
// owners may be at work in one directory. What a sweep that was killed has left
// the next one finishes. Reported are directories that have, or seem to have, a
// lease, by their path on fsys.
//
// ctx stops it between two entries. The report is valid also with an error, which
// joins that of ctx and those of directories that could not be removed; these
// are among Kept.
func Sweep(ctx context.Context, fsys afero.Fs, opts *SweepOptions) (SweepReport, error) {
	var o SweepOptions
	if opts != nil {
		o = *opts
	}
	if o.MinAge == 0 {
		o.MinAge = defaultMinAge
	}
	s := &sweeper{v: vfs.On(fsys), SweepOptions: o, report: SweepReport{Kept: map[string]string{}}}
	var err error
	if s.Dir == "" {
		s.Dir, err = tmpfs.TempDir(fsys)
	} else {
		s.Dir, err = s.v.Clean("sweep", s.Dir)
	}
	if err != nil {
		return s.report, err
	}
	var errs []error
	for name, err := range s.v.Names(s.Dir) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return s.report, errors.Join(append(errs, err)...)
		}
		if dir, ok := leased(name); ok {
			if err := s.visit(dir); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return s.report, errors.Join(errs...)
}

// A sweeper sweeps one directory.
type sweeper struct {
	v vfs.FS
	SweepOptions
	report SweepReport
}

func (s *sweeper) path(name string) string { return filepath.Join(s.Dir, name) }

// visit looks at the lease of the directory name and does what is to be done.
func (s *sweeper) visit(name string) error {
	c := &candidate{sweeper: s, name: name}
	defer c.close()
	removed, err := c.sweep()
	path := s.path(name)
	if removed {
		s.report.Removed = append(s.report.Removed, path)
	}
	var left leftAlone
	switch {
	case errors.As(err, &left):
		s.report.Kept[path] = string(left)
		return nil
	case errors.Is(err, errGone):
		return nil
	case err != nil && !removed:
		s.report.Kept[path] = "could not be removed: " + vfs.Reason(err).Error()
	}
	return err
}

// leftAlone is why a directory is.
type leftAlone string

func (l leftAlone) Error() string { return string(l) }

// errGone says that there is nothing to do or to report: somebody else was faster.
var errGone = errors.New("gone")

// A candidate is a directory that has a lease, or something of that name.
type candidate struct {
	*sweeper
	name  string
	info  fs.FileInfo // of the lease
	lease *vfs.File   // open; on the operating system under lock, if that can be
	sure  bool        // the owner was asked, and is dead
}

// While a directory is removed it is called ".<name>.dead"; who removes it has
// made the directory ".<name>.claim". Both are recognised by the lease, which is
// there until they are gone.
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
	if !vfs.OpenRenames {
		c.close() // as an open file cannot be removed here, neither can one of an owner that begins
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
	got, asked := false, false
	if g, ok := c.lease.OSFile(); ok {
		got, err = vfs.LockFile(g)
		asked = err == nil
	}
	switch {
	case asked && !got:
		return leftAlone("in use, by its owner or by another sweep")
	case asked && locked:
		c.sure = true
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
	case len(held) == 0:
		return false, nil
	}
	return false, leftAlone("its lease is not its own")
}

// again looks once more whether the lease is the one that is open: somebody may
// have removed it before it was locked.
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

// lastSeen is when somebody last did something that tells of an owner.
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

func (c *candidate) removeClaimed(there bool) error {
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

// gone returns the error of a removal, unless somebody else was faster.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
