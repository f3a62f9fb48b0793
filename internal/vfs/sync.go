package vfs

import (
	"errors"
	"io/fs"
)

// SyncDir makes the entries of the directory name durable. Where directories
// cannot be synced, because the system or the Fs has no such thing, it does
// nothing and returns nil.
func (v FS) SyncDir(name string) error {
	clean, err := v.Clean("sync", name)
	if err != nil {
		return err
	}
	f, err := v.Open(clean)
	if err != nil {
		return fail("sync", clean, err)
	}
	err = synced(f.Sync())
	_ = f.Close() // read only: there is nothing that it could fail to write
	return fail("sync", clean, err)
}

// synced returns what the result of syncing a directory means. An error of the
// device is final; one that says that there is no such operation is none.
func synced(err error) error {
	if err == nil || noDirSync(Reason(err)) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return Reason(err)
}

// Owner returns the user and the group of a file, where the system has them.
func Owner(info fs.FileInfo) (uid, gid int, ok bool) { return owner(info) }
