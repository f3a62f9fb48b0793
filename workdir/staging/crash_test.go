package staging_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/workdir/staging"
)

// The uploads of the proofs are in "/w/area", and are put in place in "/w/out";
// "/w/new/area" is not there yet.
const proofArea, proofDest, newArea = "/w/area", "/w/out/file", "/w/new/area"

var (
	uploaded = testfs.Content('n', 5000)
	inArea   = regexp.MustCompile(`^/w/area/[a-z2-7]{26}\.(part|json)$`)
	notOurs  = map[string]testfs.State{
		"/w/area/photo.part":                               testfs.As([]byte("not an upload"), 0o644),
		"/w/area/" + strings.Repeat("a", 26) + ".json":     testfs.As([]byte(`{"mine": true}`), 0o644),
		"/w/area/sub/" + strings.Repeat("b", 26) + ".part": testfs.As([]byte("nor this"), 0o644),
	}
	hashing = staging.Options{Size: int64(len(uploaded)), Hash: sha256.New}
)

func isNotOurs(name string) bool {
	for other := range notOurs {
		if name == other || strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}

// A transfer is a proof of what is done with uploads in the area.
type transfer struct {
	name   string
	before func(fsys afero.Fs) error
	act    func(fsys afero.Fs) error
	writes []testfs.Written
	fate   func(disk *testfs.CrashFs, s testfs.Seen) error // what else must hold, or nil
}

func (tr transfer) proof() testfs.Proof {
	w := testfs.Writes{
		Dir: "/w", Files: tr.writes, NotDurable: atomicfs.ErrNotDurable, Returns: true,
		Litter: regexp.MustCompile(`/\.?tmp-[a-z2-7]{26}$`), InFlight: 9,
		Known: func(name string) bool {
			return isNotOurs(name) || inArea.MatchString(name) || strings.HasPrefix(newArea, name) || strings.HasPrefix(name, newArea) || name == path.Dir(proofDest)
		},
		Failure: func(_ string, err error) error { return committing(err) },
	}
	return testfs.Proof{
		Name: tr.name,
		Before: func(fsys afero.Fs) error {
			err := errors.Join(fsys.MkdirAll("/w/area/sub", 0o700), fsys.MkdirAll("/w/out", 0o755), w.Before(fsys))
			for name, state := range notOurs {
				err = errors.Join(err, afero.WriteFile(fsys, name, state.Data, state.Mode))
			}
			if err == nil && tr.before != nil {
				err = tr.before(fsys)
			}
			return err
		},
		Act: tr.act,
		Holds: func(disk *testfs.CrashFs, s testfs.Seen) error {
			if err := w.Holds(disk, s); err != nil {
				return err
			}
			if tr.fate != nil {
				if err := tr.fate(disk.Copy(), s); err != nil {
					return err
				}
			}
			if s.Cut && s.Turn%2 == 0 {
				return resumed(disk)
			}
			if err := swept(disk, s); err != nil {
				return err
			}
			return w.Found(disk, s)
		},
	}
}

// committing returns what a Commit in the error of an act has said; nil means that
// it succeeded.
func committing(err error) error {
	if commit := (commitError{}); errors.As(err, &commit) {
		return commit.error
	}
	if err == nil || errors.As(err, new(laterError)) {
		return nil
	}
	return errors.New("it did not come to that")
}

// A commitError is that of Commit.
type commitError struct{ error }

func (c commitError) Unwrap() error { return c.error }

// A laterError is that of Close after a Commit that succeeded.
type laterError struct{ error }

func (l laterError) Unwrap() error { return l.error }

// ended joins the error of an act and that of Close after it.
func ended(err, close error) error {
	if err == nil && close != nil {
		return laterError{close}
	}
	return errors.Join(err, close)
}

func areaOn(fsys afero.Fs) (*staging.Area, error) {
	return staging.Open(fsys, proofArea, &staging.AreaOptions{TTL: 1})
}

// uploads returns the IDs of those in the area.
func uploads(disk *testfs.CrashFs) (ids []string) {
	for _, name := range disk.Paths() {
		if !isNotOurs(name) && inArea.MatchString(name) && strings.HasSuffix(name, ".part") {
			ids = append(ids, strings.TrimSuffix(path.Base(name), ".part"))
		}
	}
	return ids
}

// resumed says what is wrong with the uploads that a process finds when it starts:
// each can be resumed, and holds what had been flushed.
func resumed(disk *testfs.CrashFs) error {
	ids := uploads(disk)
	if len(ids) == 0 {
		return nil
	}
	staging.Forget(disk.Paths()...)
	area, err := areaOn(disk)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	for _, id := range ids {
		var side struct{ Flushed int64 }
		text, err := afero.ReadFile(disk, proofArea+"/"+id+".json")
		if err == nil && json.Unmarshal(text, &side) != nil || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("its description is %q, %w", text, err)
		}
		u, err := area.Resume(context.Background(), id, &staging.Options{Hash: sha256.New})
		if err != nil {
			return fmt.Errorf("resume: %w", err)
		}
		err = hasFlushed(u, side.Flushed)
		if err = errors.Join(err, u.Suspend()); err != nil {
			return err
		}
	}
	return nil
}

func hasFlushed(u *staging.Upload, flushed int64) error {
	r := u.NewReader()
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if int64(len(got)) < flushed || !bytes.Equal(got[:flushed], uploaded[:flushed]) {
		return fmt.Errorf("of %d bytes that were flushed, %d are there", flushed, len(got))
	}
	if sum := sha256.Sum256(got); !bytes.Equal(sum[:], u.Sum()) {
		return errors.New("its sum is that of something else")
	}
	return nil
}

// swept says what is wrong after a sweep of the area by a process that has not
// written what is there.
func swept(disk *testfs.CrashFs, s testfs.Seen) error {
	staging.Forget(disk.Paths()...)
	area, err := areaOn(disk)
	if err != nil {
		return err
	}
	// What a Commit has given to the owner of the file that it was to replace is for
	// that one to sweep, or for root.
	given := map[string]bool{}
	for _, id := range uploads(disk) {
		state, err := disk.StateOf(proofArea + "/" + id + ".part")
		given[id] = err == nil && state.UID != testfs.As(nil, 0).UID && os.Geteuid() != 0
	}
	if _, err := area.Sweep(context.Background()); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for name, state := range notOurs {
		if _, err := disk.Which(name, state); err != nil {
			return err
		}
	}
	return disk.Strangers(proofArea, func(name string) bool {
		if _, theirs, _ := strings.Cut(name, "area/"); given[strings.SplitN(theirs, ".", 2)[0]] {
			return true
		}
		// A disk that keeps no order may have lost the description, and not the bytes.
		return isNotOurs(name) || s.Cut && (s.Model == testfs.POSIX || s.NoDirSync("/w")) && strings.HasSuffix(name, ".part")
	})
}

// begun begins an upload and gives it to use, after which it is closed.
func begun(use func(u *staging.Upload, fsys afero.Fs) error) func(fsys afero.Fs) error {
	return func(fsys afero.Fs) error {
		area, err := areaOn(fsys)
		if err != nil {
			return err
		}
		u, err := area.Begin(context.Background(), &hashing)
		if err != nil {
			return err
		}
		return ended(use(u, fsys), u.Close())
	}
}

func commitUpload(u *staging.Upload, fsys afero.Fs) error {
	return commitTo(u, fsys, proofDest)
}

func commitTo(u *staging.Upload, fsys afero.Fs, dest string) error {
	if err := u.Commit(context.Background(), fsys, dest, nil); err != nil {
		return commitError{err}
	}
	return nil
}

// chunk writes the part of the upload from there to there.
func chunk(u *staging.Upload, from, to int) error {
	_, err := u.WriteChunk(int64(from), uploaded[from:to])
	return err
}

// nothingLeft says that after a success without faults the area is empty.
func nothingLeft(disk *testfs.CrashFs, s testfs.Seen) error {
	if s.Ended && !s.Cut && (s.Err == nil || !s.Unremoved()) && len(uploads(disk)) > 0 {
		return fmt.Errorf("an upload is left, after %s", fmt.Sprint(s.Err))
	}
	return nil
}

func transfers() (all []testfs.Proof) {
	half := len(uploaded) / 2
	commits := []testfs.Written{testfs.Replaced(proofDest, len(uploaded))}
	for _, tr := range []transfer{
		{name: "Begin and Commit", writes: []testfs.Written{testfs.Added("/w/a/b/file", len(uploaded))}, fate: nothingLeft, act: begun(
			func(u *staging.Upload, fsys afero.Fs) error {
				if err := chunk(u, 0, len(uploaded)); err != nil {
					return err
				}
				return commitTo(u, fsys, "/w/a/b/file")
			},
		)},
		{name: "Begin, Flush, Close", fate: nothingLeft, act: begun(func(u *staging.Upload, _ afero.Fs) error {
			return errors.Join(chunk(u, 0, half), u.Flush(), chunk(u, half, half+1))
		})},
		{name: "Begin, Suspend", fate: wholeUpload, act: begun(func(u *staging.Upload, _ afero.Fs) error {
			err := errors.Join(chunk(u, 0, half), chunk(u, half, len(uploaded)))
			return errors.Join(err, u.Suspend())
		})},
		{name: "a new area, Suspend", act: func(fsys afero.Fs) error {
			area, err := staging.Open(fsys, newArea, nil)
			if err != nil {
				return err
			}
			u, err := area.Begin(context.Background(), &hashing)
			if err != nil {
				return err
			}
			return errors.Join(chunk(u, 0, len(uploaded)), u.Suspend())
		}, fate: func(disk *testfs.CrashFs, s testfs.Seen) error {
			if !s.Ended || s.Err != nil || s.Cut && s.NoDirSync("/w") {
				return nil
			}
			for _, name := range disk.Paths() {
				if path.Dir(name) == newArea && path.Ext(name) == ".part" {
					_, err := disk.Which(name, testfs.As(uploaded, 0o600))
					return err
				}
			}
			return errors.New("the upload is gone")
		}},
		{name: "Suspend, Resume, Commit", writes: commits, act: begun(func(u *staging.Upload, fsys afero.Fs) error {
			id := u.ID()
			if err := errors.Join(chunk(u, 0, half), u.Suspend()); err != nil {
				return err
			}
			area, err := areaOn(fsys)
			if err != nil {
				return err
			}
			if u, err = area.Resume(context.Background(), id, &hashing); err != nil {
				return err
			}
			if err = chunk(u, half, len(uploaded)); err == nil {
				err = commitUpload(u, fsys)
			}
			return ended(err, u.Close())
		})},
		{name: "no area", writes: commits, act: func(fsys afero.Fs) error {
			o := hashing
			o.Spool.MaxMemory, o.Spool.Temp.Dir = 100, "/w/out"
			err := staging.With(fsys, &o, func(u *staging.Upload) error {
				if _, err := u.ReadFrom(bytes.NewReader(uploaded)); err != nil {
					return err
				}
				return commitUpload(u, fsys)
			})
			return err
		}},
		{name: "Sweep", before: idle, act: func(fsys afero.Fs) error {
			area, err := areaOn(fsys)
			if err == nil {
				_, err = area.Sweep(context.Background())
			}
			return err
		}, fate: func(disk *testfs.CrashFs, s testfs.Seen) error {
			if s.Err == nil {
				return nothingLeft(disk, s)
			}
			return nil // it says that it could not look, or remove
		}},
	} {
		all = append(all, tr.proof())
	}
	return all
}

// wholeUpload says that what has been suspended is there to be resumed, all of it.
func wholeUpload(disk *testfs.CrashFs, s testfs.Seen) error {
	if !s.Ended || s.Err != nil || s.Cut && s.NoDirSync("/w") {
		return nil
	}
	ids := uploads(disk)
	if len(ids) != 1 {
		return fmt.Errorf("%d uploads are there", len(ids))
	}
	_, err := disk.Which(proofArea+"/"+ids[0]+".part", testfs.As(uploaded, 0o600))
	return err
}

// idle leaves uploads that nobody goes on with.
func idle(fsys afero.Fs) error {
	for i := range 3 {
		act := begun(func(u *staging.Upload, _ afero.Fs) error { return errors.Join(chunk(u, 0, 100*i), u.Suspend()) })
		if err := act(fsys); err != nil {
			return err
		}
	}
	return nil
}

func TestAtomicAndDurableAfterAnyCut(t *testing.T) {
	testfs.ProveCrashes(t, "staging", 10_000, transfers())
}

func TestErrorsOfAnyCall(t *testing.T) { testfs.ProveFaults(t, "staging", 2_000, 100_000, transfers()) }

func TestTeeth(t *testing.T) {
	testfs.ProveTeeth(t, "staging", transfers(), "the error of an exchange believed")
}
