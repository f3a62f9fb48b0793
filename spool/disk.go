package spool

import (
	"io"
	"os"
	"sync"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/tmpfs"
)

const (
	straight    = 64 << 10 // writes from this size on are not gathered
	gatherLeast = 4 << 10  // the sizes of the page that gathers
	gatherMost  = maxPage
)

// A diskFile is a temporary file that holds contents, with small writes gathered
// in front of it: a call of the system costs as much as the copying of some 4 KiB.
// What is gathered is part of the contents for all who ask this type, and for
// others once it has been flushed.
//
// Its methods expect the lock of the store to be held, for writing unless they
// say otherwise.
type diskFile struct {
	file *tmpfs.File
	via  afero.File // file, or the os.File under it: what is read and written
	os   *os.File   // nil where there is none
	size int64      // of the contents, gathered ones included

	// second is what Readers go on reading when a commit has closed file.
	second afero.File

	gathered *page // nil while there is nothing in it
	from, to int64 // the offsets that it holds
	next     int   // how large the next one is, once one has been full

	// shared is set once OSFile has given os away: others read, write and seek it
	// from then on, so nothing is gathered, and size and offset are asked for.
	shared bool

	// offset is held by who uses the offset of os: the kernel's copies, which know
	// no other. It is not the store's lock, because one may last as long as a
	// client is slow.
	offset sync.Mutex
}

// openDisk makes an empty file on fsys, without a name where that can be.
func openDisk(fsys afero.Fs, opts *tmpfs.Options) (*diskFile, error) {
	f, err := tmpfs.CreateAnonymous(fsys, opts)
	if err != nil {
		return nil, err
	}
	return onDisk(f), nil
}

// onDisk returns the file f as the disk side. Its size is the caller's to set.
func onDisk(f *tmpfs.File) *diskFile {
	d := &diskFile{file: f, via: f}
	if g, ok := f.OSFile(); ok {
		d.os, d.via = g, g
	}
	return d
}

// length returns the size of the contents: what is kept here, or what the system
// says where others write too. It needs the lock for reading only.
func (d *diskFile) length() int64 {
	if d.shared {
		if info, err := d.os.Stat(); err == nil {
			return info.Size()
		}
	}
	return d.size
}

// readAt reads what is at off, all of it below length: from the page that
// gathers, from the file, or from both. To flush first would be shorter, but then
// a disk that is full could not be read, and readers would wait for one another.
// It needs the lock for reading only.
func (d *diskFile) readAt(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	over := d.gathered != nil && off < d.to && d.from < end
	if over && d.from <= off && end <= d.to {
		return copy(p, d.gathered.b[off-d.from:]), nil
	}
	n, err := d.via.ReadAt(p, off)
	if d.gathered != nil && err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
		clear(p[n:]) // a hole: the file does not reach to the gathered bytes yet
		n, err = len(p), nil
	}
	if over && err == nil {
		at := max(off, d.from)
		copy(p[at-off:], d.gathered.b[at-d.from:d.to-d.from])
	}
	return n, err
}

// writeAt stores p at off, or as much of it as it says. What it does not gather
// goes to the file after what it overlaps, which would else overwrite it later.
func (d *diskFile) writeAt(p []byte, off int64) (n int, err error) {
	if len(p) >= straight || d.shared {
		if d.gathered != nil && off < d.to && d.from < off+int64(len(p)) {
			if err := d.flush(); err != nil {
				return 0, err
			}
		}
		return d.write(p, off)
	}
	for n < len(p) {
		m, err := d.gather(p[n:], off+int64(n))
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// gather takes as much of p as there is room for in the page, which takes only
// what adjoins or overwrites what it has. Else that is written first, and if that
// fails nothing of p is taken. Each page that has been filled makes the next one
// larger, so that thousands of files with little in them hold little.
func (d *diskFile) gather(p []byte, off int64) (int, error) {
	if d.gathered != nil && (off < d.from || off > d.to || off == d.end()) {
		if off == d.end() {
			d.next = min(2*len(d.gathered.b), gatherMost)
		}
		if err := d.flush(); err != nil {
			return 0, err
		}
	}
	if d.gathered == nil {
		d.gathered = newPage(int64(max(d.next, gatherLeast)))
		d.from, d.to = off, off
	}
	n := copy(d.gathered.b[off-d.from:d.end()-d.from], p)
	d.to = max(d.to, off+int64(n))
	d.size = max(d.size, d.to)
	return n, nil
}

// end returns where the page ends: where one would that is aligned to its size,
// as the kernel's are.
func (d *diskFile) end() int64 {
	n := int64(len(d.gathered.b))
	return d.from/n*n + n
}

// flush writes what is gathered. What could not be written stays, and is read
// from there as before, until another flush succeeds or the file is closed.
func (d *diskFile) flush() error {
	if d.gathered == nil {
		return nil
	}
	n, err := d.write(d.gathered.b[:d.to-d.from], d.from)
	copy(d.gathered.b, d.gathered.b[n:d.to-d.from])
	d.from += int64(n)
	if d.from == d.to {
		d.discard()
	}
	return err
}

// discard forgets what is gathered, and gives its page back: one is held only
// while there is something in it.
func (d *diskFile) discard() {
	if d.gathered != nil {
		d.gathered.free()
		d.gathered = nil
	}
}

// write writes p to the file itself, and returns how much of it is there.
func (d *diskFile) write(p []byte, off int64) (int, error) {
	n, err := d.via.WriteAt(p, off)
	if n < len(p) && err == nil {
		err = io.ErrShortWrite
	}
	if err != nil && n == 0 {
		n = d.stored(p, off)
	}
	d.size = max(d.size, off+int64(n))
	return n, err
}

// stored returns how much of p a write that failed has left at off. An os.File's
// WriteAt says 0 whatever it wrote before the disk was full; what is past size
// then would show in a later hole.
func (d *diskFile) stored(p []byte, off int64) (n int) {
	pg := newPage(piece)
	defer pg.free()
	for n < len(p) {
		m, err := d.via.ReadAt(pg.b[:min(piece, len(p)-n)], off+int64(n))
		same := 0
		for same < m && pg.b[same] == p[n+same] {
			same++
		}
		n += same
		if same < m || err != nil {
			break
		}
	}
	return n
}

// each calls fn with the contents, piece by piece and in order. Of a hole it
// makes zeros: not every Fs can be asked where one is.
func (d *diskFile) each(fn func(p []byte, off int64) error) error {
	pg := newPage(maxPage)
	defer pg.free()
	size := d.length()
	for off := int64(0); off < size; {
		p := pg.b[:min(maxPage, size-off)]
		n, err := d.readAt(p, off)
		if err != nil {
			return err
		}
		if err := fn(p[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

// truncate makes the contents n bytes. The file goes first: if it refuses, what is
// gathered is still whole.
func (d *diskFile) truncate(n int64) error {
	if err := d.via.Truncate(n); err != nil {
		return err
	}
	d.size = n
	if d.gathered != nil {
		if d.to = min(d.to, n); d.to <= d.from {
			d.discard()
		}
	}
	return nil
}

// close closes and removes the file, and forgets what is gathered. The error is
// that of the removal, and close may then be called again.
func (d *diskFile) close() error {
	d.discard()
	if d.second != nil {
		_ = d.second.Close() // only read
	}
	return d.file.Close()
}
