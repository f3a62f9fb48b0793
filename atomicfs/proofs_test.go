package atomicfs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// A written is a file that an operation writes: what it is before and after. What
// is there before has a mode and an owner of its own, which are to be kept.
type written struct {
	name     string
	old, new testfs.State
}

const stranger = 1234 // a user and a group that are not this process's

func replaced(name string, size int) written {
	was := testfs.State{Data: testfs.Content('o', size+1), Mode: 0o604, UID: stranger, GID: stranger}
	will := was
	will.Data = testfs.Content('n', size)
	return written{name, was, will}
}

func added(name string, size int) written {
	return written{name: name, new: testfs.As(testfs.Content('n', size), 0o644)}
}

// A writing is an operation that writes files, at most so many of them at a time.
type writing struct {
	files    []written
	inFlight int
	litter   *regexp.Regexp // what it may leave where it is cut off
	dirs     []string       // that it makes
}

var ownLitter = regexp.MustCompile(`/\.tmp-[a-z2-7]{26}$`)

func (w writing) before(fsys afero.Fs) error {
	if err := fsys.MkdirAll("/dir", 0o755); err != nil {
		return err
	}
	for _, f := range w.files {
		if f.old.Data == nil {
			continue
		}
		if err := afero.WriteFile(fsys, f.name, f.old.Data, f.old.Mode); err != nil {
			return err
		}
		if err := fsys.Chown(f.name, f.old.UID, f.old.GID); err != nil {
			return err
		}
	}
	return nil
}

// noSuchSync reports whether the disk said that directories cannot be synced: then
// nobody can promise that anything survives.
func noSuchSync(s testfs.Seen) bool { return s.MetWith(syscall.ENOTSUP, "sync /dir") }

func (w writing) holds(disk *testfs.CrashFs, s testfs.Seen) error {
	if err := w.found(disk, s); err != nil {
		return err
	}
	litter := 0
	err := disk.Strangers("/dir", func(name string) bool {
		if w.litter.MatchString(name) {
			litter++
			return true
		}
		return w.knows(name)
	})
	switch {
	case err != nil || litter == 0:
		return err
	case litter > w.inFlight:
		return fmt.Errorf("%d temporaries are left", litter)
	case s.Ended && !s.Cut && (s.Err == nil || !s.Unremoved()):
		return fmt.Errorf("a temporary is left")
	case s.Ended && s.Faultless():
		return fmt.Errorf("a temporary comes back after all was well")
	}
	return w.swept(disk, s)
}

// found says which file is neither old nor new, or not the one that it must be.
func (w writing) found(disk *testfs.CrashFs, s testfs.Seen) error {
	for _, f := range w.files {
		states := []testfs.State{f.old, f.new}
		if s.MetAny("chown") && f.old.Data != nil { // and may not change it: the owner is not kept then
			own := testfs.As(f.new.Data, f.new.Mode)
			group := own
			group.GID = f.new.GID
			states = append(states, own, group)
		}
		which, err := disk.Which(f.name, states...)
		if err != nil {
			return err
		}
		isNew := which > 0 || bytes.Equal(f.old.Data, f.new.Data)
		inPlace := s.Err == nil || s.Ended && !s.Cut && errors.Is(failureOf(f.name, s.Err), atomicfs.ErrNotDurable) || failureOf(f.name, s.Err) == nil
		switch {
		case !s.Ended:
		case s.Cut:
			if !isNew && failureOf(f.name, s.Err) == nil && !noSuchSync(s) {
				return fmt.Errorf("%s is lost, though that it is there was acknowledged", f.name)
			}
		case !isNew && inPlace:
			return fmt.Errorf("%s is the old one, in spite of %v", f.name, s.Err)
		case isNew && which > 0 && !inPlace && !unseen(s, f.name):
			return fmt.Errorf("%s is the new one, in spite of %v", f.name, s.Err)
		}
	}
	return nil
}

// failureOf returns what err, which may be of a batch, says about the file name.
func failureOf(name string, err error) error {
	var b *atomicfs.BatchError
	if errors.As(err, &b) && b.Failed != nil {
		return b.Failed[name]
	}
	return err
}

// unseen reports whether the rename to name took place and nobody could know, or
// take it back: its answer was lost, and so was that of the look which would have
// told; or the file was found bad after it, and the way back was barred.
func unseen(s testfs.Seen, name string) bool {
	for i, call := range s.Met {
		if s.How[i].Done && strings.HasPrefix(call, "rename ") && strings.HasSuffix(call, " "+name) && s.MetAny("lstat") {
			return true
		}
	}
	return len(s.Met) > 1 && s.MetAny("close ") && s.MetAny("stat", "lstat", "rename")
}

func (w writing) knows(name string) bool {
	for _, f := range w.files {
		if name == f.name {
			return true
		}
	}
	for _, d := range w.dirs {
		if name == d {
			return true
		}
	}
	return false
}

// swept says what is wrong after a sweep of what a dead writer has left: litter is
// still there, or something else is not.
func (w writing) swept(disk *testfs.CrashFs, s testfs.Seen) error {
	if w.litter != ownLitter { // that is not for this package to sweep
		return nil
	}
	before := disk.Paths()
	atomicfs.Forget(before...)
	left := map[string]bool{} // what belongs to the other user by now is for that one to sweep
	for _, name := range before {
		left[name] = true
		if ownLitter.MatchString(name) {
			state, err := disk.StateOf(name)
			left[name] = err == nil && state.UID == stranger
		}
	}
	for _, dir := range append([]string{"/dir"}, w.dirs...) {
		if _, err := disk.Stat(dir); err != nil {
			continue
		}
		removed, err := atomicfs.Sweep(context.Background(), disk, dir, 1)
		if err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
		for _, name := range removed {
			if !ownLitter.MatchString("/" + name) {
				return fmt.Errorf("sweep has removed %s", name)
			}
		}
	}
	after := disk.Paths()
	for _, name := range before {
		there := false
		for _, still := range after {
			there = there || still == name
		}
		if there != left[name] {
			return fmt.Errorf("after a sweep, %s is there: %t", name, there)
		}
	}
	return w.found(disk, s)
}

// proof makes a proof of a writing of files.
func proof(name string, act func(fsys afero.Fs) error, files ...written) testfs.Proof {
	w := writing{files: files, inFlight: 1, litter: ownLitter}
	return w.proof(name, act)
}

func (w writing) proof(name string, act func(fsys afero.Fs) error) testfs.Proof {
	for _, f := range w.files {
		for dir := path.Dir(f.name); dir != "/dir"; dir = path.Dir(dir) {
			w.dirs = append(w.dirs, dir)
		}
	}
	return testfs.Proof{Name: name, Before: w.before, Act: act, Holds: w.holds}
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
			proof(named("WriteFile, new"), write(fresh), added(fresh, size)),
			proof(named("WriteFile, replacing"), write(file), replaced(file, size)),
			proof(named("WriteFile, new parents"), write(deep), added(deep, size)),
			proof(named("NoReplace"), created(fresh, data, &atomicfs.Options{NoReplace: true}), added(fresh, size)),
		)
	}
	const size = 5000
	data := testfs.Content('n', size)
	all = append(
		all,
		proof("Create, replacing, in pieces", created(file, data, nil), replaced(file, size)),
		proof("WriteReader", func(fsys afero.Fs) error {
			_, err := atomicfs.WriteReader(fsys, file, &slow{data}, 0o644)
			return err
		}, replaced(file, size)),
		proof("WriteFunc", func(fsys afero.Fs) error {
			return atomicfs.WriteFunc(fsys, file, 0o644, func(w io.Writer) error {
				_, err := w.Write(data)
				return err
			})
		}, replaced(file, size)),
		proof("Update", func(fsys afero.Fs) error {
			return atomicfs.Update(fsys, file, 0o644, func([]byte) ([]byte, error) { return data, nil })
		}, replaced(file, size)),
		proof("Update, new", func(fsys afero.Fs) error {
			return atomicfs.Update(fsys, fresh, 0o644, func([]byte) ([]byte, error) { return data, nil })
		}, added(fresh, size)),
		proof("NewFs, Close", func(fsys afero.Fs) error {
			return afero.WriteFile(atomicfs.NewFs(fsys, nil), file, data, 0o644)
		}, replaced(file, size)),
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
		}, replaced(file, size)),
	)
	all = append(all, committed("Commit", file, data, atomicfs.Commit, replaced(file, size)))
	fromTemp := added(fresh, size)
	fromTemp.new.Mode = 0o600 // that of the temporary
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
func committed(name, to string, data []byte, commit func(*tmpfs.File, string) error, file written) testfs.Proof {
	w := writing{files: []written{file}, inFlight: 1, litter: regexp.MustCompile(`/other-[a-z2-7]{26}$`)}
	return w.proof(name, func(fsys afero.Fs) error {
		return tmpfs.WithFile(fsys, &tmpfs.Options{Dir: "/dir", Pattern: "other-*"}, func(f *tmpfs.File) error {
			if _, err := f.Write(data); err != nil {
				return err
			}
			return commit(f, to)
		})
	})
}

// batchProofs are those of batches: of one file, of some in several directories.
func batchProofs() (all []testfs.Proof) {
	some := []written{
		replaced("/dir/file", 5000), added("/dir/fresh", 0), added("/dir/a/fresh", 4096), added("/dir/b/c/fresh", 1),
	}
	for i, files := range [][]written{some[:1], some[:2], some} {
		w := writing{files: files, inFlight: len(files), litter: ownLitter}
		all = append(all, w.proof(fmt.Sprintf("Batch %d", i), func(fsys afero.Fs) error {
			b := atomicfs.NewBatch(fsys, nil)
			for _, f := range files {
				if err := b.WriteFile(f.name, f.new.Data, 0o644); err != nil {
					// The rest of the batch goes on without it; Commit says it again.
					continue
				}
			}
			err := b.Commit()
			return errors.Join(err, b.Close())
		}))
	}
	return all
}
