package main

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// The ways to hold n bytes in memory that come in pieces of at most 32 KiB.

func pieceOf(n int) []byte { return bytes.Repeat([]byte("abcdefgh"), min(n, 32<<10)/8) }

func spoolInMemory(n int) way {
	piece, disk := pieceOf(n), afero.NewMemMapFs()
	opts := &spool.Options{MaxMemory: max(int64(n), 1<<20)}
	return way{impl: "spool", do: func() error {
		f := spool.New(disk, opts)
		for off := 0; off < n; off += len(piece) { // as the others do it: a call more would show
			if _, err := f.Write(piece); err != nil {
				return err
			}
		}
		return f.Close()
	}}
}

// memcpy writes into memory that has been touched, which nothing that has to find
// memory can do.
func memcpy(n int) way {
	piece, touched := pieceOf(n), bytes.Repeat([]byte{1}, n)
	return way{impl: "memcpy", do: func() error {
		for off := 0; off < n; off += len(piece) {
			copy(touched[off:], piece)
		}
		return nil
	}}
}

// freshSlice is a slice that is known to be large enough.
func freshSlice(n int) way {
	piece := pieceOf(n)
	return way{impl: "fresh slice", do: func() error {
		s := make([]byte, n)
		for off := 0; off < n; off += len(piece) {
			copy(s[off:], piece)
		}
		runtime.KeepAlive(s)
		return nil
	}}
}

func bytesBuffer(n int) way {
	piece := pieceOf(n)
	return way{impl: "bytes.Buffer", do: func() error {
		var s bytes.Buffer
		for off := 0; off < n; off += len(piece) {
			s.Write(piece)
		}
		runtime.KeepAlive(&s)
		return nil
	}}
}

// cold returns ways with what was used before given back to the system each time, so
// that every page is found by a fault of its own. If it were only collected, a slice
// would take what the spool before it has made the system find, all in one go, and
// the spool, which takes it piece by piece, what the runtime's scavenger leaves it.
func cold(ways ...way) []way {
	for i := range ways {
		ways[i].ready = func() error {
			runtime.GC() // what a pool holds survives the first
			debug.FreeOSMemory()
			return nil
		}
	}
	return ways
}

// spilling are the ways to a file of n bytes on the disk that is gone in the end,
// of which threshold are in memory at first.
func spilling(dir string, n, threshold, pieceSize int) []way {
	piece := bytes.Repeat([]byte("abcdefgh"), pieceSize/8)
	return []way{
		{impl: "spool", do: func() error {
			f := spool.New(osFs, &spool.Options{MaxMemory: int64(threshold), Temp: tmpfs.Options{Dir: dir}})
			defer f.Close()
			if err := writePieces(f, piece, n); err != nil {
				return err
			}
			if n > threshold {
				if err := f.Spill(); err != nil { // all of it is with the system now, as with the bare file
					return err
				}
			}
			return f.Close()
		}},
		{impl: "os.File", do: func() error {
			f, err := os.CreateTemp(dir, "bare-*")
			if err != nil {
				return err
			}
			defer f.Close()
			if err := writePieces(f, piece, n); err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
			return os.Remove(f.Name())
		}},
	}
}

// commits are the ways to put n bytes that are on the disk side in their place.
func commits(at *site, n int) []way {
	piece := madeBytes(min(n, 1<<20))
	var f *spool.File
	var bare *os.File
	// The rename is to drop no old file of that size: how long that takes depends on what else the system does.
	fresh := func() error {
		err := os.Remove(at.path("dest"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	at.later(func() error {
		if f != nil {
			return f.Close()
		}
		return nil
	})
	return []way{
		{
			impl: "spool",
			ready: func() error {
				f = spool.New(osFs, &spool.Options{Temp: tmpfs.Options{Dir: at.dir}})
				return cmp.Or(fresh(), writePieces(f, piece, n))
			},
			do: func() error { return f.Commit(osFs, at.path("dest"), nil) },
		},
		{
			impl: "rename",
			ready: func() (err error) {
				if bare, err = os.CreateTemp(at.dir, "bare-*"); err != nil {
					return err
				}
				return cmp.Or(fresh(), writePieces(bare, piece, n))
			},
			do: func() error {
				if err := bare.Sync(); err != nil {
					return err
				}
				if err := bare.Close(); err != nil {
					return err
				}
				if err := os.Rename(bare.Name(), at.path("dest")); err != nil {
					return err
				}
				return syncDir(at.dir)
			},
		},
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return err
	}
	return d.Close()
}
