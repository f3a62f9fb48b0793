package testfs

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// What the proofs try depends on how the tests are run. $TEMPKIT_PROOFS=all asks
// for every single fault, not for some of them by lot; $TEMPKIT_LONG for that too, for
// ten times as many pairs of faults and a hundred times as many cuts, from a seed of
// its own each time; -short and the race detector, under which no more is found, for
// a tenth. $TEMPKIT_SEED repeats a run.

// Short reports whether they are to try no more than shows that they work.
func Short() bool { return !Long() && (testing.Short() || underRace) }

// scaled returns how many of n things to try.
func scaled(n int) int {
	switch {
	case Long():
		return 100 * n
	case Short():
		return n / 10
	}
	return n
}

// longest ends an instrument that has been asked for much.
const longest = 20 * time.Minute

// seed returns the seed of this run, and logs it.
func seed(t testing.TB) uint64 {
	t.Helper()
	n := uint64(1)
	if Long() {
		n = uint64(time.Now().UnixNano())
	}
	if s := os.Getenv("TEMPKIT_SEED"); s != "" {
		var err error
		n, err = strconv.ParseUint(s, 10, 64)
		must(t, err)
	}
	t.Logf("TEMPKIT_SEED=%d", n)
	return n
}

// eachProof calls fn for each proof, some at a time, with a source of chance that
// depends on seed, round and the name alone.
func eachProof(proofs []Proof, seed uint64, round int, fn func(p Proof, rnd *rand.Rand) Tally) (sum Tally) {
	tallies := make([]Tally, len(proofs))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range proofs {
		g.Go(func() error {
			h := fnv.New64a()
			_, _ = fmt.Fprint(h, p.Name, round) // a hash never fails
			tallies[i] = fn(p, rand.New(rand.NewPCG(seed, h.Sum64())))
			if first := tallies[i].First; first != nil {
				tallies[i].First = fmt.Errorf("%s: %w", p.Name, first)
			}
			return nil
		})
	}
	_ = g.Wait() // fn has nothing to return
	var firsts []error
	for _, t := range tallies {
		sum.add(t)
		if t.First != nil && len(firsts) < 3 {
			firsts = append(firsts, t.First)
		}
	}
	sum.First = errors.Join(firsts...)
	return sum
}

// ProveCrashes runs each operation once and cuts the power at every moment of it,
// until least states have been looked at: those of a moment are all tried while
// they are few, and drawn by lot when they are many. In every other round data is
// torn by sectors.
func ProveCrashes(t testing.TB, room string, least int, proofs []Proof) {
	t.Helper()
	least = scaled(least)
	seed, start := seed(t), time.Now()
	var sum Tally
	for round := 0; sum.States < least && sum.Bad == 0 && time.Since(start) < longest; round++ {
		piece, limit := []int64{pageSize, sector}[round%2], 64<<min(round/2, 10)
		sum.add(eachProof(proofs, seed, round, func(p Proof, rnd *rand.Rand) Tally {
			trial, err := p.try(nil, nil, piece)
			if err != nil {
				return Tally{Bad: 1, First: err}
			}
			return trial.check(math.MaxInt, limit, rnd)
		}))
	}
	t.Logf("%d proofs, %v", len(proofs), time.Since(start).Round(time.Millisecond))
	sum.report(t)
	Figure(t, "crash states: "+room, sum.States, least, sum.Bad)
}

// sector is the least that a disk writes at once.
const sector = 512

func (t *Tally) report(tb testing.TB) {
	tb.Helper()
	if t.First != nil {
		tb.Errorf("of %d that are bad: %v", t.Bad, t.First)
	}
}

// proofFaults are what becomes of a call in [ProveFaults].
var proofFaults = []Fault{
	{Err: syscall.EIO},
	{Err: syscall.EIO, Done: true}, // the answer is lost
	{Err: syscall.ENOSPC},
	{Err: syscall.ENOSPC, Short: true},
	{Short: true},
	{Err: syscall.EDQUOT},
	{Err: syscall.EACCES},
	{Err: syscall.EINTR},
	{Err: syscall.EROFS},
	{Err: syscall.ENOTSUP},
}

// fits reports whether the fault means something to a call.
func (f Fault) fits(call string) bool { return !f.Short || strings.HasPrefix(call, "write") }

// ProveFaults makes the calls of each operation fail: each alone and with all that
// follow, in every way; and then two by two, by lot, half of least plans of those and
// more if there have not been as many as that. After each plan the power is cut at moments since the first fault.
func ProveFaults(t testing.TB, room string, leastPlans, leastStates int, proofs []Proof) {
	t.Helper()
	seed, start := seed(t), time.Now()
	const limit = 4 // states of a moment; there are many plans
	keep := 1.0
	switch all := os.Getenv("TEMPKIT_PROOFS") == "all"; {
	case Long():
		leastPlans, leastStates = 10*leastPlans, 10*leastStates
	case Short():
		leastPlans, leastStates, keep = leastPlans/50, leastStates/50, 0.02
	case !all:
		leastPlans, leastStates, keep = leastPlans/5, leastStates/5, 0.2
	}
	sum := eachProof(proofs, seed, 0, func(p Proof, rnd *rand.Rand) Tally { return p.singles(keep, limit, rnd) })
	singles := sum.Plans
	for round := 1; sum.Bad == 0 && time.Since(start) < longest; round++ {
		if pairs := sum.Plans - singles; pairs >= leastPlans/2 && sum.Plans >= leastPlans && sum.States >= leastStates {
			break
		}
		sum.add(eachProof(proofs, seed, round, func(p Proof, rnd *rand.Rand) Tally { return p.several(2, 20, limit, rnd) }))
	}
	t.Logf("%d proofs, %v", len(proofs), time.Since(start).Round(time.Millisecond))
	sum.report(t)
	Figure(t, "fault plans: "+room, sum.Plans, leastPlans, sum.Bad)
	Figure(t, "crash states after faults: "+room, sum.States, leastStates, sum.Bad)
}

// ProveTriples makes three calls of each operation fail, by lot, in as many plans.
func ProveTriples(t testing.TB, room string, plans int, proofs []Proof) {
	t.Helper()
	seed, start := seed(t), time.Now()
	var sum Tally
	for round := 0; sum.Bad == 0 && sum.Plans < plans && time.Since(start) < longest; round++ {
		sum.add(eachProof(proofs, seed, round, func(p Proof, rnd *rand.Rand) Tally { return p.several(3, 100, 4, rnd) }))
	}
	sum.report(t)
	Figure(t, "plans of three faults: "+room, sum.Plans, plans, sum.Bad)
}

// run tries a plan.
func (p Proof) run(faults plan, limit int, rnd *rand.Rand) (Tally, *trial) {
	trial, err := p.try(faults, nil, pageSize)
	if err != nil {
		return Tally{Bad: 1, First: err}, nil
	}
	tally := trial.check(8, limit, rnd)
	if tally.First != nil {
		tally.First = fmt.Errorf("%v: %w", faults, tally.First)
	}
	return tally, trial
}

// singles tries every call in every way, alone and with all that follow. Of all
// those plans it keeps as many as keep says, by lot.
func (p Proof) singles(keep float64, limit int, rnd *rand.Rand) (sum Tally) {
	tally, faultless := p.run(nil, limit, rnd)
	sum.add(tally)
	if faultless == nil {
		return sum
	}
	if faultless.err != nil && p.Fails == nil || p.Fails != nil && !p.Fails(faultless.err) {
		sum.found(fmt.Errorf("without any fault: %w", faultless.err))
	}
	for _, fault := range proofFaults {
		for _, when := range []func(int, Fault) step{nth, from} {
			for n := 1; n <= maxCalls; n++ {
				if n <= len(faultless.calls) && (rnd.Float64() >= keep || !fault.fits(faultless.calls[n-1])) {
					continue
				}
				tally, trial := p.run(plan{when(n, fault)}, limit, rnd)
				if trial != nil && len(trial.met) == 0 {
					break // it makes no more calls
				}
				sum.add(tally)
				if trial == nil {
					break
				}
			}
		}
	}
	return sum
}

// several tries n plans in which so many calls fail, each in a way of its own.
func (p Proof) several(faults, plans, limit int, rnd *rand.Rand) (sum Tally) {
	_, faultless := p.run(nil, 1, rnd)
	for range plans {
		if faultless == nil {
			break
		}
		var steps plan
		calls, last := faultless.calls, 0
		for range faults {
			if last >= len(calls) {
				break
			}
			last += 1 + rnd.IntN(len(calls)-last)
			fault := proofFaults[rnd.IntN(len(proofFaults))]
			for !fault.fits(calls[last-1]) {
				fault = proofFaults[rnd.IntN(len(proofFaults))]
			}
			steps = append(steps, nth(last, fault))
			// What is called after a fault is not what would have been called without.
			if trial, err := p.try(steps, nil, pageSize); err == nil {
				calls = trial.calls
			}
		}
		tally, _ := p.run(steps, limit, rnd)
		sum.add(tally)
	}
	return sum
}
