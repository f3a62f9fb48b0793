package testfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/internal/vfs"
)

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// act makes the steps of a test, each of which must succeed.
type act struct {
	t  testing.TB
	fs afero.Fs
}

func (a act) write(name, content string) {
	a.t.Helper()
	f, err := a.fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	require.NoError(a.t, err)
	_, err = f.WriteString(content)
	require.NoError(a.t, err)
	require.NoError(a.t, f.Close())
}

func (a act) sync(name string) {
	a.t.Helper()
	f, err := a.fs.Open(name)
	require.NoError(a.t, err)
	require.NoError(a.t, f.Sync())
	require.NoError(a.t, f.Close())
}

func (a act) exchange(oldname, newname string) {
	a.t.Helper()
	a.ok(a.fs.(vfs.Exchanger).Exchange(vfs.Sealed{}, oldname, newname))
}

func (a act) ok(err error) {
	a.t.Helper()
	require.NoError(a.t, err)
}

// tree describes what is on a file system in a line: "a=content d/ d/b=".
func tree(t testing.TB, fsys afero.Fs) string {
	t.Helper()
	var all []string
	for _, name := range testfs.Leftovers(t, fsys, "/") {
		info, err := fsys.Stat("/" + name)
		require.NoError(t, err)
		switch {
		case info.IsDir():
			name += "/"
		default:
			b, err := afero.ReadFile(fsys, "/"+name)
			require.NoError(t, err)
			name += "=" + strings.ReplaceAll(string(b), "\x00", "0")
		}
		if uid, gid, ok := vfs.Owner(info); ok && uid != os.Geteuid() {
			name += fmt.Sprintf(" of %d:%d", uid, gid)
		}
		if perm := info.Mode().Perm(); perm != 0o644 && perm != 0o755 {
			name += fmt.Sprintf(" %v", perm)
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

// outcomes are the different states that a crash now may leave.
func outcomes(t testing.TB, f *testfs.CrashFs, m testfs.Model) []string {
	t.Helper()
	seen := map[string]bool{}
	_, err := f.Crashes(f.Now(), m, 1<<16, newRand(), func(state *testfs.CrashFs) error {
		seen[tree(t, state)] = true
		return nil
	})
	require.NoError(t, err)
	var all []string
	for s := range seen {
		all = append(all, s)
	}
	sort.Strings(all)
	return all
}

// Each test makes a history and names every state that a cut may leave after it.
func TestCrashOutcomes(t *testing.T) {
	for _, test := range []struct {
		name           string
		before         func(a act) // what is safe from the start
		do             func(a act)
		posix, journal []string // journal nil means: as posix
	}{
		{
			name:  "a file that is not synced",
			do:    func(a act) { a.write("/a", "AB") },
			posix: []string{"", "a=", "a=00", "a=AB"},
		},
		{
			name:  "a file that is synced, and its directory not",
			do:    func(a act) { a.write("/a", "AB"); a.sync("/a") },
			posix: []string{"", "a=AB"},
		},
		{
			name:  "a directory that is synced, and its file not",
			do:    func(a act) { a.write("/a", "AB"); a.sync("/") },
			posix: []string{"a=", "a=00", "a=AB"},
		},
		{
			name:  "both",
			do:    func(a act) { a.write("/a", "AB"); a.sync("/a"); a.sync("/") },
			posix: []string{"a=AB"},
		},
		{
			name:   "overwriting in place",
			before: func(a act) { a.write("/a", "old!") },
			do:     func(a act) { a.write("/a", "new") },
			posix:  []string{"a=", "a=000", "a=new", "a=new!", "a=old", "a=old!"},
		},
		{
			name:    "two files, the second of which is synced",
			do:      func(a act) { a.write("/a", ""); a.write("/b", ""); a.sync("/b") },
			posix:   []string{"", "a=", "a= b=", "b="},
			journal: []string{"", "a=", "a= b="},
		},
		{
			name:    "rename in a directory",
			before:  func(a act) { a.write("/a", "A"); a.write("/b", "B") },
			do:      func(a act) { a.ok(a.fs.Rename("/a", "/b")) },
			posix:   []string{"a=A b=A", "a=A b=B", "b=A"},
			journal: []string{"a=A b=B", "b=A"},
		},
		{
			name:   "rename, synced",
			before: func(a act) { a.write("/a", "A") },
			do:     func(a act) { a.ok(a.fs.Rename("/a", "/b")); a.sync("/") },
			posix:  []string{"b=A"},
		},
		{
			name:    "rename of what was never synced",
			do:      func(a act) { a.write("/a", "A"); a.ok(a.fs.Rename("/a", "/b")) },
			posix:   []string{"", "a=", "a= b=", "a=0", "a=0 b=0", "a=A", "a=A b=A", "b=", "b=0", "b=A"},
			journal: []string{"", "a=", "a=0", "a=A", "b=", "b=0", "b=A"},
		},
		{
			name:    "rename between directories",
			before:  func(a act) { a.ok(a.fs.MkdirAll("/d", 0o755)); a.write("/a", "A") },
			do:      func(a act) { a.ok(a.fs.Rename("/a", "/d/a")) },
			posix:   []string{"a=A d/", "a=A d/ d/a=A", "d/ d/a=A"},
			journal: []string{"a=A d/", "d/ d/a=A"},
		},
		{
			name:    "rename between directories, the new one synced",
			before:  func(a act) { a.ok(a.fs.MkdirAll("/d", 0o755)); a.write("/a", "A") },
			do:      func(a act) { a.ok(a.fs.Rename("/a", "/d/a")); a.sync("/d") },
			posix:   []string{"a=A d/ d/a=A", "d/ d/a=A"},
			journal: []string{"d/ d/a=A"},
		},
		{
			name:    "rename between directories, the old one synced",
			before:  func(a act) { a.ok(a.fs.MkdirAll("/d", 0o755)); a.write("/a", "A") },
			do:      func(a act) { a.ok(a.fs.Rename("/a", "/d/a")); a.sync("/") },
			posix:   []string{"a=A d/", "a=A d/ d/a=A", "d/ d/a=A"},
			journal: []string{"a=A d/", "d/ d/a=A"},
		},
		{
			name:   "rename between directories, both synced, the old one first",
			before: func(a act) { a.ok(a.fs.MkdirAll("/d", 0o755)); a.write("/a", "A") },
			do:     func(a act) { a.ok(a.fs.Rename("/a", "/d/a")); a.sync("/"); a.sync("/d") },
			posix:  []string{"d/ d/a=A"},
		},
		{
			name:   "rename of a directory, which never has two names",
			before: func(a act) { a.ok(a.fs.MkdirAll("/d/e", 0o755)); a.write("/d/a", "A"); a.ok(a.fs.Mkdir("/f", 0o755)) },
			do: func(a act) {
				a.ok(a.fs.Rename("/d", "/f/g"))
				a.ok(a.fs.Rename("/f/g", "/h"))
			},
			posix: []string{"d/ d/a=A d/e/ f/", "f/ f/g/ f/g/a=A f/g/e/", "f/ h/ h/a=A h/e/"},
		},
		{
			name:    "new parents, of which only the last is synced",
			do:      func(a act) { a.ok(a.fs.MkdirAll("/d/e", 0o755)); a.write("/d/e/a", ""); a.sync("/d/e") },
			posix:   []string{"", "d/", "d/ d/e/ d/e/a="},
			journal: []string{"d/ d/e/ d/e/a="},
		},
		{
			name:   "chmod, not synced",
			before: func(a act) { a.write("/a", "") },
			do:     func(a act) { a.ok(a.fs.Chmod("/a", 0o600)); a.sync("/") },
			posix:  []string{"a=", "a= -rw-------"},
		},
		{
			name:   "chown, not synced",
			before: func(a act) { a.write("/a", "") },
			do:     func(a act) { a.ok(a.fs.Chown("/a", 6, 7)); a.sync("/") },
			posix:  []string{"a=", "a= of 6:7"},
		},
		{
			name:   "exchange of two directories",
			before: func(a act) { a.ok(a.fs.MkdirAll("/d/e", 0o755)); a.ok(a.fs.MkdirAll("/f/g", 0o755)) },
			do:     func(a act) { a.exchange("/d/e", "/f"); a.write("/f/x", "") },
			posix: []string{
				"d/ d/e/ d/e/g/ f/", "d/ d/e/ d/e/g/ f/ f/x=", "d/ d/e/ d/e/x= f/ f/g/", "d/ d/e/ f/ f/g/",
			},
			journal: []string{"d/ d/e/ d/e/g/ f/", "d/ d/e/ d/e/g/ f/ f/x=", "d/ d/e/ f/ f/g/"},
		},
		{
			name:   "exchange, synced",
			before: func(a act) { a.write("/a", "A"); a.ok(a.fs.Mkdir("/b", 0o755)) },
			do:     func(a act) { a.exchange("/a", "/b"); a.sync("/") },
			posix:  []string{"a/ b=A"},
		},
		{
			name:   "remove",
			before: func(a act) { a.write("/a", ""); a.write("/b", "") },
			do:     func(a act) { a.ok(a.fs.Remove("/a")); a.ok(a.fs.Remove("/b")) },
			posix:  []string{"", "a=", "a= b=", "b="}, journal: []string{"", "a= b=", "b="},
		},
		{
			name:   "remove, and make again",
			before: func(a act) { a.write("/a", "old") },
			do:     func(a act) { a.ok(a.fs.Remove("/a")); a.write("/a", "new"); a.sync("/a") },
			posix:  []string{"", "a=new", "a=old"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := testfs.NewCrash()
			a := act{t, f}
			if test.before != nil {
				test.before(a)
			}
			f.Settle()
			began, was := f.Now(), tree(t, f)
			test.do(a)
			if test.journal == nil {
				test.journal = test.posix
			}
			assert.Equal(t, test.posix, outcomes(t, f, testfs.POSIX))
			assert.Equal(t, test.journal, outcomes(t, f, testfs.Journal))

			for _, m := range testfs.Models {
				n, err := f.Crashes(began, m, 100, newRand(), func(state *testfs.CrashFs) error {
					assert.Equal(t, was, tree(t, state), "before the first step nothing has happened")
					return nil
				})
				assert.NoError(t, err)
				assert.Equal(t, 1, n)
			}
			f.Settle()
			now := []string{tree(t, f)}
			assert.Equal(t, now, outcomes(t, f, testfs.POSIX), "Settle makes all safe")
			assert.Equal(t, now, outcomes(t, f, testfs.Journal))
		})
	}
}

// A protocol is a way to put a file in place; sound says whether it is right.
type protocol struct {
	fileSync, dirSync, renameFirst, inPlace, lateChmod bool
	sound                                              bool
}

var protocols = map[string]protocol{
	"right":                      {fileSync: true, dirSync: true, sound: true},
	"no file sync":               {dirSync: true},
	"no directory sync":          {fileSync: true},
	"no sync":                    {},
	"rename before file sync":    {fileSync: true, dirSync: true, renameFirst: true},
	"in place":                   {fileSync: true, dirSync: true, inPlace: true},
	"chmod after the sync":       {fileSync: true, dirSync: true, lateChmod: true},
	"chmod late, rename first":   {fileSync: true, dirSync: true, lateChmod: true, renameFirst: true},
	"in place without file sync": {dirSync: true, inPlace: true},
}

func (p protocol) put(fsys afero.Fs, name string, content []byte) (err error) {
	tmp := path.Join(path.Dir(name), ".tmp")
	if p.inPlace {
		tmp = name
	}
	flag := os.O_RDWR | os.O_CREATE | os.O_TRUNC
	if !p.inPlace {
		// A cut in a rename may have left both names: to truncate one would be to
		// empty the other.
		if err := fsys.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		flag = os.O_RDWR | os.O_CREATE | os.O_EXCL
	}
	f, err := fsys.OpenFile(tmp, flag, 0o600)
	if err != nil {
		return err
	}
	placed := p.inPlace
	defer func() {
		_ = f.Close()
		if err != nil && !placed {
			_ = fsys.Remove(tmp)
		}
	}()
	rename := func() error {
		if p.inPlace {
			return nil
		}
		err := fsys.Rename(tmp, name)
		placed = placed || err == nil
		return err
	}
	write := func() error {
		n, err := f.Write(content)
		if err == nil && n < len(content) {
			err = io.ErrShortWrite
		}
		return err
	}
	chmod := func() error { return fsys.Chmod(tmp, 0o644) }
	sync := func() error {
		if !p.fileSync {
			return nil
		}
		return f.Sync()
	}
	steps := []func() error{write, chmod, sync, rename}
	if p.lateChmod {
		steps = []func() error{write, sync, chmod, rename}
	}
	if p.renameFirst {
		steps[2], steps[3] = steps[3], steps[2]
		if p.lateChmod {
			steps = []func() error{write, chmod, rename, sync}
		}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if !p.dirSync {
		return nil
	}
	d, err := fsys.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

// sizes are those of a file: on either side of a page, and across some.
var sizes = []int{0, 1, 4095, 4096, 12289}

func content(version byte, size int) []byte { return bytes.Repeat([]byte{version}, size) }

// whole returns an error unless name holds one of the contents, whole, with the
// mode of a finished file.
func whole(fsys afero.Fs, name string, contents ...[]byte) error {
	b, err := afero.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = nil, nil
	} else if err == nil && b == nil {
		b = []byte{}
	}
	if err != nil {
		return err
	}
	for _, c := range contents {
		if !bytes.Equal(b, c) || (b == nil) != (c == nil) {
			continue
		}
		if b == nil {
			return nil
		}
		info, err := fsys.Stat(name)
		if err == nil && info.Mode() != 0o644 {
			err = fmt.Errorf("mode %v", info.Mode())
		}
		return err
	}
	return fmt.Errorf("%d bytes that begin with %.10q", len(b), b)
}

// explore puts a new file in place and then replaces it, and cuts the power at
// every moment. It returns how many states there were, and the first bad one.
func explore(t testing.TB, p protocol, m testfs.Model, size, limit int) (states int, bad error) {
	t.Helper()
	for _, old := range [][]byte{nil, content('0', size)} {
		f := testfs.NewCrash()
		if old != nil {
			require.NoError(t, protocols["right"].put(f, "/a", old))
		}
		f.Settle()
		began := f.Now()
		next := content('1', size)
		require.NoError(t, p.put(f, "/a", next))
		rnd := newRand()
		for at := began; at <= f.Now(); at++ {
			n, err := f.Crashes(at, m, limit, rnd, func(state *testfs.CrashFs) error {
				if at == f.Now() {
					return whole(state, "/a", next)
				}
				return whole(state, "/a", old, next)
			})
			states += n
			if bad == nil {
				bad = err
			}
		}
	}
	return states, bad
}

func TestCrashesCatchWhatIsWrong(t *testing.T) {
	for name, p := range protocols {
		for _, m := range testfs.Models {
			t.Run(name+", "+m.String(), func(t *testing.T) {
				states := 0
				for _, size := range sizes {
					n, bad := explore(t, p, m, size, 4096)
					states += n
					if p.sound {
						assert.NoError(t, bad, "%d bytes", size)
					}
					if !p.sound && size > 0 {
						assert.Error(t, bad, "%d bytes", size)
					}
				}
				t.Logf("%d states", states)
			})
		}
	}
}

// A state is a file system like any other: it can be written to, and cut again.
func TestCrashInTheRecovery(t *testing.T) {
	f := testfs.NewCrash()
	right := protocols["right"]
	require.NoError(t, right.put(f, "/a", []byte("0")))
	f.Settle()
	began := f.Now()
	require.NoError(t, right.put(f, "/a", []byte("1")))
	states := 0
	for at := began; at <= f.Now(); at++ {
		_, err := f.Crashes(at, testfs.POSIX, 100, newRand(), func(state *testfs.CrashFs) error {
			assert.Zero(t, state.Now())
			if err := right.put(state, "/a", []byte("2")); err != nil {
				return err
			}
			for again := 0; again <= state.Now(); again++ {
				n, err := state.Crashes(again, testfs.POSIX, 100, newRand(), func(state *testfs.CrashFs) error {
					return whole(state, "/a", []byte("0"), []byte("1"), []byte("2"))
				})
				states += n
				if err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(t, err)
	}
	assert.Equal(t, "a=1", tree(t, f), "what happens to a state does not happen to its origin")
	t.Logf("%d states", states)
}

// Faults and then cuts: the spy stands over a CrashFs as over any other.
func TestFaultsAndThenCrashes(t *testing.T) {
	states, plans := 0, 0
	testfs.EachFault(t, testfs.CrashKind(t), func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
		f := k.Fs.(*testfs.CrashFs)
		right, name := protocols["right"], k.Join("a")
		old, next := content('0', 5000), content('1', 5000)
		require.NoError(t, right.put(f, name, old))
		f.Settle()
		began := f.Now()
		putErr := right.put(s, name, next)
		plans++
		for _, m := range testfs.Models {
			for at := began; at <= f.Now(); at++ {
				n, err := f.Crashes(at, m, 64, newRand(), func(state *testfs.CrashFs) error {
					if at == f.Now() && putErr == nil {
						return whole(state, name, next)
					}
					return whole(state, name, old, next)
				})
				states += n
				require.NoError(t, err)
			}
		}
	})
	t.Logf("%d plans, %d states", plans, states)
}

// Who asks again after a failed fsync is told that all is well, and it is not.
func TestAFailedSyncIsFinal(t *testing.T) {
	f := testfs.NewCrash()
	s := testfs.NewSpy(f)
	act{t, f}.write("/a", "A")
	act{t, f}.sync("/")
	s.Fail(testfs.Calls("sync"), testfs.Fault{Err: testfs.ErrFault})
	h, err := s.Open("/a")
	require.NoError(t, err)
	require.ErrorIs(t, h.Sync(), testfs.ErrFault)
	s.Reset()
	require.NoError(t, h.Sync())
	assert.Equal(t, []string{"a=", "a=0", "a=A"}, outcomes(t, f, testfs.Journal))
	w, err := f.OpenFile("/a", os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = w.WriteString("B")
	require.NoError(t, err)
	require.NoError(t, w.Sync())
	assert.Equal(t, []string{"a=B"}, outcomes(t, f, testfs.Journal), "what is written anew is synced anew")

	act{t, f}.write("/b", "C")
	s.Fail(testfs.Calls("sync"), testfs.Fault{Err: testfs.ErrFault})
	h, err = s.Open("/a")
	require.NoError(t, err)
	require.ErrorIs(t, h.Sync(), testfs.ErrFault)
	act{t, f}.sync("/b")
	act{t, f}.sync("/")
	assert.Equal(t, []string{"a=B b=C"}, outcomes(t, f, testfs.Journal), "the failure is that file's alone")
}

func TestCrashesSaysWhatWasLost(t *testing.T) {
	f := testfs.NewCrash()
	act{t, f}.write("/a", "content")
	cause := errors.New("cause")
	n, err := f.Crashes(f.Now(), testfs.Journal, 100, newRand(), func(state *testfs.CrashFs) error {
		if tree(t, state) == "a=" {
			return cause
		}
		return nil
	})
	assert.ErrorIs(t, err, cause)
	assert.EqualError(t, err, fmt.Sprintf("cut at %d (journal), lost: size 7 of /a, data 0-7 of /a: cause", f.Now()))
	assert.LessOrEqual(t, n, 8)
	assert.NotZero(t, n)
}

// With more states than the limit, the choice comes from rnd alone, and reaches
// the plain ends first.
func TestCrashesAreSampledFromTheSeed(t *testing.T) {
	f := testfs.NewCrash()
	a := act{t, f}
	for i := range 20 {
		a.write(fmt.Sprint("/", i), "x")
	}
	sample := func(seed uint64, m testfs.Model) (all []string) {
		n, err := f.Crashes(f.Now(), m, 50, rand.New(rand.NewPCG(seed, 0)), func(state *testfs.CrashFs) error {
			all = append(all, tree(t, state))
			return nil
		})
		require.NoError(t, err)
		assert.Equal(t, 50, n)
		return all
	}
	for _, m := range testfs.Models {
		one := sample(1, m)
		assert.Equal(t, one, sample(1, m))
		assert.NotEqual(t, one, sample(2, m))
		assert.Equal(t, tree(t, f), one[0], "nothing is lost")
		assert.Empty(t, one[1], "all is lost")
	}
}

// The instrument is only as good as it is fast.
func TestCrashesAreFast(t *testing.T) {
	start, states := time.Now(), 0
	for states < 100_000 {
		for _, m := range testfs.Models {
			n, err := explore(t, protocols["right"], m, 12289, 4096)
			require.NoError(t, err)
			states += n
		}
	}
	took := time.Since(start)
	t.Logf("%d states in %v", states, took)
	if !testing.Short() {
		assert.Less(t, took, time.Minute)
	}
}

func TestCrashFsAsFS(t *testing.T) {
	f := testfs.NewCrash()
	a := act{t, f}
	a.ok(f.MkdirAll("/a/b", 0o755))
	a.write("/a/b/c", strings.Repeat("content", 1000))
	a.write("/d", "")
	assert.NoError(t, fstest.TestFS(afero.NewIOFS(f), "a/b/c", "d"))
	assert.NoError(t, f.RemoveAll("/a"))
	assert.NoError(t, f.RemoveAll("/a"))
	assert.Equal(t, "d=", tree(t, f))
	_, err := f.Stat(filepath.Join("/", "a", "b"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestCrashFsKeepsNothingOfTheCaller(t *testing.T) {
	f := testfs.NewCrash()
	h, err := f.OpenFile("/a", os.O_RDWR|os.O_CREATE, 0o644)
	require.NoError(t, err)
	p := []byte("abc")
	_, err = h.Write(p)
	require.NoError(t, err)
	copy(p, "xyz")
	assert.Equal(t, "a=abc", tree(t, f))
	assert.Contains(t, outcomes(t, f, testfs.POSIX), "a=abc")
	require.NoError(t, h.Truncate(1))
	require.NoError(t, h.Truncate(3))
	assert.Equal(t, "a=a00", tree(t, f), "nor what has been cut off")
	require.NoError(t, h.Close())
}

func TestCrashFsModesTimesAndNames(t *testing.T) {
	f := testfs.NewCrash()
	assert.Equal(t, "CrashFs", f.Name())
	h, err := f.Create("a")
	require.NoError(t, err)
	assert.Equal(t, "a", h.Name())
	when := time.Unix(1_000_000_000, 0)
	require.NoError(t, f.Chtimes("/a", when, when))
	require.NoError(t, f.Chmod("/a", 0o711|fs.ModeSetuid))
	info, lstat, err := f.LstatIfPossible("/a")
	require.NoError(t, err)
	assert.True(t, lstat)
	assert.Equal(t, when, info.ModTime())
	assert.Equal(t, fs.ModeSetuid|0o711, info.Mode())
	_, err = h.Write([]byte("x"))
	require.NoError(t, err)
	assert.Equal(t, "a", info.Name())
	assert.Zero(t, info.Size(), "what Stat said does not change")
	info, err = h.Stat()
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), info.ModTime(), time.Minute, "a write sets the time")
	require.NoError(t, h.Close())

	own, err := f.StateOf("/a")
	require.NoError(t, err)
	assert.Equal(t, testfs.As([]byte("x"), fs.ModeSetuid|0o711), own)
	assert.NoError(t, f.Chown("/a", -1, 7))
	assert.NoError(t, f.Chown("/a", 6, -1))
	if info, err := f.Stat("/a"); assert.NoError(t, err) && info.Sys() != nil {
		uid, gid, ok := vfs.Owner(info)
		assert.Equal(t, []any{6, 7, true}, []any{uid, gid, ok})
	}
	for _, err := range []error{
		f.Chown("/x", -1, -1), f.Chmod("/x", 0), f.Chtimes("/x", when, when), f.Chmod("", 0), f.Remove(""), f.Mkdir("", 0o700),
	} {
		assert.ErrorIs(t, err, fs.ErrNotExist)
	}
	assert.ErrorIs(t, f.Mkdir("/", 0o700), fs.ErrExist)
	for _, err := range []error{f.Remove("/"), f.Rename("/", "/b"), f.Rename("/a", "/")} {
		assert.Error(t, err)
	}
}
