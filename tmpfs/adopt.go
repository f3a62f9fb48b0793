package tmpfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/internal/vfs"
)

// Adopt makes the file name, which exists, a temporary one: Close removes it. It
// is open for reading and writing at offset 0, or for reading alone where the
// file may not be written to. Links and what else is no regular file are refused.
// When it returns an error, the file stays as it is. (Rust: TempPath::from_path)
func Adopt(fsys afero.Fs, name string) (*File, error) {
	v := vfs.On(fsys)
	clean, err := v.Clean("adopt", name)
	if err != nil {
		return nil, err
	}
	info, err := v.Lstat(clean)
	if err != nil {
		return nil, adoptError(clean, err)
	}
	if !info.Mode().IsRegular() {
		return nil, adoptError(clean, errIrregular)
	}
	h, err := v.OpenFile(clean, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		h, err = v.Open(clean)
	}
	if err != nil {
		return nil, adoptError(clean, err)
	}
	// A link that took its place meanwhile led to another file.
	if now, err := h.Stat(); v.OnDisk() && (err != nil || !os.SameFile(info, now)) {
		_ = h.Close()
		return nil, adoptError(clean, errIrregular)
	}
	return &File{File: h, h: h, fsys: fsys, v: v, name: clean}, nil
}

// AdoptDir makes the directory name, which exists, a temporary one: Close removes
// it and everything in it. A link is refused, and so is the root. When it returns
// an error, the directory stays as it is.
func AdoptDir(fsys afero.Fs, name string) (*Dir, error) {
	v := vfs.On(fsys)
	clean, err := v.Clean("adopt", name)
	if err != nil {
		return nil, err
	}
	if filepath.Dir(clean) == clean {
		return nil, adoptError(clean, errRoot)
	}
	if isTempDir(fsys, v, clean) {
		return nil, adoptError(clean, errTempDir)
	}
	info, err := v.Lstat(clean)
	if err != nil {
		return nil, adoptError(clean, err)
	}
	if !info.IsDir() {
		return nil, adoptError(clean, syscall.ENOTDIR)
	}
	sub, err := v.Sub(clean)
	if err != nil {
		return nil, adoptError(clean, err)
	}
	return &Dir{Fs: sub, v: v, sub: sub, path: clean}, nil
}

const (
	errIrregular = refusal("is not a regular file")
	errRoot      = refusal("is the root directory")
	errTempDir   = refusal("is the temporary directory")
)

func adoptError(name string, err error) error {
	return &fs.PathError{Op: "adopt", Path: name, Err: vfs.Reason(err)}
}
