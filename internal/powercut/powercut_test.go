//go:build linux

package powercut_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/mount"
	"github.com/tempkit/tempkit/internal/powercut"
	"github.com/tempkit/tempkit/internal/testfs"
)

var (
	flagStates = flag.Int("powercut.states", 2000, "crash states to verify in all")
	flagFs     = flag.String("powercut.fs", "ext4,xfs,btrfs", "file systems, with mount options after colons: ext4:noauto_da_alloc:data=writeback")
	flagSector = flag.Int("powercut.sector", powercut.PageSize, "bytes that the disk writes whole or not at all")
	flagSeed   = flag.Uint64("powercut.seed", 0, "seed of what is chosen at random; 0 means a new one")
	flagKeep   = flag.String("powercut.keep", "", "file to write the disk of a bad state to")
)

// scenarios are all workloads: those of the rooms, and the broken ones.
func scenarios() []powercut.Scenario {
	all := append(rooms(), rivalScenarios()...)
	for _, t := range teeth() {
		all = append(all, t.Scenario)
	}
	return all
}

func TestMain(m *testing.M) {
	powercut.Reenter(scenarios()...)
	flag.Parse()
	if reason := whyNot(); reason == "" {
		if err := mount.Private(); err != nil {
			fmt.Fprintln(os.Stderr, "powercut:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// whyNot returns why the power is not cut in this run of the tests, or "".
func whyNot() string {
	switch {
	case os.Geteuid() != 0:
		return "it takes root to mount file systems"
	case os.Getenv("TEMPKIT_ROOT_TESTS") != "1":
		return "it takes TEMPKIT_ROOT_TESTS=1, mkfs for ext4, xfs and btrfs, /dev/fuse and loop devices"
	}
	return ""
}

func skipUnlessAsked(t *testing.T) {
	t.Helper()
	if reason := whyNot(); reason != "" {
		t.Skip(reason)
	}
}

// onBenches calls f for each file system, with the others at the same time.
func onBenches(t *testing.T, f func(t *testing.T, b *powercut.Bench)) {
	benches, err := powercut.Open(fileSystems()...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, powercut.Close(benches)) })
	for _, b := range benches {
		t.Run(b.String(), func(t *testing.T) {
			t.Parallel()
			f(t, b)
		})
	}
}

// plan is what the flags ask for, with its share of the states.
func plan(states int) powercut.Plan {
	seed := *flagSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	return powercut.Plan{
		States: states, PerRun: 60, Sector: *flagSector, Disturb: 3 * time.Millisecond,
		Seed: seed, Fsck: true, Keep: *flagKeep,
	}
}

// rooms are the workloads of the rooms, which must pass.
func rooms() []powercut.Scenario {
	return slices.Concat(atomicScenarios(), wayScenarios(), batchScenarios(), commitDirScenarios(), spoolScenarios(),
		areaScenarios(), workdirScenarios())
}

func TestPowerCuts(t *testing.T) {
	skipUnlessAsked(t)
	all := rooms()
	pairs := len(all) * len(fileSystems())
	share := (*flagStates + pairs - 1) / pairs
	sums := tally{}
	t.Cleanup(func() {
		sums.print(all)
		if w := sums.rows[total]; w != nil {
			testfs.Figure(t, "states after power cuts on "+inOrder(w.on), w.states, 1, w.bad)
		}
	})
	onBenches(t, func(t *testing.T, b *powercut.Bench) {
		for _, s := range all {
			t.Run(s.Name, func(t *testing.T) {
				start := time.Now()
				p := plan(share)
				r, err := b.Run(s, p)
				require.NoError(t, err)
				sums.add(b, s, r)
				t.Logf("%d states, %d bad, of %d runs with %d disk events, in %v, seed %d",
					r.States, r.Bad, r.Runs, r.Events, time.Since(start).Round(time.Millisecond), p.Seed)
				for class, n := range r.Failures {
					t.Errorf("%d states: %s", n, class)
				}
				for _, state := range r.First {
					t.Log(state)
				}
			})
		}
	})
}

// A tally adds up what came of each scenario.
type tally struct {
	mu   sync.Mutex
	rows map[string]*row
}

type row struct {
	states, bad int
	on          []string // file systems
}

const total = "" // the row of all scenarios

func (s *tally) add(b *powercut.Bench, c powercut.Scenario, r powercut.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows == nil {
		s.rows = map[string]*row{}
	}
	for _, name := range []string{c.Name, total} {
		if s.rows[name] == nil {
			s.rows[name] = &row{}
		}
		w := s.rows[name]
		w.states += r.States
		w.bad += r.Bad
		w.on = append(w.on, b.String())
	}
}

// print prints the closing lines.
func (s *tally) print(all []powercut.Scenario) {
	for _, c := range append(all, powercut.Scenario{Name: total}) {
		if w := s.rows[c.Name]; w != nil {
			name := c.Name
			if name != total {
				name += ": "
			}
			fmt.Printf("powercut: %s%d states on %s: %d bad\n", name, w.states, inOrder(w.on), w.bad)
		}
	}
}

// fileSystems are those that the flag asks for.
func fileSystems() []string { return strings.Split(*flagFs, ",") }

// inOrder returns those of the file systems that are among some, as text.
func inOrder(some []string) string {
	isNot := func(name string) bool { return !slices.Contains(some, name) }
	return strings.Join(slices.DeleteFunc(fileSystems(), isNot), ", ")
}
