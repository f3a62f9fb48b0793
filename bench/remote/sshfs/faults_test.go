package sshfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/bench/remote/jail"
	"github.com/tempkit/tempkit/bench/remote/sshfs"
)

// A fate is what becomes of one packet, and of the server with it.
type fate string

const (
	lost   fate = "a request is lost"
	torn   fate = "a request is torn in the middle"
	unsaid fate = "an answer is lost"
)

// A knife kills the server at the n-th packet: of the requests, or of the answers if
// fate is unsaid. Handshakes count.
type knife struct {
	fate fate
	n    int

	mu       sync.Mutex
	kill     func()
	cut      bool
	requests framing
	answers  framing
}

// A framing finds the ends of packets in what passes.
type framing struct {
	header []byte // of the packet that passes: its length
	left   int    // of its body
	begun  int    // packets
}

// next returns how many bytes of p belong to the packet that passes, and whether they
// are its first.
func (f *framing) next(p []byte) (n int, first bool) {
	if f.left == 0 && len(f.header) == 0 {
		f.begun++
		first = true
	}
	for n < len(p) && f.left == 0 && len(f.header) < 4 {
		f.header = append(f.header, p[n])
		n++
		if len(f.header) == 4 {
			f.left = int(binary.BigEndian.Uint32(f.header))
		}
	}
	body := min(f.left, len(p)-n)
	f.left -= body
	if f.left == 0 && len(f.header) == 4 {
		f.header = f.header[:0]
	}
	return n + body, first
}

// through is a [jail.Pipe].
func (k *knife) through(in io.WriteCloser, out io.Reader, kill func()) (io.WriteCloser, io.Reader) {
	k.kill = kill
	return writeSide{in, k}, readSide{out, k}
}

// met reports whether the knife has fallen.
func (k *knife) met() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cut
}

// passes returns how much of p may pass.
func (k *knife) passes(f *framing, fates []fate, p []byte) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	for n := 0; ; {
		switch {
		case k.cut:
			return n
		case n == len(p):
			return n
		}
		m, first := f.next(p[n:])
		for _, fate := range fates {
			if k.fate != fate || f.begun != k.n || !first {
				continue
			}
			k.cut = true
			if fate == torn {
				n += m / 2
			}
			k.kill()
			return n
		}
		n += m
	}
}

var errCut = errors.New("the connection is cut")

type writeSide struct {
	io.WriteCloser
	k *knife
}

func (w writeSide) Write(p []byte) (int, error) {
	n := w.k.passes(&w.k.requests, []fate{lost, torn}, p)
	if n > 0 {
		if n, err := w.WriteCloser.Write(p[:n]); err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, errCut
	}
	return n, nil
}

type readSide struct {
	io.Reader
	k *knife
}

func (r readSide) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	m := r.k.passes(&r.k.answers, []fate{unsaid}, p[:n])
	if m < n {
		return m, errCut
	}
	return n, err
}

// contents takes several packets to write.
func contents(c byte) []byte { return bytes.Repeat([]byte{c}, 100_000) }

// writes are ways to write "file" anew in dir, which holds an old one if old is set.
var writes = []struct {
	name string
	old  bool
	all  []string // what is written
	do   func(fsys *sshfs.Fs, dir string) error
}{
	{"WriteFile", true, []string{"file"}, func(fsys *sshfs.Fs, dir string) error {
		return atomicfs.WriteFile(fsys, path.Join(dir, "file"), contents('n'), 0o644)
	}},
	{"NoReplace", false, []string{"file"}, func(fsys *sshfs.Fs, dir string) error {
		f, err := atomicfs.Create(fsys, path.Join(dir, "file"), &atomicfs.Options{NoReplace: true})
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(contents('n')); err != nil {
			return err
		}
		return f.Commit()
	}},
	{"Batch", true, []string{"file", "file2"}, func(fsys *sshfs.Fs, dir string) error {
		b := atomicfs.NewBatch(fsys, nil)
		defer b.Close()
		for _, name := range []string{"file", "file2"} {
			if err := b.WriteFile(path.Join(dir, name), contents('n'), 0o644); err != nil {
				return err
			}
		}
		return b.Commit()
	}},
}

// The server is killed at each packet of a write. Every file is the old one or the
// new, whole; what is left is cleared by Sweep, once it is old enough.
func TestServerKilled(t *testing.T) {
	for _, w := range writes {
		for _, fate := range []fate{lost, torn, unsaid} {
			t.Run(w.name+", "+string(fate), func(t *testing.T) {
				h := newHost(t)
				cuts, news, swept := 0, 0, 0
				for n := 1; ; n++ {
					dir := fmt.Sprint("case", n)
					setup(t, h, dir, w.old, w.all)
					k := &knife{fate: fate, n: n}
					l, err := h.Connect(k.through)
					if err == nil {
						err = w.do(sshfs.New(l.Client), path.Join(h.Dir, dir))
						l.End()
					}
					if !k.met() {
						require.NoError(t, err, "nothing was cut")
						break
					}
					cuts++
					require.Less(t, n, 1000)
					if whole(t, h, dir, w.old, w.all, err) {
						news++
					}
					swept += sweep(t, h, dir, w.all)
				}
				assert.Greater(t, cuts, 10)
				assert.Positive(t, swept, "some was left")
				t.Logf("%d cuts: %d left what is new, %d temporaries were swept", cuts, news, swept)
			})
		}
	}
}

// setup makes the directory dir of h.
func setup(t *testing.T, h *jail.Host, dir string, old bool, names []string) {
	t.Helper()
	real := filepath.Join(h.Real, dir)
	require.NoError(t, os.Mkdir(real, 0o777))
	require.NoError(t, os.Chmod(real, 0o777)) // the server is somebody else
	if !old {
		return
	}
	for _, name := range names {
		require.NoError(t, os.WriteFile(filepath.Join(real, name), contents('o'), 0o644))
	}
}

// whole checks what is there of each name after a write that returned err, and reports
// whether all of it is new.
func whole(t *testing.T, h *jail.Host, dir string, old bool, names []string, err error) (all bool) {
	t.Helper()
	all = true
	for _, name := range names {
		got, rerr := os.ReadFile(filepath.Join(h.Real, dir, name))
		switch {
		case !old && errors.Is(rerr, fs.ErrNotExist), rerr == nil && old && bytes.Equal(got, contents('o')):
			all = false
			require.False(t, err == nil || len(names) == 1 && errors.Is(err, atomicfs.ErrNotDurable), "%v", err)
		default:
			require.NoError(t, rerr)
			require.True(t, bytes.Equal(got, contents('n')), "%s is neither old nor new", name)
		}
	}
	return all
}

// sweep connects anew and clears what is left, and returns how much that was.
func sweep(t *testing.T, h *jail.Host, dir string, names []string) int {
	t.Helper()
	l, err := h.Connect(nil)
	require.NoError(t, err)
	defer l.End()
	fsys, at := sshfs.New(l.Client), path.Join(h.Dir, dir)
	removed, err := atomicfs.Sweep(t.Context(), fsys, at, 0)
	require.NoError(t, err)
	require.Empty(t, removed, "a writer on another machine may be at it")
	removed, err = atomicfs.Sweep(t.Context(), fsys, at, time.Nanosecond)
	require.NoError(t, err)
	left, err := os.ReadDir(filepath.Join(h.Real, dir))
	require.NoError(t, err)
	for _, e := range left {
		require.Contains(t, names, e.Name(), "swept: %s", strings.Join(removed, " "))
	}
	return len(removed)
}
