//go:build linux

package powercut_test

import (
	"fmt"
	"path/filepath"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/powercut"
)

// batchScenarios write files in batches: some that exist and some that are new, in
// the same directory, in others, and in directories that are new.
func batchScenarios() []powercut.Scenario {
	const versions, mode = 4, 0o644
	var files []file
	for _, dir := range []string{"", "there/", "new/", "new/er/"} {
		files = append(files, filesOf(dir+"f-", versions, dir == "there/", mode)...)
	}
	// More than a batch keeps open.
	for i := range 80 {
		files = append(files, file{name: fmt.Sprint("many/f-", i), size: i, last: versions, mode: mode})
	}
	return []powercut.Scenario{{
		Name:   "Batch",
		Setup:  setUp(files),
		Work:   batches(files),
		Verify: verify(files, len(files)),
	}}
}

// batches writes each version of all files as one batch.
func batches(files []file) func(dir string, promise promise) error {
	return func(dir string, promise promise) error {
		for v := 1; v <= files[0].last; v++ {
			if err := batch(dir, files, v); err != nil {
				return err
			}
			for _, f := range files {
				promise(f.name, v)
			}
		}
		return nil
	}
}

func batch(dir string, files []file, version int) error {
	b := atomicfs.NewBatch(osFs, nil)
	defer b.Close()
	for _, f := range files {
		if err := b.WriteFile(filepath.Join(dir, f.name), f.version(version), f.mode); err != nil {
			return err
		}
	}
	return b.Commit()
}
