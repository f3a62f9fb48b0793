package atomicfs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// What the steps of a history are about. Nothing is made below a name that may be
// a file; a directory above a file that is being written stays where it is.
var (
	historyNames = []string{"a", "b", "d/x", "d/y", "new/er/z"}
	historyTrees = []string{"t", "n/t", "a", "d/x"}
	historyFlags = []int{
		os.O_RDWR | os.O_CREATE | os.O_TRUNC, os.O_RDWR | os.O_TRUNC,
		os.O_RDWR | os.O_CREATE | os.O_EXCL, os.O_WRONLY | os.O_CREATE | os.O_TRUNC,
	}
	historyWays = []string{"WriteFile", "WriteReader", "WriteFunc", "Update", "Create", "Batch"}
	historyOps  = []string{
		"whole", "whole", "gives up", "update", "read", "create", "write", "commit", "close", "batch", "adopt", "adopt new",
		"tree", "open", "open", "put", "put", "cut", "look", "sync", "shut", "sweep",
		"other writes", "other makes", "other removes", "other renames", "litter",
	}
)

// A history of files that are written at once, in steps, in batches and through
// NewFs, among others who write, make and remove what they like.
func TestHistories(t *testing.T) {
	testfs.Histories(t, "atomicfs", historyOps,
		func(t testfs.Check, k testfs.Kind) testfs.Player {
			return &player{t: t, k: k, v: vfs.On(k.Fs), aside: atomicfs.NewFs(k.Fs, &atomicfs.FsOptions{Options: atomicfs.Options{NoSync: true}})}
		},
		func(k testfs.Kind) testfs.Player {
			return &model{ModelTree: testfs.NewModelTree(), exchanges: k.OS && (runtime.GOOS == "linux" || runtime.GOOS == "darwin")}
		})
}

// A player does it.
type player struct {
	t     testfs.Check
	k     testfs.Kind
	v     vfs.FS
	aside afero.Fs
	files []*atomicfs.File
	open  []afero.File
}

func (p *player) Do(s testfs.Step) string {
	name, text := p.k.Join(testfs.At(historyNames, s.N[0])), fmt.Sprint(s.N[1])
	switch s.Op {
	case "whole":
		return testfs.Answer(writers[testfs.At(historyWays, s.N[2])](p.k.Fs, name, text))
	case "gives up":
		return testfs.Answer(atomicfs.Update(p.k.Fs, name, 0o644, func([]byte) ([]byte, error) { return nil, errFn }))
	case "update":
		return testfs.Answer(atomicfs.Update(p.k.Fs, name, 0o644, func(old []byte) ([]byte, error) { return append(old, text...), nil }))
	case "read":
		return p.read(name)
	case "create":
		f, err := atomicfs.Create(p.k.Fs, name, &atomicfs.Options{NoSync: true, NoReplace: s.N[2]%3 == 0})
		if err == nil {
			p.files = append(p.files, f)
		}
		return testfs.Answer(err)
	case "batch":
		return p.batch(s)
	case "adopt", "adopt new":
		return p.adopt(name, text, s.Op == "adopt new")
	case "tree":
		return p.tree(p.k.Join(testfs.At(historyTrees, s.N[0])), text)
	case "sweep":
		removed, err := atomicfs.Sweep(context.Background(), p.k.Fs, p.k.Dir, 1)
		return fmt.Sprint(len(removed), testfs.Answer(err))
	}
	if s.Op == "open" {
		f, err := p.aside.OpenFile(name, testfs.At(historyFlags, s.N[2]), 0o644)
		if err == nil {
			p.open = append(p.open, f)
		}
		return testfs.Answer(err)
	}
	if said, ok := p.handle(s, text); ok {
		return said
	}
	return p.other(s, name, text)
}

func (p *player) read(name string) string {
	f, err := p.v.Open(name)
	if err != nil {
		return testfs.Answer(err)
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return "directory" + testfs.Answer(errors.Join(err, f.Close()))
	}
	text, err := afero.ReadAll(f)
	return string(text) + testfs.Answer(errors.Join(err, f.Close()))
}

func (p *player) batch(s testfs.Step) string {
	b := atomicfs.NewBatch(p.k.Fs, &atomicfs.Options{NoSync: true})
	var said []string
	for i := range 2 + s.N[1]%3 {
		name := testfs.At(historyNames, s.N[0]+i*(1+s.N[2]%3))
		said = append(said, testfs.Answer(b.WriteFile(p.k.Join(name), []byte(fmt.Sprint(s.N[1]+i)), 0o644)))
	}
	if s.N[2]%7 == 0 {
		return fmt.Sprint(said, testfs.Answer(b.Close()))
	}
	err := b.Commit()
	var failed []string
	var batch *atomicfs.BatchError
	if errors.As(err, &batch) {
		for name, err := range batch.Failed {
			failed = append(failed, name[len(p.k.Dir)+1:]+" "+testfs.Answer(err))
		}
		sort.Strings(failed)
	} else if err != nil {
		failed = append(failed, err.Error())
	}
	return fmt.Sprint(said, failed, testfs.Answer(b.Close()))
}

func (p *player) adopt(name, text string, exclusive bool) string {
	f, err := tmpfs.Create(p.k.Fs, &tmpfs.Options{Dir: p.k.Dir})
	if err != nil {
		return testfs.Answer(err)
	}
	if _, err = f.WriteString(text); err == nil {
		if exclusive {
			err = atomicfs.CommitNew(f, name)
		} else {
			err = atomicfs.Commit(f, name)
		}
	}
	return testfs.Answer(err) + testfs.Answer(f.Close())
}

func (p *player) tree(name, text string) string {
	d, err := tmpfs.Mkdir(p.k.Fs, &tmpfs.Options{Dir: p.k.Dir})
	if err != nil {
		return testfs.Answer(err)
	}
	v := vfs.On(d)
	if err = v.Mkdir("/sub", 0o755); err == nil {
		err = writeAs(v, "/sub/"+text, text)
	}
	if err == nil {
		err = atomicfs.CommitDir(d, name)
	}
	return testfs.Answer(err) + testfs.Answer(d.Close())
}

func writeAs(v vfs.FS, name, text string) error {
	f, err := v.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// handle is a step on a file that is open, if there is one.
func (p *player) handle(s testfs.Step, text string) (said string, ok bool) {
	var err error
	switch s.Op {
	case "write", "commit", "close":
		if len(p.files) == 0 {
			return "", true
		}
		switch f := testfs.At(p.files, s.N[0]); s.Op {
		case "write":
			_, err = f.WriteString(text)
		case "commit":
			err = f.Commit()
		case "close":
			err = f.Close()
		}
		return testfs.Answer(err), true
	case "put", "cut", "look", "sync", "shut":
		if len(p.open) == 0 {
			return "", true
		}
		switch f := testfs.At(p.open, s.N[0]); s.Op {
		case "put":
			_, err = f.WriteString(text)
		case "cut":
			err = f.Truncate(int64(s.N[1] % 5))
		case "look":
			info, err := f.Stat()
			if err != nil {
				return testfs.Answer(err), true
			}
			return fmt.Sprint(info.Name(), info.Size()), true
		case "sync":
			err = f.Sync()
		case "shut":
			err = f.Close()
		}
		return testfs.Answer(err), true
	}
	return "", false
}

// other does what somebody else does, with the operations of vfs: those of the
// Fs itself do not agree.
func (p *player) other(s testfs.Step, name, text string) string {
	switch s.Op {
	case "other writes":
		return testfs.Answer(writeAs(p.v, name, text))
	case "other makes":
		return testfs.Answer(p.v.Mkdir(name, 0o755))
	case "other removes":
		return testfs.Answer(p.v.Remove(name))
	case "litter":
		return testfs.Answer(writeAs(p.v, p.k.Join(litter(s.N[1])), "litter"))
	}
	at, err := p.v.Pin(p.k.Join(testfs.At(historyNames, s.N[1])), false)
	if err == nil {
		err = p.v.RenameNew(name, at)
		_ = at.Close()
	}
	return testfs.Answer(err)
}

// litter is what a writer that was killed has left, or something like it.
func litter(n int) string {
	if n%3 == 0 {
		return ".tmp-not-of-this-package"
	}
	return ".tmp-" + strings.Repeat("z", 25) + string(rune('a'+n%3))
}

func (p *player) End() (lines []string) {
	for _, f := range p.files {
		lines = append(lines, testfs.Answer(f.Close()))
	}
	for _, f := range p.open {
		lines = append(lines, testfs.Answer(f.Close()))
	}
	return append(lines, testfs.Tree(p.t, p.k.Fs, p.k.Dir)...)
}

// A model says what ought to come of it.
type model struct {
	*testfs.ModelTree
	exchanges bool // a tree takes the place of another
	files     []*modelFile
	open      []*modelOpen
}

type modelFile struct {
	name string
	text string
	new  bool
	done bool
}

// A modelOpen is a file that is open through NewFs.
type modelOpen struct {
	name         string
	flag         int
	pos          int
	temporary    *testfs.Contents // nil from a sync to the next write
	placed       *testfs.Contents
	isNew, dirty bool
	exclusive    bool
	err          error
	closed       bool
}

func (m *model) Do(s testfs.Step) string {
	name, text := testfs.At(historyNames, s.N[0]), fmt.Sprint(s.N[1])
	switch s.Op {
	case "whole":
		return testfs.Answer(m.write(name, text, false))
	case "gives up":
		if err := m.mayWrite(name, false); err != nil {
			return testfs.Answer(err)
		}
		return testfs.Answer(errFn)
	case "update":
		if c, err := m.Look(name); err == nil && c != nil {
			text = c.Text + text
		}
		return testfs.Answer(m.write(name, text, false))
	case "read":
		c, err := m.Look(name)
		switch {
		case err != nil:
			return testfs.Answer(err)
		case c == nil:
			return "directoryok"
		}
		return c.Text + "ok"
	case "create":
		err := m.mayWrite(name, s.N[2]%3 == 0)
		if err == nil {
			m.files = append(m.files, &modelFile{name: name, new: s.N[2]%3 == 0})
		}
		return testfs.Answer(err)
	case "batch":
		return m.batch(s)
	case "adopt", "adopt new":
		return testfs.Answer(m.write(name, text, s.Op == "adopt new")) + "ok"
	case "tree":
		return testfs.Answer(m.tree(testfs.At(historyTrees, s.N[0]), text)) + "ok"
	case "sweep":
		return m.sweep()
	case "open":
		return testfs.Answer(m.openAside(name, testfs.At(historyFlags, s.N[2])))
	case "write", "commit", "close":
		if len(m.files) == 0 {
			return ""
		}
		return testfs.Answer(m.file(s.Op, testfs.At(m.files, s.N[0]), text))
	case "put", "cut", "look", "sync", "shut":
		if len(m.open) == 0 {
			return ""
		}
		return m.handle(s, testfs.At(m.open, s.N[0]), text)
	}
	return testfs.Answer(m.other(s, name, text))
}

// mayWrite makes the parents of name, and says why it may not be written.
func (m *model) mayWrite(name string, exclusive bool) error {
	if i := strings.LastIndex(name, "/"); i > 0 {
		if err := m.MkdirAll(name[:i]); err != nil {
			return err
		}
	}
	return m.mayReplace(name, exclusive)
}

func (m *model) mayReplace(name string, exclusive bool) error {
	c, err := m.Look(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case exclusive:
		return fs.ErrExist
	case c == nil:
		return eisdir
	}
	return nil
}

func (m *model) write(name, text string, exclusive bool) error {
	err := m.mayWrite(name, exclusive)
	if err == nil {
		m.Put(name, &testfs.Contents{Text: text})
	}
	return err
}

func (m *model) batch(s testfs.Step) string {
	var said, failed []string
	texts := map[string]string{}
	for i := range 2 + s.N[1]%3 {
		name := testfs.At(historyNames, s.N[0]+i*(1+s.N[2]%3))
		err := m.mayWrite(name, false)
		said = append(said, testfs.Answer(err))
		if err == nil {
			texts[name] = fmt.Sprint(s.N[1] + i)
		} else if line := name + " " + testfs.Answer(err); !slices.Contains(failed, line) {
			failed = append(failed, line)
		}
	}
	if s.N[2]%7 == 0 {
		return fmt.Sprint(said, "ok")
	}
	for name, text := range texts {
		m.Put(name, &testfs.Contents{Text: text})
	}
	sort.Strings(failed)
	return fmt.Sprint(said, failed, "ok")
}

func (m *model) tree(name, text string) error {
	if i := strings.LastIndex(name, "/"); i > 0 {
		if err := m.MkdirAll(name[:i]); err != nil {
			return err
		}
	}
	c, err := m.Look(name)
	switch {
	case err == nil && c != nil:
		return enotdir
	case err == nil && !m.exchanges:
		return errors.ErrUnsupported
	}
	m.RemoveAll(name)
	for _, dir := range []string{name, name + "/sub"} {
		m.Mkdir(dir)
	}
	m.Put(name+"/sub/"+text, &testfs.Contents{Text: text})
	return nil
}

func (m *model) sweep() string {
	n := 0
	for _, name := range m.Names() {
		if strings.HasPrefix(name, ".tmp-z") {
			m.RemoveAll(name)
			n++
		}
	}
	return fmt.Sprint(n, "ok")
}

func (m *model) file(op string, f *modelFile, text string) error {
	switch {
	case op == "close":
		f.done = true
		return nil
	case f.done:
		return fs.ErrClosed
	case op == "write":
		f.text += text
		return nil
	}
	f.done = true
	err := m.mayReplace(f.name, f.new)
	if err == nil {
		m.Put(f.name, &testfs.Contents{Text: f.text})
	}
	return err
}

func (m *model) openAside(name string, flag int) error {
	c, err := m.Look(name)
	exclusive := flag&os.O_EXCL != 0
	switch {
	case m.Parent(name) != nil:
		return m.Parent(name)
	case err == nil && exclusive:
		return fs.ErrExist
	case err == nil && c == nil:
		return eisdir
	case err != nil && flag&os.O_CREATE == 0:
		return err
	}
	m.open = append(m.open, &modelOpen{name: name, flag: flag, temporary: &testfs.Contents{}, isNew: err != nil, exclusive: exclusive})
	return nil
}

func (m *model) handle(s testfs.Step, f *modelOpen, text string) string {
	switch {
	case f.closed:
		return "closed"
	case s.Op == "shut":
		return testfs.Answer(m.shut(f))
	case f.err != nil:
		return testfs.Answer(f.err)
	}
	now := f.temporary
	if now == nil {
		now = f.placed
	}
	switch s.Op {
	case "look":
		return fmt.Sprint(f.name[strings.LastIndex(f.name, "/")+1:], len(now.Text))
	case "sync":
		if f.temporary != nil {
			f.err = m.put(f)
		}
	case "cut":
		if size := s.N[1] % 5; size != len(now.Text) && m.begin(f) == nil {
			f.temporary.Text = (f.temporary.Text + strings.Repeat("\x00", size))[:size]
		}
	case "put":
		if m.begin(f) == nil {
			t := f.temporary.Text
			t += strings.Repeat("\x00", max(f.pos-len(t), 0))
			f.temporary.Text = t[:f.pos] + text + t[min(f.pos+len(text), len(t)):]
			f.pos += len(text)
		}
	}
	return testfs.Answer(f.err)
}

// begin makes sure that there is a temporary to write to.
func (m *model) begin(f *modelOpen) error {
	if f.temporary == nil {
		if f.err = m.mayReplace(f.name, false); f.err != nil {
			return f.err
		}
		f.temporary = &testfs.Contents{Text: f.placed.Text}
	}
	f.dirty = true
	return nil
}

func (m *model) put(f *modelOpen) error {
	err := m.mayReplace(f.name, f.exclusive)
	if err == nil {
		m.Put(f.name, f.temporary)
		f.placed, f.temporary = f.temporary, nil
		f.isNew, f.dirty, f.exclusive = false, false, false
	}
	return err
}

func (m *model) shut(f *modelOpen) error {
	f.closed = true
	if f.err == nil && f.temporary != nil && (f.dirty || f.isNew) {
		return m.put(f)
	}
	return f.err
}

func (m *model) other(s testfs.Step, name, text string) error {
	there, err := m.Look(name)
	switch s.Op {
	case "litter":
		m.Put(litter(s.N[1]), &testfs.Contents{Text: "litter"})
		return nil
	case "other writes":
		switch {
		case m.Parent(name) != nil:
			return m.Parent(name)
		case err == nil && there == nil:
			return eisdir
		case there == nil:
			m.Put(name, &testfs.Contents{Text: text})
		default:
			there.Text = text
		}
		return nil
	case "other makes":
		if err == nil {
			return fs.ErrExist
		}
		if err = m.Parent(name); err == nil {
			m.Mkdir(name)
		}
		return err
	case "other removes":
		if err == nil && there == nil && !m.Empty(name) {
			return enotempty
		}
		if err == nil {
			m.RemoveAll(name)
		}
		return err
	}
	to := testfs.At(historyNames, s.N[1])
	if perr := m.Parent(to); perr != nil {
		return perr
	}
	if _, terr := m.Look(to); err == nil && terr == nil {
		return fs.ErrExist
	}
	if err == nil {
		m.Move(name, to)
	}
	return err
}

func (m *model) End() (lines []string) {
	for _, f := range m.files {
		lines = append(lines, testfs.Answer(m.file("close", f, "")))
	}
	for _, f := range m.open {
		lines = append(lines, m.handle(testfs.Step{Op: "shut"}, f, ""))
	}
	return append(lines, m.List()...)
}
