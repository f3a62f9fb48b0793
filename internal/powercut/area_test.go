//go:build linux

package powercut_test

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
	"path/filepath"
	"strings"
	"time"

	"github.com/tempkit/tempkit/internal/powercut"
	"github.com/tempkit/tempkit/workdir/staging"
)

const (
	areaDir    = "area"
	areaSize   = 50_000 // of each upload
	areaChunk  = 20_000
	areaPlaced = "placed-" // and the ID: what has been committed
)

// areaScenarios have uploads arrive in chunks, be flushed, suspended, resumed and
// committed. Flushed bytes, the promise of the ID, must be there to resume from.
func areaScenarios() []powercut.Scenario {
	return []powercut.Scenario{{
		Name: "Area, chunks and resume",
		Work: func(dir string, promise promise) error {
			a, err := staging.Open(osFs, filepath.Join(dir, areaDir), nil)
			if err != nil {
				return err
			}
			for i := range 9 {
				if err := receive(a, dir, i, promise); err != nil {
					return err
				}
			}
			return nil
		},
		Verify: verifyArea,
	}}
}

// receive has the i-th upload arrive: the first of three goes through at once, the
// second is suspended and resumed, the third is left as it is.
func receive(a *staging.Area, dir string, i int, promise promise) error {
	ctx := context.Background()
	u, err := a.Begin(ctx, areaOptions())
	if err != nil {
		return err
	}
	id := u.ID()
	for off := 0; off < areaSize; off += areaChunk {
		if i%3 == 1 && off > 0 {
			if err := u.Suspend(); err != nil {
				return err
			}
			promise(id, off)
			if u, err = a.Resume(ctx, id, areaOptions()); err != nil {
				return err
			}
		}
		end := min(off+areaChunk, areaSize)
		if _, err := u.WriteChunk(int64(off), contents(id, 1, areaSize)[off:end]); err != nil {
			return err
		}
		if i%3 == 2 && end == areaSize {
			return nil // the last chunk is not flushed, and the upload stays as after a kill
		}
		if err := u.Flush(); err != nil {
			return err
		}
		promise(id, end)
	}
	return place(u, dir, promise)
}

func areaOptions() *staging.Options { return &staging.Options{Hash: sha256.New} }

// place commits an upload that is complete.
func place(u *staging.Upload, dir string, promise promise) error {
	name := areaPlaced + u.ID()
	if err := u.Commit(context.Background(), osFs, filepath.Join(dir, name), nil); err != nil {
		return err
	}
	promise(name, 1)
	return nil
}

// verifyArea resumes and commits every upload of which something was promised.
// Then Sweep leaves nothing in the area.
func verifyArea(dir string, promised map[string]int) error {
	ctx := context.Background()
	area := filepath.Join(dir, areaDir)
	if err := restart(area); err != nil {
		return err
	}
	a, err := staging.Open(osFs, area, &staging.AreaOptions{TTL: time.Nanosecond})
	if err != nil {
		return fmt.Errorf("area: %w", err)
	}
	things := []thing{directory(areaDir)}
	placed := map[string]int{}
	for id, flushed := range promised {
		if strings.HasPrefix(id, areaPlaced) {
			continue
		}
		f := file{name: areaPlaced + id, mode: 0o644}
		things = append(things, arrived{f, id})
		if _, err := os.Lstat(filepath.Join(dir, f.name)); err == nil {
			continue // the commit was on its way, or done
		}
		if promised[f.name] > 0 {
			return fmt.Errorf("lost, though promised: %s", f.name)
		}
		if err := resume(a, dir, id, flushed); err != nil {
			return fmt.Errorf("resume: %w", err)
		}
		placed[f.name] = 1
	}
	for name := range promised {
		if strings.HasPrefix(name, areaPlaced) {
			placed[name] = 1
		}
	}
	if _, err := a.Sweep(ctx); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	left, err := listing(area)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("litter, not swept: %s", strings.Join(left, ", "))
	}
	if err != nil {
		return err
	}
	return verifyAll(dir, things, placed, 1)
}

// resume resumes an upload as after a crash, checks what is there, and completes it.
func resume(a *staging.Area, dir, id string, flushed int) error {
	u, err := a.Resume(context.Background(), id, areaOptions())
	if err != nil {
		return err
	}
	defer u.Close()
	r := u.NewReader()
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	want := contents(id, 1, areaSize)
	switch sum := sha256.Sum256(got); {
	case len(got) < flushed:
		return fmt.Errorf("lost, though promised: %d of %d bytes", flushed-len(got), flushed)
	case !bytes.HasPrefix(want, got):
		return fmt.Errorf("torn: %d bytes, of which %d were flushed", len(got), flushed)
	case !bytes.Equal(u.Sum(), sum[:]):
		return fmt.Errorf("the sum of %d bytes is wrong", len(got))
	}
	if _, err := u.WriteChunk(int64(len(got)), want[len(got):]); err != nil {
		return err
	}
	return place(u, dir, func(string, int) {})
}

// arrived is the file that an upload became.
type arrived struct {
	file
	id string
}

func (f arrived) verify(dir string, promised int) error {
	got, err := os.ReadFile(filepath.Join(dir, f.name))
	if errors.Is(err, fs.ErrNotExist) && promised == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lost, though promised: %w", err)
	}
	if !bytes.Equal(got, contents(f.id, 1, areaSize)) {
		return fmt.Errorf("torn: %s, %d bytes", f.name, len(got))
	}
	return nil
}

// A directory is a thing that may be there, whatever is in it.
type directory string

func (d directory) String() string                    { return string(d) }
func (d directory) verify(string, int) error          { return nil }
func (d directory) owns(name string, isDir bool) bool { return isDir && name == string(d) }

// restart gives what the sidecars tell of the run of the system another name, as
// if it had come up again: whoever resumes an upload trusts only what was flushed
// if that is so.
func restart(area string) error {
	names, err := filepath.Glob(filepath.Join(area, "*.json"))
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("unreadable: %w", err)
		}
		var side map[string]any
		if err := json.Unmarshal(text, &side); err != nil {
			return fmt.Errorf("torn: sidecar %s: %w", filepath.Base(name), err)
		}
		side["boot"] = "another"
		if text, err = json.Marshal(side); err != nil {
			return err
		}
		if err := os.WriteFile(name, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
