package testfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

// A crashFile is a handle of a CrashFs. It stays good when its name is renamed or
// removed.
type crashFile struct {
	fs     *CrashFs
	b      *birth
	name   string
	flag   int
	pos    int64
	list   []fs.FileInfo // of a directory: what is still to be read
	listed bool
	closed bool
}

var _ afero.File = (*crashFile)(nil)

func (h *crashFile) Name() string { return h.name }

// in runs act on the inode, as long as the handle is open.
func (h *crashFile) in(op string, act func(n *inode) error) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	err := error(fs.ErrClosed)
	if !h.closed {
		err = act(h.fs.live.get(h.b))
	}
	if errors.Is(err, io.EOF) { // which is not to be wrapped
		return err
	}
	return pathError(op, h.name, err)
}

func (h *crashFile) Close() error {
	return h.in("close", func(*inode) error {
		h.closed = true
		return nil
	})
}

// readable returns what a read of this handle must fail with.
func (h *crashFile) readable(n *inode) error {
	switch {
	case n.mode.IsDir():
		return syscall.EISDIR
	case h.flag&os.O_WRONLY != 0:
		return syscall.EBADF
	}
	return nil
}

func (h *crashFile) Read(p []byte) (got int, err error) {
	err = h.in("read", func(n *inode) error {
		if len(p) == 0 {
			return nil
		}
		if err := h.readable(n); err != nil {
			return err
		}
		got = n.read(p, h.pos)
		h.pos += int64(got)
		if got == 0 {
			return io.EOF
		}
		return nil
	})
	return got, err
}

func (h *crashFile) ReadAt(p []byte, off int64) (got int, err error) {
	if off < 0 {
		return 0, pathError("readat", h.name, syscall.EINVAL)
	}
	err = h.in("read", func(n *inode) error {
		if err := h.readable(n); err != nil {
			return err
		}
		got = n.read(p, off)
		if got < len(p) {
			return io.EOF
		}
		return nil
	})
	return got, err
}

// write logs one part for each piece, and one for the growth of the file: either
// may reach the disk without the other, which leaves zeros.
func (h *crashFile) write(n *inode, p []byte, off int64) error {
	if h.flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return syscall.EBADF
	}
	if off > math.MaxInt64-int64(len(p)) {
		return syscall.EFBIG
	}
	if len(p) == 0 {
		return nil
	}
	var parts []part
	if end := off + int64(len(p)); end > n.size {
		parts = append(parts, resized(h.name, h.b, end))
	}
	now := time.Now()
	for p := slices.Clone(p); len(p) > 0; {
		piece, at := p[:min(int64(len(p)), h.fs.piece-off%h.fs.piece)], off
		what := fmt.Sprintf("data %d-%d of %s", at, at+int64(len(piece)), h.name)
		parts = append(parts, changed(what, h.b, func(n *inode) {
			n.write(at, piece)
			n.time = now
		}))
		p, off = p[len(piece):], off+int64(len(piece))
	}
	h.fs.do(parts...)
	return nil
}

func (h *crashFile) Write(p []byte) (int, error) {
	return h.wrote(p, h.in("write", func(n *inode) error {
		if h.flag&os.O_APPEND != 0 {
			h.pos = n.size
		}
		err := h.write(n, p, h.pos)
		if err == nil {
			h.pos += int64(len(p))
		}
		return err
	}))
}

func (h *crashFile) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || h.flag&os.O_APPEND != 0 {
		return 0, pathError("writeat", h.name, syscall.EINVAL)
	}
	return h.wrote(p, h.in("write", func(n *inode) error { return h.write(n, p, off) }))
}

func (h *crashFile) wrote(p []byte, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (h *crashFile) WriteString(s string) (int, error) { return h.Write([]byte(s)) }

func (h *crashFile) Seek(offset int64, whence int) (pos int64, err error) {
	err = h.in("seek", func(n *inode) error {
		switch whence {
		case io.SeekStart:
		case io.SeekCurrent:
			offset += h.pos
		case io.SeekEnd:
			offset += n.size
		default:
			return syscall.EINVAL
		}
		if offset < 0 {
			return syscall.EINVAL
		}
		h.pos, pos = offset, offset
		h.list, h.listed = nil, false
		return nil
	})
	return pos, err
}

func (h *crashFile) Truncate(size int64) error {
	return h.in("truncate", func(*inode) error {
		if size < 0 || h.flag&(os.O_WRONLY|os.O_RDWR) == 0 {
			return syscall.EINVAL
		}
		h.fs.do(resized(h.name, h.b, size))
		return nil
	})
}

func (h *crashFile) Sync() error {
	return h.in("sync", func(*inode) error {
		h.fs.sync(func(p *part) bool { return p.of == h.b })
		return nil
	})
}

func (h *crashFile) syncFailed() { h.fs.syncFailed(h.b) }

func (h *crashFile) Stat() (info fs.FileInfo, err error) {
	err = h.in("stat", func(n *inode) error {
		info = n.info(path.Base(path.Clean("/"+h.name)), h.b)
		return nil
	})
	return info, err
}

// Readdir lists the directory as it was at the first call, sorted.
func (h *crashFile) Readdir(count int) (list []fs.FileInfo, err error) {
	err = h.in("readdirent", func(n *inode) error {
		if !n.mode.IsDir() {
			return syscall.ENOTDIR
		}
		if n.up.dir != nil && h.fs.live.get(n.up.dir).children[n.up.name] != h.b {
			return syscall.ENOENT // it has been removed
		}
		if !h.listed {
			h.listed = true
			for name, b := range n.children {
				h.list = append(h.list, h.fs.live.get(b).info(name, b))
			}
			slices.SortFunc(h.list, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
		}
		if count > 0 && len(h.list) == 0 {
			return io.EOF
		}
		if count <= 0 || count > len(h.list) {
			count = len(h.list)
		}
		list, h.list = h.list[:count:count], h.list[count:]
		return nil
	})
	return list, err
}

func (h *crashFile) Readdirnames(count int) (names []string, err error) {
	list, err := h.Readdir(count)
	for _, info := range list {
		names = append(names, info.Name())
	}
	return names, err
}
