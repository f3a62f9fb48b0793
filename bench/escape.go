package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// An attempt tries to reach what is outside of fsys by way of dir: ".." or a link.
type attempt struct {
	what string
	try  func(fsys afero.Fs, dir string) error
}

var attempts = []attempt{
	{"write", func(fsys afero.Fs, dir string) error {
		return atomicfs.WriteFile(fsys, dir+"/escaped.txt", []byte("out"), 0o644)
	}},
	{"overwrite", func(fsys afero.Fs, dir string) error {
		return atomicfs.WriteFile(fsys, dir+"/outside/"+victim, []byte("out"), 0o644)
	}},
	{"create a temporary", func(fsys afero.Fs, dir string) error {
		f, name, err := tmpfs.CreateTemp(fsys, dir, "escaped-*")
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), fsys.Remove(name))
	}},
	{"create a directory", func(fsys afero.Fs, dir string) error {
		name, err := tmpfs.MkdirTemp(fsys, dir, "escaped-*")
		if err != nil {
			return err
		}
		return fsys.Remove(name)
	}},
	{"rename to", func(fsys afero.Fs, dir string) error {
		return tmpfs.WithFile(fsys, nil, func(f *tmpfs.File) error { return f.Keep(dir + "/escaped.txt") })
	}},
	{"commit to", func(fsys afero.Fs, dir string) error {
		f := spool.New(fsys, nil)
		defer f.Close()
		return f.Commit(fsys, dir+"/escaped.txt", nil)
	}},
	{"remove", func(fsys afero.Fs, dir string) error {
		return tmpfs.RemoveAll(fsys, dir+"/outside")
	}},
}

// A jail is a file system that may not be left, and what is just outside of it.
type jail struct {
	name    string
	fsys    afero.Fs
	around  afero.Fs // reaches what is outside, nil if nothing is
	outside string   // a directory on around, beside the jail, with the victim in it

	disk, diskOutside string // the jail and outside on the operating system, "" in memory
}

func (d *demo) escape(_ context.Context, s *section) error {
	base := jail{"the base path", d.base, d.around, d.outside, d.disk, d.outside}
	if err := base.attack(s); err != nil {
		return err
	}
	return workdir.With(d.fsys, nil, func(w *workdir.Dir) error {
		if _, err := w.Join("../escaped.txt"); err == nil {
			return errors.New("a Join let a name leave the work directory")
		}
		if _, err := w.WriteFile("../escaped.txt", nil); err == nil {
			return errors.New("a WriteFile let a name leave the work directory")
		}
		outside := filepath.Join(filepath.Dir(w.Path()), "outside")
		if err := plantVictim(d.fsys, outside); err != nil {
			return err
		}
		job := jail{"a work directory", w, d.fsys, outside, d.diskPath(w.Path()), d.diskPath(outside)}
		if err := job.attack(s); err != nil {
			return err
		}
		return tmpfs.RemoveAll(d.fsys, outside)
	})
}

// attack makes every attempt on the jail. All must be refused, and what is
// outside must be as it was.
func (j jail) attack(s *section) error {
	ways := append([]string{".."}, j.plantLinks()...)
	for _, way := range ways {
		for _, a := range attempts {
			err := a.try(j.fsys, way)
			if err == nil {
				return fmt.Errorf("from %s, by %s: %s was not refused", j.name, way, a.what)
			}
			s.detail("%s: %s by %s: %v", j.name, a.what, way, err)
		}
	}
	for _, link := range ways[1:] {
		if err := os.Remove(filepath.Join(j.disk, link)); err != nil {
			return err
		}
	}
	if err := j.untouched(); err != nil {
		return fmt.Errorf("from %s: %w", j.name, err)
	}
	s.say("from %s, by \"..\" and by links where there are any: refused", j.name)
	return nil
}

// plantLinks makes links in the jail to where its neighbour stands. It makes none
// in memory, nor where the operating system refuses to.
func (j jail) plantLinks() (links []string) {
	if j.disk == "" {
		return nil
	}
	for _, link := range []struct{ name, target string }{
		{"absolute-link", filepath.Dir(j.diskOutside)},
		{"relative-link", ".."},
	} {
		if os.Symlink(link.target, filepath.Join(j.disk, link.name)) == nil {
			links = append(links, link.name)
		}
	}
	return links
}

// untouched returns an error if the victim is not as it was, or if there is
// something new beside it or beside the jail.
func (j jail) untouched() error {
	if j.around == nil {
		return nil
	}
	if err := holds(j.around, filepath.Join(j.outside, victim), victimText); err != nil {
		return err
	}
	for _, dir := range []string{j.outside, filepath.Dir(j.outside)} {
		entries, err := afero.ReadDir(j.around, dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if dir == j.outside && e.Name() != victim || strings.HasPrefix(e.Name(), "escaped") {
				return fmt.Errorf("%s got out", filepath.Join(dir, e.Name()))
			}
		}
	}
	return nil
}
