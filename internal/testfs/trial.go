package testfs

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A step of a plan is a fault, and the calls that meet it.
type step struct {
	what  string
	when  When
	fault Fault
}

// A plan is what becomes of the calls of an operation.
type plan []step

func (p plan) String() string {
	var all []string
	for _, s := range p {
		all = append(all, s.what+": "+s.fault.String())
	}
	return strings.Join(all, "; ")
}

// nth is the step that the n-th call takes.
func nth(n int, fault Fault) step { return step{fmt.Sprint("call ", n), Nth(n), fault} }

// from is the step of the n-th call and all that follow.
func from(n int, fault Fault) step { return step{fmt.Sprint("from call ", n), From(n), fault} }

// A trial is one run of a [Proof] on a disk of its own.
type trial struct {
	proof Proof
	disk  *CrashFs
	err   error // of the operation

	calls []string
	met   []int   // the numbers of the calls that met a fault, from 1
	how   []Fault // which one, each
	left  []string
	began int // when the operation did, or the first fault was met
}

// try runs the operation. Faults befall the calls that arrive at the disk; lies, if
// there are any, are told above it, where the operation makes its calls.
func (p Proof) try(faults plan, lies func(disk *CrashFs) plan, piece int64) (*trial, error) {
	f := NewCrash()
	f.Tear(piece)
	if p.Before != nil {
		if err := p.Before(f); err != nil {
			return nil, fmt.Errorf("before: %w", err)
		}
	}
	f.Settle()
	t := &trial{proof: p, disk: f, began: f.Now()}
	spy := NewSpy(f)
	for _, s := range faults {
		spy.Fail(func(n int, call string) bool {
			hit := s.when(n, call)
			if hit && !slices.Contains(t.met, n) {
				if len(t.met) == 0 {
					t.began = f.Now() // until then all is as it is without faults
				}
				t.met, t.how = append(t.met, n), append(t.how, s.fault)
			}
			return hit
		}, s.fault)
	}
	top := spy
	if lies != nil {
		top = NewSpy(spy)
		for _, s := range lies(f) {
			top.Fail(s.when, s.fault)
		}
	}
	t.err = p.Act(top)
	t.calls, t.left = spy.Calls(), spy.OpenFiles()
	return t, nil
}

// seen is what is known of the disk of t.
func (t *trial) seen() Seen {
	s := Seen{Ended: true, Err: t.err, How: t.how}
	for _, n := range t.met {
		s.Met = append(s.Met, t.calls[n-1])
	}
	return s
}

// check looks at the disk as it is, and at what cuts may leave of it: limit states
// of each model at each moment since the first fault, or at so many of those
// moments, by lot, and the last.
func (t *trial) check(moments, limit int, rnd *rand.Rand) Tally {
	now := t.disk.Now()
	tally, turn := Tally{Plans: 1}, 0
	tally.found(t.behaviour())
	tally.found(t.proof.Holds(t.disk.Copy(), t.seen()))
	for _, m := range Models {
		for at := t.began; at <= now; at++ {
			if at < now && rnd.IntN(now-t.began+1) >= moments {
				continue
			}
			n, err := t.disk.Crashes(at, m, limit, rnd, func(state *CrashFs) error {
				s := t.seen()
				turn++
				s.Ended, s.Cut, s.Model, s.Turn = at == now, true, m, turn
				return t.proof.Holds(state, s)
			})
			tally.States += n
			tally.found(err)
		}
	}
	if tally.First != nil {
		tally.First = fmt.Errorf("%w\nit returned: %s\nfaults met: %s\nthe calls:\n%s",
			tally.First, fmt.Sprint(t.err), strings.Join(t.seen().Met, ", "), strings.Join(t.calls, "\n"))
	}
	return tally
}

// behaviour says what is wrong with the calls that the operation made, whatever
// became of the disk.
func (t *trial) behaviour() error {
	if len(t.left) > 0 {
		return fmt.Errorf("open still: %s", strings.Join(t.left, ", "))
	}
	for _, n := range t.met {
		call := t.calls[n-1]
		op, name, _ := strings.Cut(call, " ")
		after := t.calls[n:]
		switch {
		case op == "sync" && !t.isDir(name) && slices.Contains(after, call):
			return fmt.Errorf("%s is retried after it has failed", call)
		case op == "close" && t.err == nil && slices.Index(t.calls, call) == n-1 && t.published(name): // a second handle may be for reading
			return fmt.Errorf("%s has failed, and all is said to be well", call)
		}
	}
	return nil
}

// isDir reports whether name is, or was, a directory.
func (t *trial) isDir(name string) bool {
	if info, err := t.disk.Stat(name); err == nil {
		return info.IsDir()
	}
	return slices.ContainsFunc(t.calls, func(call string) bool {
		return strings.HasPrefix(call, "mkdir") && strings.HasSuffix(call, " "+name)
	})
}

// published reports whether the file name was written and then renamed.
func (t *trial) published(name string) bool {
	written := slices.ContainsFunc(t.calls, func(call string) bool {
		return strings.HasPrefix(call, "write") && strings.HasSuffix(call, " "+name)
	})
	return written && slices.ContainsFunc(t.calls, func(call string) bool {
		return strings.HasPrefix(call, "rename "+name+" ")
	})
}
