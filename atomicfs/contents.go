package atomicfs

import (
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// contents is the handle of a File: that of the temporary, under the name of the
// target. It remembers the first write that failed.
type contents struct {
	p *pending
	h *vfs.File

	mu   sync.Mutex // over the life cycle and what follows, not over reading and writing
	done bool       // Commit or Close has been called
	gone bool       // there is no temporary any more
	err  error      // of the first write or sync that failed
	idle int64      // bytes written since the disk was last told to begin
}

// fail returns err under the name of the target. A read's io.EOF stays as it is.
// nil stays nil.
func (c *contents) fail(op string, err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
		return err
	}
	return fail(op, c.p.name, err)
}

// wrote notes what came of a write of n bytes. It returns the error under the
// name of the target. What fails after Commit or Close has been called is no
// failure of the file.
func (c *contents) wrote(op string, n int64, err error) error {
	err = c.fail(op, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		if c.err == nil && !c.done {
			c.err = err
		}
		return err
	}
	if c.idle += n; c.idle >= writeOut {
		c.idle = 0
		// Not once it is done: the handle is closed then, or about to be.
		if g, ok := c.h.OSFile(); ok && !c.p.o.NoSync && !c.done {
			vfs.StartWriteOut(g)
		}
	}
	return nil
}

// writeOut is how many bytes are written before the disk is told to begin with
// them, so that the sync at the end has less to wait for.
const writeOut = 8 << 20

// Name is that of the target, as the caller wrote it.
func (c *contents) Name() string { return c.p.name }

func (c *contents) Read(p []byte) (int, error) {
	n, err := c.h.Read(p)
	return n, c.fail("read", err)
}

func (c *contents) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.h.ReadAt(p, off)
	return n, c.fail("read", err)
}

func (c *contents) Seek(offset int64, whence int) (int64, error) {
	pos, err := c.h.Seek(offset, whence)
	return pos, c.fail("seek", err)
}

// Write, WriteString and WriteAt go to the temporary. The first that fails
// decides the fate of the file, whatever is written afterwards.
func (c *contents) Write(p []byte) (int, error) {
	n, err := c.h.Write(p)
	return n, c.wrote("write", int64(n), err)
}

func (c *contents) WriteString(s string) (int, error) {
	n, err := c.h.WriteString(s)
	return n, c.wrote("write", int64(n), err)
}

func (c *contents) WriteAt(p []byte, off int64) (int, error) {
	n, err := c.h.WriteAt(p, off)
	return n, c.wrote("write", int64(n), err)
}

// Truncate counts as a write: one that failed makes Commit fail.
func (c *contents) Truncate(size int64) error {
	return c.wrote("truncate", 0, c.h.Truncate(size))
}

// Sync waits until what was written is on the disk, still under the temporary
// name. One that failed makes Commit fail: the system may have dropped the pages,
// and would say nil next time.
func (c *contents) Sync() error { return c.wrote("sync", 0, c.h.Sync()) }

// What a reader gives is written in pieces. Most are done with the first, for which
// memory need not be found that a large file has a use for.
const (
	firstPiece = 32 << 10
	piece      = 1 << 20
)

// The buffers of ReadFrom are used again by a program that writes many files.
var (
	firstPieces = sync.Pool{New: func() any { return new([firstPiece]byte) }}
	pieces      = sync.Pool{New: func() any { return new([piece]byte) }}
)

// ReadFrom implements io.ReaderFrom. It returns how many bytes were written.
func (c *contents) ReadFrom(r io.Reader) (n int64, err error) {
	if g := osFile(r); g != nil {
		if to, ok := c.h.OSFile(); ok && vfs.KernelCopies(to, g) {
			return c.copyFrom(r, g)
		}
	}
	first := firstPieces.Get().(*[firstPiece]byte)
	n, err = c.writeFrom(r, first[:], 1)
	firstPieces.Put(first)
	if err == nil {
		buf := pieces.Get().(*[piece]byte)
		defer pieces.Put(buf)
		var more int64
		// Up to a multiple of the piece, and whole ones from there: where the system caches
		// in large pages, a write that begins within one is cut up.
		more, err = c.writeFrom(r, buf[firstPiece:], 1)
		n += more
		if err == nil {
			more, err = c.writeFrom(r, buf[:], math.MaxInt)
			n += more
		}
	}
	if err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
		err = nil
	}
	return n, err
}

// writeFrom writes at most so many pieces of r, each as long as buf but for the
// last. It returns io.EOF, or what else ended it before that.
func (c *contents) writeFrom(r io.Reader, buf []byte, times int) (n int64, err error) {
	for ; times > 0 && err == nil; times-- {
		var got int
		got, err = fill(r, buf)
		if got == 0 {
			continue
		}
		put, werr := c.Write(buf[:got])
		n += int64(put)
		if werr != nil {
			return n, werr
		}
	}
	return n, err
}

// fill reads until p is full, because some readers give a few bytes at a time.
// Unlike io.ReadFull it returns the error of r as it is: an r that was cut short
// says io.ErrUnexpectedEOF. It returns how many were read, also with an error.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// osFile returns the file of the operating system that r reads from, which the
// kernel can copy, or nil. What reads ahead, such as a bufio.Reader, is none:
// what it holds would be missed.
func osFile(r io.Reader) *os.File {
	if l, ok := r.(*io.LimitedReader); ok {
		r = l.R
	}
	if f, ok := r.(*tmpfs.File); ok {
		g, _ := f.OSFile()
		return g
	}
	g, _ := vfs.Stream(r)
	return g
}

// copyFrom copies g, as far as r goes, in steps between which the disk is told to
// begin, or in one where the disk is not waited for. n is what was written.
func (c *contents) copyFrom(r io.Reader, g *os.File) (n int64, err error) {
	limit, limited := r.(*io.LimitedReader)
	for {
		step := int64(writeOut)
		if c.p.o.NoSync {
			step = math.MaxInt64
		}
		if limited {
			step = min(step, limit.N)
		}
		m, err := c.h.ReadFrom(&io.LimitedReader{R: g, N: step})
		n += m
		// Counted down as io.LimitedReader does it itself: the caller may look at
		// what is left of r.
		if limited {
			limit.N -= m
		}
		if rerr := vfs.OfSource(g, err); rerr != nil {
			return n, rerr // and no failure of the file
		}
		if err := c.wrote("write", m, err); err != nil || m < step || step == 0 {
			return n, err
		}
	}
}

// Stat describes the file as it will be.
func (c *contents) Stat() (fs.FileInfo, error) {
	info, err := c.h.Stat()
	if err != nil {
		return nil, c.fail("stat", err)
	}
	// The mode is given to the temporary when it is put in place; until then it
	// may have less.
	will := willBe{info, filepath.Base(c.p.name), info.Mode()}
	if c.p.keepsMode() {
		will.mode = c.p.old.Mode().Perm()
	}
	return will, nil
}

// A willBe is the FileInfo of the temporary, with the name and the mode of the
// target.
type willBe struct {
	fs.FileInfo
	name string
	mode fs.FileMode
}

func (w willBe) Name() string      { return w.name }
func (w willBe) Mode() fs.FileMode { return w.mode }

// Readdir and Readdirnames fail: a temporary is no directory.
func (c *contents) Readdir(n int) ([]fs.FileInfo, error) {
	list, err := c.h.Readdir(n)
	return list, c.fail("readdir", err)
}

func (c *contents) Readdirnames(n int) ([]string, error) {
	names, err := c.h.Readdirnames(n)
	return names, c.fail("readdir", err)
}
