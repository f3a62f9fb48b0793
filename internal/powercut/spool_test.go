//go:build linux

package powercut_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/powercut"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir/staging"
)

// spoolScenarios put spools and uploads in place: from memory, and from files that
// become what they are the contents of.
func spoolScenarios() []powercut.Scenario {
	const spilled = -1
	files := append(filesOf("replaced-", 3, true, 0o644), filesOf("new-", 3, false, 0o644)...)
	files = append(files, filesOf("p/q/new-", 3, false, 0o644)...)
	scenario := func(name string, put put) powercut.Scenario {
		return powercut.Scenario{
			Name: name, Setup: setUp(files), Work: inTurn(files, put), Verify: verify(files, 1),
		}
	}
	return []powercut.Scenario{
		scenario("spool.Commit, from memory", commitSpool(0)),
		scenario("spool.Commit, spilled", commitSpool(spilled)),
		scenario("Upload.Commit, from memory", commitUpload(0)),
		scenario("Upload.Commit, spilled", commitUpload(spilled)),
	}
}

func spoolOptions(dir string, maxMemory int64) spool.Options {
	return spool.Options{MaxMemory: maxMemory, Temp: tmpfs.Options{Dir: dir}}
}

func commitSpool(maxMemory int64) put {
	return func(dir string, f file, version int) error {
		opts := spoolOptions(dir, maxMemory)
		s, err := spool.FromReader(osFs, bytes.NewReader(f.version(version)), &opts)
		if err != nil {
			return err
		}
		defer s.Close()
		return s.Commit(osFs, filepath.Join(dir, f.name), &atomicfs.Options{Perm: f.mode})
	}
}

func commitUpload(maxMemory int64) put {
	return func(dir string, f file, version int) error {
		data := f.version(version)
		sum := sha256.Sum256(data)
		opts := &staging.Options{
			Spool: spoolOptions(dir, maxMemory),
			Size:  int64(len(data)), Hash: sha256.New, Digest: sum[:],
		}
		u, err := staging.New(osFs, opts)
		if err != nil {
			return err
		}
		defer u.Close()
		if _, err := u.ReadFrom(bytes.NewReader(data)); err != nil {
			return err
		}
		name := filepath.Join(dir, f.name)
		if err := u.Commit(context.Background(), osFs, name, &atomicfs.Options{Perm: f.mode}); err != nil {
			return err
		}
		if u.FinalPath() != name {
			return fmt.Errorf("the upload says that it is at %q", u.FinalPath())
		}
		return nil
	}
}
