package staging_test

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"syscall"
	"testing"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/workdir/staging"
)

// What the steps of a history are about, and the limits of the area.
var (
	historySizes    = []int{0, 1, 7, 20, 40, 90}
	historyDeclared = []int64{0, 0, 0, 20, 47, 300}
	historyDests    = []string{"a", "d/b", "directory", "a/file"}
	historyOps      = []string{
		"begin", "begin", "write", "write", "write", "write", "wrong", "flush", "suspend", "suspend", "resume", "resume",
		"stranger", "close", "commit", "commit", "list", "in use", "sweep", "read",
	}
)

const (
	historyQuota   = 200
	historyOpen    = 5
	historyMaxSize = 100
)

// answer is testfs.Answer with the words of this package.
func answer(err error) string {
	for _, known := range []struct {
		err  error
		word string
	}{{staging.ErrQuota, "quota"}, {staging.ErrRejected, "rejected"}, {staging.ErrOffset, "offset"}, {spool.ErrTooLarge, "too large"}} {
		if errors.Is(err, known.err) {
			return known.word
		}
	}
	return testfs.Answer(err)
}

// A history of uploads in an area: begun, written, suspended and resumed, put in
// place, refused and swept.
func TestHistories(t *testing.T) {
	testfs.Histories(t, "staging", historyOps,
		func(t testfs.Check, k testfs.Kind) testfs.Player {
			p := &player{t: t, k: k}
			for area, opts := range map[**staging.Area]*staging.AreaOptions{
				&p.area:    {Quota: historyQuota, MaxOpen: historyOpen},
				&p.sweeper: {TTL: 1},
			} {
				var err error
				if *area, err = staging.Open(k.Fs, k.Join("area"), opts); err != nil {
					t.Fatalf("%v", err)
				}
			}
			if err := vfs.On(k.Fs).Mkdir(k.Join("directory"), 0o755); err != nil {
				t.Fatalf("%v", err)
			}
			return p
		},
		func(testfs.Kind) testfs.Player {
			m := &model{ModelTree: testfs.NewModelTree()}
			m.Mkdir("area")
			m.Mkdir("directory")
			return m
		})
}

// A player does it.
type player struct {
	t       testfs.Check
	k       testfs.Kind
	area    *staging.Area
	sweeper *staging.Area // another view of the same directory, to which everything is old
	uploads []*staging.Upload
}

func (p *player) Do(s testfs.Step) string {
	ctx := context.Background()
	opts := &staging.Options{Spool: spool.Options{MaxSize: historyMaxSize, MaxMemory: 10}}
	switch s.Op {
	case "begin":
		opts.Size = testfs.At(historyDeclared, s.N[1])
		u, err := p.area.Begin(ctx, opts)
		if err == nil {
			p.uploads = append(p.uploads, u)
		}
		return answer(err)
	case "stranger":
		_, err := p.area.Resume(ctx, testfs.At([]string{"", "x", "../area", strings.Repeat("a", 26)}, s.N[0]), opts)
		return answer(err)
	case "list":
		var lines []string
		for info, err := range p.area.List(ctx) {
			lines = append(lines, fmt.Sprint(info.Size, info.Declared, answer(err)))
		}
		sort.Strings(lines)
		return fmt.Sprint(lines)
	case "in use":
		return fmt.Sprint(p.area.InUse())
	case "sweep":
		removed, err := p.sweeper.Sweep(ctx)
		return fmt.Sprint(len(removed), answer(err))
	}
	if len(p.uploads) == 0 {
		return ""
	}
	return p.upload(ctx, s, s.N[0]%len(p.uploads), opts)
}

func (p *player) upload(ctx context.Context, s testfs.Step, i int, opts *staging.Options) string {
	u := p.uploads[i]
	var err error
	switch s.Op {
	case "write", "wrong":
		off := u.Size()
		if s.Op == "wrong" {
			off++
		}
		n, err := u.WriteChunk(off, []byte(strings.Repeat(string(rune('a'+s.N[2]%26)), testfs.At(historySizes, s.N[1]))))
		return fmt.Sprint(n, answer(err))
	case "flush":
		err = u.Flush()
	case "suspend":
		err = u.Suspend()
	case "resume":
		u, err := p.area.Resume(ctx, u.ID(), opts)
		if err == nil {
			p.uploads[i] = u
		}
		return answer(err)
	case "close":
		err = u.Close()
	case "commit":
		err = u.Commit(ctx, p.k.Fs, p.k.Join(strings.Split(testfs.At(historyDests, s.N[1]), "/")...), &atomicfs.Options{NoReplace: s.N[2]%4 == 0})
	case "read":
		return fmt.Sprint(u.Size())
	}
	return answer(err)
}

func (p *player) End() (lines []string) {
	for _, u := range p.uploads {
		lines = append(lines, answer(u.Close()))
	}
	removed, err := p.sweeper.Sweep(context.Background())
	lines = append(lines, fmt.Sprint(len(removed), answer(err)))
	return append(lines, testfs.Tree(p.t, p.k.Fs, p.k.Dir)...)
}

// A model says what ought to come of it.
type model struct {
	*testfs.ModelTree
	uploads []*modelUpload
}

type modelUpload struct {
	text     string
	declared int64
	short    error // why the last write was refused
	state    string
}

// What a modelUpload's state is.
const (
	isOpen      = ""
	isSuspended = "suspended"
	isGone      = "gone"
)

func (u *modelUpload) size() int64 { return int64(len(u.text)) }
func (u *modelUpload) takes() int64 {
	if u.state == isGone {
		return 0
	}
	return max(u.size(), u.declared)
}

func (m *model) inUse() (bytes int64, uploads int) {
	for _, u := range m.uploads {
		bytes += u.takes()
		if u.state != isGone {
			uploads++
		}
	}
	return bytes, uploads
}

func (m *model) Do(s testfs.Step) string {
	bytes, open := m.inUse()
	switch s.Op {
	case "begin":
		switch declared := testfs.At(historyDeclared, s.N[1]); {
		case declared > historyMaxSize:
			return "too large"
		case open >= historyOpen, declared > historyQuota-bytes:
			return "quota"
		default:
			m.uploads = append(m.uploads, &modelUpload{declared: declared})
		}
		return "ok"
	case "stranger":
		return "not there"
	case "list":
		var lines []string
		for _, u := range m.uploads {
			if u.state != isGone {
				lines = append(lines, fmt.Sprint(u.size(), u.declared, "ok"))
			}
		}
		sort.Strings(lines)
		return fmt.Sprint(lines)
	case "in use":
		return fmt.Sprint(bytes, open)
	case "sweep":
		return m.sweep()
	}
	if len(m.uploads) == 0 {
		return ""
	}
	return m.upload(s, testfs.At(m.uploads, s.N[0]))
}

func (m *model) sweep() string {
	n := 0
	for _, u := range m.uploads {
		if u.state == isSuspended {
			u.state = isGone
			n++
		}
	}
	return fmt.Sprint(n, "ok")
}

func (m *model) upload(s testfs.Step, u *modelUpload) string {
	switch {
	case s.Op == "read":
		return fmt.Sprint(u.size())
	case s.Op == "resume" && u.state == isOpen:
		return "exists"
	case s.Op == "resume" && u.state == isGone:
		return "not there"
	case s.Op == "resume":
		u.state, u.short = isOpen, nil
		return "ok"
	case u.state != isOpen && (s.Op == "suspend" || s.Op == "close"):
		return "ok"
	case u.state != isOpen && (s.Op == "write" || s.Op == "wrong"):
		return "0closed"
	case u.state != isOpen:
		return "closed"
	}
	switch s.Op {
	case "wrong":
		return "0offset"
	case "write":
		text := strings.Repeat(string(rune('a'+s.N[2]%26)), testfs.At(historySizes, s.N[1]))
		if text == "" {
			return "0ok"
		}
		if u.short = m.mayGrow(u, u.size()+int64(len(text))); u.short != nil {
			return "0" + answer(u.short)
		}
		u.text += text
		return fmt.Sprint(len(text), "ok")
	case "suspend":
		u.state = isSuspended
	case "close":
		u.state = isGone
	case "commit":
		return answer(m.commit(u, testfs.At(historyDests, s.N[1]), s.N[2]%4 == 0))
	}
	return "ok"
}

func (m *model) mayGrow(u *modelUpload, size int64) error {
	bytes, _ := m.inUse()
	switch {
	case size > historyMaxSize:
		return spool.ErrTooLarge
	case u.declared > 0 && size > u.declared:
		return staging.ErrRejected
	case size > u.takes() && size-u.takes() > historyQuota-bytes:
		return staging.ErrQuota
	}
	return nil
}

func (m *model) commit(u *modelUpload, dest string, exclusive bool) error {
	switch {
	case u.short != nil:
		return u.short
	case u.size() < u.declared:
		return staging.ErrRejected
	}
	if i := strings.IndexByte(dest, '/'); i > 0 {
		if err := m.MkdirAll(dest[:i]); err != nil {
			return err
		}
	}
	switch c, err := m.Look(dest); {
	case err == nil && exclusive:
		return syscall.EEXIST
	case err == nil && c == nil:
		return syscall.EISDIR
	}
	m.Put(dest, &testfs.Contents{Text: u.text})
	u.state = isGone
	return nil
}

func (m *model) End() (lines []string) {
	for _, u := range m.uploads {
		if u.state == isOpen {
			u.state = isGone
		}
		lines = append(lines, "ok")
	}
	return append(append(lines, m.sweep()), m.List()...)
}
