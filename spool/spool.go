// Package spool holds data in memory until there is too much of it, and then in a
// temporary file.
//
// A [File] is used as an *os.File is, from the first byte to the last, and does
// not say where it is unless it is asked. It moves to the disk side when a write
// or a Truncate would make it larger than Options.MaxMemory: exactly that many
// bytes stay in memory, one more does not. Reading, seeking and overwriting move
// nothing. A move that fails, because the disk is full, say, loses nothing: the
// contents and the offset are what they were, the error is a [*SpillError], and
// the same call may be made again.
//
//	f := spool.New(afero.NewOsFs(), nil)
//	defer f.Close()
//	if _, err := io.Copy(f, body); err != nil {
//		return err
//	}
//	return f.Commit(fsys, "upload.bin", nil)
//
// # Memory
//
// In memory the contents lie in pages from 512 bytes to 256 KiB that never move,
// so that growing copies nothing, and holes take none. A spool needs no more
// than MaxMemory, which is at most 1 TiB, and a hundredth of a percent of the
// offset of its last byte.
//
// # Disk
//
// On the disk side, writes of less than 64 KiB are gathered, at most 256 KiB of
// them, and every call sees them at once. So a full disk may show at a later
// Write, or at Sync, Spill, OSFile or Commit, each of which writes out what is
// gathered; what could not be written stays gathered and can be read, and the
// next such call tries again. Close discards it with the rest.
//
// The disk file has no name wherever the file system can do without, and then
// nothing is left of it even if the process is killed.
//
// # Life cycle
//
// New does no I/O. Fill it, use it, Commit it or not, and defer Close: that
// discards what has not been committed, a second one returns nil. Reset empties a
// spool for the next use. A nil *Options asks for 1 MiB in memory and no limit.
// The contents are lost by Close alone: after an error of any other call they, and
// the offset, are what the call has said.
//
// # Differences between systems
//
// In the order in which they are likely to bite:
//
//   - The disk side is in the temporary directory of the disk's Fs unless
//     Options.Temp says otherwise. Commit is a rename only if that is on the volume of
//     the destination, and a copy of all bytes otherwise.
//   - OSFile is errors.ErrUnsupported where the disk side is not the operating
//     system's.
//   - On Windows, and on an Fs that cannot unlink an open file, the disk file has a
//     name, and is left by a process that is killed.
//   - A disk side that is a MemMapFs is memory: nothing is saved by spilling.
//
// # Coming from Python
//
//	SpooledTemporaryFile(max_size)   New(disk, &Options{MaxMemory: max_size})
//	  max_size=0: never by itself    MaxMemory: math.MaxInt64
//	  dir, prefix, suffix            Options.Temp
//	rollover()                       File.Spill
//	_rolled                          File.Spilled
//	fileno()                         File.OSFile
//	name                             File.Name: "" in memory, and where the file has none
//	truncate()                       File.Truncate, which takes the size
//	with ... as f:                   defer f.Close()
package spool

import (
	"errors"
	"io"
	"iter"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/tmpfs"
)

// ErrTooLarge reports a write past Options.MaxSize.
var ErrTooLarge = errors.New("too large")

// A SpillError reports that the contents could not be moved to the disk side.
// They are still in memory.
type SpillError struct {
	Err error // of the disk side, with the path of the file or directory that it is about
}

// Error says what the disk side said, and of which path.
func (e *SpillError) Error() string { return "spill: " + e.Err.Error() }

// Unwrap returns the error of the disk side, such as one that is syscall.ENOSPC.
func (e *SpillError) Unwrap() error { return e.Err }

// Options adjusts a spool. A nil *Options asks for the defaults.
type Options struct {
	MaxMemory int64         // bytes held in memory; 0 means 1 MiB; less than 0 means none: the first byte spills
	MaxSize   int64         // bytes held at all, inclusive; 0 means no limit
	Memory    afero.Fs      // the memory side; nil means pages of the spool's own
	Temp      tmpfs.Options // the file on the disk side, once there is one
	Budget    *Budget       // memory shared with other spools
}

const (
	defaultMemory = 1 << 20
	// A seek to the last byte that memory may hold costs a table of pages; with
	// this limit it is of 32 MiB.
	mostMemory = 1 << 40
)

// New returns an empty spool that will spill to disk. It does no I/O. (Python:
// SpooledTemporaryFile)
func New(disk afero.Fs, opts *Options) *File {
	f := &File{}
	f.File = &f.h
	s := &f.h.store
	s.disk, s.users = disk, 1
	s.pages.limit = defaultMemory
	if opts == nil {
		return f
	}
	s.memory, s.maxSize, s.temp = opts.Memory, opts.MaxSize, opts.Temp
	s.pages.budget = opts.Budget
	switch m := opts.MaxMemory; {
	case m < 0:
		s.pages.limit = 0
	case m > 0:
		s.pages.limit = min(m, mostMemory)
	}
	return f
}

// FromReader returns a spool that holds the contents of r, at offset 0. If r
// fails, or the spool does, there is none and nothing is left.
func FromReader(disk afero.Fs, r io.Reader, opts *Options) (*File, error) {
	return filled(New(disk, opts), func(f *File) error {
		_, err := io.Copy(f, r)
		return err
	})
}

// FromChunks returns a spool that holds the chunks, at offset 0. An error among
// them ends it: it is returned, and nothing is left. (Python recipe:
// spool_and_process)
func FromChunks(disk afero.Fs, chunks iter.Seq2[[]byte, error], opts *Options) (*File, error) {
	return filled(New(disk, opts), func(f *File) error {
		for chunk, err := range chunks {
			if err != nil {
				return err
			}
			if _, err := f.Write(chunk); err != nil {
				return err
			}
		}
		return nil
	})
}

// FromFile returns a spool that holds the contents of f, on the disk side
// already, at offset 0. f is the spool's from then on: its Close closes f. When
// it returns an error, f is still the caller's.
func FromFile(f *tmpfs.File, opts *Options) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s := New(f.Fs(), opts)
	d := onDisk(f)
	d.size = info.Size()
	s.h.file, s.h.spilled, s.h.name = d, true, f.Name()
	return s, nil
}

// filled returns f, filled by fn and at offset 0, or closes it, also when fn
// panics.
func filled(f *File, fn func(*File) error) (_ *File, err error) {
	done := false
	defer func() {
		if done {
			return
		}
		if left := f.Close(); left != nil {
			err = errors.Join(err, left)
		}
	}()
	if err := fn(f); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	done = true
	return f, nil
}
