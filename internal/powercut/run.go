//go:build linux

package powercut

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sort"
	"strings"
	"time"

	"github.com/tempkit/tempkit/internal/mount"
)

// A Plan says how often, when and how the power is cut.
type Plan struct {
	States    int           // crash states to verify
	PerRun    int           // of one run of the workload; 0 means all
	Sector    int           // bytes that the disk writes whole or not at all; 0 means PageSize
	Disturb   time.Duration // have the file system commit about that often during the workload
	Seed      uint64        // of what is chosen at random
	Fsck      bool          // have the file system's own checker look at each state
	StopAtBad bool          // one bad state is enough
	Keep      string        // file to write the disk of the first bad state to
}

// A Report says what came of it.
type Report struct {
	States, Bad  int
	Runs, Events int            // runs of the workload, and what the disk took in them
	Failures     map[string]int // bad states by what was wrong, up to the first colon
	First        []string       // the first few of them, in full
}

// Run runs the scenario and cuts the power. Its error tells of trouble with the
// bench or the workload; bad states are no error.
func (b *Bench) Run(s Scenario, p Plan) (Report, error) {
	if p.Sector == 0 {
		p.Sector = PageSize
	}
	if p.PerRun == 0 {
		p.PerRun = p.States
	}
	r := &run{Bench: b, s: s, p: p, rnd: rand.New(rand.NewPCG(p.Seed, 0)), Report: Report{Failures: map[string]int{}}}
	ready, err := r.prepare()
	if err != nil {
		return r.Report, fmt.Errorf("setup: %w", err)
	}
	for r.States < p.States && !r.enough() {
		h, promises, err := r.work(ready)
		if err != nil {
			return r.Report, fmt.Errorf("workload: %w", err)
		}
		r.Runs++
		r.Events += len(h.Events) - h.Safe
		if err := r.cuts(h, promises); err != nil {
			return r.Report, err
		}
	}
	return r.Report, nil
}

// A run is a scenario on a bench.
type run struct {
	*Bench
	s   Scenario
	p   Plan
	rnd *rand.Rand
	Report
}

func (r *run) enough() bool { return r.Bad > 0 && r.p.StopAtBad }

// prepare returns the disk after the setup.
func (r *run) prepare() (Image, error) {
	if r.s.Setup == nil {
		return r.fresh, nil
	}
	if err := r.fresh.Store(r.path(imageFile), size); err != nil {
		return nil, err
	}
	err := r.mounted(r.path(imageFile), func() error {
		return self("setup", r.s.Name, r.home()).Run()
	})
	if err != nil {
		return nil, err
	}
	return Load(r.path(imageFile))
}

// work runs the workload once. It returns what the disk took, and what was
// promised when.
func (r *run) work(ready Image) (History, []promise, error) {
	none := History{}
	if err := ready.Store(r.path(imageFile), size); err != nil {
		return none, nil, err
	}
	if err := os.Truncate(r.path(logFile), 0); err != nil {
		return none, nil, err
	}
	var begin, end int64
	var out bytes.Buffer
	err := r.mounted(r.disk, func() error {
		begin = logged(r.path(logFile))
		cmd := self("work", r.s.Name, r.home(), r.path(mountDir), r.Kind, r.p.Disturb.String(), r.path(logFile))
		cmd.Stdout = &out
		err := cmd.Run()
		end = logged(r.path(logFile))
		return err
	})
	if err != nil {
		return none, nil, err
	}
	promises, err := parsePromises(out.Bytes())
	if err != nil {
		return none, nil, err
	}
	log, err := os.ReadFile(r.path(logFile))
	if err != nil {
		return none, nil, err
	}
	events, err := ParseLog(log[:end])
	h := History{Ready: ready, Events: events, Whole: whole[r.Kind]}
	h.Safe = h.at(begin)
	return h, promises, err
}

// at returns the number of events in the first pos bytes of the log.
func (h History) at(pos int64) int {
	return sort.Search(len(h.Events), func(i int) bool { return h.Events[i].End > pos })
}

// cuts verifies crash states of one run of the workload. The first are those at
// its end. Half of the others fall right after a promise, where it is hardest to
// keep, the rest anywhere.
func (r *run) cuts(h History, promises []promise) error {
	for i := 0; i < r.p.PerRun && r.States < r.p.States && !r.enough(); i++ {
		k := len(h.Events)
		switch {
		case i < len(Modes):
		case len(promises) > 0 && r.rnd.IntN(2) == 0:
			k = h.at(promises[r.rnd.IntN(len(promises))].at)
		default:
			k = h.Safe + r.rnd.IntN(len(h.Events)-h.Safe+1)
		}
		promised := map[string]int{}
		for _, p := range promises {
			if h.at(p.at) <= k {
				promised[p.name] = p.version
			}
		}
		m := Modes[i%len(Modes)]
		crashed := h.Crash(k, m, r.p.Sector, r.rnd)
		r.States++
		bad, err := r.check(crashed, promised)
		if err != nil {
			return err
		}
		if bad == nil {
			continue
		}
		state := fmt.Sprintf("run %d, cut after %d of %d disk events, unflushed writes %s", r.Runs, k-h.Safe, len(h.Events)-h.Safe, m)
		if err := r.note(crashed, state, bad); err != nil {
			return err
		}
	}
	return nil
}

// check mounts a crash state as a machine that comes back up would, and looks.
// What is wrong with the state is bad.
func (r *run) check(crashed Image, promised map[string]int) (bad, err error) {
	if err := crashed.Store(r.path(imageFile), size); err != nil {
		return nil, err
	}
	err = r.mounted(r.path(imageFile), func() error {
		bad = r.s.Verify(r.home(), promised)
		return nil
	})
	if lost := (*mount.Error)(nil); errors.As(err, &lost) {
		return lost, nil
	}
	if err != nil {
		return nil, errors.Join(err, bad)
	}
	if bad != nil || !r.p.Fsck {
		return bad, nil
	}
	err = mount.Check(r.Kind, r.path(imageFile))
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
		return fmt.Errorf("fsck: %w", err), nil
	}
	return nil, err
}

// whole are the pages that a file system relies on to be written whole, whoever
// writes files there. On btrfs it is the super block, and its copy: it has one sum
// for all of its 4096 bytes and no journal, so that a torn one cannot be mounted.
var whole = map[string][]int64{
	"btrfs": {64 << 10 / PageSize, 64 << 20 / PageSize},
}

// note takes down a bad state.
func (r *run) note(crashed Image, state string, bad error) error {
	r.Bad++
	class, _, _ := strings.Cut(bad.Error(), ":")
	r.Failures[class]++
	if len(r.First) < 3 {
		r.First = append(r.First, state+": "+bad.Error())
	}
	if r.Bad == 1 && r.p.Keep != "" {
		return crashed.Store(r.p.Keep, size)
	}
	return nil
}
