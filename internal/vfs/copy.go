package vfs

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"syscall"
)

// A readerFrom is an *os.File or a *rootfs.File.
type readerFrom interface {
	io.Writer
	io.ReaderFrom
}

// Copy is dst.ReadFrom(src) for a file dst of the operating system, with a count and
// an end that can be relied on. n is how much of src has been read; unless writing
// failed, all of it is written.
//
// What package os has the kernel copy before that gives up, and it goes on by itself,
// is missing from its count: some file systems say EIO of what can be read and
// written. And it takes a copy of nothing for the end, which it is not where a file
// holds more than its size says.
func Copy(dst readerFrom, src io.Reader) (n int64, err error) {
	l, ok := src.(*io.LimitedReader) // which is counted down whoever copies
	if !ok {
		l = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	limit := l.N
	_, err = dst.ReadFrom(l)
	if err == nil && l.N > 0 && isRegular(l.R) {
		var one [1]byte
		var got int
		if got, err = l.Read(one[:]); err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
			err = nil
		}
		if got > 0 {
			if _, err = dst.Write(one[:]); err == nil {
				_, err = io.Copy(onlyWriter{dst}, l)
			}
		}
	}
	return limit - l.N, err
}

// OfSource returns why src cannot be read, if that is why a copy of it failed with err;
// else nil.
func OfSource(src *os.File, err error) error {
	if err == nil {
		return nil
	}
	if e := (*fs.PathError)(nil); errors.As(err, &e) && e.Op == "read" && e.Path == src.Name() {
		return err
	}
	// The kernel does not tell of which of the two its error is. One of the source is
	// there still. Its offset stays: the caller may go on from it.
	at, rerr := src.Seek(0, io.SeekCurrent)
	if rerr == nil {
		_, rerr = src.ReadAt(make([]byte, 1), at)
	}
	if rerr == io.EOF { //nolint:errorlint // io.EOF is never wrapped
		return nil
	}
	return rerr
}

// isRegular reports whether r is a regular file of the operating system: what the
// kernel copies, and what may be asked again where it ended.
func isRegular(r io.Reader) bool {
	f, ok := r.(interface {
		syscall.Conn
		Stat() (fs.FileInfo, error)
	})
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}
