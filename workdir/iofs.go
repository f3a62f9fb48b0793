package workdir

import (
	"cmp"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/vfs"
)

// ioFS is a directory as io/fs has it: names are slash-separated and relative,
// "." is the directory itself, listings are sorted, and errors carry the name that
// the caller used. afero.NewIOFS knows no links, and shows what the Fs beneath
// gets wrong of directories.
type ioFS struct{ v vfs.FS }

var (
	_ fs.ReadDirFS  = (*ioFS)(nil)
	_ fs.ReadFileFS = (*ioFS)(nil)
	_ fs.ReadLinkFS = (*ioFS)(nil)
	_ fs.StatFS     = (*ioFS)(nil)
)

// rooted returns the name on the Fs of a name of io/fs, or an error for one that
// io/fs does not allow.
func rooted(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return filepath.Join(string(filepath.Separator), filepath.FromSlash(name)), nil
}

// fail returns err with the name that io/fs knows.
func fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: vfs.Reason(err)}
}

// Open implements fs.FS. What it returns is an fs.ReadDirFile too.
func (i *ioFS) Open(name string) (fs.File, error) {
	path, err := rooted("open", name)
	if err != nil {
		return nil, err
	}
	f, err := i.v.Open(path)
	if err != nil {
		return nil, fail("open", name, err)
	}
	return &ioFile{File: f}, nil
}

// ReadFile implements fs.ReadFileFS. An error of reading has the name of io/fs as
// well, which the handle does not know.
func (i *ioFS) ReadFile(name string) ([]byte, error) {
	f, err := i.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(f)
	return data, fail("read", name, err)
}

// ReadDir implements fs.ReadDirFS: sorted by name, whatever the Fs does, and with
// what could be read if there is an error.
func (i *ioFS) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := i.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	list, err := f.(*ioFile).ReadDir(-1)
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return list, fail("readdir", name, err)
}

// Stat implements fs.StatFS. Links are followed, as far as they stay inside.
func (i *ioFS) Stat(name string) (fs.FileInfo, error) {
	return i.describe("stat", name, i.v.Stat)
}

// Lstat implements fs.ReadLinkFS, and does not follow a link.
func (i *ioFS) Lstat(name string) (fs.FileInfo, error) {
	return i.describe("lstat", name, i.v.Lstat)
}

func (i *ioFS) describe(op, name string, look func(string) (fs.FileInfo, error)) (fs.FileInfo, error) {
	path, err := rooted(op, name)
	if err != nil {
		return nil, err
	}
	info, err := look(path)
	return info, fail(op, name, err)
}

// ReadLink implements fs.ReadLinkFS. The target is as it is stored, wherever it
// leads; only following it is refused.
func (i *ioFS) ReadLink(name string) (string, error) {
	path, err := rooted("readlink", name)
	if err != nil {
		return "", err
	}
	target, err := i.v.Readlink(path)
	return target, fail("readlink", name, err)
}

// ioFile is an open file or directory as io/fs has it.
type ioFile struct {
	afero.File
	entries []fs.DirEntry // what is left to be read of a directory
	listed  bool
}

// ReadDir implements fs.ReadDirFile. The names are read at once: an Fs may skip
// some of those that it is asked for later, or begin anew.
func (f *ioFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if g, ok := vfs.OSFile(f.File); ok {
		return g.ReadDir(n)
	}
	if !f.listed {
		infos, err := f.Readdir(-1)
		if err != nil {
			return nil, err
		}
		for _, info := range infos {
			f.entries = append(f.entries, fs.FileInfoToDirEntry(info))
		}
		f.listed = true
	}
	if n > 0 && len(f.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(f.entries) {
		n = len(f.entries)
	}
	list := f.entries[:n:n]
	f.entries = f.entries[n:]
	return list, nil
}
