package tmpfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// What the steps of a history are about.
var (
	historyDirs     = []string{"", "d", "d/e", "missing", "a"}
	historyPatterns = []string{"", "p-*", "*.txt", "q-", "a*B*.c", "a/b", "x\x00*", strings.Repeat("x", 230)}
	historyNames    = []string{"a", "b", "d", "d/a", "d/e", "d/e/b", "missing/a", ""}
	historyOps      = []string{
		"create", "create", "createtemp", "mkdir", "mkdirtemp", "anonymous", "write", "write", "read", "closehandle",
		"keep", "keep", "keepnew", "keepnew", "stay", "close", "keepdir", "stayat", "closedir", "fill",
		"removeall", "other writes", "other makes", "other removes", "other renames",
	}
)

// A history of temporary files and directories, among others who make, rename and
// remove what they like.
func TestHistories(t *testing.T) {
	testfs.Histories(t, "tmpfs", historyOps,
		func(t testfs.Check, k testfs.Kind) testfs.Player { return &player{t: t, k: k, v: vfs.On(k.Fs)} },
		func(testfs.Kind) testfs.Player { return &model{ModelTree: testfs.NewModelTree()} })
}

// A player does it.
type player struct {
	t     testfs.Check
	k     testfs.Kind
	v     vfs.FS
	files []*tmpfs.File
	dirs  []*tmpfs.Dir
}

func (p *player) at(name string) string {
	if name == "" {
		return p.k.Dir
	}
	return p.k.Join(name)
}

func (p *player) Do(s testfs.Step) string {
	name := testfs.At(historyNames, s.N[1])
	switch s.Op {
	case "create", "createtemp", "mkdir", "mkdirtemp", "anonymous":
		return p.make(s)
	case "write", "read", "closehandle", "keep", "keepnew", "stay", "close":
		if len(p.files) == 0 {
			return ""
		}
		return p.file(s, testfs.At(p.files, s.N[0]), p.at(name))
	case "keepdir", "stayat", "closedir", "fill":
		if len(p.dirs) == 0 {
			return ""
		}
		return p.dir(s, testfs.At(p.dirs, s.N[0]), p.at(name))
	case "removeall":
		if name == "" {
			return ""
		}
		return testfs.Answer(tmpfs.RemoveAll(p.k.Fs, p.at(name)))
	}
	return p.other(s, name)
}

func (p *player) make(s testfs.Step) string {
	o := tmpfs.Options{Dir: p.at(testfs.At(historyDirs, s.N[0])), Pattern: testfs.At(historyPatterns, s.N[1])}
	switch s.Op {
	case "create":
		f, err := tmpfs.Create(p.k.Fs, &o)
		if err == nil {
			p.files = append(p.files, f)
			return testfs.Plain(f.Name()[len(p.k.Dir):])
		}
		return testfs.Answer(err)
	case "anonymous":
		o.Dir = p.k.Dir // it may have a name, and so keep another directory from being removed
		f, err := tmpfs.CreateAnonymous(p.k.Fs, &o)
		if err == nil {
			_, err = f.WriteString("text")
			text := make([]byte, 4)
			_, rerr := f.ReadAt(text, 0)
			return string(text) + testfs.Answer(errors.Join(err, rerr, f.Close()))
		}
		return testfs.Answer(err)
	case "mkdir":
		o.Dir = p.k.Dir // that nobody renames: in memory a directory does not follow
		d, err := tmpfs.Mkdir(p.k.Fs, &o)
		if err == nil {
			p.dirs = append(p.dirs, d)
			return testfs.Plain(d.Path()[len(p.k.Dir):])
		}
		return testfs.Answer(err)
	case "createtemp":
		f, name, err := tmpfs.CreateTemp(p.k.Fs, o.Dir, o.Pattern)
		if err == nil {
			return testfs.Plain(name[len(p.k.Dir):]) + testfs.Answer(f.Close())
		}
		return testfs.Answer(err)
	}
	name, err := tmpfs.MkdirTemp(p.k.Fs, o.Dir, o.Pattern)
	if err == nil {
		return testfs.Plain(name[len(p.k.Dir):])
	}
	return testfs.Answer(err)
}

func (p *player) file(s testfs.Step, f *tmpfs.File, name string) string {
	switch s.Op {
	case "write":
		_, err := fmt.Fprint(f, s.N[2])
		return testfs.Answer(err)
	case "read":
		text := make([]byte, 100)
		n, err := f.ReadAt(text, 0)
		return string(text[:n]) + testfs.Answer(err)
	case "closehandle":
		return testfs.Answer(f.CloseHandle())
	case "keep":
		return testfs.Answer(f.Keep(name))
	case "keepnew":
		return testfs.Answer(f.KeepNew(name))
	case "stay":
		return testfs.Answer(f.Keep(f.Name()))
	}
	return testfs.Answer(f.Close())
}

func (p *player) dir(s testfs.Step, d *tmpfs.Dir, name string) string {
	switch s.Op {
	case "keepdir":
		err := d.Keep(name)
		if err == nil {
			err = d.Close() // others may rename what is above it from now on
		}
		return testfs.Answer(err)
	case "stayat":
		return testfs.Answer(d.Keep(d.Path()))
	case "closedir":
		return testfs.Answer(d.Close())
	}
	v := vfs.On(d)
	_, err := v.MkdirAll("/sub", 0o755)
	if err == nil {
		err = writeAs(v, "/sub/file", fmt.Sprint(s.N[2]))
	}
	if err != nil {
		return "refused" // each kind has its words for a base that is gone
	}
	return "ok"
}

func writeAs(v vfs.FS, name, text string) error {
	f, err := v.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// other does what somebody else does, with the operations of vfs: those of the
// Fs itself do not agree.
func (p *player) other(s testfs.Step, name string) string {
	if name == "" {
		return "ok"
	}
	to := testfs.At(historyNames, s.N[2])
	name = p.at(name)
	switch s.Op {
	case "other writes":
		return testfs.Answer(writeAs(p.v, name, fmt.Sprint(s.N[2])))
	case "other makes":
		return testfs.Answer(p.v.Mkdir(name, 0o755))
	case "other removes":
		return testfs.Answer(p.v.Remove(name))
	}
	if to == "" {
		return "ok"
	}
	at, err := p.v.Pin(p.at(to), false)
	if err == nil {
		err = p.v.RenameNew(name, at)
		_ = at.Close()
	}
	return testfs.Answer(err)
}

func (p *player) End() (lines []string) {
	for _, f := range p.files {
		lines = append(lines, testfs.Answer(f.Close()))
	}
	for _, d := range p.dirs {
		lines = append(lines, testfs.Answer(d.Close()))
	}
	return append(lines, testfs.Tree(p.t, afero.Fs(p.k.Fs), p.k.Dir)...)
}

// A model says what ought to come of it.
type model struct {
	*testfs.ModelTree
	files []*modelFile
	dirs  []*modelDir
}

type modelFile struct {
	name         string
	contents     *testfs.Contents
	closed, done bool
}

type modelDir struct {
	name         string
	kept, closed bool
}

func (m *model) Do(s testfs.Step) string {
	name := testfs.At(historyNames, s.N[1])
	switch s.Op {
	case "create", "createtemp", "mkdir", "mkdirtemp", "anonymous":
		return m.make(s)
	case "write", "read", "closehandle", "keep", "keepnew", "stay", "close":
		if len(m.files) == 0 {
			return ""
		}
		return m.file(s, testfs.At(m.files, s.N[0]), name)
	case "keepdir", "stayat", "closedir", "fill":
		if len(m.dirs) == 0 {
			return ""
		}
		return m.dir(s, testfs.At(m.dirs, s.N[0]), name)
	case "removeall":
		if name == "" {
			return ""
		}
		m.RemoveAll(name)
		return "ok"
	}
	return testfs.Answer(m.other(s, name))
}

func (m *model) make(s testfs.Step) string {
	dir, pattern := testfs.At(historyDirs, s.N[0]), testfs.At(historyPatterns, s.N[1])
	switch {
	case strings.ContainsAny(pattern, "/\x00"):
		return "invalid"
	case len(pattern) > 229:
		return "ENAMETOOLONG"
	case pattern == "":
		pattern = "tmp-*"
	case !strings.Contains(pattern, "*"):
		pattern += "*"
	}
	if s.Op == "mkdir" || s.Op == "anonymous" {
		dir = ""
	}
	if s.Op == "anonymous" {
		return "textok"
	}
	i := strings.LastIndex(pattern, "*")
	name := m.Invent(pattern[:i], pattern[i+1:])
	if dir != "" {
		name = dir + "/" + name
	}
	if err := m.Parent(name); err != nil {
		return testfs.Answer(err)
	}
	said := "/" + testfs.Plain(name)
	switch s.Op {
	case "mkdir":
		m.dirs = append(m.dirs, &modelDir{name: name})
		m.Mkdir(name)
	case "mkdirtemp":
		m.Mkdir(name)
	default:
		c := &testfs.Contents{}
		m.Put(name, c)
		if s.Op == "createtemp" {
			return said + "ok"
		}
		m.files = append(m.files, &modelFile{name: name, contents: c})
	}
	return said
}

func (m *model) file(s testfs.Step, f *modelFile, name string) string {
	switch s.Op {
	case "write":
		if f.closed {
			return "closed"
		}
		f.contents.Text += fmt.Sprint(s.N[2])
	case "read":
		if f.closed {
			return "closed"
		}
		return f.contents.Text + "EOF"
	case "closehandle":
		f.closed = true
	case "keep", "keepnew":
		if s.Op == "keep" && name == f.name {
			return m.file(testfs.Step{Op: "stay"}, f, name)
		}
		return testfs.Answer(m.keep(f, name, s.Op == "keepnew"))
	case "stay":
		if f.done {
			return "closed"
		}
		f.closed = true
		if _, err := m.Look(f.name); err != nil {
			return testfs.Answer(err)
		}
		f.done = true
	case "close":
		if !f.done {
			m.RemoveAll(f.name)
			f.done, f.closed = true, true
		}
	}
	return "ok"
}

func (m *model) keep(f *modelFile, name string, exclusive bool) error {
	if err := m.Parent(name); err != nil {
		return err
	}
	if f.done {
		return fs.ErrClosed
	}
	f.closed = f.closed || !exclusive
	there, err := m.Look(name)
	if err == nil && exclusive {
		return fs.ErrExist
	}
	if _, err := m.Look(f.name); err != nil {
		return err // before what is wrong with the other name, as Linux has it
	}
	if err == nil && there == nil {
		return fs.ErrExist
	}
	m.Move(f.name, name)
	f.name, f.closed, f.done = name, true, true
	return nil
}

func (m *model) dir(s testfs.Step, d *modelDir, name string) string {
	switch s.Op {
	case "closedir":
		if !d.kept && !d.closed {
			m.RemoveAll(d.name)
		}
		d.closed = true
		return "ok"
	case "fill":
		if d.closed {
			return "refused"
		}
		m.Mkdir(d.name + "/sub")
		m.Put(d.name+"/sub/file", &testfs.Contents{Text: fmt.Sprint(s.N[2])})
		return "ok"
	case "stayat":
		name = d.name
	}
	if name != "" {
		if err := m.Parent(name); err != nil {
			return testfs.Answer(err)
		}
	}
	switch _, err := m.Look(name); {
	case d.kept || d.closed:
		return "closed"
	case s.Op == "stayat":
	case err == nil:
		return "exists"
	default:
		m.Move(d.name, name)
		d.name, d.closed = name, true
	}
	d.kept = true
	return "ok"
}

func (m *model) other(s testfs.Step, name string) error {
	if name == "" {
		return nil
	}
	there, err := m.Look(name)
	switch s.Op {
	case "other writes":
		if perr := m.Parent(name); perr != nil {
			return perr
		}
		if err == nil && there == nil {
			return syscall.EISDIR
		}
		if there == nil {
			there = &testfs.Contents{}
			m.Put(name, there)
		}
		there.Text = fmt.Sprint(s.N[2])
		return nil
	case "other makes":
		if err == nil {
			return fs.ErrExist
		}
		if perr := m.Parent(name); perr != nil {
			return perr
		}
		m.Mkdir(name)
		return nil
	case "other removes":
		if err == nil && there == nil && !m.Empty(name) {
			return syscall.ENOTEMPTY
		}
		if err == nil {
			m.RemoveAll(name)
		}
		return err
	}
	return m.rename(name, testfs.At(historyNames, s.N[2]))
}

func (m *model) rename(name, to string) error {
	if to == "" {
		return nil
	}
	if err := m.Parent(to); err != nil {
		return err
	}
	if _, err := m.Look(name); err != nil {
		return err
	}
	if _, err := m.Look(to); err == nil {
		return fs.ErrExist
	}
	if strings.HasPrefix(to, name+"/") {
		return syscall.EINVAL
	}
	m.Move(name, to)
	return nil
}

func (m *model) End() (lines []string) {
	for _, f := range m.files {
		lines = append(lines, m.file(testfs.Step{Op: "close"}, f, ""))
	}
	for _, d := range m.dirs {
		lines = append(lines, m.dir(testfs.Step{Op: "closedir"}, d, ""))
	}
	return append(lines, m.List()...)
}
