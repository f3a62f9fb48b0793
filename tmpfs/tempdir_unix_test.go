//go:build unix

package tmpfs_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// TestSystemTempDirPermissions: a directory that may not be written to is passed
// over, also one that could be a moment ago. One that may not be read will do.
func TestSystemTempDirPermissions(t *testing.T) {
	if !testfs.AsUser(t) {
		return
	}
	s := newSystem(t)
	s.is("tmpdir")
	for _, mode := range []fs.FileMode{0o500, 0o600, 0o200, 0o100, 0} {
		s.mkdir("tmpdir", mode)
		s.is("temp")
	}
	s.mkdir("tmpdir", 0o300)
	s.isAgain("tmpdir")
	for _, name := range []string{"tmpdir", "temp", "tmp", "sys1", "sys2"} {
		s.mkdir(name, 0o500)
	}
	_, err := tmpfs.TempDir(afero.NewOsFs())
	require.ErrorIs(t, err, fs.ErrPermission)
	assert.ErrorContains(t, err, "tempdir "+s.at("sys2")+": permission denied")
	assert.NotRegexp(t, randomPart, err)
}

// TestSystemTempDirSticky: where everybody may remove everything, a name is not
// owned.
func TestSystemTempDirSticky(t *testing.T) {
	s := newSystem(t)
	s.is("tmpdir")
	s.mkdir("tmpdir", 0o777)
	s.is("temp")
	s.mkdir("tmpdir", 0o702)
	s.is("temp")
	s.mkdir("tmpdir", 0o777|fs.ModeSticky)
	s.isAgain("tmpdir")
	s.mkdir("tmpdir", 0o770) // a group is trusted
	s.is("tmpdir")
	for _, name := range []string{"tmpdir", "temp", "tmp", "sys1", "sys2"} {
		s.mkdir(name, 0o777)
	}
	_, err := tmpfs.TempDir(afero.NewOsFs())
	require.ErrorIs(t, err, fs.ErrInvalid)
	assert.ErrorContains(t, err, "tempdir "+s.at("tmpdir")+": writable by everybody and not sticky")
	tmpfs.WithoutSticky(t) // where modes say nothing
	s.isAgain("tmpdir")
}

// TestSystemTempDirFull: on a full disk a file can be made but not written. The
// probe leaves nothing of it. A mount is what it takes, and root to make one.
func TestSystemTempDirFull(t *testing.T) {
	s := newSystem(t)
	s.is("tmpdir")
	testfs.Mount(t, "full", s.at("tmpdir"), "tmpfs", 0, "size=64k,mode=700")
	fill, err := os.Create(filepath.Join(s.at("tmpdir"), "fill"))
	require.NoError(t, err)
	_, err = fill.Write(make([]byte, 128<<10))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, fill.Close())
	f, err := tmpfs.Create(afero.NewOsFs(), nil)
	require.NoError(t, err)
	assert.Equal(t, s.at("temp"), filepath.Dir(f.Name()), "although what is remembered has that name, and that mode")
	require.NoError(t, f.Close())
	dir, err := tmpfs.TempDir(afero.NewOsFs())
	require.NoError(t, err)
	assert.Equal(t, s.at("temp"), dir)
	assert.Equal(t, []string{"fill"}, testfs.Leftovers(t, afero.NewOsFs(), s.at("tmpdir")))
	for _, name := range []string{"temp", "tmp", "sys1", "sys2"} {
		require.NoError(t, os.RemoveAll(s.at(name)))
	}
	_, err = tmpfs.TempDir(afero.NewOsFs())
	assert.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, os.Remove(filepath.Join(s.at("tmpdir"), "fill")))
	s.isAgain("tmpdir")

	// Read-only by now: the mode tells nothing of it, the first failure does.
	s.mkdir("temp", 0o700)
	if out, err := exec.Command("mount", "-o", "remount,ro", s.at("tmpdir")).CombinedOutput(); err != nil {
		t.Skipf("cannot remount: %v: %s", err, out)
	}
	_, err = tmpfs.Create(afero.NewOsFs(), nil)
	assert.ErrorIs(t, err, syscall.EROFS)
	s.is("temp")

	// A failure to make a file without a name counts too.
	remount := func(how string) {
		require.NoError(t, exec.Command("mount", "-o", "remount,"+how, s.at("tmpdir")).Run())
	}
	remount("rw")
	s.isAgain("tmpdir")
	remount("ro")
	_, err = tmpfs.CreateAnonymous(afero.NewOsFs(), nil)
	assert.ErrorIs(t, err, syscall.EROFS)
	f, err = tmpfs.CreateAnonymous(afero.NewOsFs(), nil)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	s.is("temp")
}

// TestModeAndOwnerPermUnderUmask: Perm is what the system takes it for. The umask is the
// process's, so that nothing else may run beside this.
func TestModeAndOwnerPermUnderUmask(t *testing.T) {
	before := syscall.Umask(0o027)
	defer syscall.Umask(before)
	eachEntry(t, func(t *testing.T, k testfs.Kind, e entry) {
		if !k.OS {
			t.Skip("knows no umask")
		}
		perms := map[fs.FileMode]fs.FileMode{0: 0o600, 0o666: 0o640, 0o777: 0o750, 0o604: 0o600}
		if e.isDir {
			perms = map[fs.FileMode]fs.FileMode{0: 0o700, 0o777: 0o750, 0o705: 0o700}
		}
		for perm, want := range perms {
			if perm != 0 && !e.perm {
				continue
			}
			m, err := e.make(k.Fs, tmpfs.Options{Dir: k.Dir, Perm: perm})
			require.NoError(t, err)
			var info fs.FileInfo
			if m.name != "" {
				info, err = k.Fs.Stat(m.name)
			} else {
				info, err = m.f.Stat()
			}
			require.NoError(t, err)
			assert.Equal(t, want, info.Mode().Perm(), "%o", perm)
			require.NoError(t, m.drop())
		}
	})
}
