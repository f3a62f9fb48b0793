package spool

import (
	"io"
	"io/fs"
	"math"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// A store is the contents of a spool, wherever they are: in pages, in a file on
// the memory side that the user gave, or in a file on the disk side. It knows no
// offset: that is the handle's, and each Reader has its own.
//
// Its methods expect mu to be held by their caller, for writing unless they say
// otherwise. They call nobody who could call back: a reader that is read from and
// a writer that is written to are called without it.
type store struct {
	mu      sync.RWMutex
	pages   pages     // the memory side, unless memory is; and what either may take
	file    *diskFile // where the contents are, once they are not in pages
	disk    afero.Fs
	memory  afero.Fs // Options.Memory
	maxSize int64    // Options.MaxSize
	temp    tmpfs.Options
	name    string // path of the disk file, kept for Name after Close

	// touched is when the contents changed last, and modified the same once
	// somebody has asked: a clock is read with each write, and one is enough.
	touched  time.Duration // since started
	modified int64         // in Unix nanoseconds

	users   int32 // the spool until Close, and each open Reader
	spilled bool  // file is on the disk side
	closed  bool  // the spool is, if not its Readers
}

// started is where times are counted from: the difference of two readings of the
// monotonic clock is half as dear as a reading of the time of day.
var started = time.Now()

// touch notes that the contents change now.
func (s *store) touch() { s.touched = time.Since(started) }

// modTime returns when the contents changed last, or for those that never did
// when that was asked first.
func (s *store) modTime() time.Time {
	if s.touched != 0 || s.modified == 0 {
		now := time.Now()
		if s.touched != 0 {
			now = now.Add(s.touched - now.Sub(started))
		}
		s.touched, s.modified = 0, now.UnixNano()
	}
	return time.Unix(0, s.modified)
}

// size returns how many bytes the contents are, holes and what is gathered
// included. It needs mu for reading only.
func (s *store) size() int64 {
	if s.file == nil {
		return s.pages.size
	}
	return s.file.length()
}

// fail returns err as an error of op on the spool. It speaks of the spool, not
// of the layers below it, whose names for the file mean nothing to the caller.
func (s *store) fail(op string, err error) error {
	name := s.name
	if name == "" {
		name = "spool"
	}
	return &fs.PathError{Op: op, Path: name, Err: vfs.Reason(err)}
}

// readAt is io.ReaderAt for off >= 0. Whatever is below size is there to be
// read: holes are zeros, and what is gathered is as good as written. It needs mu
// for reading only.
func (s *store) readAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	left := s.size() - off
	if left <= 0 {
		return 0, io.EOF
	}
	short := int64(len(p)) > left
	if short {
		p = p[:left]
	}
	n := len(p)
	if s.file == nil {
		s.pages.read(p, off)
	} else {
		var err error
		if n, err = s.file.readAt(p, off); err != nil && err != io.EOF { //nolint:errorlint // io.EOF is never wrapped
			return n, s.fail("read", err)
		}
		short = short || n < len(p)
	}
	if short {
		return n, io.EOF
	}
	return n, nil
}

// writeAt is io.WriterAt for off >= 0. Where the bytes go is decided before any
// of them is stored; then memory takes all of them, and a file as many as it says.
func (s *store) writeAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if off > math.MaxInt64-int64(len(p)) {
		return 0, s.fail("write", syscall.EFBIG)
	}
	end := off + int64(len(p))
	if err := s.place(off, end); err != nil {
		return 0, s.explain("write", err)
	}
	s.touch()
	if s.file == nil {
		s.pages.write(p, off)
		return len(p), nil
	}
	n, err := s.file.writeAt(p, off)
	s.settle()
	if err != nil {
		return n, s.fail("write", err)
	}
	return n, nil
}

// truncate makes the contents n bytes. What grows in memory takes no pages.
func (s *store) truncate(n int64) error {
	if n < 0 {
		return s.fail("truncate", syscall.EINVAL)
	}
	if err := s.place(n, n); err != nil {
		return s.explain("truncate", err)
	}
	s.touch()
	if s.file == nil {
		s.pages.truncate(n)
		return nil
	}
	err := s.file.truncate(n)
	s.settle()
	if err != nil {
		return s.fail("truncate", err)
	}
	return nil
}

// explain is fail, but for a spill, which says itself what went wrong.
func (s *store) explain(op string, err error) error {
	if spill, ok := err.(*SpillError); ok { //nolint:errorlint // just made, and not wrapped
		return spill
	}
	return s.fail(op, err)
}

// drop empties the store, wherever its contents are. What it returns is why the
// disk file could not be removed, which drop may try again.
func (s *store) drop() error {
	s.pages.release()
	if s.file != nil {
		if err := s.file.close(); err != nil {
			return err
		}
	}
	s.file, s.spilled = nil, false
	return nil
}

// leave is what each of the users does once: the last one empties the store.
func (s *store) leave() error {
	if s.users--; s.users > 0 {
		return nil
	}
	return s.drop()
}
