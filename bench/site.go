package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/tmpfs"
)

var osFs = afero.NewOsFs()

// A site is where one row is measured: an empty directory, and what is to be let
// go of when it has been.
type site struct {
	dir   string
	other string // an empty directory on another volume, or ""
	small bool   // the work is to be small: it is tried, not measured

	closers []func() error
}

// newSite makes a site below dir and, unless it is "", below other.
func newSite(dir, other string) (s *site, err error) {
	s = &site{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	for _, place := range []struct {
		parent string
		made   *string
	}{{dir, &s.dir}, {other, &s.other}} {
		if place.parent == "" {
			continue
		}
		d, err := tmpfs.Mkdir(osFs, &tmpfs.Options{Dir: place.parent, Pattern: "tempkit-bench-*"})
		if err != nil {
			return s, err
		}
		s.later(d.Close)
		*place.made = d.Path()
	}
	return s, nil
}

// later has close called when the site closes, before those that were given earlier.
func (s *site) later(close func() error) { s.closers = append(s.closers, close) }

func (s *site) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// size returns n, or a small part of it at a small site, but no less than least.
func (s *site) size(n, least int) int {
	if s.small {
		n = max(n>>8, least)
	}
	return n
}

// path returns the path of name in the site's directory.
func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// file makes a file of n bytes that do not repeat, with all of it on the disk, and
// returns its path.
func (s *site) file(dir, name string, n int) (string, error) {
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := writePieces(f, madeBytes(min(n, 1<<20)), n); err != nil {
		return "", err
	}
	return path, errors.Join(f.Sync(), f.Close())
}
