package spool

import (
	"errors"
	"io"
	"math"
	"math/bits"
	"os"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

const (
	piece       = 64 << 10 // of what is copied through memory
	kernelPiece = 16 << 20 // of what the kernel copies with the spool locked
)

// ReadFrom writes what r has left, until EOF. Where both ends are files of the
// operating system, the kernel copies. It returns how much is stored, and why it
// ended if that was not r's EOF: r's own error, or that of the write. r is not
// asked again after either.
func (h *handle) ReadFrom(r io.Reader) (total int64, err error) {
	if err := h.beginRead("write"); err != nil {
		return 0, err
	}
	h.mu.RUnlock()
	pg := newPage(piece)
	defer func() { pg.free() }()
	for {
		n, done, err := h.receive(r)
		total += n
		if err != nil {
			return total, err
		}
		if done {
			continue
		}
		least, room := h.appetite()
		if least > len(pg.b) {
			pg.free()
			pg = newPage(int64(least))
		}
		n, err = h.readPiece(r, pg.b, least, room)
		total += n
		if err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// appetite returns how much is to be read before it is written, and how much
// there is room for. In memory that is what one Read gives; on the disk it is
// more than goes straight through, because a reader may give as little as it
// likes. An offset past all room has none, which is not less: one read has to tell
// what is too large from what has ended.
func (h *handle) appetite() (least int, room int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	least, room = 1, math.MaxInt64
	if h.spilled {
		least = gatherMost
	}
	if h.maxSize > 0 {
		room = max(h.maxSize-h.off, 0)
	}
	return least, room
}

// readPiece reads at least so much from r into buf, unless that is more than
// there is room for, and writes it. The spool is not locked while r reads: it may
// be slow, and it may be reading this very spool. What r gave with an error is
// written before the error is returned.
func (h *handle) readPiece(r io.Reader, buf []byte, least int, room int64) (int64, error) {
	n, last := 0, 0
	var rerr error
	for n < least && int64(n) <= room && rerr == nil {
		last, rerr = r.Read(buf[n:])
		n += last
	}
	m, err := h.Write(buf[:n])
	if errors.Is(err, ErrTooLarge) && last < n {
		// What r gave before the last time may fit.
		if before, werr := h.Write(buf[:n-last]); werr == nil {
			m = before
		}
	}
	if err == nil {
		err = rerr
	}
	return int64(m), err
}

// receive lets the kernel copy a piece of r, if r is a file and the contents are
// in one. It reports whether it did: if not, or if r ends with it, the caller
// reads on itself, and so finds out about an EOF and about MaxSize. The spool is
// locked meanwhile, which is why it is done in pieces, and for regular files only.
func (h *handle) receive(r io.Reader) (n int64, done bool, err error) {
	if !h.isSpilled() {
		return 0, false, nil
	}
	src, left := fileOf(r)
	if src == nil {
		return 0, false, nil
	}
	if err := h.begin("write"); err != nil {
		return 0, false, err
	}
	defer h.end()
	if !h.spilled || h.file.os == nil || !vfs.KernelCopies(h.file.os, src) || !h.file.offset.TryLock() {
		return 0, false, nil
	}
	d := h.file
	defer d.offset.Unlock()
	most := min(left, kernelPiece)
	if h.maxSize > 0 {
		most = min(most, h.maxSize-h.off)
	}
	if most <= 0 {
		return 0, false, nil
	}
	if err := d.flush(); err != nil {
		return 0, false, h.fail("write", err)
	}
	if _, err := d.os.Seek(h.off, io.SeekStart); err != nil {
		return 0, false, h.fail("write", err)
	}
	n, err = vfs.Copy(d.os, &io.LimitedReader{R: src, N: most})
	if err != nil {
		if at, serr := d.os.Seek(0, io.SeekCurrent); serr == nil {
			n = at - h.off // less than was read
		}
	}
	h.off += n
	d.size = max(d.size, h.off)
	if l, ok := r.(*io.LimitedReader); ok {
		l.N -= n
	}
	h.touch()
	if rerr := vfs.OfSource(src, err); rerr != nil {
		return n, false, rerr
	}
	if err != nil {
		return n, false, h.fail("write", err)
	}
	return n, n == most, nil
}

// fileOf returns the regular file that r reads, and at most how much of it; or
// nil. A pipe or a terminal is read without the spool being locked.
func fileOf(r io.Reader) (*os.File, int64) {
	left := int64(kernelPiece)
	if l, ok := r.(*io.LimitedReader); ok {
		r, left = l.R, min(left, l.N)
	}
	var f *os.File
	switch r := r.(type) { // by type: what embeds a file may count or change what it reads
	case *os.File:
		f = r
	case *tmpfs.File:
		f, _ = r.OSFile()
	}
	if f == nil {
		return nil, 0
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, 0
	}
	return f, left
}

// isSpilled reports whether the contents are on the disk side, now.
func (h *handle) isSpilled() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.spilled
}

// WriteTo writes what is left of the contents to w. If w fails, the offset is
// behind the last byte that it took.
func (h *handle) WriteTo(w io.Writer) (int64, error) {
	if err := h.begin("read"); err != nil {
		return 0, err
	}
	off, size := h.off, h.size()
	h.end()
	if to, ok := w.(io.ReaderFrom); ok {
		if n, sent, err := h.send(to, off); sent {
			return n, h.moveTo(off+n, err)
		}
	}
	n, err := copyTo(w, size-off, h.Read)
	return n, h.moveTo(off+n, err)
}

// moveTo sets the offset after a copy that returned err: behind what was taken,
// though more may have been read.
func (h *handle) moveTo(off int64, err error) error {
	if _, serr := h.Seek(off, io.SeekStart); err == nil {
		err = serr
	}
	return err
}

// WriteTo writes what is left of the contents to w. If w fails, the offset is
// behind the last byte that it took.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	if err := r.use("read"); err != nil {
		return 0, err
	}
	off, size := r.off, r.s.size()
	r.done()
	var n int64
	var err error
	sent := false
	if to, ok := w.(io.ReaderFrom); ok {
		n, sent, err = r.s.send(to, off)
	}
	if !sent {
		n, err = copyTo(w, size-off, r.Read)
	}
	if _, serr := r.Seek(off+n, io.SeekStart); err == nil {
		err = serr
	}
	return n, err
}

// copyTo writes to w what read reads, until EOF; left is about how much that
// is. Nothing is locked while w writes: it may be slow, and it may be this very
// spool. For that the bytes are copied, in pieces that stay in the cache: pages
// that were lent to w could be overwritten, or be somebody else's, meanwhile.
func copyTo(w io.Writer, left int64, read func([]byte) (int, error)) (total int64, err error) {
	pg := newPage(pieceFor(left))
	defer pg.free()
	for {
		n, err := read(pg.b)
		if err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
			return total, nil
		}
		if err != nil {
			return total, err
		}
		m, err := w.Write(pg.b[:n])
		if m < 0 || m > n {
			return total, errors.New("invalid write result")
		}
		total += int64(m)
		if m < n && err == nil {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
	}
}

// pieceFor returns the size of the page through which n bytes are copied: a power
// of two, as all that are used again.
func pieceFor(n int64) int64 {
	if n >= piece {
		return piece
	}
	return 1 << max(bits.Len64(uint64(max(n-1, 0))), minShift)
}

// send lets w read the disk file itself from off on, so that the kernel copies
// where w can have it do so. It reports false, with nothing sent, where there is
// no such file or its offset is in use: the kernel's copies know no other offset
// than the file's own. The caller holds no lock: w may be slow. What is written
// to the spool meanwhile may or may not be among it, as with a file.
func (s *store) send(w io.ReaderFrom, off int64) (n int64, sent bool, err error) {
	s.mu.Lock()
	d := s.file
	if !s.spilled || d.os == nil || d.shared || off >= d.size || !d.offset.TryLock() {
		s.mu.Unlock()
		return 0, false, nil
	}
	err = d.flush()
	left := d.size - off
	s.users++ // the file stays open, whoever closes the spool meanwhile
	s.mu.Unlock()
	if err == nil {
		_, err = d.os.Seek(off, io.SeekStart)
	}
	rest := &io.LimitedReader{R: d.os, N: left}
	to, isFile := w.(*os.File)
	switch {
	case err != nil:
		err = s.fail("read", err)
	case isFile:
		n, err = vfs.Copy(to, rest)
	default:
		n, err = w.ReadFrom(rest)
	}
	d.offset.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if lerr := s.leave(); err == nil && lerr != nil {
		err = s.fail("close", lerr)
	}
	return n, true, err
}
