package atomicfs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

var ownLitter = regexp.MustCompile(`/\.tmp-[a-z2-7]{26}$`)

// failureOf returns what err, which may be of a batch, says about the file name.
func failureOf(name string, err error) error {
	var b *atomicfs.BatchError
	if errors.As(err, &b) && b.Failed != nil {
		return b.Failed[name]
	}
	return err
}

// sweepAll sweeps dirs as a process does that has not written what is left.
func sweepAll(disk *testfs.CrashFs, dirs, left []string) error {
	atomicfs.Forget(left...)
	for _, dir := range dirs {
		if _, err := atomicfs.Sweep(context.Background(), disk, dir, 1); err != nil {
			return err
		}
	}
	return nil
}

// proof makes a proof of an operation that writes files.
func proof(name string, act func(fsys afero.Fs) error, files ...testfs.Written) testfs.Proof {
	w := testfs.Writes{
		Dir: "/dir", Files: files, InFlight: len(files), NotDurable: atomicfs.ErrNotDurable,
		Failure: failureOf, Litter: ownLitter, Sweep: sweepAll,
	}
	return testfs.Proof{Name: name, Before: w.Before, Act: act, Holds: w.Holds}
}

// proofs are those of all operations of this package that write files.
func proofs(sizes ...int) (all []testfs.Proof) {
	const file, fresh, deep = "/dir/file", "/dir/fresh", "/dir/a/b/fresh"
	for _, size := range sizes {
		named := func(name string) string { return fmt.Sprintf("%s, %d bytes", name, size) }
		data := testfs.Content('n', size)
		write := func(name string) func(fsys afero.Fs) error {
			return func(fsys afero.Fs) error { return atomicfs.WriteFile(fsys, name, data, 0o644) }
		}
		all = append(
			all,
			proof(named("WriteFile, new"), write(fresh), testfs.Added(fresh, size)),
			proof(named("WriteFile, replacing"), write(file), testfs.Replaced(file, size)),
			proof(named("WriteFile, new parents"), write(deep), testfs.Added(deep, size)),
			proof(named("NoReplace"), created(fresh, data, &atomicfs.Options{NoReplace: true}), testfs.Added(fresh, size)),
		)
	}
	const size = 5000
	data := testfs.Content('n', size)
	all = append(
		all,
		proof("Create, replacing, in pieces", created(file, data, nil), testfs.Replaced(file, size)),
		proof("WriteReader", func(fsys afero.Fs) error {
			_, err := atomicfs.WriteReader(fsys, file, &slow{data}, 0o644)
			return err
		}, testfs.Replaced(file, size)),
		proof("WriteFunc", func(fsys afero.Fs) error {
			return atomicfs.WriteFunc(fsys, file, 0o644, func(w io.Writer) error {
				_, err := w.Write(data)
				return err
			})
		}, testfs.Replaced(file, size)),
		proof("Update", func(fsys afero.Fs) error {
			return atomicfs.Update(fsys, file, 0o644, func([]byte) ([]byte, error) { return data, nil })
		}, testfs.Replaced(file, size)),
		proof("Update, new", func(fsys afero.Fs) error {
			return atomicfs.Update(fsys, fresh, 0o644, func([]byte) ([]byte, error) { return data, nil })
		}, testfs.Added(fresh, size)),
		proof("NewFs, Close", func(fsys afero.Fs) error {
			return afero.WriteFile(atomicfs.NewFs(fsys, nil), file, data, 0o644)
		}, testfs.Replaced(file, size)),
		proof("NewFs, Sync", func(fsys afero.Fs) error {
			f, err := atomicfs.NewFs(fsys, nil).Create(file)
			if err != nil {
				return err
			}
			_, err = f.Write(data)
			if err == nil {
				err = f.Sync()
			}
			return errors.Join(err, f.Close())
		}, testfs.Replaced(file, size)),
	)
	all = append(all, committed("Commit", file, data, atomicfs.Commit, testfs.Replaced(file, size)))
	fromTemp := testfs.Added(fresh, size)
	fromTemp.New.Mode = 0o600 // that of the temporary
	all = append(all, committed("Commit, new", fresh, data, atomicfs.Commit, fromTemp))
	all = append(all, committed("CommitNew", fresh, data, atomicfs.CommitNew, fromTemp))
	all = append(all, batchProofs()...)
	all = append(all, treeProofs()...)
	return append(all, sweepProof())
}

// A slow reader gives a few bytes at a time.
type slow struct{ data []byte }

func (s *slow) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 700)], s.data)
	s.data = s.data[n:]
	return n, nil
}

// created writes by Create, in two pieces.
func created(name string, data []byte, opts *atomicfs.Options) func(fsys afero.Fs) error {
	return func(fsys afero.Fs) error {
		f, err := atomicfs.Create(fsys, name, opts)
		if err != nil {
			return err
		}
		_, err = f.Write(data[:len(data)/2])
		if err == nil {
			_, err = f.Write(data[len(data)/2:])
		}
		if err == nil {
			err = f.Commit()
		}
		return errors.Join(err, f.Close())
	}
}

// committed is the proof of a temporary of package tmpfs that is committed.
func committed(name, to string, data []byte, commit func(*tmpfs.File, string) error, file testfs.Written) testfs.Proof {
	w := testfs.Writes{
		Dir: "/dir", Files: []testfs.Written{file}, NotDurable: atomicfs.ErrNotDurable,
		Litter: regexp.MustCompile(`/other-[a-z2-7]{26}$`), // which is the caller's
	}
	return testfs.Proof{Name: name, Before: w.Before, Holds: w.Holds, Act: func(fsys afero.Fs) error {
		return tmpfs.WithFile(fsys, &tmpfs.Options{Dir: "/dir", Pattern: "other-*"}, func(f *tmpfs.File) error {
			if _, err := f.Write(data); err != nil {
				return err
			}
			return commit(f, to)
		})
	}}
}

// batchProofs are those of batches: of one file, of some in several directories.
func batchProofs() (all []testfs.Proof) {
	some := []testfs.Written{
		testfs.Replaced("/dir/file", 5000), testfs.Added("/dir/fresh", 0), testfs.Added("/dir/a/fresh", 4096), testfs.Added("/dir/b/c/fresh", 1),
	}
	for i, files := range [][]testfs.Written{some[:1], some[:2], some} {
		all = append(all, proof(fmt.Sprintf("Batch %d", i), func(fsys afero.Fs) error {
			b := atomicfs.NewBatch(fsys, nil)
			for _, f := range files {
				if err := b.WriteFile(f.Name, f.New.Data, 0o644); err != nil {
					// The rest of the batch goes on without it; Commit says it again.
					continue
				}
			}
			err := b.Commit()
			return errors.Join(err, b.Close())
		}, files...))
	}
	return all
}
