package staging

import (
	"context"
	"fmt"
	"io"

	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// resume opens the upload again. Whatever it returns, the upload is in the area.
func (s *slot) resume(ctx context.Context, o Options) (*Upload, error) {
	a := s.area
	// The lock first: what is read of an upload that has another writer is worth nothing.
	switch got, err := s.hold(); {
	case err != nil:
		return nil, err
	case !got:
		return nil, errWriter
	}
	var err error
	if s.side, err = a.load(s.id); err != nil {
		return nil, err
	}
	s.side.ID = s.id
	if o.Size == 0 {
		o.Size = s.side.Declared
	} else if s.side.Declared > 0 && o.Size != s.side.Declared {
		return nil, errAnother
	}
	s.side.Declared = o.Size
	if s.data, err = tmpfs.Adopt(a.fsys, a.path(s.id, dataSuffix)); err != nil {
		return nil, err
	}
	if err := s.recover(o); err != nil {
		return nil, err
	}
	u, err := s.upload(o)
	if err != nil {
		return nil, err
	}
	return u, s.rehash(ctx, u)
}

// recover makes the data what the upload goes on from, unless that is more than o
// allows.
func (s *slot) recover(o Options) error {
	info, err := s.data.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	lost := s.area.v.OnDisk() && s.side.rebooted() && s.side.Flushed < size
	if lost {
		// What came after the last flush may be of the right length and still not what arrived.
		size = s.side.Flushed
	}
	switch {
	case o.Spool.MaxSize > 0 && max(size, o.Size) > o.Spool.MaxSize:
		return spool.ErrTooLarge
	case o.Size > 0 && size > o.Size:
		return fmt.Errorf("%w: more than the declared %d bytes", ErrRejected, o.Size)
	case lost:
		return s.data.Truncate(size)
	}
	return nil
}

// rehash makes u's hash that of all that it holds, from the state that was saved
// or, where that is of no use, from the first byte. A large upload takes as long as
// it takes to read it; ctx ends that.
func (s *slot) rehash(ctx context.Context, u *Upload) error {
	if u.hash == nil {
		return nil
	}
	from := s.side.restore(u.hash)
	if from > u.size { // some of it is lost
		u.hash.Reset()
		from = 0
	}
	buf := smallPieces.Get().(*[]byte)
	defer smallPieces.Put(buf)
	for from < u.size {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := u.f.ReadAt((*buf)[:min(smallPiece, u.size-from)], from)
		if err != nil && (err != io.EOF || n == 0) { //nolint:errorlint // io.EOF is never wrapped
			return err
		}
		_, _ = u.hash.Write((*buf)[:n]) // a hash.Hash never returns an error
		from += int64(n)
	}
	return nil
}
