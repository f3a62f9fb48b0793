package testfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/afero"
)

// A Proof is an operation, and what must be true of every disk that it may leave:
// whatever call of it fails, and whenever the power is cut.
type Proof struct {
	Name string
	// Before makes what is there when the operation begins; it is safe by then.
	Before func(fsys afero.Fs) error
	// Act is the operation from its start to its end: what is open is closed in it.
	Act func(fsys afero.Fs) error
	// Fails tells the error that the operation is to return where nothing is in its
	// way; nil means that it returns none.
	Fails func(err error) bool
	// Holds says what is wrong with a disk, which it may change, or nil.
	Holds func(disk *CrashFs, s Seen) error
}

// Seen is what is known of a disk that a [Proof] looks at.
type Seen struct {
	Ended bool     // the operation has returned, with Err
	Err   error    // what it will return, if it has not
	Cut   bool     // the power was cut; else the disk is as other processes see it
	Model Model    // of the cut
	Met   []string // the calls that met a fault
	How   []Fault  // which one, each
	Turn  int      // counts the disks, for what is too dear to be tried on each
}

// Faultless reports whether the operation has succeeded, or will, with nothing in
// its way.
func (s Seen) Faultless() bool { return s.Err == nil && len(s.Met) == 0 }

// MetAny reports whether a call that met a fault begins with one of those: "sync",
// "remove /dir/".
func (s Seen) MetAny(prefixes ...string) bool {
	return slices.ContainsFunc(s.Met, func(call string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(call, p) })
	})
}

// MetWith is MetAny for faults with that error.
func (s Seen) MetWith(err error, prefixes ...string) bool {
	for i, call := range s.Met {
		one := Seen{Met: []string{call}}
		if errors.Is(s.How[i].Err, err) && one.MetAny(prefixes...) {
			return true
		}
	}
	return false
}

// Unremoved reports whether a call met a fault that a removal needs: what is left
// then may be left.
func (s Seen) Unremoved() bool { return s.MetAny("remove", "lstat", "stat", "readdir", "open /") }

// Paths returns the paths of all that there is, in no order.
func (f *CrashFs) Paths() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var paths []string
	f.live.each(f.root, "", func(name string, _ *inode) { paths = append(paths, name) })
	return paths
}

// Strangers returns an error that names what is below dir and not known, if
// anything is.
func (f *CrashFs) Strangers(dir string, known func(name string) bool) error {
	var all []string
	for _, name := range f.Paths() {
		if strings.HasPrefix(name, dir+"/") && !known(name) {
			all = append(all, name)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return fmt.Errorf("there is %s", strings.Join(all, ", "))
}

// A State is a file as it may be found. The zero State is that there is none.
type State struct {
	Data     []byte // nil if there is no such file
	Mode     fs.FileMode
	UID, GID int // for systems that have them
}

// Sizes are those of contents that are worth trying: on either side of a page, and
// across some.
var Sizes = []int{0, 1, 4095, 4096, 12289}

// Content returns size bytes, of which none could be those of another version or
// at another place in it without being found out.
func Content(version byte, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = version ^ byte(i*7+i>>8*13)
		if b[i] == 0 { // which is what a lost page is full of
			b[i] = 0x80 | version
		}
	}
	return b
}

// Which returns which of the states the file name is in. If it is in none, the
// error says what there is.
func (f *CrashFs) Which(name string, states ...State) (int, error) {
	f.mu.Lock()
	_, n, err := f.lookup(name)
	f.mu.Unlock()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return -1, err
	}
	for i, s := range states {
		if n == nil && s.Data == nil {
			return i, nil
		}
		if n == nil || s.Data == nil || n.mode != s.Mode || !n.holds(s.Data) {
			continue
		}
		if info := n.info("", nil); info.Sys() == nil || n.uid == s.UID && n.gid == s.GID {
			return i, nil
		}
	}
	if n == nil {
		return -1, fmt.Errorf("%s is missing", name)
	}
	data := make([]byte, n.size)
	n.read(data, 0)
	return -1, fmt.Errorf("%s, %v of %d:%d, has %s", name, n.mode, n.uid, n.gid, describe(data))
}

// holds reports whether the contents of n are data.
func (n *inode) holds(data []byte) bool {
	if n.size != int64(len(data)) {
		return false
	}
	for _, page := range n.pages {
		part := data[:min(len(data), pageSize)]
		if page == nil && bytes.Count(part, []byte{0}) < len(part) || page != nil && !bytes.Equal(page[:len(part)], part) {
			return false
		}
		data = data[len(part):]
	}
	return true
}

// StateOf returns the state of the file name.
func (f *CrashFs) StateOf(name string) (State, error) {
	info, err := f.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, err
	}
	data, err := afero.ReadFile(f, name)
	uid, gid := owners(info)
	return State{append([]byte{}, data...), info.Mode(), uid, gid}, err
}

// As returns the state of a file with those contents and that mode, which belongs
// to this process's user.
func As(data []byte, mode fs.FileMode) State {
	uid, gid := owners(born(0).info())
	return State{data, mode, uid, gid}
}

func (b *birth) info() fs.FileInfo { return info{mode: b.mode, uid: b.uid, gid: b.gid} }

// describe tells contents in a few words.
func describe(data []byte) string {
	zeros := bytes.Count(data, []byte{0})
	return fmt.Sprintf("%d bytes that begin with %.8x, %d of them 0", len(data), data, zeros)
}
