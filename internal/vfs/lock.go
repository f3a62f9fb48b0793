package vfs

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
)

// locks are the locks in use, by key. One that nobody holds or awaits is not
// kept. The mutex is over the map, and never held while a key is awaited: one that
// hangs would hold up all.
var locks = struct {
	sync.Mutex
	m map[any]*keyed
}{m: map[any]*keyed{}}

// memory is the lock of the key anyMemory, which every call on MemMapFs takes.
var memory sync.Mutex

// A keyed is the lock of one key. users, those that hold or await it, is under
// the mutex of locks.
type keyed struct {
	sync.RWMutex
	users int
}

// guard makes what comes until the call of its result one step, as far as this
// process is concerned: it is what makes O_EXCL exclusive on MemMapFs, and what
// keeps two Renames of one source from killing the process.
//
// An Fs that is not known is locked by the last element of each name, and shared by
// that of its directory: two callers of one name take turns, and nothing is made in
// a directory while that is removed. It is little enough that a network that hangs
// holds up nobody else.
//
// It is not reentrant: what is called under it must not take it again. unlock is
// called once. Other processes are not kept out.
func (v FS) guard(names ...string) (unlock func()) {
	// There the kernel is exclusive, and a disk may take its time.
	if v.OnDisk() {
		return func() {}
	}
	if v.lock != nil {
		return acquire(v.lock, false)
	}
	type key struct {
		fsys any
		base string
	}
	var fsys any = reflect.TypeOf(v.fsys)
	// One that cannot be a key shares a lock with the others of its type: they
	// wait for each other, and nothing else is lost.
	if reflect.ValueOf(v.fsys).Comparable() {
		fsys = v.fsys
	}
	shared := map[string]bool{}
	for _, name := range names {
		shared[filepath.Base(filepath.Dir(name))] = true
	}
	for _, name := range names {
		shared[filepath.Base(name)] = false
	}
	// In the order of their names, so that two of these never wait for each other.
	var held []func()
	for _, base := range slices.Sorted(maps.Keys(shared)) {
		held = append(held, acquire(key{fsys, base}, shared[base]))
	}
	return func() {
		for _, release := range held {
			release()
		}
	}
}

// acquire waits for the lock of key, or a share of it, and returns what gives it
// back. key must be comparable.
func acquire(key any, share bool) (release func()) {
	if key == anyMemory {
		memory.Lock()
		return memory.Unlock
	}
	locks.Lock()
	k := locks.m[key]
	if k == nil {
		k = &keyed{}
		locks.m[key] = k
	}
	// Counted before it is awaited, so that nobody takes it off the map
	// meanwhile.
	k.users++
	locks.Unlock()
	unlock := k.Unlock
	if share {
		k.RLock()
		unlock = k.RUnlock
	} else {
		k.Lock()
	}
	return func() {
		unlock()
		locks.Lock()
		defer locks.Unlock()
		// The last one takes it off: the map would grow with every name that was used.
		if k.users--; k.users == 0 {
			delete(locks.m, key)
		}
	}
}
