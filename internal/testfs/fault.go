package testfs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A Fault is what becomes of one call.
type Fault struct {
	// Err is what the call returns. It should be a bare cause, such as
	// syscall.EIO: the spy gives it the shape that package os does.
	Err error
	// Done lets the call take effect before Err is returned, as when the answer
	// of a disk is lost. Close always takes effect, as it does on Linux.
	Done bool
	// Short lets a write store the first half of its bytes. If Err is nil, it
	// returns their number and no error. On other calls it means nothing.
	Short bool
	// Instead is done in place of the call, which it is given by its line in
	// [Spy.Calls] and as act; its answer is the call's. It is only for calls that return
	// an error alone, or a bool, which is false if act is not called. Err, Done and Short
	// then mean nothing.
	Instead func(call string, act func() error) error

	call string // that meets it
}

func (f Fault) String() string {
	switch {
	case f.Instead != nil:
		return "something else"
	case f.Short && f.Err == nil:
		return "short"
	case f.Short:
		return fmt.Sprintf("short, %v", f.Err)
	case f.Done:
		return fmt.Sprintf("done, %v", f.Err)
	}
	return fmt.Sprint(f.Err)
}

// ErrFault matches no error of any file system: a fault that must not be mistaken
// for something that code knows how to handle.
var ErrFault = errors.New("injected fault")

// Faults are the fates of a call that [EachFault] tries when it is given none.
var Faults = []Fault{
	{Err: ErrFault},
	{Err: ErrFault, Done: true},
	{Err: syscall.ENOSPC, Short: true},
	{Short: true},
}

// A When says which calls meet a fault. n is 1 for the first call since the spy
// was made or reset; call is its line in [Spy.Calls].
type When func(n int, call string) bool

// Nth is the calls of the given numbers.
func Nth(numbers ...int) When {
	return func(n int, _ string) bool { return slices.Contains(numbers, n) }
}

// From is the n-th call and every one after it.
func From(first int) When {
	return func(n int, _ string) bool { return n >= first }
}

// Calls is every call whose line starts with prefix: "sync", "rename /a".
func Calls(prefix string) When {
	return func(_ int, call string) bool { return strings.HasPrefix(call, prefix) }
}

// maxCalls ends [EachFault] when an operation never gets by with fewer calls, as
// one that retries for ever would.
const maxCalls = 10_000

// EachFault makes each call of an operation fail in turn. It calls run with a
// file system of the sort of k and a spy over it whose n-th call fails, and again
// with every call from the n-th on failing, for n from 1 until run has made fewer
// calls than n, and for each of faults (nil means [Faults]). Each run has a fresh
// file system and is a subtest.
//
// run prepares k.Fs, which no fault befalls, lets the operation act on s, and
// checks the outcome on k.Fs: s.Met tells whether a fault was met. The last run
// of each series meets none, and must see the operation succeed.
func EachFault(t *testing.T, k Kind, run func(t *testing.T, k Kind, s *Spy), faults ...Fault) {
	t.Helper()
	if len(faults) == 0 {
		faults = Faults
	}
	series := []struct {
		name string
		when func(n int) When
	}{
		{"alone", func(n int) When { return Nth(n) }},
		{"from there on", From},
	}
	for _, fault := range faults {
		for _, s := range series {
			for n := 1; ; n++ {
				if n > maxCalls {
					t.Fatalf("the operation still makes %d calls", n)
				}
				var spy *Spy
				ok := t.Run(fmt.Sprintf("call %d %s: %v", n, s.name, fault), func(t *testing.T) {
					k := k.Fresh(t)
					spy = NewSpy(k.Fs)
					spy.Fail(s.when(n), fault)
					run(t, k, spy)
				})
				if !ok && spy != nil {
					t.Logf("the calls were\n%s", strings.Join(spy.Calls(), "\n"))
				}
				if spy == nil || len(spy.Met()) == 0 {
					break
				}
			}
		}
	}
}
