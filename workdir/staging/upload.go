package staging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"sync"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/spool"
)

// An Upload is a file on its way to its place. (Python recipe: StagedUpload)
//
// It is written from its start to its end. It is safe for concurrent use.
type Upload struct {
	opts Options
	f    *spool.File
	slot *slot // in an Area; nil outside

	mu    sync.Mutex
	state state
	size  int64
	hash  hash.Hash // nil if none is computed
	short error     // why the last write did not store all that it was given
	final string    // where the upload was put
}

type state int

const (
	open   state = iota
	sealed       // Commit is looking at it: it may be read and not written
	done         // committed, discarded or suspended
)

func newUpload(f *spool.File, o Options) *Upload {
	u := &Upload{opts: o, f: f}
	if o.Hash != nil {
		u.hash = o.Hash()
	}
	return u
}

// ID returns the name of the upload in its Area, or "" if it is in none.
func (u *Upload) ID() string {
	if u.slot == nil {
		return ""
	}
	return u.slot.id
}

// Size returns how many bytes have been stored.
func (u *Upload) Size() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.size
}

// Sum returns the sum of what has been stored, or nil if no hash is computed.
func (u *Upload) Sum() []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.hash == nil {
		return nil
	}
	return u.hash.Sum(nil)
}

// FinalPath returns where the upload was put, or "".
func (u *Upload) FinalPath() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.final
}

// NewReader returns a reader of what has been stored, from its start. It must be
// closed, and reads on after Commit and Close.
func (u *Upload) NewReader() *spool.Reader { return u.f.NewReader() }

// Write stores p at the end.
//
// What would pass the limit, the declared size or the quota is not stored at
// all: the error is then spool.ErrTooLarge, ErrRejected or ErrQuota, and the
// upload is as it was. If the disk fails, what it took is stored. Either way
// Commit fails from then on, until a later write has succeeded.
func (u *Upload) Write(p []byte) (int, error) {
	u.mu.Lock()
	n, err := u.store(p)
	size := u.size
	u.mu.Unlock()
	u.progress(n, size)
	return n, err
}

// WriteChunk is Write for a chunk that starts at off: unless that is where the
// upload ends, the error is ErrOffset and nothing has changed.
func (u *Upload) WriteChunk(off int64, p []byte) (int, error) {
	u.mu.Lock()
	size := u.size
	if off != size && u.state == open {
		u.mu.Unlock()
		return 0, u.fail("write", fmt.Errorf("%w: it starts at %d, not at %d", ErrOffset, off, size))
	}
	n, err := u.store(p)
	size = u.size
	u.mu.Unlock()
	u.progress(n, size)
	return n, err
}

// piece is how much ReadFrom stores at a time: what a reader gives in morsels,
// as a multipart.Part does, is gathered.
const piece = 64 << 10

var pieces = sync.Pool{New: func() any { return new([piece]byte) }}

// ReadFrom writes what r holds, until EOF. If r fails, all that it gave before is
// stored, the error is r's own, and Commit fails as after Write.
func (u *Upload) ReadFrom(r io.Reader) (total int64, err error) {
	buf := pieces.Get().(*[piece]byte)
	defer pieces.Put(buf)
	for {
		n, rerr := fill(r, buf[:])
		m, err := u.Write(buf[:n])
		total += int64(m)
		switch {
		case err != nil:
			return total, err
		case rerr == io.EOF: //nolint:errorlint // io.EOF is never wrapped
			return total, nil
		case rerr != nil:
			u.mu.Lock()
			u.short = rerr
			u.mu.Unlock()
			return total, rerr
		}
	}
}

// fill reads until buf is full or r ends. Unlike io.ReadFull it tells an EOF from
// the io.ErrUnexpectedEOF of a client that hung up.
func fill(r io.Reader, buf []byte) (n int, err error) {
	const maxEmpty = 100
	for empty := 0; n < len(buf) && err == nil; {
		var m int
		m, err = r.Read(buf[n:])
		n += m
		if m > 0 {
			empty = 0
		} else if empty++; empty > maxEmpty && err == nil {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

// store is Write with the lock held.
func (u *Upload) store(p []byte) (n int, err error) {
	if u.state != open {
		return 0, u.fail("write", fs.ErrClosed)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err = u.admit(u.size + int64(len(p))); err != nil {
		u.short = u.fail("write", err)
		return 0, u.short
	}
	n, err = u.f.WriteAt(p, u.size)
	u.size += int64(n)
	if u.hash != nil {
		_, _ = u.hash.Write(p[:n]) // a hash.Hash never returns an error
	}
	if err != nil {
		err = u.fail("write", vfs.Reason(err))
		u.slot.settle(u.size)
	}
	u.short = err
	return n, err
}

// admit reports why the upload may not grow to size.
func (u *Upload) admit(size int64) error {
	switch {
	case u.opts.Spool.MaxSize > 0 && size > u.opts.Spool.MaxSize:
		return spool.ErrTooLarge
	case u.opts.Size > 0 && size > u.opts.Size:
		return fmt.Errorf("%w: more than the declared %d bytes", ErrRejected, u.opts.Size)
	}
	return u.slot.reserve(size)
}

// progress tells of n more bytes. No lock is held: it may ask the upload.
func (u *Upload) progress(n int, size int64) {
	if n > 0 && u.opts.Progress != nil {
		u.opts.Progress(size, u.opts.Size)
	}
}

// Flush makes what has been stored survive: a kill and a power cut, for an upload
// in an Area; else it writes out what has spilled.
func (u *Upload) Flush() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state == done {
		return u.fail("flush", fs.ErrClosed)
	}
	if err := u.f.Sync(); err != nil {
		return u.fail("flush", vfs.Reason(err))
	}
	if err := u.slot.save(u.size, u.hash); err != nil {
		return u.fail("flush", vfs.Reason(err))
	}
	return nil
}

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
	if err := u.seal(ctx); err != nil {
		return err
	}
	defer u.unseal()
	for _, check := range u.checks() {
		if err := check(u); err != nil {
			err = u.fail("commit", &rejection{err})
			if cerr := u.Close(); cerr != nil {
				err = errors.Join(err, cerr)
			}
			return err
		}
		if err := ctx.Err(); err != nil {
			return u.fail("commit", err)
		}
	}
	return u.publish(fsys, dest, opts)
}

// A rejection is ErrRejected, and what the check said.
type rejection struct{ why error }

func (r *rejection) Error() string   { return ErrRejected.Error() + ": " + r.why.Error() }
func (r *rejection) Unwrap() []error { return []error{ErrRejected, r.why} }

// seal keeps writers out while the upload is checked and published.
func (u *Upload) seal(ctx context.Context) error {
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
		return u.fail("commit", err)
	}
	u.state = sealed
	return nil
}

// unseal opens the upload again, unless it is done with. It is deferred, so that
// a check that panics leaves the upload to be closed.
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

// publish puts the upload in place.
func (u *Upload) publish(fsys afero.Fs, dest string, opts *atomicfs.Options) error {
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

// Close discards the upload, unless it has been committed.
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

// fail returns err as an error of op on the upload.
func (u *Upload) fail(op string, err error) error {
	if id := u.ID(); id != "" {
		return fail(op, id, err)
	}
	return fail(op, unnamed, err)
}

// Suspend ends the writing and leaves what has arrived in its Area, for Resume:
// what a server does when a client hangs up that will come back. It does nothing
// after Commit or Close, nor does Close after it, so that "defer u.Suspend()"
// takes the place of "defer u.Close()".
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
