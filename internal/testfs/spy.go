package testfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/vfs"
)

// A Spy is an afero.Fs that records the calls made on it and on its files, and
// makes those fail that it is told to. Only afero.Fs, afero.Symlinker and
// afero.File reach through it: its files hide the os.File, if there is one. It is
// safe for concurrent use.
type Spy struct {
	fs afero.Fs

	mu    sync.Mutex
	calls []string
	met   []string
	plan  []planned
	open  map[*spyFile]string // the line of the call that opened it
}

type planned struct {
	when  When
	fault Fault
}

var (
	_ afero.Fs        = (*Spy)(nil)
	_ afero.Symlinker = (*Spy)(nil)
)

// NewSpy returns a spy on fsys.
func NewSpy(fsys afero.Fs) *Spy {
	return &Spy{fs: fsys, open: map[*spyFile]string{}}
}

// Fail lets the calls that when picks meet fault. A call meets the first fault of
// those planned for it.
func (s *Spy) Fail(when When, fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = append(s.plan, planned{when, fault})
}

// FailNth lets the n-th call fail with err; the first is 1.
func (s *Spy) FailNth(n int, err error) { s.Fail(Nth(n), Fault{Err: err}) }

// FailFrom lets the n-th call and all that follow fail with err.
func (s *Spy) FailFrom(n int, err error) { s.Fail(From(n), Fault{Err: err}) }

// Reset forgets the calls and the faults, and counts from 1 again.
func (s *Spy) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.met, s.plan = nil, nil, nil
}

// Calls returns one line for each call, in the order in which they began: the
// operation, what else it was given, the path it was about. The path of a call on
// a file is the one by which the file was opened.
//
//	openfile rdwr|create|excl 0600 /x
//	write 5 /x
//	rename /x /y
func (s *Spy) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// random is the random part of a temporary name.
var random = regexp.MustCompile(`[a-z2-7]{26}`)

// Script returns the calls as a text that is the same on every run: without the
// directory dir in front of paths (dir itself is "."), and with "*" for the
// random part of temporary names.
func (s *Spy) Script(dir string) string {
	var b strings.Builder
	for _, call := range s.Calls() {
		words := strings.Split(call, " ")
		for i, word := range words {
			if rel, err := filepath.Rel(dir, word); err == nil && filepath.IsAbs(word) && filepath.IsLocal(rel) {
				words[i] = filepath.ToSlash(rel)
			}
		}
		b.WriteString(random.ReplaceAllString(strings.Join(words, " "), "*") + "\n")
	}
	return b.String()
}

// Met returns the calls that met a fault.
func (s *Spy) Met() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.met)
}

// OpenFiles returns the calls whose files have not been closed, sorted.
func (s *Spy) OpenFiles() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var open []string
	for _, call := range s.open {
		open = append(open, call)
	}
	slices.Sort(open)
	return open
}

// note records a call and returns the fault that it meets, if any.
func (s *Spy) note(call string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	for _, p := range s.plan {
		if p.when(len(s.calls), call) {
			s.met = append(s.met, call)
			p.fault.call = call
			return p.fault, true
		}
	}
	return Fault{}, false
}

// call makes a call, unless it meets a fault. shape makes the fault's cause into an
// error such as package os returns.
func call[T any](s *Spy, line string, shape func(cause error) error, act func() (T, error)) (T, error) {
	fault, met := s.note(line)
	return obey(fault, met, shape, act)
}

// obey makes a call of which it is known whether it meets a fault.
func obey[T any](fault Fault, met bool, shape func(cause error) error, act func() (T, error)) (T, error) {
	if met && fault.Instead != nil {
		var result T
		err := fault.Instead(fault.call, func() (err error) {
			result, err = act()
			return err
		})
		return result, err
	}
	if !met || fault.Err == nil {
		return act()
	}
	if fault.Done {
		// Whatever it returned, the caller hears of the fault alone.
		_, _ = act()
	}
	var none T
	return none, shape(fault.Err)
}

// do is call for what returns only an error.
func (s *Spy) do(line string, shape func(cause error) error, act func() error) error {
	_, err := call(s, line, shape, func() (struct{}, error) { return struct{}{}, act() })
	return err
}

func about(op, name string) func(error) error {
	return func(cause error) error { return &fs.PathError{Op: op, Path: name, Err: cause} }
}

func between(op, oldname, newname string) func(error) error {
	return func(cause error) error { return &os.LinkError{Op: op, Old: oldname, New: newname, Err: cause} }
}

// opens makes a call that opens a file.
func (s *Spy) opens(line, name string, act func() (afero.File, error)) (afero.File, error) {
	var opened *spyFile
	_, err := call(s, line, about("open", name), func() (struct{}, error) {
		f, err := act()
		if err == nil {
			opened = &spyFile{spy: s, file: f, name: name}
		}
		return struct{}{}, err
	})
	if err != nil {
		if opened != nil { // and the answer lost: nobody else can close it
			_ = opened.file.Close()
		}
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[opened] = line
	return opened, nil
}

func (s *Spy) closed(f *spyFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, f)
}

// Name returns "Spy". It is not a call that is recorded.
func (s *Spy) Name() string { return "Spy" }

func (s *Spy) Create(name string) (afero.File, error) {
	return s.opens("create "+name, name, func() (afero.File, error) { return s.fs.Create(name) })
}

func (s *Spy) Open(name string) (afero.File, error) {
	return s.opens("open "+name, name, func() (afero.File, error) { return s.fs.Open(name) })
}

func (s *Spy) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	line := fmt.Sprintf("openfile %s %s %s", flags(flag), octal(perm), name)
	return s.opens(line, name, func() (afero.File, error) { return s.fs.OpenFile(name, flag, perm) })
}

// flags writes flag as "rdwr|create|excl"; bits that package os has no name for
// are a number.
func flags(flag int) string {
	const access = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
	words := []string{map[int]string{os.O_RDONLY: "rdonly", os.O_WRONLY: "wronly", os.O_RDWR: "rdwr"}[flag&access]}
	rest := flag &^ access
	for _, f := range []struct {
		bit  int
		name string
	}{{os.O_APPEND, "append"}, {os.O_CREATE, "create"}, {os.O_EXCL, "excl"}, {os.O_SYNC, "sync"}, {os.O_TRUNC, "trunc"}} {
		if flag&f.bit == f.bit {
			words = append(words, f.name)
			rest &^= f.bit
		}
	}
	if rest != 0 {
		words = append(words, fmt.Sprintf("%#x", rest))
	}
	return strings.Join(words, "|")
}

// octal writes a mode as chmod(1) takes it: "0644", "1777".
func octal(mode fs.FileMode) string {
	n := uint32(mode.Perm())
	for bit, value := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&bit != 0 {
			n |= value
		}
	}
	return fmt.Sprintf("%04o", n)
}

func (s *Spy) Mkdir(name string, perm fs.FileMode) error {
	return s.do(fmt.Sprintf("mkdir %s %s", octal(perm), name), about("mkdir", name),
		func() error { return s.fs.Mkdir(name, perm) })
}

func (s *Spy) MkdirAll(name string, perm fs.FileMode) error {
	return s.do(fmt.Sprintf("mkdirall %s %s", octal(perm), name), about("mkdir", name),
		func() error { return s.fs.MkdirAll(name, perm) })
}

func (s *Spy) Remove(name string) error {
	return s.do("remove "+name, about("remove", name), func() error { return s.fs.Remove(name) })
}

func (s *Spy) RemoveAll(name string) error {
	return s.do("removeall "+name, about("remove", name), func() error { return s.fs.RemoveAll(name) })
}

func (s *Spy) Rename(oldname, newname string) error {
	return s.do("rename "+oldname+" "+newname, between("rename", oldname, newname),
		func() error { return s.fs.Rename(oldname, newname) })
}

// Exchange fails with errors.ErrUnsupported where the Fs beneath has no such call.
func (s *Spy) Exchange(sealed vfs.Sealed, oldname, newname string) error {
	shape := between("exchange", oldname, newname)
	return s.do("exchange "+oldname+" "+newname, shape, func() error {
		if x, ok := s.fs.(vfs.Exchanger); ok {
			return x.Exchange(sealed, oldname, newname)
		}
		return shape(errors.ErrUnsupported)
	})
}

// Exchanged fails as Exchange does.
func (s *Spy) Exchanged(sealed vfs.Sealed, was fs.FileInfo, name string) (bool, error) {
	return call(s, "exchanged "+name, about("exchanged", name), func() (bool, error) {
		if x, ok := s.fs.(vfs.Exchanger); ok {
			return x.Exchanged(sealed, was, name)
		}
		return false, errors.ErrUnsupported
	})
}

func (s *Spy) Stat(name string) (fs.FileInfo, error) {
	return call(s, "stat "+name, about("stat", name), func() (fs.FileInfo, error) { return s.fs.Stat(name) })
}

func (s *Spy) Chmod(name string, mode fs.FileMode) error {
	return s.do(fmt.Sprintf("chmod %s %s", octal(mode), name), about("chmod", name),
		func() error { return s.fs.Chmod(name, mode) })
}

func (s *Spy) Chown(name string, uid, gid int) error {
	return s.do(fmt.Sprintf("chown %d:%d %s", uid, gid, name), about("chown", name),
		func() error { return s.fs.Chown(name, uid, gid) })
}

// Chtimes is recorded without the times, which differ from run to run.
func (s *Spy) Chtimes(name string, atime, mtime time.Time) error {
	return s.do("chtimes "+name, about("chtimes", name), func() error { return s.fs.Chtimes(name, atime, mtime) })
}

// LstatIfPossible is Stat, and says so, where the Fs beneath has no Lstat.
func (s *Spy) LstatIfPossible(name string) (info fs.FileInfo, lstat bool, err error) {
	info, err = call(s, "lstat "+name, about("lstat", name), func() (info fs.FileInfo, err error) {
		if l, ok := s.fs.(afero.Lstater); ok {
			info, lstat, err = l.LstatIfPossible(name)
			return info, err
		}
		return s.fs.Stat(name)
	})
	return info, lstat, err
}

func (s *Spy) SymlinkIfPossible(oldname, newname string) error {
	shape := between("symlink", oldname, newname)
	return s.do("symlink "+oldname+" "+newname, shape, func() error {
		if l, ok := s.fs.(afero.Linker); ok {
			return l.SymlinkIfPossible(oldname, newname)
		}
		return shape(afero.ErrNoSymlink)
	})
}

func (s *Spy) ReadlinkIfPossible(name string) (string, error) {
	shape := about("readlink", name)
	return call(s, "readlink "+name, shape, func() (string, error) {
		if l, ok := s.fs.(afero.LinkReader); ok {
			return l.ReadlinkIfPossible(name)
		}
		return "", shape(afero.ErrNoReadlink)
	})
}
