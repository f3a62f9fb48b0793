package atomicfs_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// fullKinds are kinds of Fs on the directory dir of the operating system.
func onDir(t *testing.T, dir string) map[string]testfs.Kind {
	t.Helper()
	return map[string]testfs.Kind{
		"OsFs":             {Name: "OsFs", Fs: afero.NewOsFs(), Dir: dir, OS: true},
		"BasePathFs(OsFs)": {Fs: afero.NewBasePathFs(afero.NewOsFs(), dir), Dir: "/", OS: true},
		"Spy(OsFs)":        {Name: "OsFs", Fs: testfs.NewSpy(afero.NewOsFs()), Dir: dir},
	}
}

// A full disk leaves the old contents and no temporary.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	testfs.Mount(t, "tmpfs", dir, "tmpfs", 0, "size=64k")
	text := strings.Repeat("x", 1<<20)
	for kind, k := range onDir(t, dir) {
		name := k.Join("file")
		k.WriteFile(t, name, "old")
		for way, write := range writers {
			err := write(k.Fs, name, text)
			require.ErrorIs(t, err, enospc, "%s %s", kind, way)
			assert.Equal(t, "old", k.ReadFile(t, name))
			assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
		}
		require.NoError(t, atomicfs.WriteFile(k.Fs, name, []byte("new"), 0o644), "the room is there again")
		require.NoError(t, k.Fs.Remove(name))
	}
}

// Nothing can take the place of a file that is a mount point: a clear error, and
// the old contents.
func TestBindMountedFile(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.WriteFile(other, []byte("old"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	testfs.Mount(t, other, filepath.Join(dir, "file"), "", syscall.MS_BIND, "")
	for kind, k := range onDir(t, dir) {
		name := k.Join("file")
		for way, write := range writers {
			err := write(k.Fs, name, "new")
			require.ErrorIs(t, err, syscall.EBUSY, "%s %s", kind, way)
			require.ErrorContains(t, err, name)
			assert.Equal(t, "old", k.ReadFile(t, name))
			assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
		}
	}
}

// A device is refused, and written to with NewFs: there is nothing to replace. It
// is one of the test's own, because a failure on /dev/null would take that away.
func TestDevice(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a device")
	}
	dir := t.TempDir()
	null := filepath.Join(dir, "null")
	require.NoError(t, syscall.Mknod(null, syscall.S_IFCHR|0o666, 1<<8|3))
	for kind, k := range onDir(t, dir) {
		for way, write := range writers {
			err := write(k.Fs, k.Join("null"), "text")
			if way != "NewFs" {
				require.ErrorContains(t, err, "not a regular file", "%s %s", kind, way)
			} else if err != nil {
				require.ErrorIs(t, err, fs.ErrPermission, "devices do not work in this directory")
			}
		}
	}
	info, err := os.Stat(null)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&fs.ModeDevice)
	assert.Equal(t, []string{"null"}, testfs.Leftovers(t, afero.NewOsFs(), dir))
}

// Another volume is another volume.
func TestCommitAcrossVolumes(t *testing.T) {
	dir, volume := t.TempDir(), t.TempDir()
	testfs.Mount(t, "tmpfs", volume, "tmpfs", 0, "size=64k")
	fsys := afero.NewOsFs()
	require.NoError(t, tmpfs.WithFile(fsys, &tmpfs.Options{Dir: dir}, func(f *tmpfs.File) error {
		put(t, f, "text")
		name := filepath.Join(volume, "file")
		before, err := os.Stat(f.Name())
		require.NoError(t, err)
		err = atomicfs.CommitFile(f, name, &atomicfs.Options{Perm: 0o640})
		require.ErrorIs(t, err, syscall.EXDEV)
		requirePathError(t, err, name)
		after, err := os.Stat(f.Name())
		require.NoError(t, err)
		assert.Equal(t, before.Sys().(*syscall.Stat_t).Ctim, after.Sys().(*syscall.Stat_t).Ctim,
			"nothing is done to a file that cannot go there, and no sync is waited for")
		assert.Empty(t, testfs.Leftovers(t, fsys, volume))
		return nil
	}))
	require.NoError(t, tmpfs.WithDir(fsys, &tmpfs.Options{Dir: dir}, func(d *tmpfs.Dir) error {
		err := atomicfs.CommitDir(d, filepath.Join(volume, "dir"))
		require.ErrorIs(t, err, syscall.EXDEV)
		assert.Empty(t, testfs.Leftovers(t, fsys, volume))
		return nil
	}))
	assert.Empty(t, testfs.Leftovers(t, fsys, dir))
}

// While it is written the file has no name where the file system knows such
// files, so that a killed writer leaves nothing.
func TestLitterNoNameWhileWriting(t *testing.T) {
	dir := t.TempDir()
	probe, err := os.OpenFile(dir, os.O_RDWR|0x410000, 0o600) // O_TMPFILE
	if err != nil {
		t.Skip("no files without a name here: ", err)
	}
	require.NoError(t, probe.Close())
	for _, k := range onDir(t, dir) {
		if !k.OS {
			continue
		}
		f := create(t, k.Fs, k.Join("file"), nil)
		put(t, f, "text")
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
		require.NoError(t, f.Commit())
		require.NoError(t, k.Fs.Remove(k.Join("file")))
	}
}

// A batch of many files holds neither descriptors nor contents: in a child
// process, which may have few descriptors.
func TestBigBatch(t *testing.T) {
	inMemory(t)
	out := child(t, "batch", t.TempDir())
	t.Log(out)
}

func init() { children["batch"] = bigBatch } //nolint:gochecknoinits // of a test

func bigBatch(args []string) error {
	const files, dirs, limit = 5_000, 200, 256
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b := atomicfs.NewBatch(afero.NewOsFs(), &atomicfs.Options{NoSync: true})
	data := make([]byte, 4096)
	name := func(i int) string { return filepath.Join(args[0], fmt.Sprint(i%dirs), fmt.Sprint(i)) }
	for i := range files {
		if err := b.WriteFile(name(i), data, 0o644); err != nil {
			return err
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	perFile := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / files
	if perFile > 1500 {
		return fmt.Errorf("%d bytes of memory for each file of %d", perFile, len(data))
	}
	if err := b.Commit(); err != nil {
		return err
	}
	for i := range files {
		info, err := os.Stat(name(i))
		if err != nil || info.Size() != int64(len(data)) {
			return fmt.Errorf("%s: %v %w", name(i), info, err)
		}
	}
	fmt.Printf("%d bytes of memory for each file\n", perFile)
	return nil
}

// child runs this binary as the child of that name, and returns what it prints.
func child(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}
