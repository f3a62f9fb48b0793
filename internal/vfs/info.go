package vfs

import (
	"io/fs"
	"os"
	"time"
)

// still returns info as it is now, under the name that the caller knows: the one
// of MemMapFs follows the file, its name and size included. What describes a
// file of the operating system is kept, so that os.SameFile goes on to know it.
func still(info fs.FileInfo, name string) fs.FileInfo {
	// SameFile knows those of package os alone, which are copies already.
	if os.SameFile(info, info) {
		return info
	}
	s := &stillInfo{name: name, mode: info.Mode(), modTime: info.ModTime(), sys: info.Sys()}
	// MemMapFs makes files with this bit, and directories of size 42.
	s.mode &^= fs.ModeTemporary
	if info.IsDir() {
		s.mode |= fs.ModeDir
	} else {
		s.size = info.Size()
	}
	return s
}

// A stillInfo is a copy of a FileInfo. os.SameFile knows none of them.
type stillInfo struct {
	name    string
	size    int64
	mode    fs.FileMode
	modTime time.Time
	sys     any
}

func (s *stillInfo) Name() string       { return s.name }
func (s *stillInfo) Size() int64        { return s.size }
func (s *stillInfo) Mode() fs.FileMode  { return s.mode }
func (s *stillInfo) ModTime() time.Time { return s.modTime }
func (s *stillInfo) IsDir() bool        { return s.mode.IsDir() }
func (s *stillInfo) Sys() any           { return s.sys }
