package staging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/vfs"
)

// The ways in which an upload ends; that by a Publisher is beside it.

// Commit runs the checks and puts the upload in place as dest on fsys,
// atomically and durably. If publishing fails the upload is still open and
// Commit may be tried again; if a check fails it is gone.
//
// It is a rename where dest is on the volume of the spilled contents, else a
// copy. The checks are the digest's, then Options.Checks; their error is
// ErrRejected and what they said. Also still open is an upload whose last write
// failed, with that write's error, one that has fewer bytes than declared, with
// ErrRejected, and one whose ctx is done before it is published, with ctx's error;
// nothing has changed then. After atomicfs.ErrNotDurable it is in place.
func (u *Upload) Commit(ctx context.Context, fsys afero.Fs, dest string, opts *atomicfs.Options) error {
	return u.finish(ctx, "commit", func() error { return u.place(fsys, dest, opts) })
}

// finish calls put with the upload sealed, once the checks have found nothing.
func (u *Upload) finish(ctx context.Context, op string, put func() error) error {
	if err := u.seal(ctx, op); err != nil {
		return err
	}
	defer u.unseal()
	for _, check := range u.checks() {
		if err := check(u); err != nil {
			err = u.fail(op, &rejection{err})
			if cerr := u.Close(); cerr != nil {
				err = errors.Join(err, cerr)
			}
			return err
		}
		if err := ctx.Err(); err != nil {
			return u.fail(op, err)
		}
	}
	if u.ended() { // by a check, or by somebody else meanwhile
		return u.fail(op, fs.ErrClosed)
	}
	return put()
}

// ended reports whether the upload is done with.
func (u *Upload) ended() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state == done
}

// A rejection is ErrRejected, and what the check said.
type rejection struct{ why error }

func (r *rejection) Error() string   { return ErrRejected.Error() + ": " + r.why.Error() }
func (r *rejection) Unwrap() []error { return []error{ErrRejected, r.why} }

// seal keeps writers out while the upload is checked and published.
func (u *Upload) seal(ctx context.Context, op string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var err error
	switch {
	case u.state != open:
		err = fs.ErrClosed
	case ctx.Err() != nil:
		err = ctx.Err()
	case u.short != nil:
		return u.short
	case u.opts.Size > 0 && u.size < u.opts.Size:
		err = fmt.Errorf("%w: %d of the declared %d bytes", ErrRejected, u.size, u.opts.Size)
	}
	if err != nil {
		return u.fail(op, err)
	}
	u.state = sealed
	return nil
}

// unseal opens the upload again, unless it is done with. It is deferred, so that
// a check or a Publisher that panics leaves the upload to be closed.
func (u *Upload) unseal() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state == sealed {
		u.state = open
	}
}

var errDigest = errors.New("the digest is another")

// checks returns all that must be true of the upload.
func (u *Upload) checks() []Check {
	if len(u.opts.Digest) == 0 {
		return u.opts.Checks
	}
	digest := func(u *Upload) error {
		if !bytes.Equal(u.Sum(), u.opts.Digest) {
			return errDigest
		}
		return nil
	}
	return append([]Check{digest}, u.opts.Checks...)
}

// place puts the upload in place as a file.
func (u *Upload) place(fsys afero.Fs, dest string, opts *atomicfs.Options) error {
	u.slot.beforeRename()
	err := u.f.Commit(fsys, dest, opts)
	if err != nil && !errors.Is(err, atomicfs.ErrNotDurable) {
		u.slot.afterFailure()
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if clean, cerr := vfs.On(fsys).Clean("commit", dest); cerr == nil {
		dest = clean
	}
	u.state, u.final = done, dest
	// What may be left of it in the area is for Close, or a Sweep: it is in place.
	_ = u.slot.leave()
	return err
}

// Close discards the upload, unless it has been committed or published.
//
// One that has been suspended stays as well. If something could not be removed,
// Close may be called again; when it has succeeded it returns nil.
func (u *Upload) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.slot.beforeRename()
	u.state = done
	if err := u.f.Close(); err != nil {
		return u.fail("close", vfs.Reason(err))
	}
	return u.slot.leave()
}

// Suspend ends the writing and leaves what has arrived in its Area, for Resume:
// what a server does when a client hangs up that will come back. It does nothing
// after Commit, Publish or Close, nor does Close after it, so that "defer u.Suspend()"
// takes the place of "defer u.Close()". Readers of the upload end with it.
//
// What has arrived is flushed first. If that fails, because the disk is full, say,
// what did reach the disk stays, and the error says that it is not all. The error
// is errors.ErrUnsupported, and the upload open, if it is in no Area.
func (u *Upload) Suspend() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.state == done:
		return nil
	case u.slot == nil:
		return u.fail("suspend", errors.ErrUnsupported)
	case u.state == sealed:
		return u.fail("suspend", fs.ErrClosed)
	}
	err := u.f.Sync()
	if err == nil {
		err = u.slot.save(u.size, u.hash)
	}
	if err != nil {
		err = u.fail("suspend", vfs.Reason(err))
	}
	u.state = done
	if lerr := u.slot.letGo(); lerr != nil {
		// The spool is not closed: it would remove what is still temporary. All that it
		// holds is a handle at most, which goes when it is collected.
		return errors.Join(err, u.fail("suspend", vfs.Reason(lerr)))
	}
	return errors.Join(err, u.f.Close())
}
