package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A kind is a file system that the demonstration runs on. All that is made there
// is made below root; what is outside must not change.
type kind struct {
	name string
	fsys afero.Fs
	root string   // the directory on fsys for the demonstration
	disk string   // root on the operating system, "" in memory
	base afero.Fs // fsys as a base path that cannot be left: itself, where it is one

	around  afero.Fs // reaches what is outside of base, nil if there is nothing
	outside string   // a directory on around, with a file in it that nobody may touch

	close func() error
}

// A maker makes a kind in an empty directory of the operating system.
type maker struct {
	name string
	make func(scratch string) (*kind, error)
}

// makers are the file systems in the order of the report.
var makers = []maker{
	{"OsFs", osKind},
	{"rootfs", rootKind},
	{"MemMapFs", memKind},
	{"BasePathFs(OsFs)", basePathOsKind},
	{"BasePathFs(MemMapFs)", basePathMemKind},
}

func osKind(scratch string) (*kind, error) {
	k, err := newDiskKind(scratch)
	if err != nil {
		return nil, err
	}
	k.fsys, k.root = tmpfs.WithTempDir(afero.NewOsFs(), filepath.Join(k.disk, "tmp")), k.disk
	k.base = afero.NewBasePathFs(afero.NewOsFs(), k.disk)
	return k, nil
}

func rootKind(scratch string) (*kind, error) {
	k, err := newDiskKind(scratch)
	if err != nil {
		return nil, err
	}
	fsys, err := rootfs.Open(k.disk)
	if err != nil {
		return nil, err
	}
	k.fsys, k.base, k.close = fsys, fsys, fsys.Close
	return k, nil
}

func memKind(string) (*kind, error) {
	k := newMemoryKind()
	k.fsys = afero.NewMemMapFs()
	k.base = k.fsys
	return k, nil
}

func basePathOsKind(scratch string) (*kind, error) {
	k, err := newDiskKind(scratch)
	if err != nil {
		return nil, err
	}
	k.fsys = afero.NewBasePathFs(afero.NewOsFs(), k.disk)
	k.base = k.fsys
	return k, nil
}

func basePathMemKind(string) (*kind, error) {
	k := newMemoryKind()
	k.around, k.outside = afero.NewMemMapFs(), "/outside"
	if err := k.around.Mkdir("/base", 0o700); err != nil {
		return nil, err
	}
	k.fsys = afero.NewBasePathFs(k.around, "/base")
	k.base = k.fsys
	return k, plantVictim(k.around, k.outside)
}

// newDiskKind returns a kind without an Fs yet: the directories base, to be its root,
// and outside.
func newDiskKind(scratch string) (*kind, error) {
	k := &kind{
		root:    string(filepath.Separator),
		disk:    filepath.Join(scratch, "base"),
		around:  afero.NewOsFs(),
		outside: filepath.Join(scratch, "outside"),
		close:   func() error { return nil },
	}
	if err := os.Mkdir(k.disk, 0o700); err != nil {
		return nil, err
	}
	return k, plantVictim(k.around, k.outside)
}

func newMemoryKind() *kind {
	return &kind{root: string(filepath.Separator), close: func() error { return nil }}
}

const victim, victimText = "victim.txt", "nobody may touch this\n"

// plantVictim makes dir on fsys, with a file for the attempts to escape to aim at.
func plantVictim(fsys afero.Fs, dir string) error {
	if err := fsys.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return afero.WriteFile(fsys, filepath.Join(dir, victim), []byte(victimText), 0o644)
}

// path returns the path on k of a slash-separated name below its root.
func (k *kind) path(name string) string {
	return filepath.Join(k.root, filepath.FromSlash(name))
}

// diskPath returns the operating system's path of a path on k, or "" in memory.
func (k *kind) diskPath(path string) string {
	if k.disk == "" {
		return ""
	}
	return filepath.Join(k.disk, strings.TrimPrefix(path, k.root))
}

// where says where the files of k really are.
func (k *kind) where() string {
	if k.disk == "" {
		return "memory"
	}
	return k.disk
}

// show returns a path on k as all kinds show it: below <root>, with slashes, and
// with "*" for the random part of a temporary's name.
func (k *kind) show(path string) string {
	rel, err := filepath.Rel(k.root, path)
	if err != nil {
		return path
	}
	return "<root>/" + randomPart.ReplaceAllString(filepath.ToSlash(rel), "*")
}
