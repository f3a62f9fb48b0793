package testfs

import (
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"
)

// A CrashFs is a file system in memory that knows which of its changes have been
// synced, and what a power cut at any moment may leave of it ([CrashFs.Crashes]).
// It has files and directories with modes, times and owners, and no links; calls
// and errors are those of package os. It is safe for concurrent use.
//
// Changes are logged as parts, each of which reaches the disk whole or not at
// all: a directory entry; a page of data, or less after [CrashFs.Tear]; a size, a
// mode, an owner, a time. Sync of a file makes its data, size, mode, owner and times
// safe, and not the entry by which it is found. Sync of a directory makes its entries safe, and not what they lead to.
//
// A Sync that a [Spy] fails is final: what it was to make safe no later Sync does.
//
// A rename is two parts: the new name, and then the end of the old one, which
// never reaches the disk first. A directory never has two names all the same: the
// new one takes the old one away.
type CrashFs struct {
	root  *birth
	piece int64 // of data: what reaches the disk at once

	mu    sync.Mutex
	base  *disk // what the disk held at time 0; it does not change
	live  *disk // what a caller sees
	log   []part
	ends  []int // the length of the log at each time
	dirty []int // the parts that are not safe, by their place in the log
}

// A part is a change that reaches the disk whole or not at all.
type part struct {
	what  string // for the reader of a failed test
	of    *birth // whose Sync makes it safe
	apply func(d *disk)
	entry bool // a change of a directory's entries
	after int  // the part without which this one cannot reach the disk, or -1

	synced bool // Sync was called, though the part before it may not be safe
	doomed bool // Sync has failed: no later one makes it safe
	safe   int  // the time from which on no crash can undo it, or 0
}

var (
	_ afero.Fs      = (*CrashFs)(nil)
	_ afero.Lstater = (*CrashFs)(nil)
)

// NewCrash returns an empty CrashFs. Its time is 0.
func NewCrash() *CrashFs {
	root := born(fs.ModeDir | 0o755)
	base := (*disk)(nil).over()
	base.own(root)
	return on(root, base, pageSize)
}

// on returns the CrashFs of a disk.
func on(root *birth, base *disk, piece int64) *CrashFs {
	return &CrashFs{root: root, piece: piece, base: base, live: base.over(), ends: []int{0}}
}

// Tear makes data reach the disk in pieces of size bytes, a divisor of a page, such
// as the 512 of a sector: a write may then be torn within a page.
func (f *CrashFs) Tear(size int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.piece = size
}

// Copy returns a CrashFs whose disk holds what f's callers see now, at time 0 and
// safe. What happens to it does not happen to f; f is not to be changed meanwhile.
func (f *CrashFs) Copy() *CrashFs {
	f.mu.Lock()
	defer f.mu.Unlock()
	return on(f.root, f.live, f.piece)
}

// CrashKind returns a Kind over a CrashFs, on which k.Dir is safe, for [EachFault].
func CrashKind(t testing.TB) Kind {
	t.Helper()
	return maker{"CrashFs", func(t testing.TB) Kind {
		f := NewCrash()
		must(t, f.Mkdir(scratch, 0o755))
		f.Settle()
		return Kind{Fs: f}
	}}.kind(t)
}

// Now returns the time, which passes by one with each change and each Sync.
func (f *CrashFs) Now() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ends) - 1
}

// Settle makes everything safe, as sync(2) does.
func (f *CrashFs) Settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sync(func(*part) bool { return true })
}

// do makes a change of one or more parts, in one step.
func (f *CrashFs) do(parts ...part) {
	for _, p := range parts {
		p.apply(f.live)
		f.dirty = append(f.dirty, len(f.log))
		f.log = append(f.log, p)
	}
	f.ends = append(f.ends, len(f.log))
}

// sync makes the parts safe that are meant, but none before the one that it
// follows.
func (f *CrashFs) sync(meant func(p *part) bool) {
	f.ends = append(f.ends, len(f.log))
	f.dirty = slices.DeleteFunc(f.dirty, func(i int) bool {
		p := &f.log[i]
		p.synced = p.synced || meant(p)
		if p.synced && !p.doomed && (p.after < 0 || f.log[p.after].safe > 0) {
			p.safe = len(f.ends) - 1
		}
		return p.safe > 0
	})
}

// syncFailed gives up what a Sync of b would have made safe, as Linux does: it
// takes the pages for written, and a second fsync returns nil.
func (f *CrashFs) syncFailed(b *birth) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.dirty {
		f.log[i].doomed = f.log[i].doomed || f.log[i].of == b
	}
}

func linked(what string, at entry, b *birth) part {
	return part{what: what, of: at.dir, entry: true, after: -1, apply: func(d *disk) { d.link(at.dir, at.name, b) }}
}

func unlinked(what string, at entry, after int) part {
	return part{what: what, of: at.dir, entry: true, after: after, apply: func(d *disk) { d.unlink(at.dir, at.name) }}
}

// changed is a part that changes a file or directory itself.
func changed(what string, b *birth, change func(n *inode)) part {
	return part{what: what, of: b, after: -1, apply: func(d *disk) { change(d.own(b)) }}
}

func resized(name string, b *birth, size int64) part {
	now := time.Now()
	return changed(fmt.Sprintf("size %d of %s", size, name), b, func(n *inode) {
		n.resize(size)
		n.time = now
	})
}
