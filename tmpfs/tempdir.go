package tmpfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/internal/vfs"
)

// TempDir returns the directory in which temporaries are made when Options.Dir
// is "". (Python: gettempdir)
//
// On the operating system it is the first usable one of $TMPDIR, $TEMP, $TMP,
// os.TempDir, /tmp, /var/tmp, /usr/tmp; the error names each candidate and why
// it was refused. On every other Fs it is the directory given by WithTempDir,
// else "/tmp" inside that Fs, made with mode 0700 when it is missing.
//
// Usable is a directory in which a file can be made, written and removed, and in
// which others cannot remove it: one that everybody may write to and that has
// no sticky bit is passed over. TempDir looks for itself each time. What makes a
// temporary takes the last answer again until the environment or the directory
// changes, or making one fails.
func TempDir(fsys afero.Fs) (string, error) { return tempDir(fsys, false) }

// tempDir is TempDir, which may go by an earlier answer if again is set.
func tempDir(fsys afero.Fs, again bool) (string, error) {
	v := vfs.On(fsys)
	dir, chosen := chosenDir(fsys)
	if !chosen && v.IsOS() {
		return systemTempDir(v, again)
	}
	dir, err := absolute("tempdir", v, dir)
	if err != nil {
		return "", err
	}
	if info, err := v.Stat(dir); err == nil && info.IsDir() {
		return dir, nil
	}
	if v.InMemory() {
		dir = filepath.Join(separator, dir) // nobody has made it as a relative one
	}
	if _, err := v.MkdirAll(dir, 0o700); err != nil {
		return "", &fs.PathError{Op: "tempdir", Path: dir, Err: vfs.Reason(err)}
	}
	return dir, nil
}

// WithTempDir returns fsys with dir as its temporary directory. (Python:
// tempfile.tempdir = dir, without the global)
//
// It is made with mode 0700 when it is missing, once it is needed. A dir of ""
// asks for the default again.
func WithTempDir(fsys afero.Fs, dir string) afero.Fs {
	if dir != "" && vfs.On(fsys).IsOS() {
		// Now, so that a later chdir changes nothing.
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
	}
	return &tempDirFs{Fs: fsys, dir: dir}
}

// tempDirFs is an Fs that knows where its temporaries go, and is otherwise the
// Fs beneath.
type tempDirFs struct {
	afero.Fs
	dir string
}

func (t *tempDirFs) Beneath(vfs.Sealed) afero.Fs { return t.Fs }

func (t *tempDirFs) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	if l, ok := t.Fs.(afero.Lstater); ok {
		return l.LstatIfPossible(name)
	}
	info, err := t.Stat(name)
	return info, false, err
}

func (t *tempDirFs) SymlinkIfPossible(oldname, newname string) error {
	if l, ok := t.Fs.(afero.Linker); ok {
		return l.SymlinkIfPossible(oldname, newname)
	}
	return &os.LinkError{Op: "symlink", Old: oldname, New: newname, Err: afero.ErrNoSymlink}
}

func (t *tempDirFs) ReadlinkIfPossible(name string) (string, error) {
	if l, ok := t.Fs.(afero.LinkReader); ok {
		return l.ReadlinkIfPossible(name)
	}
	return "", &fs.PathError{Op: "readlink", Path: name, Err: afero.ErrNoReadlink}
}

// chosenDir returns the directory that WithTempDir has given to fsys, or to what
// it adds to, else the default of an Fs that is not the operating system.
func chosenDir(fsys afero.Fs) (dir string, chosen bool) {
	for {
		if t, ok := fsys.(*tempDirFs); ok {
			if t.dir == "" {
				break
			}
			return t.dir, true
		}
		v, ok := fsys.(vfs.Veneer)
		if !ok {
			break
		}
		fsys = v.Beneath(vfs.Sealed{})
	}
	return separator + "tmp", false
}

// candidates are the directories that may be the system's temporary one, as
// CPython has them, less the working directory.
func candidates() []string {
	var dirs []string
	for _, name := range []string{"TMPDIR", "TEMP", "TMP"} {
		if dir := os.Getenv(name); dir != "" {
			dirs = append(dirs, dir)
		}
	}
	dirs = append(dirs, os.TempDir())
	return append(dirs, systemDirs...)
}

// A usable is a directory that systemTempDir has found to be usable, and the
// candidates of which it was the first.
type usable struct {
	from string
	dir  string
	info fs.FileInfo
}

// probed is what was found last. It is used again as long as it is the same
// directory with the same mode, and nothing has failed in any.
var probed atomic.Pointer[usable]

// systemTempDir returns the first usable candidate. If again is set, one that was
// found to be usable before may be it.
func systemTempDir(v vfs.FS, again bool) (string, error) {
	dirs := candidates()
	from := strings.Join(dirs, "\x00")
	if u := probed.Load(); again && u != nil && u.from == from {
		if info, err := os.Stat(u.dir); err == nil && os.SameFile(info, u.info) && info.Mode() == u.info.Mode() {
			return u.dir, nil
		}
	}
	var refused noTempDir
	for i, dir := range dirs {
		if slices.Contains(dirs[:i], dir) {
			continue
		}
		abs, err := filepath.Abs(dir)
		if err == nil {
			err = probe(v, abs)
		}
		if err != nil {
			refused = append(refused, &fs.PathError{Op: "tempdir", Path: dir, Err: vfs.Reason(err)})
			continue
		}
		if info, err := os.Stat(abs); err == nil && filepath.IsAbs(dir) {
			probed.Store(&usable{from, abs, info})
		}
		return abs, nil
	}
	return "", refused
}

// probe reports why temporaries cannot be made in dir. It leaves nothing behind.
func probe(v vfs.FS, dir string) error {
	info, err := v.Stat(dir)
	if err != nil {
		return err
	}
	if open := info.Mode(); sticky && open&0o002 != 0 && open&fs.ModeSticky == 0 {
		return errNotSticky
	}
	h, name, err := create(v, Options{Dir: dir, Pattern: defaultPattern, Perm: 0o600})
	if err != nil {
		return err
	}
	_, err = h.Write([]byte("probe"))
	if cerr := h.Close(); err == nil {
		err = cerr
	}
	if rerr := v.Remove(name); err == nil {
		err = rerr
	}
	return err
}

const errNotSticky = refusal("writable by everybody and not sticky: others could remove or replace files in it")

// A noTempDir says of each candidate why it is not usable.
type noTempDir []error

func (e noTempDir) Error() string {
	return "no usable temporary directory:\n" + errors.Join(e...).Error()
}

// Unwrap returns fs.ErrNotExist too, which CPython's error is.
func (e noTempDir) Unwrap() []error { return append([]error{fs.ErrNotExist}, e...) }
