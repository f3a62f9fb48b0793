package staging

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/tempkit/tempkit/atomicfs"
)

// Sweep removes the uploads that have been idle for longer than the TTL and have
// no writer, and returns their IDs.
//
// Kept is an upload whose writer lives, one whose description is lost (when it
// started is not known), and everything that is not of the area's own making.
// What killed writers have left of sidecars goes too.
func (a *Area) Sweep(ctx context.Context) (removed []string, err error) {
	var errs []error
	for name, err := range a.v.Names(a.dir) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return removed, errors.Join(append(errs, err)...)
		}
		if id, ok := idOf(name, dataSuffix); ok {
			var gone bool
			if gone, err = a.sweepUpload(id); gone {
				removed = append(removed, id)
			}
		} else if id, ok := idOf(name, sidecarSuffix); ok {
			err = a.sweepSidecar(id)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	_, err = atomicfs.Sweep(ctx, a.fsys, a.dir, a.opts.TTL)
	return removed, errors.Join(append(errs, err)...)
}

// sweepUpload removes an upload that has expired and has no writer, and reports
// whether it did. It holds the upload as a writer does, so that a Resume and a sweep
// exclude each other, also between processes. The data goes first: see dropSidecar.
func (a *Area) sweepUpload(id string) (bool, error) {
	if expired, err := a.expired(id); err != nil || !expired { // first, so that a Resume of it is not refused meanwhile
		return false, err
	}
	if _, taken := writers.LoadOrStore(id, nil); taken {
		return false, nil
	}
	defer writers.Delete(id)
	s := &slot{area: a, id: id}
	switch got, err := s.hold(); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil || !got:
		return false, err
	}
	defer s.unlock()
	if expired, err := a.expired(id); err != nil || !expired { // it may have had a writer until it was locked
		return false, err
	}
	s.beforeRename()
	if err := a.v.Remove(a.path(id, dataSuffix)); err != nil {
		return false, err
	}
	return true, s.dropSidecar()
}

// expired reports whether an upload is known to have been idle for too long. One
// that holds nothing has nothing to lose by a lost description.
func (a *Area) expired(id string) (bool, error) {
	info, own, err := a.describe(id)
	if errors.Is(err, fs.ErrNotExist) || info.ID != "" && !own { // somebody else's may not be read either
		return false, nil
	}
	return err == nil && time.Since(info.Updated) > a.opts.TTL && (!info.Started.IsZero() || info.Size == 0), err
}

// sweepSidecar removes the sidecar of an upload that is gone: its file is made
// before the sidecar, and removed or renamed before it.
func (a *Area) sweepSidecar(id string) error {
	if _, err := a.v.Lstat(a.path(id, dataSuffix)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, taken := writers.LoadOrStore(id, nil); taken {
		return nil // which is about to do so itself
	}
	defer writers.Delete(id)
	side, err := a.load(id)
	if errors.Is(err, fs.ErrPermission) || err == nil && side.ID != id {
		return nil // somebody's own file
	}
	if err != nil {
		return err
	}
	return (&slot{area: a, id: id}).dropSidecar()
}
