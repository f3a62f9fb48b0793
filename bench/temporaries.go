package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// named are the ways to a temporary with a name in dir, open, and gone again. raw
// are the three system calls alone, where there are such; os is what a program
// without this library does.
func named(dir string) []way {
	return append([]way{
		{impl: "tmpfs", do: func() error {
			f, err := tmpfs.Create(osFs, &tmpfs.Options{Dir: dir})
			if err != nil {
				return err
			}
			return f.Close()
		}},
		{impl: "os", do: func() error {
			f, err := os.CreateTemp(dir, "tmp-*")
			if err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
			return os.Remove(f.Name())
		}},
	}, rawNamed(dir)...)
}

// anonymous are the ways to a temporary without one.
func anonymous(dir string) []way {
	return append([]way{{impl: "tmpfs", do: func() error {
		f, err := tmpfs.CreateAnonymous(osFs, &tmpfs.Options{Dir: dir})
		if err != nil {
			return err
		}
		return f.Close()
	}}}, rawAnonymous(dir)...)
}

// inMemMapFs are temporaries on MemMapFs, beside what afero offers.
func inMemMapFs() ([]way, error) {
	fsys := afero.NewMemMapFs()
	return []way{
		{impl: "tmpfs", do: func() error {
			f, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: "/dir"})
			if err != nil {
				return err
			}
			return f.Close()
		}},
		{impl: "afero", do: func() error {
			f, err := afero.TempFile(fsys, "/dir", "tmp-*")
			if err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
			return fsys.Remove(f.Name())
		}},
	}, fsys.MkdirAll("/dir", 0o755)
}

// directories are the ways to a directory with so many files in it, made and removed.
func directories(dir string, files int) []way {
	return []way{
		{impl: "tmpfs", do: func() error {
			return tmpfs.WithDir(osFs, &tmpfs.Options{Dir: dir}, func(d *tmpfs.Dir) error {
				for i := range files {
					f, err := d.Create(fmt.Sprint("/", i))
					if err != nil {
						return err
					}
					if err := f.Close(); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{impl: "os", do: func() error {
			name, err := os.MkdirTemp(dir, "tmp-*")
			if err != nil {
				return err
			}
			for i := range files {
				if err := os.WriteFile(name+fmt.Sprint("/", i), nil, 0o600); err != nil {
					return err
				}
			}
			return os.RemoveAll(name)
		}},
	}
}

// readings open, read and close a file of 4 KiB that is one level deep.
func readings(at *site) ([]way, error) {
	root, err := rootfs.Open(at.dir)
	if err != nil {
		return nil, err
	}
	at.later(root.Close)
	if err := os.Mkdir(at.path("sub"), 0o700); err != nil {
		return nil, err
	}
	path, err := at.file(at.path("sub"), "file", 4<<10)
	if err != nil {
		return nil, err
	}
	read := func(impl string, fsys afero.Fs, name string) way {
		buf := make([]byte, 4<<10)
		return way{impl: impl, do: func() error {
			f, err := fsys.Open(name)
			if err != nil {
				return err
			}
			if _, err := io.ReadFull(f, buf); err != nil {
				return err
			}
			return f.Close()
		}}
	}
	return []way{
		read("rootfs", root, "/sub/file"),
		read("BasePathFs", afero.NewBasePathFs(osFs, at.dir), "/sub/file"),
		read("OsFs", osFs, path),
	}, nil
}

// crowd makes so many entries in dir. They are hard links, which cost no inode
// each; a file has room for some ten thousand of them.
func crowd(dir string, entries int) error {
	var first string
	for i := range entries {
		name := filepath.Join(dir, fmt.Sprintf("entry-%07d", i))
		if i%10_000 == 0 {
			first = name
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				return err
			}
		} else if err := os.Link(first, name); err != nil {
			return err
		}
	}
	return nil
}
