package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/afero"
)

// A File is an [os.File] that goes by its name in the Fs. Its errors do too: only
// those that name another file, such as the reader of ReadFrom, are left alone.
//
// The embedded file is the handle itself, for what the operating system offers
// beyond afero.File; its Name is the path that the root had when it was opened.
type File struct {
	*os.File
	name string
}

var (
	_ afero.File     = (*File)(nil)
	_ fs.ReadDirFile = (*File)(nil)
	_ io.ReaderFrom  = (*File)(nil)
	_ io.WriterTo    = (*File)(nil)
)

// Name returns the cleaned name of the file, with a leading slash.
func (f *File) Name() string { return f.name }

// own puts the file's name in place of the real one.
func (f *File) own(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) && e.Path == f.File.Name() {
		return &fs.PathError{Op: e.Op, Path: f.name, Err: e.Err}
	}
	return err
}

// ownDir is own for the calls that read a directory, whose errors may name its
// entries by their real paths.
func (f *File) ownDir(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return &fs.PathError{Op: e.Op, Path: f.name, Err: e.Err}
	}
	return err
}

// Read implements io.Reader.
func (f *File) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	return n, f.own(err)
}

// ReadAt implements io.ReaderAt. It is safe beside other calls, and moves no offset.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	return n, f.own(err)
}

// ReadFrom implements io.ReaderFrom, within the kernel where it can. An error of
// the reader stays as it is.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	n, err := f.File.ReadFrom(r)
	return n, f.own(err)
}

// Write implements io.Writer.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.own(err)
}

// WriteAt implements io.WriterAt. A file that was opened to be appended to refuses
// it, as an os.File does.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	return n, f.own(err)
}

// WriteString implements io.StringWriter.
func (f *File) WriteString(s string) (int, error) {
	n, err := f.File.WriteString(s)
	return n, f.own(err)
}

// WriteTo implements io.WriterTo, within the kernel where it can. An error of the
// writer stays as it is.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	n, err := f.File.WriteTo(w)
	return n, f.own(err)
}

// Seek implements io.Seeker.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	n, err := f.File.Seek(offset, whence)
	return n, f.own(err)
}

// ReadDir implements fs.ReadDirFile: n entries that are left, in no order, or all if
// n is 0 or less.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	list, err := f.File.ReadDir(n)
	return list, f.ownDir(err)
}

// Readdir is ReadDir with what Lstat says of each entry.
func (f *File) Readdir(n int) ([]fs.FileInfo, error) {
	list, err := f.File.Readdir(n)
	return list, f.ownDir(err)
}

// Readdirnames is ReadDir with the names alone.
func (f *File) Readdirnames(n int) ([]string, error) {
	list, err := f.File.Readdirnames(n)
	return list, f.ownDir(err)
}

// Stat describes the file as it is, also after it was renamed or removed.
func (f *File) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return info, f.own(err)
}

// Chdir makes the directory f the current one of the whole process.
func (f *File) Chdir() error { return f.own(f.File.Chdir()) }

// Chmod changes the mode of the file itself, whatever has its name by now.
func (f *File) Chmod(mode fs.FileMode) error { return f.own(f.File.Chmod(mode)) }

// Chown changes the owner and group of the file itself; -1 leaves one as it is.
func (f *File) Chown(uid, gid int) error { return f.own(f.File.Chown(uid, gid)) }

// Close closes the handle. A second Close is fs.ErrClosed, as with an os.File.
func (f *File) Close() error { return f.own(f.File.Close()) }

// Sync waits until the contents are on the disk. The name is not: that is the
// directory's Sync.
func (f *File) Sync() error { return f.own(f.File.Sync()) }

// Truncate changes the size of the file. What it grows by reads as zeros.
func (f *File) Truncate(size int64) error { return f.own(f.File.Truncate(size)) }
