package spool

import (
	"io"
	"io/fs"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// place decides where bytes from off to end go, and makes room for them there:
// it is what spills. It asks how large the contents would be, not how much memory
// they would take, so that the threshold is exact; only the budget counts pages.
// The error is ErrTooLarge, a *SpillError, or what Options.Memory said. If it
// fails, nothing has changed.
func (s *store) place(off, end int64) error {
	size := max(s.size(), end)
	switch {
	case s.maxSize > 0 && end > s.maxSize:
		return ErrTooLarge
	case s.spilled:
		return nil
	case size > s.pages.limit:
		return s.spill()
	case s.memory != nil:
		return s.placeInFile(size)
	case off < end && !s.pages.reserve(off, end):
		return s.spill()
	}
	return nil
}

// placeInFile is place where Options.Memory is the memory side: what counts is
// the size that the contents will have. The file is made with the first byte,
// because New does no I/O. That the memory side refuses it is an error, and no
// reason to spill: the user chose that side.
func (s *store) placeInFile(size int64) error {
	grow := max(size-s.pages.held, 0)
	if !s.pages.budget.take(grow) {
		return s.spill()
	}
	s.pages.held += grow
	if s.file == nil && size > 0 {
		f, err := openDisk(s.memory, &tmpfs.Options{})
		if err != nil {
			s.settle()
			return err
		}
		s.file = f
	}
	return nil
}

// settle makes what is counted in the budget what Options.Memory holds, after a
// write that may have failed or a Truncate that gave back. Pages count themselves.
func (s *store) settle() {
	if s.spilled || s.memory == nil {
		return
	}
	s.pages.budget.give(s.pages.held - s.size())
	s.pages.held = s.size()
}

// spill moves the contents to the disk side, if they are not there. The switch is
// the last step, and memory is released only after it: until then a failure
// leaves all as it was, and nothing on the disk. The error is a *SpillError.
func (s *store) spill() error {
	if s.spilled {
		return nil
	}
	to, err := openDisk(s.disk, &s.temp)
	if err != nil {
		return &SpillError{err}
	}
	if err := s.copyTo(to.via); err != nil {
		err = &fs.PathError{Op: "write", Path: s.where(to), Err: vfs.Reason(err)}
		_ = to.close() // nothing is lost with it
		return &SpillError{err}
	}
	from := s.file
	to.size = s.size()
	s.file, s.spilled, s.name = to, true, to.file.Name()
	s.pages.release()
	if from != nil {
		_ = from.close() // its contents are safe, and it was only memory
	}
	return nil
}

// where returns the path of f, or the directory that it is in if it has no name:
// what an administrator looks at when the disk is full.
func (s *store) where(f *diskFile) string {
	if name := f.file.Name(); name != "" {
		return name
	}
	if s.temp.Dir != "" {
		return s.temp.Dir
	}
	dir, _ := tmpfs.TempDir(s.disk) // it was there a moment ago
	return dir
}

// copyTo writes the contents to w, which is empty: the disk side of a spill, or
// the file of a commit. It writes page by page, so that it takes no memory, and
// where there is a hole it leaves one. A write that is short is an error even if
// w says nothing.
func (s *store) copyTo(w interface {
	io.WriterAt
	Truncate(size int64) error
}) error {
	var end int64
	put := func(p []byte, off int64) error {
		n, err := w.WriteAt(p, off)
		if n < len(p) && err == nil {
			err = io.ErrShortWrite
		}
		end = off + int64(n)
		return err
	}
	each := s.pages.each
	if s.file != nil {
		each = s.file.each
	}
	err := each(put)
	if size := s.size(); err == nil && end < size {
		err = w.Truncate(size)
	}
	return err
}
