package staging

import (
	"fmt"
	"hash"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/spool"
)

// An Upload is a file on its way to its place. (Python recipe: StagedUpload)
//
// It is written from its start to its end. It is safe for concurrent use.
type Upload struct {
	opts Options
	f    *spool.File
	disk interface{ StartWriteOut() } // f too, for who knows that it is to last
	slot *slot                        // in an Area; nil outside

	mu    sync.Mutex
	state state
	size  int64
	idle  int       // bytes since the disk was last told to begin
	hash  hash.Hash // nil if none is computed
	short error     // why the last write did not store all that it was given
	final string    // where the upload was put
}

type state int

const (
	open   state = iota
	sealed       // Commit or Publish is looking at it: it may be read and not written
	done         // committed, published, discarded or suspended
)

func newUpload(f *spool.File, o Options) *Upload {
	u := &Upload{opts: o, f: f, disk: f.File.(interface{ StartWriteOut() })}
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

// FinalPath returns where the upload was put, or "": the path on the Fs of Commit,
// or the name that Publish was given.
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

// What a reader gives in morsels, as a multipart.Part does, ReadFrom gathers.
const (
	smallPiece = 64 << 10
	largePiece = 1 << 20 // file systems take and write out a large piece in half the time

	// An upload is received in large pieces once they are a small part of it, while
	// they arrive at no less than 10 MiB a second: the many that are slow hold little,
	// and none waits long to be stored and told of.
	largeFrom = 4 * largePiece
	largeSlow = 100 * time.Millisecond
)

var (
	smallPieces = sync.Pool{New: func() any { b := make([]byte, smallPiece); return &b }}
	largePieces = sync.Pool{New: func() any { b := make([]byte, largePiece); return &b }}
)

// ReadFrom writes what r holds, until EOF. If r fails, all that it gave before is
// stored, the error is r's own, and Commit fails as after Write.
func (u *Upload) ReadFrom(r io.Reader) (total int64, err error) {
	pool := &smallPieces
	buf := pool.Get().(*[]byte)
	defer func() { pool.Put(buf) }()
	for {
		began := time.Now()
		n, rerr := fill(r, *buf)
		fast := time.Since(began)*largePiece < largeSlow*time.Duration(len(*buf))
		m, err := u.Write((*buf)[:n])
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
		if next := u.pieces(fast); next != pool {
			pool.Put(buf)
			pool, buf = next, next.Get().(*[]byte)
		}
	}
}

// pieces returns where the next piece comes from. A large one is no more than the
// caller lets an upload have in memory; a budget counts only what is in the spool, and
// may be of any size.
func (u *Upload) pieces(fast bool) *sync.Pool {
	o := &u.opts.Spool
	if fast && o.Budget == nil && (o.MaxMemory == 0 || o.MaxMemory >= largePiece) && u.Size() >= largeFrom {
		return &largePieces
	}
	return &smallPieces
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

// writeOut is how many bytes are stored before the disk is told to begin with them:
// an upload that is not rejected is synced in the end, and then has less to wait for.
const writeOut = 8 << 20

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
	if u.idle += n; u.idle >= writeOut {
		u.idle = 0
		u.disk.StartWriteOut()
	}
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

// fail returns err as an error of op on the upload.
func (u *Upload) fail(op string, err error) error {
	if id := u.ID(); id != "" {
		return fail(op, id, err)
	}
	return fail(op, unnamed, err)
}
