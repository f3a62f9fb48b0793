package tmpfs_test

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// temporaryPath matches all that this package makes in the proofs.
var temporaryPath = regexp.MustCompile(`^/dir/tmp-[a-z2-7]{26}(/|$)`)

// bystanders are what others have there.
var bystanders = map[string]testfs.State{
	"/dir/file":       testfs.As([]byte("file"), 0o644),
	"/dir/tmp-a/file": testfs.As([]byte("in a directory"), 0o644),
}

func beside(fsys afero.Fs) error {
	for name, state := range bystanders {
		if err := fsys.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := afero.WriteFile(fsys, name, state.Data, state.Mode); err != nil {
			return err
		}
	}
	return nil
}

// alone says what there is besides bystanders, what is known, and temporaries where
// those may be: after a cut, or where they could not be removed.
func alone(disk *testfs.CrashFs, s testfs.Seen, known func(name string) bool) error {
	for name, state := range bystanders {
		if _, err := disk.Which(name, state); err != nil {
			return err
		}
	}
	return disk.Strangers("/dir", func(name string) bool {
		_, other := bystanders[name]
		temporary := temporaryPath.MatchString(name) && (s.Cut || !s.Ended || s.Err != nil && s.Unremoved())
		return other || name == "/dir/tmp-a" || temporary || known != nil && known(name)
	})
}

// passing is the proof of an operation of which nothing is to stay.
func passing(name string, act func(fsys afero.Fs) error) testfs.Proof {
	return testfs.Proof{Name: name, Before: beside, Act: act, Holds: func(disk *testfs.CrashFs, s testfs.Seen) error {
		return alone(disk, s, nil)
	}}
}

// errNotSynced is of the directory, which package tmpfs leaves to others to sync.
var errNotSynced = errors.New("the directory is not synced")

// kept is the proof of a file that is synced, kept as name, and durable once its
// directory has been synced.
func kept(name string, file testfs.Written, makeFile func(fsys afero.Fs, o *tmpfs.Options) (*tmpfs.File, error), keep func(f *tmpfs.File, name string) error) testfs.Proof {
	w := testfs.Writes{
		Dir: "/dir", Files: []testfs.Written{file}, NotDurable: errNotSynced, Litter: regexp.MustCompile(`/\.?tmp-[a-z2-7]{26}$`),
		Known: func(name string) bool { _, ok := bystanders[name]; return ok || name == "/dir/tmp-a" },
	}
	act := func(fsys afero.Fs) error {
		f, err := makeFile(fsys, &tmpfs.Options{Dir: "/dir"})
		if err != nil {
			return err
		}
		if _, err = f.Write(file.New.Data); err == nil {
			err = f.Sync()
		}
		if err == nil {
			err = keep(f, file.Name)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		d, err := fsys.Open("/dir")
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errNotSynced, err)
		}
		return nil
	}
	return testfs.Proof{Name: name, Act: act, Holds: w.Holds, Before: func(fsys afero.Fs) error {
		return errors.Join(beside(fsys), w.Before(fsys))
	}}
}

// private is a new file of mode 0600 in the place of none, or of the one before.
func private(file testfs.Written) testfs.Written {
	file.New = testfs.As(file.New.Data, 0o600)
	return file
}

// makeTree makes a directory in dir with files in two levels.
func makeTree(fsys afero.Fs, dir string) error {
	err := fsys.MkdirAll(path.Join(dir, "sub"), 0o755)
	for _, name := range []string{"a", "b", "sub/c"} {
		if err == nil {
			err = afero.WriteFile(fsys, path.Join(dir, name), []byte(name), 0o644)
		}
	}
	return err
}

func proofs(sizes ...int) (all []testfs.Proof) {
	for _, e := range entries {
		all = append(all, passing(e.name, func(fsys afero.Fs) error {
			m, err := e.make(fsys, tmpfs.Options{Dir: "/dir"})
			if err != nil {
				return err
			}
			if m.f != nil {
				_, err = m.f.WriteString("hello")
			}
			return errors.Join(err, m.drop())
		}))
	}
	inDir := &tmpfs.Options{Dir: "/dir"}
	for _, size := range sizes {
		all = append(
			all,
			kept(fmt.Sprintf("Keep, %d bytes", size), private(testfs.Replaced("/dir/kept", size)), tmpfs.Create, (*tmpfs.File).Keep),
			kept(fmt.Sprintf("KeepNew, %d bytes", size), private(testfs.Added("/dir/kept", size)), tmpfs.Create, (*tmpfs.File).KeepNew),
		)
	}
	return append(
		all,
		passing("WithDir", func(fsys afero.Fs) error {
			return tmpfs.WithDir(fsys, inDir, func(d *tmpfs.Dir) error { return makeTree(d, "/") })
		}),
		passing("CloseHandle", func(fsys afero.Fs) error {
			return tmpfs.WithFile(fsys, inDir, func(f *tmpfs.File) error {
				_, err := f.WriteString("hello")
				return errors.Join(err, f.CloseHandle())
			})
		}),
		dirKept(), removed(),
	)
}

// dirKept is the proof of Dir.Keep: the directory is where it was or where it was to
// go, never in both places nor in none.
func dirKept() testfs.Proof {
	at := func(name string) bool { return name == "/dir/kept" || strings.HasPrefix(name, "/dir/kept/") }
	return testfs.Proof{
		Name: "Dir.Keep", Before: beside,
		Act: func(fsys afero.Fs) error {
			d, err := tmpfs.Mkdir(fsys, &tmpfs.Options{Dir: "/dir"})
			if err != nil {
				return err
			}
			if err = makeTree(d, "/"); err == nil {
				err = d.Keep("/dir/kept")
			}
			return errors.Join(err, d.Close())
		},
		Holds: func(disk *testfs.CrashFs, s testfs.Seen) error {
			if s.Ended && !s.Cut && s.Err == nil {
				for _, name := range []string{"a", "b", "sub/c"} {
					if _, err := disk.Which("/dir/kept/"+name, testfs.As([]byte(name), 0o644)); err != nil {
						return err
					}
				}
			}
			if _, err := disk.Stat("/dir/kept"); err == nil && s.Ended && !s.Cut && s.Err != nil && !s.Unremoved() {
				return fmt.Errorf("it is kept, in spite of %w", s.Err)
			}
			return alone(disk, s, at)
		},
	}
}

// removed is the proof of RemoveAll: what is not below its name stays, and what a
// cut or a fault leaves the next one removes.
func removed() testfs.Proof {
	const name = "/dir/tree"
	in := func(path string) bool { return path == name || strings.HasPrefix(path, name+"/") }
	return testfs.Proof{
		Name:   "RemoveAll",
		Before: func(fsys afero.Fs) error { return errors.Join(beside(fsys), makeTree(fsys, name)) },
		Act:    func(fsys afero.Fs) error { return tmpfs.RemoveAll(fsys, name) },
		Holds: func(disk *testfs.CrashFs, s testfs.Seen) error {
			for _, path := range disk.Paths() {
				if s.Ended && !s.Cut && s.Err == nil && in(path) {
					return fmt.Errorf("%s is left, and nothing is said of it", path)
				}
			}
			if err := alone(disk, s, in); err != nil {
				return err
			}
			if err := tmpfs.RemoveAll(disk, name); err != nil {
				return fmt.Errorf("again: %w", err)
			}
			return alone(disk, s, nil)
		},
	}
}

func TestAtomicAfterAnyCut(t *testing.T) {
	testfs.ProveCrashes(t, "tmpfs", 10_000, proofs(testfs.Sizes...))
}

func TestErrorsOfAnyCall(t *testing.T) {
	testfs.ProveFaults(t, "tmpfs", 1_000, 20_000, proofs(5000))
}

// What has to be synced, and in which order, is what package atomicfs adds.
func TestTeeth(t *testing.T) {
	testfs.ProveTeeth(t, "tmpfs", proofs(5000), "no sync of directories before the rename", "chmod after the file sync", "the error of an exchange believed")
}
