//go:build linux

package powercut_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/renameio/v2"
	"github.com/natefinch/atomic"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/powercut"
)

var rivals = []struct {
	way string
	put func(name string, data []byte) error
}{
	{"os.WriteFile, in place", func(name string, data []byte) error { return os.WriteFile(name, data, 0o644) }},
	{"os.WriteFile + os.Rename", func(name string, data []byte) error {
		if err := os.WriteFile(name+".tmp", data, 0o644); err != nil {
			return err
		}
		return os.Rename(name+".tmp", name)
	}},
	{"natefinch/atomic", func(name string, data []byte) error { return atomic.WriteFile(name, bytes.NewReader(data)) }},
	{"google/renameio", func(name string, data []byte) error { return renameio.WriteFile(name, data, 0o644) }},
	{"atomicfs.WriteFile", func(name string, data []byte) error {
		return atomicfs.WriteFile(osFs, name, data, 0o644)
	}},
}

// rivalScenarios write files that exist and new ones, each by one way.
func rivalScenarios() (all []powercut.Scenario) {
	files := append(filesOf("old-", 4, true, 0o644)[1:], filesOf("new-", 4, false, 0o644)[1:]...) // none of no bytes
	for _, r := range rivals {
		all = append(all, powercut.Scenario{
			Name:  "rival: " + r.way,
			Setup: setUp(files),
			Work: inTurn(files, func(dir string, f file, v int) error {
				return r.put(filepath.Join(dir, f.name), f.version(v))
			}),
			Verify: verifyContents(files),
		})
	}
	return all
}

// The classes of what a power cut may do to a file.
const (
	destroyed = "neither old nor new"
	takenBack = "older than promised"
)

// verifyContents looks at contents alone, and tells the worst that it finds.
func verifyContents(files []file) func(dir string, promised map[string]int) error {
	return func(dir string, promised map[string]int) error {
		var older error
		for _, f := range files {
			got, err := os.ReadFile(filepath.Join(dir, f.name))
			switch {
			case errors.Is(err, fs.ErrNotExist) && f.old:
				return fmt.Errorf("%s: %s is gone", destroyed, f.name)
			case errors.Is(err, fs.ErrNotExist) && promised[f.name] > 0:
				older = fmt.Errorf("%s: %s is not there", takenBack, f.name)
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return fmt.Errorf("%s: %w", destroyed, err)
			case f.whole(got, 0) != nil:
				return fmt.Errorf("%s: %w", destroyed, f.whole(got, 0))
			case f.whole(got, promised[f.name]) != nil:
				older = fmt.Errorf("%s: %s", takenBack, f.name)
			}
		}
		return older
	}
}

// TestRivals prints what a power cut does to files that are written in the ways
// that people take. Ours must lose nothing; what the others do is measured.
func TestRivals(t *testing.T) {
	skipUnlessAsked(t)
	all := rivalScenarios()
	pairs := len(all) * len(fileSystems())
	share := (*flagStates*3/20 + pairs - 1) / pairs // they are here to be compared with, not to be tested
	var mu sync.Mutex
	states, failures := map[string]int{}, map[string]map[string]int{}
	t.Cleanup(func() {
		fmt.Printf("powercut: rivals on %s:\n", strings.Join(fileSystems(), ", "))
		fmt.Println("| written by | power cuts | old and new contents lost | acknowledged write gone |")
		fmt.Println("|---|---|---|---|")
		for _, s := range all {
			n, by := states[s.Name], failures[s.Name]
			fmt.Printf("| %s | %d | %d | %d |\n", strings.TrimPrefix(s.Name, "rival: "), n, by[destroyed], by[takenBack])
		}
	})
	onBenches(t, func(t *testing.T, b *powercut.Bench) {
		for _, s := range all {
			p := plan(share)
			p.Fsck, p.Keep = false, ""
			r, err := b.Run(s, p)
			require.NoError(t, err, s.Name)
			mu.Lock()
			states[s.Name] += r.States
			if failures[s.Name] == nil {
				failures[s.Name] = map[string]int{}
			}
			for class, n := range r.Failures {
				failures[s.Name][class] += n
			}
			mu.Unlock()
			if s.Name == all[len(all)-1].Name {
				assert.Zero(t, r.Bad, "%v", r.First)
			}
		}
	})
}
