package spool_test

import (
	"io/fs"
	"os"
	"sync"

	"github.com/spf13/afero"
)

// A sticky Fs does not remove a file that is open, as Windows does not, so that
// the disk file has a name; nor, if stiff is set, does it rename one.
type sticky struct {
	afero.Fs
	stiff bool

	mu   sync.Mutex
	open map[string]int
}

func newSticky(fsys afero.Fs, stiff bool) *sticky {
	return &sticky{Fs: fsys, stiff: stiff, open: map[string]int{}}
}

func (s *sticky) Create(name string) (afero.File, error) {
	f, err := s.Fs.Create(name)
	return s.opened(name, f, err)
}

func (s *sticky) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	f, err := s.Fs.OpenFile(name, flag, perm)
	return s.opened(name, f, err)
}

func (s *sticky) opened(name string, f afero.File, err error) (afero.File, error) {
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[name]++
	return &stickyFile{File: f, done: func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open[name]--
	}}, nil
}

func (s *sticky) refuse(op, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[name] > 0 {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrPermission}
	}
	return nil
}

func (s *sticky) Remove(name string) error {
	if err := s.refuse("remove", name); err != nil {
		return err
	}
	return s.Fs.Remove(name)
}

func (s *sticky) Rename(from, to string) error {
	if s.stiff {
		if err := s.refuse("rename", from); err != nil {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrPermission}
		}
	}
	return s.Fs.Rename(from, to)
}

type stickyFile struct {
	afero.File
	once sync.Once
	done func()
}

func (f *stickyFile) Close() error {
	f.once.Do(f.done)
	return f.File.Close()
}
