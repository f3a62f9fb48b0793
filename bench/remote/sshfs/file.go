package sshfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/pkg/sftp"
	"github.com/spf13/afero"
)

// A file is an open file, or a directory that is read.
type file struct {
	*sftp.File
	fs     *Fs
	name   string
	list   []fs.FileInfo // what is left of a listing
	listed bool
}

// Create makes or truncates the file name and opens it for reading and writing.
func (f *Fs) Create(name string) (afero.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open opens name for reading.
func (f *Fs) Open(name string) (afero.File, error) { return f.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile is os.OpenFile.
func (f *Fs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	h, err := f.open(name, flag, perm)
	if err != nil {
		if failed(err) && flag&(os.O_WRONLY|os.O_RDWR) != 0 {
			if info, serr := f.client.Stat(wire(name)); serr == nil && info.IsDir() {
				err = syscall.EISDIR
			}
		}
		return nil, fail("open", name, err)
	}
	return &file{File: h, fs: f, name: name}, nil
}

// open opens a file so that it is known whether it is new: what exists keeps its mode.
func (f *Fs) open(name string, flag int, perm fs.FileMode) (*sftp.File, error) {
	if flag&os.O_CREATE == 0 {
		return f.client.OpenFile(wire(name), flag)
	}
	const tries = 8 // others may make and remove it meanwhile
	for n := 1; ; n++ {
		h, err := f.client.OpenFile(wire(name), flag|os.O_EXCL)
		if err == nil {
			return h, f.dress(h, name, perm)
		}
		if err = f.exists(name, err); !errors.Is(err, fs.ErrExist) || flag&os.O_EXCL != 0 {
			return nil, err
		}
		h, err = f.client.OpenFile(wire(name), flag&^os.O_CREATE)
		if !errors.Is(err, fs.ErrNotExist) || n == tries {
			return h, err
		}
	}
}

// dress gives a new file its mode, by its handle, or removes it.
func (f *Fs) dress(h *sftp.File, name string, perm fs.FileMode) error {
	const whole = 0o666 // what the server makes it with
	info, err := h.Stat()
	if err == nil && info.Mode().Perm() != less(perm, info, whole) {
		err = h.Chmod(less(perm, info, whole))
	}
	if err != nil {
		_ = h.Close()
		_ = f.client.Remove(wire(name)) // it is empty, and has just been made
	}
	return err
}

// Name returns the name that the file was opened by.
func (f *file) Name() string { return f.name }

// Sync makes what the file, or the directory, holds durable on the server.
func (f *file) Sync() error {
	err := f.fs.lacks(fsync)
	if err == nil {
		err = f.File.Sync()
	}
	return fail("sync", f.name, err)
}

func (f *file) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

// Readdir returns the next n entries of a directory, or all that are left. The first
// call reads all.
func (f *file) Readdir(n int) ([]fs.FileInfo, error) {
	if !f.listed {
		list, err := f.fs.client.ReadDir(wire(f.name))
		if err != nil {
			return nil, fail("readdir", f.name, err)
		}
		f.list, f.listed = list, true
	}
	if n <= 0 {
		n = len(f.list)
	} else if len(f.list) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(f.list))
	page := f.list[:n:n]
	f.list = f.list[n:]
	return page, nil
}

// Readdirnames is Readdir for names.
func (f *file) Readdirnames(n int) ([]string, error) {
	page, err := f.Readdir(n)
	names := make([]string, len(page))
	for i, info := range page {
		names[i] = info.Name()
	}
	return names, err
}
