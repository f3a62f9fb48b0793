package vfs

import (
	"errors"
	"io/fs"
)

// SyncDir makes the entries of the directory name durable. Where directories
// cannot be synced, because the system or the Fs has no such thing, it does
// nothing and returns nil. An error of the device means that the entries may not
// survive a power cut; to sync once more would prove nothing, because the system
// may have dropped what it could not write.
func (v FS) SyncDir(name string) error {
	clean, err := v.Clean("sync", name)
	if err != nil {
		return err
	}
	// The entries are the directory's contents, and reach the disk by its own
	// sync: that of the files does not bring them along.
	f, err := v.Open(clean)
	if err != nil {
		return fail("sync", clean, err)
	}
	err = synced(f.Sync())
	_ = f.Close() // read only: there is nothing that it could fail to write
	return fail("sync", clean, err)
}

// synced returns what the result of syncing a directory means. An error of the
// device is final; one that says that there is no such operation is none. It
// returns the bare reason.
func synced(err error) error {
	if err == nil || noDirSync(Reason(err)) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return Reason(err)
}

// Owner returns the user and the group of a file, where the system has them. ok
// is false in memory, and on systems without the two, such as Windows.
func Owner(info fs.FileInfo) (uid, gid int, ok bool) { return owner(info) }
