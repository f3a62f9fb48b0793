package workdir

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// SweepOptions adjusts a sweep. A nil *SweepOptions asks for the defaults.
type SweepOptions struct {
	Dir    string        // where to look; "" means tmpfs.TempDir(fsys)
	MinAge time.Duration // leave what is younger alone when its owner cannot be asked; 0 means 24 h
	DryRun bool          // remove nothing, and report what would be removed
}

const defaultMinAge = 24 * time.Hour

// A SweepReport says what a sweep found.
type SweepReport struct {
	Removed []string          // directories removed
	Kept    map[string]string // directories left alone, and why
}

// Sweep removes the work directories whose owners have died. It removes
// nothing that it cannot prove to be its own and abandoned.
//
// It looks at leases only, never into directories, reads the names in Dir as it
// goes, and acts on what belongs to its own user. Any number of sweeps and
// owners may be at work in one directory. What a sweep that was killed has left
// the next one finishes. Reported are directories that have, or seem to have, a
// lease, by their path on fsys.
//
// ctx stops it between two entries. The report is valid also with an error, which
// joins that of ctx and those of directories that could not be removed; these
// are among Kept.
func Sweep(ctx context.Context, fsys afero.Fs, opts *SweepOptions) (SweepReport, error) {
	var o SweepOptions
	if opts != nil {
		o = *opts
	}
	if o.MinAge == 0 {
		o.MinAge = defaultMinAge
	}
	s := &sweeper{v: vfs.On(fsys), SweepOptions: o, report: SweepReport{Kept: map[string]string{}}}
	var err error
	if s.Dir == "" {
		s.Dir, err = tmpfs.TempDir(fsys)
	} else {
		s.Dir, err = s.v.Clean("sweep", s.Dir)
	}
	if err != nil {
		return s.report, err
	}
	var errs []error
	for name, err := range s.v.Names(s.Dir) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			err = &fs.PathError{Op: "sweep", Path: s.Dir, Err: vfs.Reason(err)}
			return s.report, errors.Join(append(errs, err)...)
		}
		if dir, ok := leased(name); ok {
			if err := s.visit(dir); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return s.report, errors.Join(errs...)
}

// A sweeper sweeps one directory.
type sweeper struct {
	v vfs.FS
	SweepOptions
	report SweepReport
}

func (s *sweeper) path(name string) string { return filepath.Join(s.Dir, name) }

// visit looks at the lease of the directory name, does what is to be done, and
// reports it. It returns only what the caller of Sweep has to hear of as an error.
func (s *sweeper) visit(name string) error {
	c := &candidate{sweeper: s, name: name}
	defer c.close()
	removed, err := c.sweep()
	path := s.path(name)
	if removed {
		s.report.Removed = append(s.report.Removed, path)
	}
	var left leftAlone
	switch {
	case errors.As(err, &left):
		s.report.Kept[path] = string(left)
		return nil
	case errors.Is(err, errGone):
		return nil
	case err != nil && !removed:
		s.report.Kept[path] = "could not be removed: " + vfs.Reason(err).Error()
	}
	return err
}
