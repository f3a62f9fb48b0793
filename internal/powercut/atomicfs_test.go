//go:build linux

package powercut_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/powercut"
)

// sizes are those of the files that are written: nothing, less than a block, a
// block, some blocks, many.
var sizes = []int{0, 1, 4095, 4096, 12289, 300_000}

// A promise says that a version of a file is durable.
type promise = func(name string, version int)

// filesOf returns a file of each size.
func filesOf(prefix string, last int, old bool, mode fs.FileMode) []file {
	var files []file
	for _, size := range sizes {
		files = append(files, file{fmt.Sprint(prefix, size), size, last, old, mode})
	}
	return files
}

// setUp makes version 0 of those files that are old.
func setUp(files []file) func(dir string) error {
	return func(dir string) error {
		for _, f := range files {
			name := filepath.Join(dir, f.name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
			if !f.old {
				continue
			}
			if err := os.WriteFile(name, f.version(0), f.mode); err != nil {
				return err
			}
			if err := os.Chmod(name, f.mode); err != nil {
				return err
			}
		}
		return nil
	}
}

// A put writes one version of a file, however it does that.
type put func(dir string, f file, version int) error

// inTurn writes all versions of all files, one after another.
func inTurn(files []file, put put) func(dir string, promise promise) error {
	return func(dir string, promise promise) error {
		for v := 1; v <= files[0].last; v++ {
			for _, f := range files {
				if err := put(dir, f, v); err != nil {
					return err
				}
				promise(f.name, v)
			}
		}
		return nil
	}
}

// atOnce writes each file in a goroutine of its own.
func atOnce(files []file, put put) func(dir string, promise promise) error {
	return func(dir string, promise promise) error {
		errs := make([]error, len(files))
		var wg sync.WaitGroup
		for i := range files {
			wg.Go(func() { errs[i] = inTurn(files[i:i+1], put)(dir, promise) })
		}
		wg.Wait()
		return errors.Join(errs...)
	}
}

func verify[T thing](things []T, most int) func(dir string, promised map[string]int) error {
	return func(dir string, promised map[string]int) error { return verifyAll(dir, things, promised, most) }
}

func writeFile(dir string, f file, version int) error {
	return atomicfs.WriteFile(osFs, filepath.Join(dir, f.name), f.version(version), f.mode)
}

func atomicScenarios() []powercut.Scenario {
	const private, public = 0o600, 0o644
	replaced := filesOf("replaced-", 6, true, private)
	made := func(pattern string, mode fs.FileMode) (files []file) {
		for i := range 5 {
			files = append(files, filesOf(fmt.Sprintf(pattern, i), 1, false, mode)...)
		}
		return files
	}
	fresh, deep, refused := made("new-%d-", 0o640), made("p%d/q/r/new-", public), made("noreplace-%d-", public)
	return []powercut.Scenario{{
		Name:  "WriteFile, replace",
		Setup: setUp(replaced),
		Work: inTurn(replaced, func(dir string, f file, v int) error {
			// The file that is there has its own mode, and keeps it.
			return atomicfs.WriteFile(osFs, filepath.Join(dir, f.name), f.version(v), public)
		}),
		Verify: verify(replaced, 1),
	}, {
		Name:   "WriteFile, new",
		Work:   inTurn(fresh, writeFile),
		Verify: verify(fresh, 1),
	}, {
		Name:   "WriteFile, new parents",
		Work:   inTurn(deep, writeFile),
		Verify: verify(deep, 1),
	}, {
		Name:   "WriteFile, several at once",
		Setup:  setUp(replaced),
		Work:   atOnce(replaced, writeFile),
		Verify: verify(replaced, len(replaced)),
	}, {
		Name:   "NoReplace",
		Work:   inTurn(refused, writeNew),
		Verify: verify(refused, 1),
	}}
}

// writeNew writes a file that must not exist, and then finds that it does.
func writeNew(dir string, f file, version int) error {
	opts := &atomicfs.Options{Perm: f.mode, NoReplace: true}
	name := filepath.Join(dir, f.name)
	w, err := atomicfs.Create(osFs, name, opts)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(f.version(version)); err != nil {
		return err
	}
	if err := w.Commit(); err != nil {
		return err
	}
	if _, err := atomicfs.Create(osFs, name, opts); !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("a second file of that name is not refused: %w", err)
	}
	return nil
}
