package testfs

import (
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A Tooth is a step that a careless library would leave out, or make too late: a
// layer between an operation and its disk that does so. A [Proof] that is worth
// something does not hold with it.
type Tooth struct {
	Name   string
	faults bool // it only shows when something fails
	done   bool // and has taken effect
	lies   func(l *liar) plan
}

// A liar is what the lies of one run know.
type liar struct {
	disk *CrashFs

	mu      sync.Mutex
	renamed bool
	late    map[string]func() error // calls that are to be made later, by the file that they are about
}

// Teeth are all of them.
var Teeth = []Tooth{
	{Name: "no file sync", lies: func(l *liar) plan {
		return plan{{when: l.isSync(false), fault: Fault{Instead: skipped}}}
	}},
	{Name: "no sync of the directory after the rename", lies: func(l *liar) plan {
		isSync := l.isSync(true)
		return plan{l.watchRename(), {when: func(n int, call string) bool { return l.hasRenamed() && isSync(n, call) }, fault: Fault{Instead: skipped}}}
	}},
	{Name: "no sync of directories before the rename", lies: func(l *liar) plan {
		isSync := l.isSync(true)
		return plan{l.watchRename(), {when: func(n int, call string) bool { return !l.hasRenamed() && isSync(n, call) }, fault: Fault{Instead: skipped}}}
	}},
	{Name: "the error of Close ignored", faults: true, lies: func(*liar) plan {
		return plan{{when: Calls("close "), fault: Fault{Instead: func(_ string, act func() error) error {
			_ = act()
			return nil
		}}}}
	}},
	{Name: "no removal after an error", faults: true, lies: func(*liar) plan {
		return plan{{when: Calls("remove "), fault: Fault{Instead: skipped}}}
	}},
	{Name: "the error of an exchange believed", faults: true, done: true, lies: func(*liar) plan {
		return plan{{when: Calls("exchanged "), fault: Fault{Instead: skipped}}}
	}},
	{Name: "chmod after the file sync", lies: func(l *liar) plan {
		return plan{
			{when: Calls("chmod "), fault: Fault{Instead: func(call string, act func() error) error {
				l.postpone(path.Base(call), act)
				return nil
			}}},
			{when: l.isSync(false), fault: Fault{Instead: func(call string, act func() error) error {
				if err := act(); err != nil {
					return err
				}
				return l.make(path.Base(call))
			}}},
		}
	}},
	{Name: "rename before the file sync", lies: func(l *liar) plan {
		return plan{
			{when: l.isSync(false), fault: Fault{Instead: func(call string, _ func() error) error {
				l.postpone(path.Base(call), nil)
				return nil
			}}},
			{when: Calls("rename "), fault: Fault{Instead: func(call string, act func() error) error {
				if err := act(); err != nil {
					return err
				}
				words := strings.Fields(call)
				return l.syncLate(path.Base(words[1]), words[2])
			}}},
		}
	}},
}

func skipped(string, func() error) error { return nil }

// isSync picks the syncs of directories, or of files.
func (l *liar) isSync(dirs bool) When {
	return func(_ int, call string) bool {
		name, ok := strings.CutPrefix(call, "sync ")
		if !ok {
			return false
		}
		info, err := l.disk.Stat(name)
		return (err == nil && info.IsDir()) == dirs
	}
}

// watchRename is a step that notes a rename and leaves it as it is. A new directory
// begins something that a rename will end.
func (l *liar) watchRename() step {
	watched := func(_ int, call string) bool {
		op, _, _ := strings.Cut(call, " ")
		return op == "rename" || op == "exchange" || op == "mkdir"
	}
	return step{when: watched, fault: Fault{Instead: func(call string, act func() error) error {
		l.mu.Lock()
		l.renamed = !strings.HasPrefix(call, "mkdir")
		l.mu.Unlock()
		return act()
	}}}
}

func (l *liar) hasRenamed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.renamed
}

func (l *liar) postpone(file string, act func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late[file] = act
}

// make makes the call that has been postponed for the file, if there is one.
func (l *liar) make(file string) error {
	l.mu.Lock()
	act := l.late[file]
	delete(l.late, file)
	l.mu.Unlock()
	if act == nil {
		return nil
	}
	return act()
}

// syncLate syncs what is called name by now, if that has been postponed.
func (l *liar) syncLate(file, name string) error {
	l.mu.Lock()
	_, late := l.late[file]
	delete(l.late, file)
	l.mu.Unlock()
	if !late {
		return nil
	}
	f, err := l.disk.Open(name)
	if err != nil {
		return err
	}
	err = f.Sync()
	_ = f.Close() // only read
	return err
}

// ProveTeeth lets each tooth bite: of proofs, which hold, at least one must not hold
// with it. Teeth whose names are among none have nothing to bite on here.
func ProveTeeth(t testing.TB, room string, proofs []Proof, none ...string) {
	t.Helper()
	if Short() {
		t.Skip("teeth bite in every run that is not to be short")
	}
	seed := seed(t)
	missed, tried := 0, 0
	control := eachProof(proofs, seed, 0, func(p Proof, rnd *rand.Rand) Tally { return p.bitten(Tooth{}, rnd) })
	control.report(t)
	for i, tooth := range Teeth {
		if slices.Contains(none, tooth.Name) {
			continue
		}
		tried++
		var mu sync.Mutex
		var by []string
		var sum Tally
		// Some show in few of the states that are drawn by lot.
		for round := i; sum.Bad == 0 && round < 10*len(Teeth); round += len(Teeth) {
			sum.add(eachProof(proofs, seed, round, func(p Proof, rnd *rand.Rand) Tally {
				tally := p.bitten(tooth, rnd)
				if tally.Bad > 0 {
					mu.Lock()
					by = append(by, p.Name)
					mu.Unlock()
				}
				return tally
			}))
		}
		t.Logf("%s: %d of %d states bad; caught by %s", tooth.Name, sum.Bad, sum.States, strings.Join(by, ", "))
		if sum.Bad == 0 {
			missed++
			t.Errorf("%s: nobody notices", tooth.Name)
		}
	}
	Figure(t, "teeth: "+room, tried, tried, missed)
}

// bitten tries the operation with the tooth.
func (p Proof) bitten(tooth Tooth, rnd *rand.Rand) (sum Tally) {
	moments, limit := math.MaxInt, 64
	if tooth.faults {
		moments, limit = 0, 2 // it shows without a cut
	}
	lies := func(disk *CrashFs) plan {
		if tooth.lies == nil {
			return nil
		}
		return tooth.lies(&liar{disk: disk, late: map[string]func() error{}})
	}
	for n := 1; n <= maxCalls; n++ {
		var faults plan
		if tooth.faults {
			faults = plan{nth(n, Fault{Err: syscall.EIO, Done: tooth.done})}
		}
		trial, err := p.try(faults, lies, pageSize)
		if err != nil {
			return Tally{}
		}
		if tooth.faults && len(trial.met) == 0 {
			break
		}
		sum.add(trial.check(moments, limit, rnd))
		if !tooth.faults {
			break
		}
	}
	return sum
}
