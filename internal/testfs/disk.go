package testfs

import (
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"
)

// pageSize is how much of a file reaches the disk at once. A write across pages
// may be torn between them.
const pageSize = 4096

// A birth is what a file or directory was when it was made. It also is its
// identity, as an inode number is: whatever changes a file carries its birth
// along, so that it can be replayed on a disk that the making has not reached.
type birth struct {
	mode     fs.FileMode
	time     time.Time
	uid, gid int
}

// born returns the birth of what this process makes now.
func born(mode fs.FileMode) *birth {
	return &birth{mode: mode, time: time.Now(), uid: os.Geteuid(), gid: os.Getegid()}
}

// An inode is what a disk holds of a file or directory. Pages are never written
// to once they are here, so that inodes share them.
type inode struct {
	mode     fs.FileMode
	time     time.Time
	uid, gid int
	size     int64
	pages    [][]byte          // each of pageSize bytes, or nil for zeros
	children map[string]*birth // of a directory
	up       entry             // of a directory: where it is
}

type entry struct {
	dir  *birth
	name string
}

// A disk holds inodes: those in which it differs from the disk under it, which
// never changes.
type disk struct {
	under  *disk
	inodes map[*birth]*inode
}

func (d *disk) over() *disk { return &disk{under: d, inodes: map[*birth]*inode{}} }

// get returns an inode to look at, or nil.
func (d *disk) get(b *birth) *inode {
	for ; d != nil; d = d.under {
		if n := d.inodes[b]; n != nil {
			return n
		}
	}
	return nil
}

// own returns an inode to change: d's own copy, or a new one.
func (d *disk) own(b *birth) *inode {
	if n := d.inodes[b]; n != nil {
		return n
	}
	n := &inode{mode: b.mode, time: b.time, uid: b.uid, gid: b.gid}
	if old := d.get(b); old != nil {
		*n = *old
		n.pages = slices.Clone(old.pages)
		n.children = maps.Clone(old.children)
	}
	if n.mode.IsDir() && n.children == nil {
		n.children = map[string]*birth{}
	}
	d.inodes[b] = n
	return n
}

// link makes name in dir lead to b. A directory has one name at most: the one
// that it had before goes.
func (d *disk) link(dir *birth, name string, b *birth) {
	n := d.get(b)
	if n == nil || b.mode.IsDir() {
		n = d.own(b)
	}
	if b.mode.IsDir() {
		if n.up.dir != nil && d.get(n.up.dir).children[n.up.name] == b {
			delete(d.own(n.up.dir).children, n.up.name)
		}
		n.up = entry{dir, name}
	}
	d.own(dir).children[name] = b
}

// swap makes the name of each of two lead to the other.
func (d *disk) swap(a, b spot) {
	for _, s := range []spot{{entry: a.entry, b: b.b}, {entry: b.entry, b: a.b}} {
		if n := d.get(s.b); n == nil || s.b.mode.IsDir() {
			d.own(s.b).up = s.entry
		}
		d.own(s.dir).children[s.name] = s.b
	}
}

// each calls fn with all that is below dir, whose path is at, in no order.
func (d *disk) each(dir *birth, at string, fn func(name string, n *inode)) {
	for name, b := range d.get(dir).children {
		path, n := at+"/"+name, d.get(b)
		fn(path, n)
		if n.mode.IsDir() {
			d.each(b, path, fn)
		}
	}
}

// unlink takes name out of dir.
func (d *disk) unlink(dir *birth, name string) { delete(d.own(dir).children, name) }

// write puts p, which stays within a page, at off. The file grows as needed.
func (n *inode) write(off int64, p []byte) {
	n.resize(max(n.size, off+int64(len(p))))
	i, at := off/pageSize, off%pageSize
	page := make([]byte, pageSize)
	copy(page, n.pages[i])
	copy(page[at:], p)
	n.pages[i] = page
}

// resize cuts the file, or lets it grow by zeros.
func (n *inode) resize(size int64) {
	pages := int((size + pageSize - 1) / pageSize)
	for len(n.pages) < pages {
		n.pages = append(n.pages, nil)
	}
	n.pages = n.pages[:pages]
	if rest := size % pageSize; size < n.size && rest != 0 && n.pages[pages-1] != nil {
		page := make([]byte, pageSize)
		copy(page, n.pages[pages-1][:rest])
		n.pages[pages-1] = page
	}
	n.size = size
}

// read copies from off, as far as the file goes.
func (n *inode) read(p []byte, off int64) int {
	p = p[:max(0, min(int64(len(p)), n.size-off))]
	for done := 0; done < len(p); {
		i, at := (off+int64(done))/pageSize, (off+int64(done))%pageSize
		end := min(len(p), done+pageSize-int(at))
		if page := n.pages[i]; page != nil {
			copy(p[done:end], page[at:])
		} else {
			clear(p[done:end])
		}
		done = end
	}
	return len(p)
}

// info describes an inode as it is now.
type info struct {
	name     string
	mode     fs.FileMode
	size     int64
	time     time.Time
	uid, gid int
	of       *birth
}

func (n *inode) info(name string, of *birth) fs.FileInfo {
	return info{name, n.mode, n.size, n.time, n.uid, n.gid, of}
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return i.time }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return ownedBy(i.uid, i.gid) }
