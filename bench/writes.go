package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/atomicfs"
)

// smallFile is what a small file holds.
var smallFile = madeBytes(4 << 10)

// A writing puts contents in a place, there after a power cut.
type writing struct {
	impl string
	put  func(name string, data []byte) error
}

// writings are the ways to do that. The last is the system calls alone, where there
// are such.
var writings = append([]writing{
	{"atomicfs", func(name string, data []byte) error {
		return atomicfs.WriteFile(osFs, name, data, 0o644)
	}},
	{"os", func(name string, data []byte) error { // not atomic, and no more durable than its directory
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		if _, err := f.Write(data); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		return f.Close()
	}},
}, rawWritings...)

// durable are the ways to write one small file: a new one each time, or the same
// one over and over.
func durable(dir string, replace bool) (ways []way) {
	n := 0
	for i, w := range writings {
		ways = append(ways, way{impl: w.impl, do: func() error {
			if replace {
				return w.put(filepath.Join(dir, fmt.Sprint("file", i)), smallFile)
			}
			n++
			return w.put(filepath.Join(dir, fmt.Sprint("new", n)), smallFile)
		}})
	}
	return ways
}

// batches are the ways to write so many small files, new ones each time: as a batch
// with those options, and one by one with each writing. ready comes before each time.
func batches(dir string, files int, opts *atomicfs.Options, ready func() error) []way {
	n := 0
	var names []string
	prepare := func() error {
		if len(names) > 0 {
			if err := os.RemoveAll(filepath.Dir(names[0])); err != nil {
				return err
			}
		}
		n++
		sub := filepath.Join(dir, fmt.Sprint("batch", n))
		names = names[:0]
		for i := range files {
			names = append(names, filepath.Join(sub, fmt.Sprint(i)))
		}
		if err := os.Mkdir(sub, 0o755); err != nil {
			return err
		}
		return ready()
	}
	ways := []way{{impl: "batch", ready: prepare, do: func() error { return batch(osFs, names, smallFile, opts) }}}
	for _, w := range writings {
		ways = append(ways, way{impl: w.impl, ready: prepare, do: func() error {
			for _, name := range names {
				if err := w.put(name, smallFile); err != nil {
					return err
				}
			}
			return nil
		}})
	}
	return ways
}

func batch(fsys afero.Fs, names []string, data []byte, opts *atomicfs.Options) error {
	b := atomicfs.NewBatch(fsys, opts)
	defer b.Close()
	for _, name := range names {
		if err := b.WriteFile(name, data, 0o644); err != nil {
			return err
		}
	}
	return b.Commit()
}

// dirty returns what makes so many bytes of a file of somebody else's be in memory
// and not on the disk.
func dirty(at *site, n int) func() error {
	piece := madeBytes(min(n, 1<<20))
	return func() error {
		f, err := os.Create(at.path("somebody's"))
		if err != nil {
			return err
		}
		defer f.Close()
		if err := writePieces(f, piece, n); err != nil {
			return err
		}
		return f.Close()
	}
}

// onMemory are the ways to replace a file on MemMapFs, whole.
func onMemory() ([]way, error) {
	fsys := afero.NewMemMapFs()
	return []way{
		{impl: "atomicfs", do: func() error {
			f, err := atomicfs.Create(fsys, "/dir/file", &atomicfs.Options{NoSync: true})
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := f.Write(smallFile); err != nil {
				return err
			}
			return f.Commit()
		}},
		{impl: "afero", do: func() error {
			if err := afero.WriteFile(fsys, "/dir/other.tmp", smallFile, 0o644); err != nil {
				return err
			}
			return fsys.Rename("/dir/other.tmp", "/dir/other")
		}},
	}, fsys.MkdirAll("/dir", 0o755)
}

// streamed are the ways to write one large file from a reader, durably.
func streamed(at *site, size int) []way {
	content := madeBytes(size)
	open := func() io.Reader { return onlyReader{bytes.NewReader(content)} }
	return append([]way{{impl: "WriteReader", do: func() error {
		_, err := atomicfs.WriteReader(osFs, at.path("ours"), open(), 0o644)
		return err
	}}}, rawStreamed(at.path("theirs"), open)...)
}

// onlyReader hides what else a reader could do.
type onlyReader struct{ io.Reader }
