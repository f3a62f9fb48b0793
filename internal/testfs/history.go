package testfs

import (
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"pgregory.net/rapid"
)

// A Step is one operation of a history, and the numbers that say how it is done.
// What they mean is up to the player; [At] picks from a list by one.
type Step struct {
	Op string
	N  [3]int
}

// most is how many steps a history has at most.
const most = 40

// At returns the element of list that n picks.
func At[T any](list []T, n int) T { return list[n%len(list)] }

// A Player does the steps of a history, on a file system or on a model of one.
type Player interface {
	// Do does a step and returns what it answers, in words that are the same for
	// every player.
	Do(s Step) string
	// End ends what is still going on, and returns what that answers and the tree
	// that is left.
	End() []string
}

// A Check is what a [Player] may fail with.
type Check interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	FailNow()
}

// Histories draws random histories of a room. Each is played on every one of
// [Kinds], and on the model of that kind: the answers of every step and what is
// left at the end must be the same. There are 1,000, or 100,000 if [Long].
//
// play starts on k.Dir, which is empty.
func Histories(t *testing.T, room string, ops []string, play func(t Check, k Kind) Player, model func(k Kind) Player) {
	t.Helper()
	HistoriesOn(t, room, nil, ops, play, model)
}

// HistoriesOn is [Histories] on those of [Kinds] alone that are named; all, if none is.
func HistoriesOn(t *testing.T, room string, names, ops []string, play func(t Check, k Kind) Player, model func(k Kind) Player) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("what is open can be neither renamed nor removed there: another model")
	}
	if dir, err := os.MkdirTemp("/dev/shm", "probe-*"); err == nil { // nothing of this is about the disk
		must(t, os.Remove(dir))
		t.Setenv("TMPDIR", "/dev/shm")
	}
	least := Size(1000, 100_000)
	checks := least
	if testing.Short() {
		checks *= 5 // of which rapid then makes one
	}
	defer setFlag(t, "rapid.checks", strconv.Itoa(checks))()
	kinds := slices.DeleteFunc(Kinds(t), func(k Kind) bool { return len(names) > 0 && !slices.Contains(names, k.Name) })
	n, bad := 0, 0
	// Each number is as likely as the next, which those of rapid.IntRange are not.
	numbers := make([]int, 720)
	for i := range numbers {
		numbers[i] = i
	}
	draw := rapid.SampledFrom(numbers)
	step := rapid.Custom(func(t *rapid.T) Step {
		return Step{rapid.SampledFrom(ops).Draw(t, "op"), [3]int{draw.Draw(t, "i"), draw.Draw(t, "j"), draw.Draw(t, "k")}}
	})
	ok := t.Run("checks", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			// On average rapid's slices have six elements, too few for much to happen twice to one name.
			history := rapid.SliceOfN(step, 1+draw.Draw(t, "least")%(most/2), most).Draw(t, "history")
			n++
			for _, k := range kinds {
				fresh := k.Join(strconv.Itoa(n))
				if err := k.Fs.Mkdir(fresh, 0o755); err != nil {
					t.Fatal(err)
				}
				within := k
				within.Dir = fresh
				compare(t, k.Name, history, play(t, within), model(within))
				_ = k.Fs.RemoveAll(fresh)
			}
		})
	})
	if !ok {
		bad++
	}
	Figure(t, "histories: "+room, n, least, bad)
}

// compare plays a history to both and fails at the first difference.
func compare(t *rapid.T, kind string, history []Step, got, want Player) {
	for i, s := range history {
		w := want.Do(s)
		if g := got.Do(s); g != w {
			_ = got.End()
			t.Fatalf("%s: step %d, %v: %q, want %q\n%v", kind, i, s, g, w, history[:i+1])
		}
	}
	w := want.End()
	if g := got.End(); !slices.Equal(g, w) {
		t.Fatalf("%s: at the end\n%q, want\n%q\n%v", kind, g, w, history)
	}
}

func setFlag(t testing.TB, name, value string) (restore func()) {
	t.Helper()
	f := flag.Lookup(name)
	was := f.Value.String()
	must(t, f.Value.Set(value))
	return func() { must(t, f.Value.Set(was)) }
}

// Answer returns the kind of an error in a word: what a program could tell apart
// with errors.Is.
func Answer(err error) string {
	for _, known := range []struct {
		err  error
		word string
	}{
		{syscall.ENOTDIR, "ENOTDIR"}, {syscall.EISDIR, "EISDIR"}, {syscall.ENOTEMPTY, "ENOTEMPTY"},
		{syscall.EXDEV, "EXDEV"}, {syscall.ENAMETOOLONG, "ENAMETOOLONG"},
		{fs.ErrExist, "exists"}, {fs.ErrNotExist, "not there"}, {fs.ErrClosed, "closed"},
		{fs.ErrPermission, "permission"}, {errors.ErrUnsupported, "unsupported"}, {fs.ErrInvalid, "invalid"},
		{syscall.EINVAL, "invalid"}, {io.EOF, "EOF"}, {nil, "ok"},
	} {
		if errors.Is(err, known.err) {
			return known.word
		}
	}
	return err.Error()
}

// Tree lists what is below dir as [ModelTree.List] does.
func Tree(t Check, fsys afero.Fs, dir string) []string {
	m := NewModelTree()
	err := afero.Walk(fsys, dir, func(name string, info fs.FileInfo, err error) error {
		rel := strings.TrimPrefix(strings.TrimPrefix(name, dir), "/")
		if err != nil || rel == "" {
			return err
		}
		if info.IsDir() {
			m.names[rel] = nil
			return nil
		}
		text, err := afero.ReadFile(fsys, name)
		m.names[rel] = &Contents{string(text)}
		return err
	})
	if err != nil {
		t.Fatalf("listing %s: %v", dir, err)
	}
	return m.List()
}
