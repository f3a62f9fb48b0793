package rootfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

func Example() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()

	fsys, err := rootfs.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = fsys.Close() }()

	fmt.Println(afero.WriteFile(fsys, "/greeting", []byte("hello"), 0o644))
	b, err := afero.ReadFile(fsys, "greeting")
	fmt.Printf("%s %v\n", b, err)

	_, err = fsys.Open("../../etc/passwd")
	fmt.Println(err)
	_ = fsys.SymlinkIfPossible("/etc/passwd", "/link")
	_, err = fsys.Open("/link")
	fmt.Println(err, errors.Is(err, fs.ErrInvalid))
	// Output:
	// <nil>
	// hello <nil>
	// open ../../etc/passwd: path escapes from its base
	// open /link: path escapes from its base true
}

func ExampleFs_Dir() {
	fsys, err := rootfs.Open(os.TempDir())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = fsys.Close() }()
	dir, err := fsys.Dir() // for openat, statfs and the like, by dir.Fd()
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := dir.Stat()
	fmt.Println(info.IsDir(), err)
	// Output: true <nil>
}

func ExampleFile() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fsys, err := rootfs.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = fsys.Close() }()
	f, err := fsys.Create("a.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	handle := f.(*rootfs.File).File // for what only the operating system has
	fmt.Println(f.Name(), handle.Name() == filepath.Join(dir, "a.txt"))
	// Output: /a.txt true
}

func ExampleFs_Root() {
	root, err := os.OpenRoot(os.TempDir())
	if err != nil {
		fmt.Println(err)
		return
	}
	fsys := rootfs.New(root)
	defer func() { _ = fsys.Close() }() // closes root
	_, err = fsys.Root().Stat(".")
	fmt.Println(err)
	// Output: <nil>
}

func ExampleNew() {
	root, err := os.OpenRoot(os.TempDir())
	if err != nil {
		fmt.Println(err)
		return
	}
	fsys := rootfs.New(root)
	fmt.Println(fsys.Name(), fsys.Root() == root)

	fmt.Println(fsys.Close())
	_, err = fsys.Stat("/")
	fmt.Println(errors.Is(err, fs.ErrClosed))
	// Output:
	// rootfs true
	// <nil>
	// true
}

func ExampleOpen() {
	_, err := rootfs.Open("no/such/directory")
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output: true
}

func ExampleFs_LstatIfPossible() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fsys, err := rootfs.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = fsys.Close() }()

	fmt.Println(fsys.SymlinkIfPossible("/etc/passwd", "link"))
	info, lstat, err := fsys.LstatIfPossible("link")
	fmt.Println(info.Mode().Type() == fs.ModeSymlink, lstat, err)
	fmt.Println(fsys.ReadlinkIfPossible("link"))
	// Output:
	// <nil>
	// true true <nil>
	// /etc/passwd <nil>
}

func open(t testing.TB, dir string) *rootfs.Fs {
	t.Helper()
	fsys, err := rootfs.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, fsys.Close()) })
	return fsys
}

func TestFS(t *testing.T) {
	fsys := open(t, t.TempDir())
	require.NoError(t, fsys.MkdirAll("a/b", 0o755))
	require.NoError(t, fsys.Mkdir("empty", 0o755))
	require.NoError(t, afero.WriteFile(fsys, "a/b/c", []byte("content"), 0o644))
	require.NoError(t, afero.WriteFile(fsys, "d", nil, 0o600))
	assert.NoError(t, fstest.TestFS(afero.NewIOFS(fsys), "a/b/c", "d", "empty"))
}

func TestNamesAreSlashRooted(t *testing.T) {
	dir := t.TempDir()
	fsys := open(t, dir)
	require.NoError(t, fsys.Mkdir("d", 0o755))
	require.NoError(t, afero.WriteFile(fsys, "d/f", []byte("content"), 0o644))
	for _, name := range []string{"/d/f", "d/f", "./d/f", "//d//f", "/./d/./f", "d/f/", "missing/../d/f", "/d/../d/f"} {
		f, err := fsys.Open(name)
		require.NoError(t, err, name)
		assert.Equal(t, "/d/f", f.Name(), name)
		info, err := f.Stat()
		require.NoError(t, err)
		assert.Equal(t, "f", info.Name())
		require.NoError(t, f.Close())
		info, err = fsys.Stat(name)
		require.NoError(t, err, name)
		assert.Equal(t, "f", info.Name(), name)
	}
	b, err := os.ReadFile(filepath.Join(dir, "d", "f"))
	require.NoError(t, err)
	assert.Equal(t, "content", string(b))
}

// everyCall makes each call that takes a name, and returns the errors by method.
func everyCall(fsys *rootfs.Fs, name string) map[string]error {
	_, create := fsys.Create(name)
	_, openErr := fsys.Open(name)
	_, openFile := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	_, stat := fsys.Stat(name)
	_, _, lstat := fsys.LstatIfPossible(name)
	_, readlink := fsys.ReadlinkIfPossible(name)
	return map[string]error{
		"create": create, "open": openErr, "openfile": openFile, "stat": stat, "lstat": lstat, "readlink": readlink,
		"mkdir": fsys.Mkdir(name, 0o700), "mkdirall": fsys.MkdirAll(name, 0o700),
		"remove": fsys.Remove(name), "removeall": fsys.RemoveAll(name),
		"rename from": fsys.Rename(name, "other"), "rename to": fsys.Rename("file", name),
		"chmod": fsys.Chmod(name, 0o700), "chown": fsys.Chown(name, -1, -1),
		"chtimes": fsys.Chtimes(name, epoch, epoch), "symlink": fsys.SymlinkIfPossible("file", name),
	}
}

// shape returns the operation and the paths of an error that has the shape of
// package os.
func shape(t testing.TB, err error) (op string, paths []string) {
	t.Helper()
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Op, []string{p.Path}
	case errors.As(err, &l):
		return l.Op, []string{l.Old, l.New}
	}
	t.Errorf("%v is a %T", err, err)
	return "", nil
}

var verbs = map[string]string{
	"create": "open", "openfile": "open", "mkdirall": "mkdir", "removeall": "remove",
	"rename from": "rename", "rename to": "rename",
}

func TestRefusedNames(t *testing.T) {
	for _, name := range []string{
		"", "\x00", "file\x00", "..", "../x", "/..", "/../x", "a/../..", "/a/../../x", "file/../../x", "../base/file", "./..",
	} {
		dir := t.TempDir()
		fsys := open(t, dir)
		require.NoError(t, afero.WriteFile(fsys, "file", []byte("content"), 0o644))
		for call, err := range everyCall(fsys, name) {
			assert.ErrorIs(t, err, fs.ErrInvalid, "%s %q", call, name)
			op, paths := shape(t, err)
			want := call
			if verb, ok := verbs[call]; ok {
				want = verb
			}
			assert.Equal(t, want, op)
			assert.Contains(t, paths, name, call)
			if name != "" && name[len(name)-1] != 0 {
				assert.ErrorContains(t, err, "path escapes", "%s %q", call, name)
			}
		}
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, left, 1, "%q", name)
	}
}

func TestTheRootItself(t *testing.T) {
	for _, name := range []string{"/", ".", "./", "//", "a/.."} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "base")
			require.NoError(t, os.Mkdir(dir, 0o755))
			fsys := open(t, dir)
			require.NoError(t, afero.WriteFile(fsys, "file", []byte("content"), 0o644))

			info, err := fsys.Stat(name)
			require.NoError(t, err)
			assert.True(t, info.IsDir())
			f, err := fsys.Open(name)
			require.NoError(t, err)
			assert.Equal(t, "/", f.Name())
			names, err := f.Readdirnames(-1)
			assert.NoError(t, err)
			assert.Equal(t, []string{"file"}, names)
			assert.NoError(t, f.Close())
			list, err := afero.ReadDir(fsys, name)
			assert.NoError(t, err)
			assert.Len(t, list, 1)
			assert.NoError(t, fsys.MkdirAll(name, 0o700))
			assert.ErrorIs(t, fsys.Mkdir(name, 0o700), fs.ErrExist)
			assert.NoError(t, fsys.Chtimes(name, epoch, epoch))
			if runtime.GOOS != "windows" {
				require.NoError(t, fsys.Chmod(name, 0o700))
				info, err = os.Stat(dir)
				require.NoError(t, err)
				assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
			}
			for _, err := range []error{
				fsys.Remove(name), fsys.RemoveAll(name), fsys.Rename(name, "other"), fsys.Rename("file", name),
			} {
				assert.ErrorIs(t, err, fs.ErrInvalid)
			}
			b, err := os.ReadFile(filepath.Join(dir, "file"))
			assert.NoError(t, err)
			assert.Equal(t, "content", string(b))
		})
	}
}

func TestClose(t *testing.T) {
	fsys, err := rootfs.Open(t.TempDir())
	require.NoError(t, err)
	f, err := fsys.Create("file")
	require.NoError(t, err)
	require.NoError(t, fsys.Close())
	assert.NoError(t, fsys.Close(), "a second time")
	for call, err := range everyCall(fsys, "file") {
		assert.ErrorIs(t, err, fs.ErrClosed, call)
	}
	_, err = f.WriteString("files that are open stay so")
	assert.NoError(t, err)
	assert.NoError(t, f.Close())
}

func TestNewOfAClosedRoot(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, root.Close())
	for call, err := range everyCall(rootfs.New(root), "file") {
		assert.ErrorIs(t, err, fs.ErrClosed, call)
	}
}

func TestOpenOfWhatIsNoDirectory(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := rootfs.Open(file)
	assert.ErrorIs(t, err, syscall.ENOTDIR)
	_, paths := shape(t, err)
	assert.Equal(t, []string{file}, paths)
	_, err = rootfs.Open(filepath.Join(dir, "missing"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = rootfs.Open("")
	assert.Error(t, err)
}

// The Fs is of a directory, not of a path.
func TestRootGoesWithItsDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not rename a directory that is open")
	}
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "base"), 0o755))
	fsys := open(t, filepath.Join(dir, "base"))
	require.NoError(t, os.Rename(filepath.Join(dir, "base"), filepath.Join(dir, "moved")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "base"), 0o755))
	require.NoError(t, afero.WriteFile(fsys, "file", nil, 0o644))
	assert.FileExists(t, filepath.Join(dir, "moved", "file"))
	assert.NoFileExists(t, filepath.Join(dir, "base", "file"))
}

func TestModeBitsPast0777(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such bits")
	}
	fsys := open(t, t.TempDir())
	mode := func(name string) fs.FileMode {
		info, err := fsys.Stat(name)
		require.NoError(t, err)
		return info.Mode()
	}
	require.NoError(t, fsys.Mkdir("sticky", 0o700|fs.ModeSticky))
	assert.Equal(t, fs.ModeDir|fs.ModeSticky|0o700, mode("sticky"))
	require.NoError(t, fsys.MkdirAll("a/b", 0o700|fs.ModeSticky))
	assert.Equal(t, fs.ModeDir|fs.ModeSticky|0o700, mode("a/b"))
	require.NoError(t, fsys.Mkdir("set", 0o700|fs.ModeSetgid|fs.ModeSetuid))
	assert.Equal(t, fs.ModeDir|0o700, mode("set"), "as mkdir(2) has it")

	const flag = os.O_RDWR | os.O_CREATE
	f, err := fsys.OpenFile("file", flag, 0o700|fs.ModeSetgid)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	assert.Equal(t, fs.ModeSetgid|0o700, mode("file"))

	// A file that exists keeps its mode.
	require.NoError(t, afero.WriteFile(fsys, "old", []byte("content"), 0o600))
	f, err = fsys.OpenFile("old", flag, 0o700|fs.ModeSetgid)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	assert.Equal(t, fs.FileMode(0o600), mode("old"))
	_, err = fsys.OpenFile("old", flag|os.O_EXCL, 0o700|fs.ModeSetgid)
	assert.ErrorIs(t, err, fs.ErrExist)
	_, err = fsys.OpenFile("missing/file", flag, 0o700|fs.ModeSetgid)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}
