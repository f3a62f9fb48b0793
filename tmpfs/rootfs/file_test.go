package rootfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

var epoch = time.Unix(1_000_000_000, 0)

func create(t testing.TB, fsys *rootfs.Fs, name string) *rootfs.File {
	t.Helper()
	f, err := fsys.Create(name)
	require.NoError(t, err)
	require.IsType(t, &rootfs.File{}, f)
	return f.(*rootfs.File)
}

func TestFileIsTheOSFile(t *testing.T) {
	dir := t.TempDir()
	f := create(t, open(t, dir), "/d/../file")
	defer func() { _ = f.Close() }()
	assert.Equal(t, "/file", f.Name())
	assert.Equal(t, filepath.Join(dir, "file"), f.File.Name())
	n, err := f.ReadFrom(strings.NewReader("0123456789"))
	require.NoError(t, err)
	assert.EqualValues(t, 10, n)
	_, err = f.Seek(2, io.SeekStart)
	require.NoError(t, err)
	var b bytes.Buffer
	n, err = f.WriteTo(&b)
	require.NoError(t, err)
	assert.EqualValues(t, 8, n)
	assert.Equal(t, "23456789", b.String())
	_, err = f.WriteAt([]byte("x"), 1)
	assert.NoError(t, err)
	p := make([]byte, 3)
	_, err = f.ReadAt(p, 0)
	assert.NoError(t, err)
	assert.Equal(t, "0x2", string(p))
	assert.NoError(t, f.Truncate(4))
	assert.NoError(t, f.Sync())
	info, err := f.Stat()
	require.NoError(t, err)
	assert.EqualValues(t, 4, info.Size())
	assert.Equal(t, "file", info.Name())
	real, err := f.File.Stat()
	require.NoError(t, err)
	assert.True(t, os.SameFile(info, real))
	_, err = f.SyscallConn()
	assert.NoError(t, err)
}

func TestCopyBetweenFiles(t *testing.T) {
	fsys := open(t, t.TempDir())
	src, dst := create(t, fsys, "src"), create(t, fsys, "dst")
	defer func() { _, _ = src.Close(), dst.Close() }()
	_, err := src.WriteString(strings.Repeat("x", 1<<20))
	require.NoError(t, err)
	_, err = src.Seek(0, io.SeekStart)
	require.NoError(t, err)
	n, err := io.Copy(dst, src)
	require.NoError(t, err)
	assert.EqualValues(t, 1<<20, n)
}

// Every method of an os.File that returns an error is called on a closed file:
// one that a later release of Go adds, or that is forgotten here, shows itself
// by the real path.
func TestErrorsOfFilesDoNotShowTheRealPath(t *testing.T) {
	dir := t.TempDir()
	f := create(t, open(t, dir), "file")
	require.NoError(t, f.Close())
	errorType := reflect.TypeFor[error]()
	args := map[reflect.Type]reflect.Value{
		reflect.TypeFor[io.Reader](): reflect.ValueOf(strings.NewReader("x")),
		reflect.TypeFor[io.Writer](): reflect.ValueOf(io.Discard),
		reflect.TypeFor[[]byte]():    reflect.ValueOf([]byte("x")),
		reflect.TypeFor[string]():    reflect.ValueOf("x"),
	}
	v := reflect.ValueOf(f)
	failed := 0
	for i := range v.NumMethod() {
		method, name := v.Method(i), v.Type().Method(i).Name
		typ := method.Type()
		if typ.NumOut() == 0 || typ.Out(typ.NumOut()-1) != errorType {
			continue
		}
		var in []reflect.Value
		for j := range typ.NumIn() {
			arg, ok := args[typ.In(j)]
			if !ok {
				arg = reflect.Zero(typ.In(j))
			}
			in = append(in, arg)
		}
		out := method.Call(in)
		err, _ := out[len(out)-1].Interface().(error)
		if err == nil {
			continue
		}
		failed++
		assert.NotContains(t, err.Error(), dir, name)
		var p *fs.PathError
		if errors.As(err, &p) {
			assert.Equal(t, "/file", p.Path, name)
		}
	}
	assert.GreaterOrEqual(t, failed, 18)
}

// An error that is about the other side of a copy keeps the other's name.
func TestErrorsOfOtherFilesKeepTheirNames(t *testing.T) {
	f := create(t, open(t, t.TempDir()), "file")
	defer func() { _ = f.Close() }()
	theirs := &fs.PathError{Op: "read", Path: "/theirs", Err: fs.ErrClosed}
	_, err := f.ReadFrom(failing{theirs})
	assert.Equal(t, theirs, err)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
