package spool_test

import (
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// What the steps of a history are about: the operations of a file, and those that
// only a spool has.
var (
	historySizes      = []int{0, 1, 3, 100, 511, 513, 4096, 9000, 70_000}
	historyOffsets    = []int64{0, 1, 90, 500, 5000, 65_535, 140_000, 262_144}
	historyThresholds = []int64{-1, 1, 600, 5000, 70_000, 1 << 20}
	historyBudgets    = []int64{-1, 0, 600, 70_000}
	historyNames      = []string{"a", "d/b", "new/er/c", "directory", "a/file"}
)

func historyOps() []string {
	names := []string{"new", "commit", "commit", "bytes", "reset", "reader", "reader", "close"}
	for _, o := range ops {
		names = append(names, o.name, o.name)
	}
	return names
}

// A history of one spool after the other, over every kind of disk. The model of
// each is an os.File, and a tree of what has been committed.
func TestHistories(t *testing.T) {
	testfs.Histories(t, "spool", historyOps(),
		func(t testfs.Check, k testfs.Kind) testfs.Player {
			if err := k.Fs.Mkdir(k.Join("directory"), 0o755); err != nil {
				t.Fatalf("%v", err)
			}
			p := &player{t: t, k: k}
			p.renew(testfs.Step{})
			return p
		},
		func(testfs.Kind) testfs.Player {
			m := &model{ModelTree: testfs.NewModelTree()}
			m.Mkdir("directory")
			m.renew()
			return m
		})
}

// short stands for contents in an answer.
func short(text string) string {
	return fmt.Sprintf("%d bytes, %08x", len(text), crc32.ChecksumIEEE([]byte(text)))
}

// do does the steps that a file knows. The two answer alike whatever they are.
func do(p *pair, f afero.File, s testfs.Step) (said string, ok bool) {
	for _, o := range ops {
		if o.name == s.Op {
			n, off := testfs.At(historySizes, s.N[0]), testfs.At(historyOffsets, s.N[1])+int64(s.N[2]%7)
			said = o.do(p, f, n, off, p.data(n))
			if len(said) > 100 {
				said = short(said)
			}
			at := tell(f)
			if at == "0 closed" {
				return at, true // an os.File forgets to say so of some calls: see TestErrorsArePathErrors
			}
			return said + " " + at, true
		}
	}
	return "", false
}

// A player does it.
type player struct {
	t    testfs.Check
	k    testfs.Kind
	pair pair
	opts spool.Options
}

func (p *player) renew(s testfs.Step) {
	p.opts = spool.Options{
		MaxMemory: testfs.At(historyThresholds, s.N[0]),
		Temp:      tmpfs.Options{Dir: p.k.Dir},
	}
	if s.N[1]%3 == 0 {
		p.opts.Memory = afero.NewMemMapFs()
	}
	if limit := testfs.At(historyBudgets, s.N[2]); limit >= 0 {
		p.opts.Budget = spool.NewBudget(limit)
	}
	p.pair.spool = spool.New(p.k.Fs, &p.opts)
}

func (p *player) Do(s testfs.Step) string {
	f := p.pair.spool
	if said, ok := do(&p.pair, f, s); ok {
		if f.Spilled() && p.opts.Budget.InUse() != 0 {
			p.t.Errorf("the budget is in use after a spill")
		}
		return said
	}
	switch s.Op {
	case "new":
		err := f.Close()
		if p.opts.Budget.InUse() != 0 {
			p.t.Errorf("the budget is in use after Close")
		}
		p.renew(s)
		return testfs.Answer(err)
	case "close":
		return testfs.Answer(f.Close())
	case "bytes":
		b, err := f.Bytes()
		return short(string(b)) + testfs.Answer(err)
	case "reset":
		return testfs.Answer(f.Reset())
	case "reader":
		return p.reader(testfs.At(historyOffsets, s.N[1]), testfs.At(historySizes, s.N[0]))
	}
	name := testfs.At(historyNames, s.N[0])
	opts := &atomicfs.Options{NoReplace: s.N[1]%4 == 0}
	return testfs.Answer(f.Commit(p.k.Fs, p.k.Join(strings.Split(name, "/")...), opts))
}

func (p *player) reader(off int64, n int) string {
	r := p.pair.spool.NewReader()
	_, err := r.Seek(off, io.SeekStart)
	if err == nil {
		b := make([]byte, n)
		var m int
		m, err = io.ReadFull(r, b)
		if err == io.ErrUnexpectedEOF { //nolint:errorlint // io.ReadFull never wraps it
			err = nil
		}
		if n == 0 {
			err = nil
		}
		return short(string(b[:m])) + testfs.Answer(err) + testfs.Answer(r.Close())
	}
	return testfs.Answer(err) + testfs.Answer(r.Close())
}

func (p *player) End() (lines []string) {
	lines = append(lines, testfs.Answer(p.pair.spool.Close()))
	if p.opts.Budget.InUse() != 0 {
		p.t.Errorf("the budget is in use at the end")
	}
	return append(lines, testfs.Tree(p.t, p.k.Fs, p.k.Dir)...)
}

// A model says what ought to come of it.
type model struct {
	*testfs.ModelTree
	pair   pair
	closed bool
}

// renew takes another os.File, which has no name.
func (m *model) renew() {
	f, err := os.CreateTemp("", "oracle-*")
	if err != nil {
		panic(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		panic(err)
	}
	m.pair.file, m.closed = f, false
}

func (m *model) Do(s testfs.Step) string {
	f := m.pair.file
	if said, ok := do(&m.pair, f, s); ok {
		return said
	}
	switch s.Op {
	case "new":
		_ = f.Close()
		m.renew()
		return "ok"
	case "close":
		_ = f.Close()
		m.closed = true
		return "ok"
	}
	if m.closed {
		return m.afterClose(s)
	}
	info, err := f.Stat()
	if err != nil {
		panic(err)
	}
	text := make([]byte, info.Size())
	if _, err := f.ReadAt(text, 0); err != nil && len(text) > 0 {
		panic(err)
	}
	switch s.Op {
	case "bytes":
		return short(string(text)) + "ok"
	case "reset":
		if err := f.Truncate(0); err != nil {
			panic(err)
		}
		_, err = f.Seek(0, io.SeekStart)
		return testfs.Answer(err)
	case "reader":
		off, n := testfs.At(historyOffsets, s.N[1]), testfs.At(historySizes, s.N[0])
		from := min(off, int64(len(text)))
		read := text[from:min(from+int64(n), int64(len(text)))]
		if len(read) == 0 && n > 0 {
			return short("") + "EOFok"
		}
		return short(string(read)) + "okok"
	}
	err = m.commit(testfs.At(historyNames, s.N[0]), string(text), s.N[1]%4 == 0)
	if err == nil {
		_ = f.Close()
		m.closed = true
	}
	return testfs.Answer(err)
}

func (m *model) afterClose(s testfs.Step) string {
	switch s.Op {
	case "bytes":
		return short("") + "closed"
	case "reader":
		return "closedok"
	}
	return "closed"
}

func (m *model) commit(name, text string, exclusive bool) error {
	if dir := filepath.Dir(name); dir != "." {
		if err := m.MkdirAll(dir); err != nil {
			return err
		}
	}
	switch c, err := m.Look(name); {
	case err == nil && exclusive:
		return os.ErrExist
	case err == nil && c == nil:
		return syscall.EISDIR
	}
	m.Put(name, &testfs.Contents{Text: text})
	return nil
}

func (m *model) End() []string {
	_ = m.pair.file.Close()
	return append([]string{"ok"}, m.List()...)
}
