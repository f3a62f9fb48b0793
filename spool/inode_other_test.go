//go:build !linux

package spool_test

import (
	"io/fs"
	"testing"
)

// inode is Linux's: TestCommitKeepsTheInode is skipped elsewhere.
func inode(testing.TB, fs.FileInfo) uint64 { return 0 }
