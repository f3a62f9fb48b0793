package workdir_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// A job is a proof of what is done with one work directory in "/jobs", where there
// are files and directories of others.
type job struct {
	name   string
	use    func(d *workdir.Dir) error
	writes []testfs.Written                                // that it commits
	fate   func(disk *testfs.CrashFs, s testfs.Seen) error // what else must hold, before and after a sweep; may be nil
	known  func(name string) bool                          // what else may be there
	trees  bool                                            // what it commits are directories, which need syncs of their own
}

var (
	others = map[string]testfs.State{
		"/jobs/file": testfs.As([]byte("file"), 0o644),
		"/jobs/work-" + strings.Repeat("d", 26) + "/file":    testfs.As([]byte("without a lease"), 0o644),
		"/jobs/.work-" + strings.Repeat("e", 26) + ".dead/x": testfs.As([]byte("nor here"), 0o644),
		"/jobs/.other.lease": testfs.As([]byte(""), 0o644),
	}
	ours = regexp.MustCompile(`^/jobs/(work-[a-z2-7]{26}|\.work-[a-z2-7]{26}\.(lease|claim|dead))(/|$)`)
)

func isOthers(name string) bool {
	for other := range others {
		if name == other || strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}

func makeOthers(fsys afero.Fs) error {
	for name, state := range others {
		if err := fsys.MkdirAll(name[:strings.LastIndexByte(name, '/')], 0o700); err != nil {
			return err
		}
		if err := afero.WriteFile(fsys, name, state.Data, state.Mode); err != nil {
			return err
		}
	}
	return nil
}

func othersAreWhole(disk *testfs.CrashFs) error {
	for name, state := range others {
		if _, err := disk.Which(name, state); err != nil {
			return err
		}
	}
	return nil
}

// A closeError is that of Close, after all went well.
type closeError struct{ error }

func (c closeError) Unwrap() error { return c.error }

func (j job) proof() testfs.Proof {
	w := testfs.Writes{
		Dir: "/jobs", Files: j.writes, NotDurable: atomicfs.ErrNotDurable, Litter: regexp.MustCompile(`/\.tmp-[a-z2-7]{26}(/|$)`), InFlight: 9,
		Known: func(name string) bool {
			return isOthers(name) || ours.MatchString(name) || j.known != nil && j.known(name)
		},
		Failure: func(_ string, err error) error {
			if errors.As(err, new(closeError)) {
				return nil
			}
			return err
		},
	}
	return testfs.Proof{
		Name:   j.name,
		Before: func(fsys afero.Fs) error { return errors.Join(w.Before(fsys), makeOthers(fsys)) },
		Act: func(fsys afero.Fs) error {
			d, err := workdir.New(fsys, &workdir.Options{Temp: tmpfs.Options{Dir: "/jobs"}})
			if err != nil {
				return err
			}
			err = j.use(d)
			cerr := d.Close()
			if err == nil && cerr != nil {
				return closeError{cerr}
			}
			return errors.Join(err, cerr)
		},
		Holds: func(disk *testfs.CrashFs, s testfs.Seen) error {
			if j.trees && s.Cut && s.NoDirSync("/jobs") {
				return nil
			}
			check := func() error {
				if err := errors.Join(othersAreWhole(disk), w.Holds(disk, s)); err != nil {
					return err
				}
				if j.fate != nil {
					return j.fate(disk, s)
				}
				return nil
			}
			if err := check(); err != nil || s.Cut && s.Turn%2 == 0 {
				return err
			}
			if err := swept(disk, s); err != nil {
				return err
			}
			if err := check(); err != nil {
				return fmt.Errorf("after a sweep: %w", err)
			}
			return nil
		},
	}
}

// swept sweeps what a dead job has left, which must all go.
func swept(disk *testfs.CrashFs, s testfs.Seen) error {
	left := disk.Strangers("/jobs", func(name string) bool { return isOthers(name) || !ours.MatchString(name) })
	switch {
	case left == nil:
		return nil
	case s.Ended && !s.Cut && !s.Unremoved() && leftAt(s) == "":
		return fmt.Errorf("%w, after %w", left, s.Err)
	}
	kept := leftAt(s)
	workdir.Forget(disk.Paths()...)
	if _, err := workdir.Sweep(context.Background(), disk, &workdir.SweepOptions{Dir: "/jobs", MinAge: 1}); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return disk.Strangers("/jobs", func(name string) bool {
		if isOthers(name) || !ours.MatchString(name) || kept != "" && (strings.HasPrefix(kept, name) || strings.HasPrefix(name, kept)) {
			return true
		}
		// A disk that keeps no order may have lost the lease, and not the directory.
		return s.Cut && s.Model == testfs.POSIX && !strings.HasSuffix(name, ".lease")
	})
}

// leftAt returns where the error says that a tree is left, or that nobody could see
// whether one is, or "".
func leftAt(s testfs.Seen) string {
	_, left, told := strings.Cut(fmt.Sprint(s.Err), "left at ")
	if !told {
		_, left, _ = strings.Cut(fmt.Sprint(s.Err), "\nlstat ")
		left, _, _ = strings.Cut(left, ": ")
	}
	left, _, _ = strings.Cut(left, "\n")
	return left
}

// treeLeft is the fate of a tree that is replaced: where it is said to be left it is
// whole, as long as no power cut has brought it back, and the error does not say that
// there is a lease, by which a sweep takes it.
func treeLeft(name string, trees ...testfs.State) func(disk *testfs.CrashFs, s testfs.Seen) error {
	return func(disk *testfs.CrashFs, s testfs.Seen) error {
		left := leftAt(s)
		if left == "" || !s.Ended || s.Cut || strings.Contains(s.Err.Error(), ".lease: ") {
			return nil
		}
		_, err := disk.Which(left+"/"+name, trees...)
		return err
	}
}

func jobs() (all []testfs.Proof) {
	data := testfs.Content('n', 5000)
	write := func(d *workdir.Dir) error {
		_, err := d.WriteFile("sub/file", data)
		return err
	}
	commit := func(name, dest string) func(d *workdir.Dir) error {
		return func(d *workdir.Dir) error {
			if err := write(d); err != nil {
				return err
			}
			return d.Commit(name, dest)
		}
	}
	below := func(dir string) func(name string) bool {
		return func(name string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }
	}
	was, will := testfs.As(testfs.Content('o', 1), 0o600), testfs.As(data, 0o644)
	replacing := func(name string) []testfs.Written { return []testfs.Written{{Name: name, Old: was, New: will}} }
	for _, j := range []job{
		{name: "New and Close", use: write},
		{name: "Keep", known: below("/jobs/kept"), use: func(d *workdir.Dir) error {
			if err := write(d); err != nil {
				return err
			}
			return d.Keep("/jobs/kept")
		}, fate: func(disk *testfs.CrashFs, s testfs.Seen) error {
			if _, err := disk.Stat("/jobs/kept"); err != nil && s.Ended && !s.Cut && (s.Err == nil || errors.As(s.Err, new(closeError))) {
				return err
			}
			return nil
		}},
		{name: "Commit of a file, replacing", use: commit("sub/file", "/jobs/out"), writes: []testfs.Written{testfs.Replaced("/jobs/out", 5000)}},
		{name: "Commit of a file, new parents", use: commit("sub/file", "/jobs/a/b/out"), writes: []testfs.Written{testfs.Added("/jobs/a/b/out", 5000)}},
		{name: "Commit of a directory", use: commit("sub", "/jobs/site"), writes: []testfs.Written{testfs.Added("/jobs/site/file", 5000)}},
		{name: "Commit of a directory, replacing", use: commit("sub", "/jobs/site"), writes: replacing("/jobs/site/file"), trees: true, fate: treeLeft("file", was, will)},
		{name: "Commit of all of it, replacing", use: commit(".", "/jobs/site"), writes: replacing("/jobs/site/sub/file"), trees: true, fate: treeLeft("sub/file", was, will)},
		{name: "Commit of all of it", use: commit(".", "/jobs/site"), writes: []testfs.Written{testfs.Added("/jobs/site/sub/file", 5000)}},
	} {
		all = append(all, j.proof())
	}
	return append(all, sweepProof())
}

// sweepProof is the proof of a Sweep that is interrupted, and made again.
func sweepProof() testfs.Proof {
	dead := []string{"work-" + strings.Repeat("a", 26), "work-" + strings.Repeat("b", 26), "work-" + strings.Repeat("c", 26)}
	return testfs.Proof{
		Name: "Sweep",
		Before: func(fsys afero.Fs) error {
			if err := makeOthers(fsys); err != nil {
				return err
			}
			for i, name := range dead {
				dir := "/jobs/" + name
				if i == 2 { // which a sweep that was killed has begun with
					dir = "/jobs/." + name + ".dead"
				}
				err := errors.Join(
					afero.WriteFile(fsys, "/jobs/."+name+".lease", []byte(strings.Repeat(name, i%2)), 0o600),
					fsys.MkdirAll(dir+"/sub", 0o700), afero.WriteFile(fsys, dir+"/sub/file", []byte("data"), 0o600),
				)
				if err != nil {
					return err
				}
			}
			return nil
		},
		Act: func(fsys afero.Fs) error {
			_, err := workdir.Sweep(context.Background(), fsys, &workdir.SweepOptions{Dir: "/jobs", MinAge: 1})
			return err
		},
		Holds: func(disk *testfs.CrashFs, s testfs.Seen) error {
			if s.Ended && !s.Cut && s.Err == nil {
				if err := disk.Strangers("/jobs", isOthers); err != nil && !s.Unremoved() {
					return err
				}
			}
			s.Ended = false
			return errors.Join(swept(disk, s), othersAreWhole(disk))
		},
	}
}

func TestAtomicAndDurableAfterAnyCut(t *testing.T) { testfs.ProveCrashes(t, "workdir", 10_000, jobs()) }

func TestErrorsOfAnyCall(t *testing.T) { testfs.ProveFaults(t, "workdir", 2_000, 100_000, jobs()) }

func TestTeeth(t *testing.T) { testfs.ProveTeeth(t, "workdir", jobs()) }
