//go:build linux

package powercut_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tempkit/tempkit/internal/powercut"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// A job works in a directory of its own and puts what comes of it in place: a
// file, a tree and, if it has a self, the directory itself.
type job struct {
	report  file
	results tree
	self    *tree
	version int
	dies    bool // without closing its directory
}

func workdirScenarios() []powercut.Scenario {
	const versions, mode = 2, 0o644
	var things []thing
	var jobs []job
	for v := 1; v <= versions; v++ {
		for i := range 4 {
			j := job{
				report:  file{name: fmt.Sprint("report-", i), size: sizes[2+i], last: versions, mode: mode},
				results: tree{name: fmt.Sprintf("results/%d", i), last: versions},
				version: v, dies: i == 3,
			}
			if i%2 == 0 {
				j.self = &tree{name: fmt.Sprint("self-", i), last: versions}
			}
			jobs = append(jobs, j)
			if v > 1 {
				continue
			}
			things = append(things, j.report, j.results)
			if j.self != nil {
				things = append(things, *j.self)
			}
		}
	}
	return []powercut.Scenario{{
		Name: "workdir, lease and Sweep",
		Setup: func(dir string) error { // jobs that have died
			for range 2 {
				d, err := newWorkdir(dir)
				if err != nil {
					return err
				}
				if err := (tree{}).write(d.Path(), 0); err != nil {
					return err
				}
			}
			return nil
		},
		Work: func(dir string, promise promise) error {
			for _, j := range jobs {
				if err := j.do(dir, promise); err != nil {
					return err
				}
				if _, err := workdir.Sweep(context.Background(), osFs, &workdir.SweepOptions{Dir: dir, MinAge: time.Nanosecond}); err != nil {
					return err
				}
			}
			return nil
		},
		Verify: verify(things, 2*(len(jobs)+2)),
	}, {
		Name:   "workdir, kept in place",
		Work:   keep,
		Verify: verifyKept,
	}}
}

// A kept file is one in a work directory that is kept where it is.
const keptName = "kept"

// keep keeps work directories in place, and then syncs what is in them, as their
// new owner does. No sweep may take that for a dead job's.
func keep(dir string, promise promise) error {
	for range 6 {
		d, err := newWorkdir(dir)
		if err != nil {
			return err
		}
		name := filepath.Join(filepath.Base(d.Path()), keptName)
		f := keptFile(name)
		if _, err := d.WriteFile(keptName, f.version(1)); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
		if err := d.Keep(d.Path()); err != nil {
			return err
		}
		w, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(w.Sync(), w.Close()); err != nil {
			return err
		}
		promise(name, 1)
	}
	return nil
}

func keptFile(name string) file { return file{name: name, size: 5000, last: 1, mode: 0o644} }

// verifyKept sweeps first: what has been promised is there all the same, and no
// lease of a directory that is nobody's any more.
func verifyKept(dir string, promised map[string]int) error {
	if err := sweep(dir); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for name, version := range promised {
		if err := keptFile(name).verify(dir, version); err != nil {
			return fmt.Errorf("after the sweep, %w", err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("litter, not swept: %q", left)
	}
	return err
}

func newWorkdir(dir string) (*workdir.Dir, error) {
	return workdir.New(osFs, &workdir.Options{Temp: tmpfs.Options{Dir: dir}})
}

func (j job) do(dir string, promise promise) error {
	d, err := newWorkdir(dir)
	if err != nil {
		return err
	}
	if _, err := d.WriteFile("out/report", j.report.version(j.version)); err != nil {
		return err
	}
	if err := j.commit(d, "out/report", dir, j.report.name, promise); err != nil {
		return err
	}
	results, err := d.Subdir("results")
	if err != nil {
		return err
	}
	if err := j.results.write(results, j.version); err != nil {
		return err
	}
	if err := j.commit(d, "results", dir, j.results.name, promise); err != nil {
		return err
	}
	if j.dies {
		return nil
	}
	if j.self != nil {
		if err := d.Remove("out"); err != nil {
			return err
		}
		if err := j.self.write(d.Path(), j.version); err != nil {
			return err
		}
		if err := j.commit(d, ".", dir, j.self.name, promise); err != nil {
			return err
		}
	}
	return d.Close()
}

func (j job) commit(d *workdir.Dir, from, dir, to string, promise promise) error {
	if err := d.Commit(from, filepath.Join(dir, to)); err != nil {
		return err
	}
	promise(to, j.version)
	return nil
}
