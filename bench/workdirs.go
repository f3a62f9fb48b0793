package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// jobs make a work directory, so many files in it, and remove all.
func jobs(dir string, files int) []way {
	content := []byte("some bytes of a job's own\n")
	names := make([]string, files)
	for i := range names {
		names[i] = fmt.Sprintf("file-%05d", i)
	}
	return []way{
		{impl: "workdir", do: func() error {
			return workdir.With(osFs, &workdir.Options{Temp: tmpfs.Options{Dir: dir}}, func(d *workdir.Dir) error {
				for _, name := range names {
					if _, err := d.WriteFile(name, content); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{impl: "os", do: func() error {
			work, err := os.MkdirTemp(dir, "work-*")
			if err != nil {
				return err
			}
			for _, name := range names {
				if err := os.WriteFile(filepath.Join(work, name), content, 0o600); err != nil {
					return err
				}
			}
			return os.RemoveAll(work)
		}},
	}
}

// sweeps sweep a directory of so many entries, of which ten are work directories
// whose owners are gone. readdir reads the names and does nothing.
func sweeps(dir string, entries int) ([]way, error) {
	return []way{
		{
			impl: "sweep",
			ready: func() error {
				for i := range 10 {
					if err := abandon(dir, i); err != nil {
						return err
					}
				}
				return nil
			},
			do: func() error {
				report, err := workdir.Sweep(context.Background(), osFs, &workdir.SweepOptions{Dir: dir})
				if err == nil && len(report.Removed) != 10 {
					err = fmt.Errorf("%d directories were removed", len(report.Removed))
				}
				return err
			},
		},
		{impl: "readdir", do: func() error { return readNames(osFs, dir) }},
	}, crowd(dir, entries)
}

// abandon makes what the i-th killed owner leaves in dir.
func abandon(dir string, i int) error {
	name := "work-" + strings.Repeat(string(rune('a'+i)), 26)
	return errors.Join(
		os.Mkdir(filepath.Join(dir, name), 0o700),
		os.WriteFile(filepath.Join(dir, name, "file"), nil, 0o600),
		os.WriteFile(filepath.Join(dir, "."+name+".lease"), []byte(name), 0o600),
	)
}

func readNames(fsys afero.Fs, dir string) error {
	f, err := fsys.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if _, err := f.Readdirnames(1024); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// manyInMemory returns a MemMapFs with so many files in /dir. Each operation on a
// directory there looks at every file.
func manyInMemory(files int) (afero.Fs, error) {
	fsys := afero.NewMemMapFs()
	return fsys, fill(fsys, "/dir", files)
}

func fill(fsys afero.Fs, dir string, files int) error {
	for i := range files {
		f, err := fsys.Create(fmt.Sprintf("%s/entry-%06d", dir, i))
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// memorySweeps sweep a directory in memory, beside the reading of its names.
func memorySweeps(files int) ([]way, error) {
	fsys, err := manyInMemory(files)
	return []way{
		{impl: "sweep", do: func() error {
			_, err := workdir.Sweep(context.Background(), fsys, &workdir.SweepOptions{Dir: "/dir"})
			return err
		}},
		{impl: "Readdirnames", do: func() error {
			f, err := fsys.Open("/dir")
			if err != nil {
				return err
			}
			if _, err := f.Readdirnames(-1); err != nil {
				return err
			}
			return f.Close()
		}},
	}, err
}

// memoryRenames give one of many files in memory another name.
func memoryRenames(files int) ([]way, error) {
	fsys, err := manyInMemory(files)
	var f *tmpfs.File
	var name string
	return []way{
		{
			impl:  "Keep",
			ready: func() (err error) { f, err = tmpfs.Create(fsys, &tmpfs.Options{Dir: "/dir"}); return err },
			do:    func() error { return f.Keep("/dir/ours") },
		},
		{
			impl: "Rename",
			ready: func() error {
				// As long as that of the other: MemMapFs joins the name anew for every file that it has.
				name = "/dir/tmp-" + rand.Text()
				return afero.WriteFile(fsys, name, nil, 0o600)
			},
			do: func() error { return fsys.Rename(name, "/dir/theirs") },
		},
	}, err
}

// memoryRemovals remove a directory of so many files in memory.
func memoryRemovals(files int) []way {
	fsys := afero.NewMemMapFs()
	full := func() error { return fill(fsys, "/dir", files) }
	return []way{
		{impl: "tmpfs.RemoveAll", ready: full, do: func() error { return tmpfs.RemoveAll(fsys, "/dir") }},
		{impl: "Fs.RemoveAll", ready: full, do: func() error { return fsys.RemoveAll("/dir") }},
	}
}
