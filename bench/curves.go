package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/tempkit/tempkit/atomicfs"
)

// A curve is what one unit of a work costs, by how much there is of something: flat
// where more of it costs no more.
type curve struct {
	work  string
	unit  string
	of    string // what there is more and more of
	sizes []int
	bytes bool   // the sizes are
	why   string // a curve is not flat, where that is known

	// open makes the way, and says how many units it does each time.
	open func(at *site, size int) (w way, units int, err error)
}

var curves = []curve{
	{
		work: "Batch of files of 4 KiB, durable", unit: "file", of: "files", sizes: []int{10, 100, 1000, 10_000, 100_000},
		why: "ten files share the waits for the disk among fewer",
		open: func(at *site, size int) (way, int, error) {
			return batches(at.dir, size, nil, func() error { return nil })[0], size, nil
		},
	},
	{
		work: "Batch of files of 4 KiB, without sync", unit: "file", of: "files", sizes: []int{10, 100, 1000, 10_000, 100_000},
		open: func(at *site, size int) (way, int, error) {
			return batches(at.dir, size, &atomicfs.Options{NoSync: true}, func() error { return nil })[0], size, nil
		},
	},
	{
		work: "named temporary", unit: "temporary", of: "entries beside it", sizes: []int{1, 1000, 100_000, 1_000_000},
		open: func(at *site, size int) (way, int, error) { return named(at.dir)[0], 1, crowd(at.dir, size) },
	},
	{
		work: "named temporaries at once", unit: "temporary", of: "goroutines", sizes: []int{1, 4, 16, 64},
		open: func(at *site, size int) (way, int, error) { return atOnce(named(at.dir)[0], size), size * 50, nil },
	},
	{
		work: "workdir.Sweep", unit: "entry", of: "entries", sizes: []int{1000, 100_000, 1_000_000},
		why: "ten directories are removed each time, whatever else there is",
		open: func(at *site, size int) (way, int, error) {
			ways, err := sweeps(at.dir, size)
			return ways[0], size, err
		},
	},
	{
		work: "spool that spills past 1 MiB", unit: "KiB", of: "bytes", bytes: true,
		sizes: []int{kib, 64 * kib, mib, 64 * mib, 1024 * mib, int(min(largest, math.MaxInt))},
		why:   "what fits in memory never meets the file system",
		open: func(at *site, size int) (way, int, error) {
			return spilling(at.dir, size, mib, min(size, 32*kib))[0], size / kib, nil
		},
	},
}

// largest is what a spool is filled with at most, where an int holds it.
var largest int64 = 8192 * mib

// atOnce returns w taken fifty times by each of so many goroutines.
func atOnce(w way, goroutines int) way {
	const each = 50
	return way{impl: w.impl, do: func() error {
		errs := make([]error, goroutines)
		var wg sync.WaitGroup
		for i := range goroutines {
			wg.Go(func() {
				for range each {
					if err := w.do(); err != nil {
						errs[i] = err
						return
					}
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	}}
}

// A point is one size of a curve.
type point struct {
	size int
	each float64 // nanoseconds for one unit
	err  error
}

// A traced curve is a curve with its points on one file system.
type traced struct {
	curve
	at     string
	points []point
}

// scale measures the curves in dir, and prints them.
func (s *survey) scale(ctx context.Context, dir, name string, p *printer) (all []*traced, err error) {
	p.line("  %-40s %10s %-18s %12s  %s", "work", "", "of", "each", "times the cheapest")
	for _, c := range curves {
		if !s.only.MatchString(c.work) {
			continue
		}
		t := &traced{curve: c, at: name}
		for _, size := range c.sizes {
			if s.small && size > c.sizes[1] {
				break
			}
			t.points = append(t.points, s.point(ctx, c, size, dir))
			if err := ctx.Err(); err != nil {
				return all, err
			}
		}
		all = append(all, t)
		p.traced(t)
	}
	return all, nil
}

func (s *survey) point(ctx context.Context, c curve, size int, dir string) point {
	const rounds = 3 // of the largest, which take minutes
	s.meter.begin(fmt.Sprintf("%s, %s %s", c.work, c.label(size), c.of))
	defer s.meter.begin("")
	at, err := newSite(dir, "")
	if err != nil {
		return point{size: size, err: err}
	}
	p := point{size: size}
	w, units, err := c.open(at, size)
	if err == nil {
		var samples []sample
		none := func() (int64, bool) { return 0, false }
		samples, err = measure(ctx, []way{w}, rounds, s.long, none, func(round int) { s.meter.say("%d rounds", round) })
		if err == nil {
			p.each = median(samples[0].wall) / float64(units)
		}
	}
	p.err = errors.Join(err, at.close())
	runtime.GC()
	return p
}

// label returns a size as people write it.
func (c *curve) label(size int) string {
	if c.bytes {
		return byteSize(int64(size))
	}
	return fmt.Sprint(size)
}

// cheapest returns the least that a unit costs.
func (t *traced) cheapest() (least float64) {
	for _, p := range t.points {
		if p.err == nil && (least == 0 || p.each < least) {
			least = p.each
		}
	}
	return least
}

func (p *printer) traced(t *traced) {
	for i, pt := range t.points {
		work := onlyFirst(i, t.work)
		if pt.err != nil {
			p.line("  %-40s %10s %-18s %s", work, t.label(pt.size), t.of, oneLine(pt.err))
			continue
		}
		p.line("  %-40s %10s %-18s %12s  %.2f", work, t.label(pt.size), t.of, duration(pt.each), pt.each/t.cheapest())
	}
	if t.why != "" {
		p.line("  %-40s %10s %s", "", "", t.why)
	}
}
