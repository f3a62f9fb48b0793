//go:build unix

package testfs

import (
	"io/fs"
	"syscall"
)

// ownedBy is what FileInfo.Sys tells of an owner here.
func ownedBy(uid, gid int) any { return &syscall.Stat_t{Uid: uint32(uid), Gid: uint32(gid)} }

// owners returns the owner and the group of a file.
func owners(info fs.FileInfo) (uid, gid int) {
	st := info.Sys().(*syscall.Stat_t)
	return int(st.Uid), int(st.Gid)
}
