package live_test

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// The writers that may have the kernel copy what they are given, which put it in
// the place name.
var writers = map[string]func(dir, name string, r io.Reader) (int64, error){
	"WriteReader": func(_, name string, r io.Reader) (int64, error) {
		return atomicfs.WriteReader(afero.NewOsFs(), name, r, 0o644)
	},
	"Keep": func(dir, name string, r io.Reader) (n int64, err error) {
		err = tmpfs.WithFile(afero.NewOsFs(), &tmpfs.Options{Dir: dir}, func(f *tmpfs.File) error {
			if n, err = f.ReadFrom(r); err != nil {
				return err
			}
			return f.Keep(name)
		})
		return n, err
	},
	"spool": func(dir, name string, r io.Reader) (int64, error) {
		f := spool.New(afero.NewOsFs(), &spool.Options{MaxMemory: 1, Temp: tmpfs.Options{Dir: dir}})
		defer f.Close()
		if err := f.Spill(); err != nil {
			return 0, err
		}
		n, err := f.ReadFrom(r)
		if err != nil {
			return n, err
		}
		return n, f.Commit(afero.NewOsFs(), name, nil)
	},
}

// A source that fails half-way: the memory of this process, past whose end there is
// none. The error is the source's, the old contents stay, and nothing else does.
func TestSourceWithAHole(t *testing.T) {
	page := os.Getpagesize()
	const hole = 64 << 20 // that others do not fill: they get memory from its far end
	memory, err := unix.MmapPtr(-1, 0, nil, uintptr(2*page+hole), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	require.NoError(t, err)
	defer func() { _ = unix.MunmapPtr(memory, uintptr(2*page)) }()
	require.NoError(t, unix.MunmapPtr(unsafe.Add(memory, 2*page), hole))
	for what, write := range writers {
		dir := t.TempDir()
		name := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(name, []byte(oldText), 0o600))
		source, err := os.Open("/proc/self/mem")
		require.NoError(t, err)
		_, err = source.Seek(int64(uintptr(memory)), io.SeekStart)
		require.NoError(t, err)
		n, err := write(dir, name, source)
		require.ErrorIs(t, err, syscall.EIO, what)
		assert.ErrorContains(t, err, "read /proc/self/mem", what)
		assert.Equal(t, int64(2*page), n, what)
		require.NoError(t, source.Close())
		left, err := read(dir)
		require.NoError(t, err)
		assert.Equal(t, map[string]string{"file": oldText}, left, what)
	}
}

// A file whose size is 0 and which holds something all the same.
func TestSourceOfNoSize(t *testing.T) {
	want, err := os.ReadFile("/proc/version")
	require.NoError(t, err)
	require.NotEmpty(t, want)
	for what, write := range writers {
		dir := t.TempDir()
		source, err := os.Open("/proc/version")
		require.NoError(t, err)
		n, err := write(dir, filepath.Join(dir, "file"), source)
		require.NoError(t, err, what)
		require.NoError(t, source.Close())
		assert.Equal(t, int64(len(want)), n, what)
		left, err := read(dir)
		require.NoError(t, err)
		assert.Equal(t, map[string]string{"file": string(want)}, left, what)
	}
}
