package main

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// A way is one of several to do the same work. It may be taken any number of times.
type way struct {
	impl  string
	ready func() error // what comes before each time and is not measured; nil means nothing
	do    func() error
}

// A sample is what one way took, in each round, for each time that it was taken.
type sample struct {
	wall    []float64 // nanoseconds
	cpu     []float64 // nanoseconds of processor time of this process; nil where nobody counts
	alloc   []float64 // bytes allocated, which is no less than what was held at any moment
	flushes []float64 // orders to the disk to write its cache out; nil where nobody counts
}

const (
	roundsLeast = 7                    // and more while they are short,
	roundsMost  = 101                  // until there are so many
	roundsEnd   = 3 * time.Second      // or they have taken so long;
	turnLength  = 2 * time.Millisecond // a turn takes a way so often that it lasts so long
	timesMost   = 20_000
	slow        = time.Second // of what takes so long, one turn is enough to warm up
)

// measure lets the ways take turns, so that what else the machine does falls on all
// alike, and returns a sample of each. There are at least so many rounds, and more of
// them while they are short, for so long. Nobody is always first, and nobody's first
// time is counted. tick is called after every round.
func measure(ctx context.Context, ways []way, least int, long time.Duration, flushes func() (int64, bool), tick func(round int)) ([]sample, error) {
	samples := make([]sample, len(ways))
	began := time.Now()
	times, err := warmUp(ctx, ways, flushes)
	if err != nil {
		return nil, err
	}
	for round := 1; round <= least || round <= roundsMost && time.Since(began) < long; round++ {
		for i := range ways {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			i := (i + round) % len(ways)
			t, err := takeTurn(ways[i], times, flushes)
			if err != nil {
				return nil, &wayError{ways[i].impl, err}
			}
			samples[i].add(t, float64(times))
		}
		tick(round)
	}
	return samples, nil
}

// warmUp takes each way, and returns how often a turn is to take it, so that no turn
// is shorter than turnLength. It finds out by turns that grow, after a first one: with
// nothing at hand a way takes many times what it takes later.
func warmUp(ctx context.Context, ways []way, flushes func() (int64, bool)) (times int, err error) {
	times = 1
	for _, w := range ways {
		t, err := takeTurn(w, 1, flushes)
		for err == nil && w.ready == nil && t.wall < slow && times < timesMost && ctx.Err() == nil {
			if t, err = takeTurn(w, times, flushes); t.wall >= turnLength {
				break
			}
			times = min(2*times, timesMost)
		}
		if err != nil {
			return 0, &wayError{w.impl, err}
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
	return times, nil
}

// A wayError says which way failed.
type wayError struct {
	impl string
	err  error
}

func (e *wayError) Error() string { return e.impl + ": " + e.err.Error() }
func (e *wayError) Unwrap() error { return e.err }

// A turn is what some times of one way took, in all.
type turn struct {
	wall, cpu       time.Duration
	alloc           uint64
	flushes         int64
	countsCPU, disk bool
}

func takeTurn(w way, times int, flushes func() (int64, bool)) (t turn, err error) {
	var before, after runtime.MemStats
	flushed, disk := flushes()
	runtime.ReadMemStats(&before)
	if w.ready == nil {
		began, used := time.Now(), processorTime()
		for range times {
			if err := w.do(); err != nil {
				return t, err
			}
		}
		t.wall, t.cpu = time.Since(began), processorTime()-used
		runtime.ReadMemStats(&after)
		t.alloc = after.TotalAlloc - before.TotalAlloc
	} else {
		for range times {
			if err := w.ready(); err != nil {
				return t, err
			}
			flushed, disk = flushes()
			runtime.ReadMemStats(&before)
			began, used := time.Now(), processorTime()
			if err := w.do(); err != nil {
				return t, err
			}
			t.wall, t.cpu = t.wall+time.Since(began), t.cpu+processorTime()-used
			runtime.ReadMemStats(&after)
			t.alloc += after.TotalAlloc - before.TotalAlloc
		}
	}
	now, _ := flushes()
	t.flushes, t.disk, t.countsCPU = now-flushed, disk, processorTime() > 0
	return t, nil
}

// add adds a turn of so many times to the sample.
func (s *sample) add(t turn, times float64) {
	s.wall = append(s.wall, float64(t.wall)/times)
	s.alloc = append(s.alloc, float64(t.alloc)/times)
	if t.countsCPU {
		s.cpu = append(s.cpu, float64(t.cpu)/times)
	}
	if t.disk {
		s.flushes = append(s.flushes, float64(t.flushes)/times)
	}
}

// ratio returns the median of a as a multiple of b, round by round: what slows a
// machine down for some rounds slows down both.
func ratio(a, b []float64) float64 {
	each := make([]float64, 0, len(a))
	for i := range min(len(a), len(b)) {
		if b[i] > 0 {
			each = append(each, a[i]/b[i])
		}
	}
	return median(each)
}

// median returns the middle one of list, or 0 if there is none.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
