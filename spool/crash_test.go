package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// spooled is the proof of a spool that is made, filled with data, and committed.
func spooled(name string, opts spool.Options, to testfs.Written, use func(f *spool.File, fsys afero.Fs) error) testfs.Proof {
	w := testfs.Writes{
		Dir: "/dir", Files: []testfs.Written{to}, NotDurable: atomicfs.ErrNotDurable,
		Litter:   regexp.MustCompile(`^/dir/(temp/tmp-|(a/)?\.tmp-)[a-z2-7]{26}$`),
		InFlight: 4, // each file that has had a name for a moment may come back with the power
		Returns:  true,
		Failure: func(_ string, err error) error {
			if errors.As(err, new(closeError)) {
				return nil
			}
			return err
		},
		Known: func(name string) bool { return name == "/dir/temp" },
	}
	opts.Temp = tmpfs.Options{Dir: "/dir/temp"}
	return testfs.Proof{
		Name: name,
		Before: func(fsys afero.Fs) error {
			return errors.Join(w.Before(fsys), fsys.Mkdir("/dir/temp", 0o700))
		},
		Act: func(fsys afero.Fs) error {
			f := spool.New(fsys, &opts)
			return ended(use(f, fsys), f.Close())
		},
		Holds: w.Holds,
	}
}

// A closeError is that of Close, after all went well.
type closeError struct{ error }

func (c closeError) Unwrap() error { return c.error }

// ended joins the error of a use and that of Close after it.
func ended(err, close error) error {
	if err == nil && close != nil {
		return closeError{close}
	}
	return errors.Join(err, close)
}

// proofs are those of all ways to a committed spool, at each of the sizes.
func proofs(sizes ...int) (all []testfs.Proof) {
	const file, fresh = "/dir/file", "/dir/a/fresh"
	inMemory, onDisk := spool.Options{}, spool.Options{MaxMemory: -1}
	for _, size := range sizes {
		data := testfs.Content('n', size)
		write := func(to string) func(f *spool.File, fsys afero.Fs) error {
			return func(f *spool.File, fsys afero.Fs) error {
				if _, err := f.Write(data); err != nil {
					return err
				}
				return f.Commit(fsys, to, nil)
			}
		}
		for name, opts := range map[string]spool.Options{"memory": inMemory, "the disk": onDisk} {
			all = append(
				all,
				spooled(fmt.Sprintf("Commit from %s, new, %d bytes", name, size), opts, testfs.Added(fresh, size), write(fresh)),
				spooled(fmt.Sprintf("Commit from %s, replacing, %d bytes", name, size), opts, testfs.Replaced(file, size), write(file)),
			)
		}
	}
	all = append(all, adopted("/dir/file", testfs.Replaced("/dir/file", 5000)), adopted("/dir/a/fresh", testfs.Added("/dir/a/fresh", 5000)))
	const size = 12289
	data := testfs.Content('n', size)
	return append(
		all,
		spooled("ReadFrom, spilling in the middle", spool.Options{MaxMemory: 5000}, testfs.Replaced(file, size), func(f *spool.File, fsys afero.Fs) error {
			if _, err := f.ReadFrom(bytes.NewReader(data)); err != nil {
				return err
			}
			return f.Commit(fsys, file, nil)
		}),
		spooled("small writes, Sync, and a reader that stays open", onDisk, testfs.Replaced(file, size), func(f *spool.File, fsys afero.Fs) error {
			r := f.NewReader()
			defer func() { _ = r.Close() }() // only read
			for part := data; len(part) > 0; part = part[min(len(part), 1000):] {
				if _, err := f.Write(part[:min(len(part), 1000)]); err != nil {
					return err
				}
			}
			if err := f.Sync(); err != nil {
				return err
			}
			return f.Commit(fsys, file, nil)
		}),
		spooled("Spill, Truncate, overwriting, NoReplace", spool.Options{}, testfs.Added(fresh, size), func(f *spool.File, fsys afero.Fs) error {
			if _, err := f.Write(append(testfs.Content('x', 100), data[100:]...)); err != nil {
				return err
			}
			if err := f.Spill(); err != nil {
				return err
			}
			if err := errors.Join(f.Truncate(size+10_000), f.Truncate(size)); err != nil {
				return err
			}
			if _, err := f.WriteAt(data[:100], 0); err != nil {
				return err
			}
			return f.Commit(fsys, fresh, &atomicfs.Options{NoReplace: true})
		}),
	)
}

// adopted is the proof of a spool over a file that has a name, and so is renamed.
func adopted(to string, file testfs.Written) testfs.Proof {
	p := spooled("Commit of a file with a name to "+to, spool.Options{}, file, nil)
	p.Act = func(fsys afero.Fs) error {
		f, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: "/dir/temp"})
		if err != nil {
			return err
		}
		s, err := spool.FromFile(f, nil)
		if err != nil {
			return errors.Join(err, f.Close())
		}
		r := s.NewReader()
		if _, err = s.WriteAt(file.New.Data, 0); err == nil {
			err = s.Commit(fsys, to, nil)
		}
		return ended(err, errors.Join(r.Close(), s.Close()))
	}
	return p
}

// lossless are proofs that a disk which fails loses nothing of what a spool holds.
func lossless() []testfs.Proof {
	data := testfs.Content('n', 9000)
	holds := func(disk *testfs.CrashFs, s testfs.Seen) error {
		if lost := (*lostError)(nil); errors.As(s.Err, &lost) {
			return lost
		}
		return disk.Strangers("", func(name string) bool {
			return name == "/tmp" || s.Cut && strings.HasPrefix(name, "/tmp/tmp-") || s.Ended && s.Unremoved()
		})
	}
	proof := func(name string, opts spool.Options, act func(f *spool.File) error) testfs.Proof {
		return testfs.Proof{
			Name:   name,
			Before: func(fsys afero.Fs) error { return fsys.Mkdir("/tmp", 0o777) },
			Holds:  holds,
			Act: func(fsys afero.Fs) error {
				f := spool.New(fsys, &opts)
				return errors.Join(act(f), f.Close())
			},
		}
	}
	return []testfs.Proof{
		proof("Spill", spool.Options{}, func(f *spool.File) error {
			if _, err := f.Write(data); err != nil {
				return err
			}
			err := f.Spill()
			if f.Spilled() != (err == nil) {
				return &lostError{fmt.Sprintf("spilled: %t, in spite of %v", f.Spilled(), err)}
			}
			return errors.Join(err, still(f, data))
		}),
		proof("Write", spool.Options{MaxMemory: 8000}, func(f *spool.File) error {
			if _, err := f.Write(data[:8000]); err != nil {
				return err
			}
			n, err := f.Write(data[8000:])
			return errors.Join(err, still(f, data[:8000+n]))
		}),
		proof("Truncate and Reset", spool.Options{MaxMemory: 1}, func(f *spool.File) error {
			_, err := f.Write(data)
			if err == nil {
				err = f.Truncate(100)
			}
			if err == nil {
				err = still(f, data[:100])
			}
			return errors.Join(err, f.Reset())
		}),
	}
}

// A lostError says that a spool has lost something.
type lostError struct{ what string }

func (e *lostError) Error() string { return e.what }

// still reports whether the spool holds data, as far as it can be read: the disk may
// fail again.
func still(f *spool.File, data []byte) error {
	if f.Size() != int64(len(data)) {
		return &lostError{fmt.Sprintf("%d bytes instead of %d", f.Size(), len(data))}
	}
	got, err := f.Bytes()
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data) {
		return &lostError{"the contents are others"}
	}
	return nil
}

func TestAtomicAndDurableAfterAnyCut(t *testing.T) {
	testfs.ProveCrashes(t, "spool", 30_000, append(proofs(testfs.Sizes...), lossless()...))
}

func TestErrorsOfAnyCall(t *testing.T) {
	testfs.ProveFaults(t, "spool", 2_000, 100_000, append(proofs(5000), lossless()...))
}

func TestTeeth(t *testing.T) {
	testfs.ProveTeeth(t, "spool", proofs(5000), "the error of an exchange believed")
}
