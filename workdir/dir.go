package workdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// A Dir is a job's directory, and the Fs rooted in it.
//
// Names are slash-rooted there: "a", "/a" and "./a" are one file. A name that
// would leave the directory, by ".." or by a link, is refused with an error that
// matches fs.ErrInvalid.
type Dir struct {
	*tmpfs.Dir
	fsys afero.Fs // that it was made on

	mu    sync.Mutex
	lease *lease // nil if there is none, or none any more
	done  bool   // it is gone, or the user's
}

func newDir(fsys afero.Fs, d *tmpfs.Dir, l *lease) *Dir { return &Dir{Dir: d, fsys: fsys, lease: l} }

// Close removes the directory, everything in it and then its lease; after Keep it
// does nothing. After a failure it may be tried again, and a Sweep after the end
// of this process does so too. A second Close returns nil.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.Dir.Close(); err != nil {
		return err
	}
	return d.release()
}

// Keep renames the directory to name, which must not exist, and removes its
// lease. Keep(d.Path()) keeps it where it is. If Keep fails, the directory is
// still temporary, unless the error is about the lease or atomicfs.ErrNotDurable.
func (d *Dir) Keep(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.Dir.Keep(name); err != nil {
		return err
	}
	return d.handOver()
}

// handOver drops the lease of a directory that is the user's now.
func (d *Dir) handOver() error {
	l := d.lease
	if err := d.release(); err != nil {
		if _, there := l.v.Lstat(l.dir); errors.Is(there, fs.ErrNotExist) {
			return nil // a lease of nothing, which Close tries to remove again, and a Sweep after it
		}
		return err
	}
	if l == nil || d.Dir.Path() != l.dir {
		return nil
	}
	// A lease that came back with the power would have the user's directory swept.
	if err := l.v.SyncDir(filepath.Dir(l.path)); err != nil {
		return &fs.PathError{Op: "keep", Path: l.dir, Err: fmt.Errorf("%w: %w", atomicfs.ErrNotDurable, vfs.Reason(err))}
	}
	return nil
}

// release drops the lease of a directory that needs none any more.
func (d *Dir) release() error {
	d.done = true
	if d.lease == nil {
		return nil
	}
	if err := d.lease.drop(); err != nil {
		return err
	}
	d.lease = nil
	return nil
}

// settled reports whether the directory is gone, or the user's.
func (d *Dir) settled() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

// Renew makes the directory young again, for a Sweep by another process on an Fs
// that has no locks. Elsewhere it is not needed and does no harm.
func (d *Dir) Renew() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lease == nil {
		return nil
	}
	now := time.Now()
	if err := d.lease.v.Fs().Chtimes(d.lease.path, now, now); err != nil {
		return &fs.PathError{Op: "renew", Path: d.Dir.Path(), Err: vfs.Reason(err)}
	}
	return nil
}

// Join returns the path of name on the Fs that d was made on, or an error if
// name would leave d.
//
// name need not exist. A link on the way to it, or in its place, that leads out
// of d is refused as well; what becomes a link later is not known here, but
// every call on d itself refuses to follow it.
func (d *Dir) Join(name string) (string, error) {
	_, full, err := d.locate("join", name)
	return full, err
}

// at returns name slash-rooted, or an error if it climbs out of d.
func (d *Dir) at(op, name string) (string, error) {
	clean, err := vfs.On(d.Fs).Clean(op, name)
	if err != nil {
		return "", err
	}
	return filepath.Join(string(filepath.Separator), clean), nil
}

// locate returns what name is in d, and its path on the Fs that d was made on.
func (d *Dir) locate(op, name string) (clean, full string, err error) {
	if clean, err = d.at(op, name); err != nil {
		return "", "", err
	}
	// Only what the Fs beneath follows by itself can lead out, and it says so.
	if _, err := vfs.On(d.Fs).Stat(clean); err != nil && errors.Is(err, fs.ErrInvalid) {
		return "", "", &fs.PathError{Op: op, Path: name, Err: vfs.Reason(err)}
	}
	return clean, filepath.Join(d.Path(), clean), nil
}

// Subdir makes the directory name, and its parents, in d and returns its path
// on the Fs that d was made on. Their mode is 0755 before the umask; one that
// exists is no error.
func (d *Dir) Subdir(name string) (string, error) {
	clean, full, err := d.locate("mkdir", name)
	if err != nil {
		return "", err
	}
	if _, err := vfs.On(d.Fs).MkdirAll(clean, 0o755); err != nil {
		return "", &fs.PathError{Op: "mkdir", Path: name, Err: vfs.Reason(err)}
	}
	return full, nil
}

// WriteFile writes data to name in d, makes its parents, and returns its path
// on the Fs that d was made on. Nil data makes an empty file. (Python recipe:
// WorkDir.file)
//
// It writes as os.WriteFile does, with mode 0644 before the umask: not
// atomically and not durably, because until Commit nobody but the job looks.
func (d *Dir) WriteFile(name string, data []byte) (string, error) {
	// For reading too: CacheOnReadFs reads what it has written.
	const flag = os.O_RDWR | os.O_CREATE | os.O_TRUNC
	f, err := d.Fs.OpenFile(name, flag, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.Fs.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return "", err
		}
		f, err = d.Fs.OpenFile(name, flag, 0o644)
	}
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", err
	}
	return filepath.Join(d.Path(), name), nil
}

// CopyFS copies src into d, as os.CopyFS does: files get mode 0666 and the
// permissions of the source, directories 0777, both before the umask; links are
// copied as they are, also those that will lead nowhere; nothing is overwritten,
// the error is then fs.ErrExist. Another kind of file is fs.ErrInvalid, and a
// link errors.ErrUnsupported where d has none. What was copied before an error
// stays.
func (d *Dir) CopyFS(src fs.FS) error {
	v := vfs.On(d.Fs)
	return fs.WalkDir(src, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(string(filepath.Separator), filepath.FromSlash(name))
		switch e.Type() {
		case fs.ModeDir:
			_, err := v.MkdirAll(to, 0o777)
			return err
		case fs.ModeSymlink:
			return d.copyLink(src, name, to)
		case 0:
			return copyFile(v, src, name, to)
		}
		return &fs.PathError{Op: "copyfs", Path: name, Err: fs.ErrInvalid}
	})
}

// copyLink makes the link that name is in src.
func (d *Dir) copyLink(src fs.FS, name, to string) error {
	target, err := fs.ReadLink(src, name)
	if err != nil {
		return err
	}
	err = d.SymlinkIfPossible(filepath.FromSlash(target), to)
	if errors.Is(err, afero.ErrNoSymlink) {
		err = &fs.PathError{Op: "symlink", Path: to, Err: errors.ErrUnsupported}
	}
	return err
}

// copyFile copies the file name of src. It overwrites nothing.
func copyFile(v vfs.FS, src fs.FS, name, to string) error {
	r, err := src.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // only read
	info, err := r.Stat()
	if err != nil {
		return err
	}
	w, err := v.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666|info.Mode()&0o777)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}

// IOFS returns d as an io/fs.FS. It follows no link out of d.
func (d *Dir) IOFS() fs.FS { return &ioFS{vfs.On(d.Fs)} }

// envDir is where a child process finds its temporary directory, below d.
const envDir = string(filepath.Separator) + ".tmp"

// Env returns env with TMPDIR, TEMP and TMP set to a directory in d, for a
// child process. What env says of them is taken out; the rest is in its order.
// As for exec.Cmd, a nil env means that of this process.
//
// The directory is ".tmp" in d and has mode 0700. The error is
// errors.ErrUnsupported where d is not on the operating system: a child could
// not see it.
func (d *Dir) Env(env []string) ([]string, error) {
	// By the path of now: the Fs itself knows the one by which it was made.
	real, ok := vfs.On(d.fsys).RealPath(filepath.Join(d.Path(), envDir))
	if !ok {
		return nil, &fs.PathError{Op: "env", Path: d.Path(), Err: errors.ErrUnsupported}
	}
	if _, err := vfs.On(d.Fs).MkdirAll(envDir, 0o700); err != nil {
		return nil, err
	}
	if env == nil {
		env = os.Environ()
	}
	names := []string{"TMPDIR", "TEMP", "TMP"}
	kept := make([]string, 0, len(env)+len(names))
	for _, e := range env {
		if name, _, _ := strings.Cut(e, "="); !isOneOf(names, name) {
			kept = append(kept, e)
		}
	}
	for _, name := range names {
		kept = append(kept, name+"="+real)
	}
	return kept, nil
}

// foldsEnv is whether the case of a variable's name says nothing. It is a variable for
// the tests of both.
var foldsEnv = runtime.GOOS == "windows"

// isOneOf reports whether name is among names, as the environment has it: on
// Windows, whatever its case.
func isOneOf(names []string, name string) bool {
	for _, n := range names {
		if name == n || foldsEnv && strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}
