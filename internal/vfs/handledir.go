package vfs

import (
	"io"
	"io/fs"
	"syscall"
)

// Readdir is that of *os.File: what it returns does not change afterwards, and at
// the end of a directory there is no more until a Seek to its start.
func (h *handle) Readdir(n int) ([]fs.FileInfo, error) {
	if err := h.enter("readdir", noLimit); err != nil {
		return nil, err
	}
	defer h.mu.Unlock()
	if err := h.isDir(); err != nil {
		return nil, h.fail("readdir", err)
	}
	if h.ended {
		return nil, atEnd(n)
	}
	list, err := h.f.Readdir(n)
	for i, info := range list {
		// Copied now: the size and the name in a FileInfo of MemMapFs are those
		// of the file whenever they are asked for.
		list[i] = still(info, info.Name())
	}
	// All has been read, and what comes next is nothing: a union gives the same
	// list again.
	h.ended = n <= 0 && err == nil
	return list, h.fail("readdir", err)
}

// Readdirnames is Readdir for the names alone.
func (h *handle) Readdirnames(n int) ([]string, error) {
	if err := h.enter("readdir", noLimit); err != nil {
		return nil, err
	}
	defer h.mu.Unlock()
	if err := h.isDir(); err != nil {
		return nil, h.fail("readdirent", err)
	}
	if h.ended {
		return nil, atEnd(n)
	}
	names, err := h.f.Readdirnames(n)
	h.ended = n <= 0 && err == nil
	return names, h.fail("readdirent", err)
}

// atEnd is what reading n entries at the end of a directory returns. A union
// would begin anew. As os.File: io.EOF to who pages, nil and no entries to who
// asks for all.
func atEnd(n int) error {
	if n > 0 {
		return io.EOF
	}
	return nil
}

// isDir reports why the file cannot be listed. A file of MemMapFs would say so
// with an error that matches nothing. The lock must be held. A directory counts
// as read from then on, so that a Seek to its start opens it anew.
func (h *handle) isDir() error {
	info, err := h.f.Stat()
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	h.listed = err == nil
	return err
}
