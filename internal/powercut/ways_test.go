//go:build linux

package powercut_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/powercut"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// wayScenarios write files by other ways than a WriteFile of their own path.
func wayScenarios() []powercut.Scenario {
	const versions, mode = 3, 0o644
	var files []file
	var things, linked []thing
	for _, f := range append(filesOf("real/old-", versions, true, mode), filesOf("real/new-", versions, false, mode)...) {
		files = append(files, f)
		things = append(things, f)
		linked = append(linked, f, link{f})
	}
	scenario := func(name string, put put) powercut.Scenario {
		return powercut.Scenario{Name: name, Setup: setUp(files), Work: inTurn(files, put), Verify: verify(things, 1)}
	}
	links := scenario("WriteFile, through links", throughLink)
	links.Setup = func(dir string) error { return errors.Join(setUp(files)(dir), makeLinks(dir, files)) }
	links.Verify = verify(linked, 1)
	return []powercut.Scenario{
		links,
		scenario("WriteFile, rootfs and BasePathFs", belowBase),
		scenario("NewFs, Sync and Close", throughNewFs),
		scenario("Update", update),
	}
}

// A link is a thing that is there before and stays: "link-<name>" in the scenario's
// directory, which leads to the file, or to where that will be.
type link struct{ to file }

func (l link) String() string { return "link-" + filepath.Base(l.to.name) }

func (l link) owns(name string, isDir bool) bool { return name == l.String() && !isDir }

func (l link) verify(dir string, _ int) error {
	to, err := os.Readlink(filepath.Join(dir, l.String()))
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	if to != l.to.name {
		return fmt.Errorf("link: %s leads to %s", l, to)
	}
	return nil
}

func makeLinks(dir string, files []file) error {
	for _, f := range files {
		if err := os.Symlink(f.name, filepath.Join(dir, link{f}.String())); err != nil {
			return err
		}
	}
	return nil
}

func throughLink(dir string, f file, version int) error {
	return atomicfs.WriteFile(osFs, filepath.Join(dir, link{f}.String()), f.version(version), f.mode)
}

// belowBase writes by one kind of base path, then by the other.
func belowBase(dir string, f file, version int) error {
	if version%2 == 0 {
		return atomicfs.WriteFile(afero.NewBasePathFs(osFs, dir), f.name, f.version(version), f.mode)
	}
	fsys, err := rootfs.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(atomicfs.WriteFile(fsys, f.name, f.version(version), f.mode), fsys.Close())
}

// throughNewFs writes as a program does that knows only afero, and that syncs
// before it closes, or does not.
func throughNewFs(dir string, f file, version int) error {
	w, err := atomicfs.NewFs(osFs, nil).OpenFile(filepath.Join(dir, f.name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, f.mode)
	if err != nil {
		return err
	}
	// In pieces, as encoders do. Of no bytes too: else the old contents stay.
	data := f.version(version)
	for _, part := range [][]byte{data[:len(data)/2], data[len(data)/2:]} {
		if _, err := w.Write(part); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	if version%2 == 0 {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

// update makes a version of what is there, which must be the version before.
func update(dir string, f file, version int) error {
	return atomicfs.Update(osFs, filepath.Join(dir, f.name), f.mode, func(old []byte) ([]byte, error) {
		if before := f.version(version - 1); (f.old || version > 1) && !bytes.Equal(old, before) {
			return nil, fmt.Errorf("%s is not version %d", f.name, version-1)
		}
		return f.version(version), nil
	})
}
