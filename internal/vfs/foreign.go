package vfs

import (
	"time"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A Foreign is an Fs of this module that stands for a system on which an open file
// can be neither renamed nor removed, as on Windows, so that what is done there is
// tested everywhere. Over the operating system this one's calls are made as ever,
// once it has been asked; over memory its own are. Sealed keeps others from being
// one.
type Foreign interface {
	afero.Fs
	// Under returns the Fs beneath.
	Under(Sealed) afero.Fs
	// Over returns the same system over another part of the Fs beneath.
	Over(_ Sealed, fsys afero.Fs) Foreign
	// Refuses returns why the file of that path on the operating system is neither
	// renamed nor removed now, or nil.
	Refuses(_ Sealed, path string) error
	// Patience returns how long such a refusal is borne.
	Patience(Sealed) time.Duration
}

// OpenRenames reports whether an open file can be renamed and removed. Where it
// cannot, it has to be closed first. Of an Fs that is not known it tells what this
// system does: that is what most of them stand on.
func (v FS) OpenRenames() bool {
	return (openRenames || v.kind == memoryKind) && v.foreign() == nil
}

// on returns r, which is held open for v, with the operations of this package.
func (v FS) on(r *rootfs.Fs) FS {
	if v.foreign() == nil {
		return On(r)
	}
	return On(v.foreign().Over(Sealed{}, r))
}

// refuses returns why a foreign system neither renames nor removes name.
func (v FS) refuses(name string) error {
	if v.foreign() == nil {
		return nil
	}
	return v.foreign().Refuses(Sealed{}, v.real(name))
}
