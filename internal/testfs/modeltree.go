package testfs

import (
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Contents are those of a file of a [ModelTree], which may have several names, or none.
type Contents struct{ Text string }

// A ModelTree is a tree as it ought to be: relative paths with slashes.
type ModelTree struct {
	names map[string]*Contents // nil is a directory
	seq   int
}

// NewModelTree returns an empty tree.
func NewModelTree() *ModelTree { return &ModelTree{names: map[string]*Contents{"": nil}} }

// Look returns the contents of name, which are nil if it is a directory, and why
// it is not there.
func (m *ModelTree) Look(name string) (*Contents, error) {
	if c, ok := m.names[name]; ok {
		return c, nil
	}
	if err := m.Parent(name); err != nil {
		return nil, err
	}
	return nil, fs.ErrNotExist
}

// Parent returns why nothing can be made as name: its parent is missing, or is no
// directory.
func (m *ModelTree) Parent(name string) error {
	for dir := up(name); ; dir = up(dir) {
		if c, ok := m.names[dir]; ok {
			switch {
			case c != nil:
				return syscall.ENOTDIR
			case dir != up(name):
				return fs.ErrNotExist
			}
			return nil
		}
	}
}

func up(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

// Put makes name a file of those contents.
func (m *ModelTree) Put(name string, c *Contents) { m.names[name] = c }

// Mkdir makes name a directory.
func (m *ModelTree) Mkdir(name string) { m.names[name] = nil }

// MkdirAll makes the parents of name, or says what is in the way.
func (m *ModelTree) MkdirAll(name string) error {
	if name == "" {
		return nil
	}
	if c, ok := m.names[name]; ok {
		if c != nil {
			return syscall.ENOTDIR
		}
		return nil
	}
	if err := m.MkdirAll(up(name)); err != nil {
		return err
	}
	m.Mkdir(name)
	return nil
}

// RemoveAll removes name and what is below it.
func (m *ModelTree) RemoveAll(name string) {
	for n := range m.names {
		if n == name || strings.HasPrefix(n, name+"/") {
			delete(m.names, n)
		}
	}
}

// Empty reports whether nothing is in the directory name.
func (m *ModelTree) Empty(name string) bool {
	for n := range m.names {
		if strings.HasPrefix(n, name+"/") {
			return false
		}
	}
	return true
}

// Move renames name and what is below it.
func (m *ModelTree) Move(name, to string) {
	moved := map[string]*Contents{}
	for n, c := range m.names {
		if rest, ok := strings.CutPrefix(n, name); ok && (rest == "" || rest[0] == '/') {
			moved[to+rest] = c
			delete(m.names, n)
		}
	}
	for n, c := range moved {
		m.names[n] = c
	}
}

// Invent returns a name like those of temporaries, with text in the place of the
// random part.
func (m *ModelTree) Invent(before, after string) string {
	m.seq++
	return before + strings.Repeat("a", 24) + string(rune('a'+m.seq/26)) + string(rune('a'+m.seq%26)) + after
}

// Names lists the names that there are, sorted.
func (m *ModelTree) Names() (names []string) {
	for n := range m.names {
		if n != "" {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// List lists the tree, sorted: directories with a slash at the end, files with
// their contents. Random parts of names are "*", also in contents, of which long
// ones are told by their sum.
func (m *ModelTree) List() (lines []string) {
	for n, c := range m.names {
		switch {
		case n == "":
		case c == nil:
			lines = append(lines, Plain(n)+"/")
		case len(c.Text) > 1000:
			lines = append(lines, fmt.Sprintf("%s %d bytes, %08x", Plain(n), len(c.Text), crc32.ChecksumIEEE([]byte(c.Text))))
		default:
			lines = append(lines, Plain(fmt.Sprintf("%s %q", n, c.Text)))
		}
	}
	slices.Sort(lines)
	return lines
}

// Plain returns name with "*" for its random parts.
func Plain(name string) string { return random.ReplaceAllString(name, "*") }
