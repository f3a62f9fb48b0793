//go:build linux

package powercut_test

import (
	"crypto/rand"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/powercut"
)

// A protocol is a way to write a file. The zero value is a right one; each field
// is something that people get wrong.
type protocol struct {
	noFileSync    bool
	noDirSync     bool
	noParentsSync bool
	renameFirst   bool // before anything is written
	syncLast      bool // the file, after the rename
	chmodLast     bool // after the sync of the file, before that of the directory
	inPlace       bool // no temporary: truncated, written, synced
}

func (p protocol) put(dir string, f file, version int) error {
	name := filepath.Join(dir, f.name)
	if err := p.makeParents(dir, filepath.Dir(name)); err != nil {
		return err
	}
	temporary := filepath.Join(filepath.Dir(name), ".tmp-"+strings.ToLower(rand.Text()))
	flag := os.O_RDWR | os.O_CREATE | os.O_EXCL
	if p.inPlace {
		temporary, flag = name, os.O_RDWR|os.O_CREATE|os.O_TRUNC
	}
	w, err := os.OpenFile(temporary, flag, 0o600)
	if err != nil {
		return err
	}
	defer w.Close()
	write := func() error { _, err := w.Write(f.version(version)); return err }
	chmod := func() error { return w.Chmod(f.mode) }
	sync := w.Sync
	rename := func() error { return os.Rename(temporary, name) }
	nothing := func() error { return nil }
	if p.noFileSync {
		sync = nothing
	}
	steps := []func() error{write, chmod, sync, rename}
	switch {
	case p.inPlace:
		steps = []func() error{write, chmod, sync}
	case p.renameFirst:
		steps = []func() error{rename, write, chmod, sync}
	case p.syncLast:
		steps = []func() error{write, chmod, rename, sync}
	case p.chmodLast:
		steps = []func() error{write, sync, chmod, rename}
	}
	for _, step := range steps {
		// As on a machine that is busy: the file system may commit between any two.
		time.Sleep(mathrand.N(4 * time.Millisecond))
		if err := step(); err != nil {
			return err
		}
	}
	if p.noDirSync {
		return nil
	}
	return syncDir(filepath.Dir(name))
}

// makeParents makes dir and its parents up to top, which exists.
func (p protocol) makeParents(top, dir string) error {
	if dir == top {
		return nil
	}
	if err := p.makeParents(top, filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if os.IsExist(err) {
			return nil
		}
		return err
	}
	if p.noParentsSync {
		return nil
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// putTree puts a tree in place of which nothing has been synced but its name.
func putTree(dir string, t tree, version int) error {
	temporary := filepath.Join(dir, ".work-"+strings.ToLower(rand.Text())+".dead")
	if err := t.write(temporary, version); err != nil {
		return err
	}
	if err := os.Rename(temporary, filepath.Join(dir, t.name)); err != nil {
		return err
	}
	return syncDir(dir)
}

// A tooth is a protocol that must fail on some file system, unless it is sound.
type tooth struct {
	powercut.Scenario
	sound bool

	// spared is why none of these file systems, though others may, punishes what is
	// wrong with it.
	spared string
}

// teeth are protocols that each lack a step, or have two the wrong way round, and
// as a control the right one.
func teeth() []tooth {
	all := []tooth{
		{Scenario: protocol{}.scenario("all steps in order"), sound: true},
		{Scenario: protocol{noFileSync: true}.scenario("no file sync")},
		{Scenario: protocol{noDirSync: true}.scenario("no directory sync")},
		{Scenario: protocol{noParentsSync: true, noDirSync: true}.scenario("no sync of any directory, new parents too")},
		{
			Scenario: protocol{noParentsSync: true}.scenario("no sync of new parents alone"),
			spared:   "their logs take the parents along with the directory that is synced",
		},
		{Scenario: protocol{renameFirst: true}.scenario("rename before the write")},
		{Scenario: protocol{syncLast: true}.scenario("rename before the file sync")},
		{Scenario: protocol{chmodLast: true}.scenario("chmod after the file sync")},
		{Scenario: protocol{inPlace: true}.scenario("in place")},
	}
	var fresh []tree
	for i := range 4 {
		fresh = append(fresh, tree{name: fmt.Sprint("tree-", i), last: 1})
	}
	return append(all, tooth{Scenario: powercut.Scenario{
		Name: "a tree that is not synced", Work: trees(fresh, putTree), Verify: verify(fresh, len(fresh)),
	}})
}

// scenario has the protocol write files that exist, new ones, and ones with new
// parents.
func (p protocol) scenario(name string) powercut.Scenario {
	const mode fs.FileMode = 0o644
	some := func(prefix string, old bool) []file { return filesOf(prefix, 2, old, mode)[2:] } // those that are not tiny
	old := some("replaced-", true)
	files := slices.Concat(old, some("new-", false), some("p/", false), some("q/r/s/", false))
	return powercut.Scenario{
		Name: name, Setup: setUp(old), Work: inTurn(files, p.put), Verify: verify(files, len(files)),
	}
}

// The checks that find nothing wrong with the rooms do find what is wrong here, on
// one of the three kinds of file system at least.
func TestTeeth(t *testing.T) {
	skipUnlessAsked(t)
	const states, kinds = 60, 3
	var mu sync.Mutex
	caught, ran := map[string][]string{}, map[string]bool{} // file systems by tooth; kinds
	t.Cleanup(func() {
		for _, p := range teeth() {
			switch on := caught[p.Name]; {
			case len(on) > 0:
				fmt.Printf("powercut: teeth: %s: caught on %s\n", p.Name, inOrder(on))
			case p.sound:
				fmt.Printf("powercut: teeth: %s: 0 bad\n", p.Name)
			case p.spared != "":
				fmt.Printf("powercut: teeth: %s: not caught: %s\n", p.Name, p.spared)
			case len(ran) == kinds:
				t.Errorf("%s: not caught", p.Name)
			}
		}
	})
	onBenches(t, func(t *testing.T, b *powercut.Bench) {
		for _, p := range teeth() {
			plan := plan(states)
			plan.StopAtBad, plan.Keep = true, ""
			r, err := b.Run(p.Scenario, plan)
			require.NoError(t, err, p.Name)
			t.Logf("%s: %d states, seed %d: %v", p.Name, r.States, plan.Seed, r.First)
			mu.Lock()
			ran[b.Kind] = true
			if r.Bad > 0 {
				caught[p.Name] = append(caught[p.Name], b.String())
			}
			mu.Unlock()
			if p.sound {
				assert.Zero(t, r.Bad, "%s: %v", p.Name, r.First)
			}
		}
	})
}
