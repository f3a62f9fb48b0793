package testfs

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
)

// A Model says in which order a file system lets changes reach the disk.
type Model int

const (
	// POSIX is what the standard promises and no more: any of the parts that are
	// not safe may have reached the disk, in any order.
	POSIX Model = iota
	// Journal is what ext4, xfs and btrfs do: the changes of directories reach the
	// disk in order, a rename whole; data, sizes, modes and times at any moment.
	Journal
)

// Models are all models.
var Models = []Model{POSIX, Journal}

func (m Model) String() string {
	if m == Journal {
		return "journal"
	}
	return "posix"
}

// Crashes calls check with the states in which a power cut at the time at may
// leave the disk: all of them if they are no more than limit, else limit of them,
// which rnd chooses after the plainest two (nothing lost, all lost). It ends with
// the first error of check, and says what was lost. n is the number of states.
//
// A state is a CrashFs at time 0 with everything safe. It is check's to change,
// and may crash in its turn.
func (f *CrashFs) Crashes(at int, m Model, limit int, rnd *rand.Rand, check func(state *CrashFs) error) (n int, err error) {
	f.mu.Lock()
	log := slices.Clone(f.log[:f.ends[at]])
	f.mu.Unlock()

	fates := fatesOf(log, at, m)
	first := len(log) // what comes before the first open part is the same in all states
	if len(fates.open) > 0 {
		first = fates.open[0]
	}
	common := f.base.over()
	for _, p := range log[:first] {
		p.apply(common)
	}
	for lost := range fates.each(limit, rnd) {
		d := common.over()
		for i := first; i < len(log); i++ {
			if !lost[i] {
				log[i].apply(d)
			}
		}
		n++
		if err := check(on(f.root, d, f.piece)); err != nil {
			var what []string
			for i, p := range log {
				if lost[i] {
					what = append(what, p.what)
				}
			}
			return n, fmt.Errorf("cut at %d (%s), lost: %s: %w", at, m, strings.Join(what, ", "), err)
		}
	}
	return n, nil
}

// fates are the ways in which the open parts of a log, those that are not safe,
// may end.
type fates struct {
	journal bool
	log     []part
	open    []int
	free    []int // those of open that reach the disk or do not, each by itself
	line    []int // those of open that do so in order
}

func fatesOf(log []part, at int, m Model) *fates {
	f := &fates{journal: m == Journal, log: log}
	safe := func(p part) bool { return p.safe > 0 && p.safe <= at }
	last := -1 // the last entry that is safe: in a journal, so is each before it
	for i, p := range log {
		if p.entry && safe(p) {
			last = i
		}
	}
	for i, p := range log {
		switch {
		case safe(p):
		case m == POSIX || !p.entry:
			f.open = append(f.open, i)
			f.free = append(f.free, i)
		case i < last || p.after >= 0 && safe(log[p.after]):
		default:
			f.open = append(f.open, i)
			if p.after < 0 { // else it shares the fate of the part before it
				f.line = append(f.line, i)
			}
		}
	}
	return f
}

// each yields, for each fate, which parts of the log are lost. The slice is good
// until the next.
func (f *fates) each(limit int, rnd *rand.Rand) iter.Seq[[]bool] {
	total := len(f.line) + 1
	for range f.free {
		if total *= 2; total > limit {
			break
		}
	}
	choose := f.nth
	if total > limit {
		choose = func(n int, lost []bool) { f.sample(n, rnd, lost) }
	}
	return func(yield func(lost []bool) bool) {
		lost := make([]bool, len(f.log))
		for n := range min(total, limit) {
			choose(n, lost)
			if again := f.follow(lost); again && total <= limit {
				continue
			}
			if !yield(lost) {
				return
			}
		}
	}
}

// nth chooses the n-th fate out of all.
func (f *fates) nth(n int, lost []bool) {
	f.cut(n%(len(f.line)+1), lost)
	bits := n / (len(f.line) + 1)
	for j, i := range f.free {
		lost[i] = bits>>j&1 == 1
	}
}

// cut loses what comes after the first kept parts of the line.
func (f *fates) cut(kept int, lost []bool) {
	for j, i := range f.line {
		lost[i] = j >= kept
	}
}

// sample chooses a fate at random. Half of them are near the ends, one part lost
// or one kept: with many parts, a fair choice hardly ever comes there.
func (f *fates) sample(n int, rnd *rand.Rand, lost []bool) {
	f.cut(rnd.IntN(len(f.line)+1), lost)
	odd := -1
	if len(f.free) > 0 {
		odd = f.free[rnd.IntN(len(f.free))]
	}
	few := rnd.IntN(4) // 0: one of the free is lost; 1: one is kept
	switch n {
	case 0: // nothing is lost
		f.cut(len(f.line), lost)
		few, odd = 0, -1
	case 1: // all is lost
		f.cut(0, lost)
		few, odd = 1, -1
	}
	for _, i := range f.free {
		switch few {
		case 0:
			lost[i] = i == odd
		case 1:
			lost[i] = i != odd
		default:
			lost[i] = rnd.IntN(2) == 1
		}
	}
}

// follow loses what cannot be without the part before it. It reports whether that
// overrules a choice, so that the same fate comes again.
func (f *fates) follow(lost []bool) (overruled bool) {
	for _, i := range f.open {
		after := f.log[i].after
		switch {
		case after < 0:
		case f.journal:
			lost[i] = lost[after]
		case lost[after] && !lost[i]:
			lost[i], overruled = true, true
		}
	}
	return overruled
}
