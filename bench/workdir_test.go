package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// BenchmarkWorkdir makes a work directory, so many files in it, and removes all.
func BenchmarkWorkdir(b *testing.B) {
	content := []byte("some bytes of a job's own\n")
	for _, files := range []int{1, 100, 10_000} {
		for _, impl := range []struct {
			name string
			run  func(dir string, names []string) error
		}{
			{"os", func(dir string, names []string) error {
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
			{"workdir", func(dir string, names []string) error {
				return workdir.With(osFs, &workdir.Options{Temp: tmpfs.Options{Dir: dir}}, func(d *workdir.Dir) error {
					for _, name := range names {
						if _, err := d.WriteFile(name, content); err != nil {
							return err
						}
					}
					return nil
				})
			}},
		} {
			b.Run(fmt.Sprintf("files=%d/impl=%s", files, impl.name), func(b *testing.B) {
				dir := b.TempDir()
				names := make([]string, files)
				for i := range names {
					names[i] = fmt.Sprintf("file-%05d", i)
				}
				b.ReportAllocs()
				for b.Loop() {
					fails(b, impl.run(dir, names))
				}
			})
		}
	}
}

// BenchmarkSweep sweeps a directory of so many entries, of which ten are work
// directories whose owners are gone. readdir reads the names and does nothing.
func BenchmarkSweep(b *testing.B) {
	for _, entries := range []int{1_000, 100_000, 1_000_000} {
		if testing.Short() && entries > 1_000 {
			continue
		}
		dir := b.TempDir()
		crowd(b, dir, entries)
		b.Run(fmt.Sprintf("entries=%d/impl=readdir", entries), func(b *testing.B) {
			for b.Loop() {
				f, err := os.Open(dir)
				fails(b, err)
				for {
					if _, err := f.Readdirnames(1024); err != nil {
						break
					}
				}
				fails(b, f.Close())
			}
		})
		b.Run(fmt.Sprintf("entries=%d/impl=sweep", entries), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				for i := range 10 {
					abandon(b, dir, i)
				}
				b.StartTimer()
				report, err := workdir.Sweep(context.Background(), osFs, &workdir.SweepOptions{Dir: dir})
				fails(b, err)
				if len(report.Removed) != 10 {
					b.Fatalf("%d directories were removed", len(report.Removed))
				}
			}
		})
	}
}

// crowd makes so many entries in dir. They are hard links, which cost no inode
// each; a file has room for some ten thousand of them.
func crowd(b *testing.B, dir string, entries int) {
	var first string
	for i := range entries {
		name := filepath.Join(dir, fmt.Sprintf("entry-%07d", i))
		if i%10_000 == 0 {
			first = name
			fails(b, os.WriteFile(name, nil, 0o600))
		} else {
			fails(b, os.Link(first, name))
		}
	}
}

// abandon makes what the i-th killed owner leaves in dir.
func abandon(b *testing.B, dir string, i int) {
	name := "work-" + strings.Repeat(string(rune('a'+i)), 26)
	fails(b, os.Mkdir(filepath.Join(dir, name), 0o700))
	fails(b, os.WriteFile(filepath.Join(dir, name, "file"), nil, 0o600))
	fails(b, os.WriteFile(filepath.Join(dir, "."+name+".lease"), []byte(name), 0o600))
}

// BenchmarkSweepMemory sweeps 100,000 files in memory, where each operation on a
// directory looks at every file.
func BenchmarkSweepMemory(b *testing.B) {
	fsys := afero.NewMemMapFs()
	for i := range 100_000 {
		f, err := fsys.Create(fmt.Sprintf("/dir/entry-%06d", i))
		fails(b, err)
		fails(b, f.Close())
	}
	b.Run("impl=readdirnames", func(b *testing.B) {
		for b.Loop() {
			f, err := fsys.Open("/dir")
			fails(b, err)
			_, err = f.Readdirnames(-1)
			fails(b, err)
			fails(b, f.Close())
		}
	})
	b.Run("impl=sweep", func(b *testing.B) {
		for b.Loop() {
			_, err := workdir.Sweep(context.Background(), fsys, &workdir.SweepOptions{Dir: "/dir"})
			fails(b, err)
		}
	})
}
