package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/atomicfs"
)

// copies copy a file within one volume, through a base path, without a wait for
// the disk.
func copies(at *site, size int) ([]way, error) {
	from, err := at.file(at.dir, "from", size)
	if err != nil {
		return nil, err
	}
	base := afero.NewBasePathFs(osFs, at.dir)
	return append([]way{
		{impl: "atomicfs", ready: fresh(at.path("to")), do: func() error { return copyWhole(base, "/from", base, "/to") }},
	}, rawCopy(from, at.path("to"), fresh(at.path("to")))...), nil
}

// crossings copy a file to another volume.
func crossings(at *site, size int) ([]way, error) {
	from, err := at.file(at.other, "from", size)
	if err != nil {
		return nil, err
	}
	to := at.path("to")
	return []way{
		{impl: "atomicfs", ready: fresh(to), do: func() error { return copyWhole(osFs, from, osFs, to) }},
		{impl: "pieces of 1 MiB", ready: fresh(to), do: func() error { return copyBy(from, to, inPieces) }},
	}, nil
}

// copyBy copies a file by all, which copies what is in it.
func copyBy(from, to string, all func(src, dst *os.File) error) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	if err := all(src, dst); err != nil {
		return err
	}
	return dst.Close()
}

func inPieces(src, dst *os.File) error {
	buf := make([]byte, 1<<20)
	for {
		n, err := src.Read(buf)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// copyWhole copies a file as a program does with atomicfs.
func copyWhole(fromFs afero.Fs, from string, toFs afero.Fs, to string) error {
	src, err := fromFs.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := atomicfs.Create(toFs, to, &atomicfs.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer dst.Close()
	if _, err := dst.ReadFrom(src); err != nil {
		return err
	}
	return dst.Commit()
}

// fresh returns what removes a file, so that the next of that name is a new one,
// and what nobody wrote out is nobody's work.
func fresh(name string) func() error {
	return func() error {
		err := os.Remove(filepath.Clean(name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
}
