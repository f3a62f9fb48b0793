// Package workdir gives a job a directory of its own, and clears up after the jobs
// that crashed.
//
//	err := workdir.With(fsys, nil, func(d *workdir.Dir) error {
//		if err := d.CopyFS(input); err != nil {
//			return err
//		}
//		...
//		return d.Commit("out/report.pdf", "/srv/reports/42.pdf")
//	})
//
// # Leases
//
// Beside each directory lies its lease, ".<name>.lease", which is written before
// the directory exists and removed after it is gone. [Sweep] removes directories
// whose lease has no owner any more, and nothing else: a directory without a
// lease is somebody's. Who is alive is known
//
//   - on the operating system by a lock (flock) on the lease, which goes with the
//     process, however that ends;
//   - in memory by this process, which is the only one that can own anything
//     there;
//   - elsewhere, and on file systems without locks, by age alone: see
//     SweepOptions.MinAge. A job that takes longer than that calls [Dir.Renew]
//     meanwhile, unless the sweeper is in its own process, which knows its own.
//
// # Life cycle
//
// [With] is the whole of it: the directory is gone when it returns. Without it,
// New, defer Close, and Commit or Keep for what is to stay. A nil *Options asks for
// the defaults, a nil *SweepOptions too. When New fails nothing is left; when
// Commit fails the name is in the directory as it was, and the destination has its
// old contents, unless the error is atomicfs.ErrNotDurable; when Close fails it may
// be called again, and the next Sweep removes what a process that ended has left.
//
// # Differences between systems
//
// In the order in which they are likely to bite:
//
//   - A path from Join, Subdir or WriteFile is one of the Fs that the directory was
//     made on: only on the operating system can a child process use it.
//   - On another Fs, and without locks, Sweep goes by age (SweepOptions.MinAge).
//   - Commit across volumes is a copy; see Commit.
//   - On Windows a directory in which a child process still has a file open cannot
//     be removed; the error names what is left.
package workdir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// Options adjusts a work directory. A nil *Options asks for the defaults.
type Options struct {
	Temp        tmpfs.Options // where it is and what it is called; the pattern defaults to "work-*"
	KeepOnError bool          // With keeps the directory when fn fails or panics, and its error says where
	NoLease     bool          // leave no lease beside the directory: Sweep will not know it
}

const defaultPattern = "work-*"

// New makes a work directory.
//
// When it returns an error, nothing is left of it. The caller must Close the
// Dir.
func New(fsys afero.Fs, opts *Options) (*Dir, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Temp.Pattern == "" {
		o.Temp.Pattern = defaultPattern
	}
	if o.NoLease {
		d, err := tmpfs.Mkdir(fsys, &o.Temp)
		if err != nil {
			return nil, err
		}
		return newDir(fsys, d, nil), nil
	}
	if !strings.Contains(o.Temp.Pattern, "*") {
		o.Temp.Pattern += "*" // as tmpfs has it, but before what makes it a lease
	}
	if o.Temp.Perm == 0 {
		o.Temp.Perm = 0o700
	}
	for range maxTries {
		d, err := makeLeased(fsys, o.Temp)
		if !errors.Is(err, fs.ErrExist) {
			if err != nil {
				err = &fs.PathError{Op: "mkdirtemp", Path: filepath.Join(o.Temp.Dir, o.Temp.Pattern), Err: vfs.Reason(err)}
			}
			return d, err
		}
	}
	return nil, &fs.PathError{Op: "mkdirtemp", Path: filepath.Join(o.Temp.Dir, o.Temp.Pattern), Err: fs.ErrExist}
}

// makeLeased makes a directory with a lease. The error is fs.ErrExist if
// somebody has taken the name of the directory since the lease told it.
func makeLeased(fsys afero.Fs, temp tmpfs.Options) (*Dir, error) {
	l, err := newLease(fsys, temp)
	if err != nil {
		return nil, err
	}
	if err := l.v.Mkdir(l.dir, temp.Perm); err != nil {
		if errors.Is(err, fs.ErrExist) { // it is somebody's
			return nil, errors.Join(err, l.drop())
		}
		_, there := l.v.Lstat(l.dir)
		return nil, errors.Join(err, l.undo(errors.Is(there, fs.ErrNotExist)))
	}
	d, err := tmpfs.AdoptDir(fsys, l.dir)
	if err != nil {
		rerr := gone(l.v.Remove(l.dir))
		return nil, errors.Join(err, rerr, l.undo(rerr == nil))
	}
	return newDir(fsys, d, l), nil
}

// With calls fn with a work directory that is gone when With returns, whether
// fn returns, panics or exits. (Python recipe: with WorkDir(...) as wd)
//
// The result joins fn's error and Close's. A panic of fn goes on with its own
// value. What fn has kept or committed stays. With Options.KeepOnError the
// directory stays too if fn fails, panics or exits, without a lease, so that no
// Sweep removes it; the error, which is still fn's to errors.Is, ends with its
// path.
func With(fsys afero.Fs, opts *Options, fn func(d *Dir) error) (err error) {
	d, err := New(fsys, opts)
	if err != nil {
		return err
	}
	returned := false
	// Deferred and without recover: a panic and a Goexit pass through as they are.
	defer func() {
		if opts != nil && opts.KeepOnError && (err != nil || !returned) {
			err = d.keepFailed(err)
		}
		if cerr := d.Close(); cerr != nil {
			err = errors.Join(err, cerr)
		}
	}()
	err = fn(d)
	returned = true
	return err
}

// keepFailed keeps the directory of a job that ended with err, which is nil if
// it panicked, unless it is the user's already.
func (d *Dir) keepFailed(err error) error {
	if d.settled() {
		return err
	}
	path := d.Path()
	if kerr := d.Keep(path); kerr != nil {
		return errors.Join(err, kerr)
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w (work directory kept: %s)", err, path)
}
