package atomicfs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

func ExampleNewFs() {
	mem := afero.NewMemMapFs()
	fsys := atomicfs.NewFs(mem, nil)
	// Code that knows only afero: it truncates the file before it has anything to write.
	save := func(config any) error {
		f, err := fsys.Create("/app.json")
		if err != nil {
			return err
		}
		defer f.Close()
		return json.NewEncoder(f).Encode(config)
	}
	fmt.Println(save(map[string]any{"debug": true}))
	fmt.Println(save(map[string]any{"debug": func() {}}))
	data, err := afero.ReadFile(fsys, "/app.json")
	fmt.Printf("%q %v\n", data, err)
	// Output:
	// <nil>
	// json: unsupported type: func()
	// "{\"debug\":true}\n" <nil>
}

func ExampleFsOptions() {
	mem := afero.NewMemMapFs()
	fsys := atomicfs.NewFs(mem, &atomicfs.FsOptions{SyncOnly: true})
	f, err := fsys.Create("/app.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = f.WriteString("{}")
	fmt.Println(f.Close()) // without a Sync
	there, _ := afero.Exists(mem, "/app.json")
	fmt.Println(there)
	// Output:
	// close /app.json: discarded: it was not synced
	// false
}

// aside runs body on a file "file" that holds "old", and a new Fs on it.
func eachNewFs(t *testing.T, opts *atomicfs.FsOptions, body func(t *testing.T, k testfs.Kind, fsys afero.Fs, name string)) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		k.WriteFile(t, name, "old")
		body(t, k, atomicfs.NewFs(k.Fs, opts), name)
		for _, left := range testfs.Leftovers(t, k.Fs, k.Dir) {
			assert.NotContains(t, left, ".tmp-")
		}
	})
}

func open(t *testing.T, fsys afero.Fs, name string, flag int) afero.File {
	t.Helper()
	f, err := fsys.OpenFile(name, flag, 0o644)
	require.NoError(t, err)
	return f
}

const truncate = os.O_RDWR | os.O_CREATE | os.O_TRUNC

func TestNewFsRules(t *testing.T) {
	tests := []struct {
		name    string
		flag    int
		do      func(t *testing.T, f afero.File)
		onOld   string // what is there after Close where "old" was
		onEmpty string // and where nothing was; "none" if nothing is
	}{
		{"truncated, never written", truncate, func(*testing.T, afero.File) {}, "old", ""},
		{"written", truncate, func(t *testing.T, f afero.File) { put(t, f, "new") }, "new", "new"},
		{"written only", os.O_WRONLY | os.O_CREATE | os.O_TRUNC, func(t *testing.T, f afero.File) { put(t, f, "new") }, "new", "new"},
		{"written nothing", truncate, func(t *testing.T, f afero.File) { put(t, f, "") }, "", ""},
		{"synced", truncate, func(t *testing.T, f afero.File) { require.NoError(t, f.Sync()) }, "", ""},
		{"written, synced", truncate, func(t *testing.T, f afero.File) {
			put(t, f, "new")
			require.NoError(t, f.Sync())
		}, "new", "new"},
		{"written, synced twice", truncate, func(t *testing.T, f afero.File) {
			put(t, f, "new")
			require.NoError(t, f.Sync())
			require.NoError(t, f.Sync())
		}, "new", "new"},
		{"written after sync", truncate, func(t *testing.T, f afero.File) {
			put(t, f, "one")
			require.NoError(t, f.Sync())
			put(t, f, "two")
		}, "onetwo", "onetwo"},
		{"written at", truncate, func(t *testing.T, f afero.File) {
			_, err := f.WriteAt([]byte("new"), 2)
			require.NoError(t, err)
		}, "\x00\x00new", "\x00\x00new"},
		{"grown", truncate, func(t *testing.T, f afero.File) { require.NoError(t, f.Truncate(2)) }, "\x00\x00", "\x00\x00"},
		{"cut to what it is", truncate, func(t *testing.T, f afero.File) { require.NoError(t, f.Truncate(0)) }, "old", ""},
		{"cut after sync", truncate, func(t *testing.T, f afero.File) {
			put(t, f, "new")
			require.NoError(t, f.Sync())
			require.NoError(t, f.Truncate(1))
		}, "n", "n"},
		{"copied", truncate, func(t *testing.T, f afero.File) {
			_, err := io.Copy(f, strings.NewReader("new"))
			require.NoError(t, err)
		}, "new", "new"},
		{"copied after sync", truncate, func(t *testing.T, f afero.File) {
			require.NoError(t, f.Sync())
			_, err := io.Copy(f, strings.NewReader("new"))
			require.NoError(t, err)
		}, "new", "new"},
		{"read only", os.O_RDONLY | os.O_CREATE | os.O_TRUNC, func(*testing.T, afero.File) {}, "old", ""},
		{"appended to what was truncated", truncate | os.O_APPEND, func(t *testing.T, f afero.File) {
			put(t, f, "one")
			_, err := f.Seek(0, io.SeekStart)
			require.NoError(t, err)
			put(t, f, "two")
		}, "onetwo", "onetwo"},
		{"appended", os.O_WRONLY | os.O_CREATE | os.O_APPEND, func(t *testing.T, f afero.File) { put(t, f, "new") }, "oldnew", "new"},
		{"created if missing", os.O_RDWR | os.O_CREATE, func(t *testing.T, f afero.File) { put(t, f, "ne") }, "ned", "ne"},
		{"read", os.O_RDWR | os.O_CREATE, func(*testing.T, afero.File) {}, "old", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			eachNewFs(t, nil, func(t *testing.T, k testfs.Kind, fsys afero.Fs, name string) {
				if strings.HasPrefix(k.Name, "CacheOnRead") && test.name == "appended" {
					t.Skip("CacheOnReadFs reads what it appends to, and cannot")
				}
				f := open(t, fsys, name, test.flag)
				test.do(t, f)
				require.NoError(t, f.Close())
				assert.Equal(t, test.onOld, k.ReadFile(t, name))

				name = k.Join("empty")
				f = open(t, fsys, name, test.flag)
				test.do(t, f)
				require.NoError(t, f.Close())
				assert.Equal(t, test.onEmpty, k.ReadFile(t, name))
			})
		})
	}
}

// What is appended to is there at once, as it is without NewFs.
func TestNewFsAppend(t *testing.T) {
	eachNewFs(t, nil, func(t *testing.T, k testfs.Kind, fsys afero.Fs, _ string) {
		f := open(t, fsys, k.Join("log"), os.O_RDWR|os.O_CREATE|os.O_APPEND)
		_, err := k.Fs.Stat(k.Join("log"))
		require.NoError(t, err)
		require.NoError(t, f.Close())
	})
}

// While it is written aside the file is read by its name, with the old contents.
func TestNewFsOldMeanwhile(t *testing.T) {
	eachNewFs(t, nil, func(t *testing.T, k testfs.Kind, fsys afero.Fs, name string) {
		is := func(want string) {
			t.Helper()
			data, err := afero.ReadFile(fsys, name)
			require.NoError(t, err)
			require.Equal(t, want, string(data))
		}
		f := open(t, fsys, name, truncate)
		is("old")
		put(t, f, "one")
		is("old")
		require.NoError(t, f.Sync())
		is("one")
		put(t, f, "two")
		is("one")
		require.NoError(t, f.Sync())
		is("onetwo")
		require.NoError(t, f.Truncate(3))
		is("onetwo")
		require.NoError(t, f.Close())
		is("one")

		f = open(t, fsys, k.Join("new"), truncate)
		_, err := fsys.Stat(k.Join("new"))
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.NoError(t, f.Close())
	})
}

// A handle is that of an os.File, before a Sync and after.
func TestNewFsHandle(t *testing.T) {
	eachNewFs(t, nil, func(t *testing.T, k testfs.Kind, fsys afero.Fs, name string) {
		f := open(t, fsys, name, truncate)
		assert.Equal(t, name, f.Name())
		put(t, f, "hello world")
		pos, err := f.Seek(6, io.SeekStart)
		require.NoError(t, err)
		require.Equal(t, int64(6), pos)
		data, err := io.ReadAll(f)
		require.NoError(t, err)
		require.Equal(t, "world", string(data))
		n, err := f.ReadAt(make([]byte, 4), 2)
		require.NoError(t, err)
		require.Equal(t, 4, n)
		info, err := f.Stat()
		require.NoError(t, err)
		require.Equal(t, "file", info.Name())
		require.Equal(t, int64(11), info.Size())
		require.Equal(t, fs.FileMode(0o644), info.Mode())
		_, err = f.Readdir(-1)
		require.ErrorIs(t, err, enotdir)
		_, err = f.Readdirnames(-1)
		require.ErrorIs(t, err, enotdir)
		_, err = f.Seek(-1, io.SeekStart)
		require.ErrorIs(t, err, einval)
		require.NoError(t, f.Close())
		assert.Equal(t, "hello world", k.ReadFile(t, name))

		f = open(t, fsys, name, truncate)
		put(t, f, "hello world")
		require.NoError(t, f.Sync())
		pos, err = f.Seek(0, io.SeekCurrent)
		require.NoError(t, err)
		require.Equal(t, int64(11), pos, "where it was")
		_, err = f.Seek(0, io.SeekStart)
		require.NoError(t, err)
		data, err = io.ReadAll(f)
		require.NoError(t, err)
		require.Equal(t, "hello world", string(data))
		info, err = f.Stat()
		require.NoError(t, err)
		require.Equal(t, int64(11), info.Size())
		require.Equal(t, "file", info.Name())
		_, err = f.Seek(6, io.SeekStart)
		require.NoError(t, err)
		put(t, f, "there")
		require.NoError(t, f.Close())
		assert.Equal(t, "hello there", k.ReadFile(t, name))
		for op, call := range map[string]func() error{
			"close": f.Close, "sync": f.Sync,
			"write":    func() error { _, err := f.Write(nil); return err },
			"read":     func() error { _, err := f.Read(nil); return err },
			"seek":     func() error { _, err := f.Seek(0, 0); return err },
			"stat":     func() error { _, err := f.Stat(); return err },
			"truncate": func() error { return f.Truncate(0) },
		} {
			err := call()
			require.ErrorIs(t, err, fs.ErrClosed, op)
			requirePathError(t, err, name)
		}

		f = open(t, fsys, name, os.O_WRONLY|os.O_TRUNC)
		_, err = f.Read(make([]byte, 1))
		require.ErrorIs(t, err, ebadf)
		_, err = f.ReadAt(make([]byte, 1), 0)
		require.ErrorIs(t, err, ebadf)
		require.NoError(t, f.Close())
		f = open(t, fsys, name, os.O_RDONLY|os.O_TRUNC)
		_, err = f.Write([]byte("x"))
		require.ErrorIs(t, err, ebadf)
		require.ErrorIs(t, f.Truncate(1), einval)
		require.NoError(t, f.Close())
		assert.Equal(t, "hello there", k.ReadFile(t, name))
	})
}

func TestNewFsOpen(t *testing.T) {
	eachNewFs(t, nil, func(t *testing.T, k testfs.Kind, fsys afero.Fs, name string) {
		_, err := fsys.OpenFile(k.Join("missing"), os.O_RDWR|os.O_TRUNC, 0)
		require.ErrorIs(t, err, fs.ErrNotExist)
		requirePathError(t, err, k.Join("missing"))
		_, err = fsys.Create(k.Join("missing", "file"))
		require.ErrorIs(t, err, fs.ErrNotExist, "parents are not made")
		_, err = fsys.Create(k.Dir)
		require.ErrorIs(t, err, eisdir)
		_, err = fsys.OpenFile(name, truncate|os.O_EXCL, 0o644)
		require.ErrorIs(t, err, fs.ErrExist)
		requirePathError(t, err, name)

		first := open(t, fsys, k.Join("new"), truncate|os.O_EXCL)
		second := open(t, fsys, k.Join("new"), truncate|os.O_EXCL)
		put(t, first, "one")
		put(t, second, "two")
		require.NoError(t, first.Sync())
		put(t, first, "more")
		require.ErrorIs(t, second.Close(), fs.ErrExist)
		require.NoError(t, first.Close(), "what it replaces is its own")
		assert.Equal(t, "onemore", k.ReadFile(t, k.Join("new")))
		assert.Equal(t, []string{"file", "new"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// A write that failed is never put in place, whatever the caller made of its error.
func TestNewFsFailedWrite(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		for _, fault := range []testfs.Fault{{Err: enospc, Short: true}, {Short: true}, {Err: testfs.ErrFault}} {
			k.WriteFile(t, name, "old")
			spy := testfs.NewSpy(k.Fs)
			f := open(t, atomicfs.NewFs(spy, nil), name, truncate)
			put(t, f, "part")
			spy.Fail(testfs.Calls("write "), fault)
			_, err := f.WriteString("more")
			require.Error(t, err)
			spy.Reset()
			put(t, f, "more")
			err = f.Close()
			require.Error(t, err, "%v", fault)
			requirePathError(t, err, name)
			assert.Equal(t, "old", k.ReadFile(t, name))

			f = open(t, atomicfs.NewFs(spy, nil), name, truncate)
			put(t, f, "part")
			require.NoError(t, f.Sync())
			spy.Fail(testfs.Calls("write "), fault)
			_, err = f.WriteString("more")
			require.Error(t, err)
			spy.Reset()
			require.Error(t, f.Sync())
			require.Error(t, f.Close())
			assert.Equal(t, "part", k.ReadFile(t, name))
			assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
			assert.Empty(t, spy.OpenFiles())
		}
	})
}

// A Sync that failed is final.
func TestNewFsFailedSync(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		k.WriteFile(t, name, "old")
		spy := testfs.NewSpy(k.Fs)
		f := open(t, atomicfs.NewFs(spy, nil), name, truncate)
		put(t, f, "new")
		spy.Fail(testfs.Calls("sync"), testfs.Fault{Err: testfs.ErrFault})
		require.ErrorIs(t, f.Sync(), testfs.ErrFault)
		spy.Reset()
		require.ErrorIs(t, f.Sync(), testfs.ErrFault)
		_, err := f.WriteString("more")
		require.ErrorIs(t, err, testfs.ErrFault)
		require.ErrorIs(t, f.Close(), testfs.ErrFault)
		assert.Equal(t, "old", k.ReadFile(t, name))
		assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))

		// Nor could the temporary be removed: Close tries again, and says so if it fails too.
		for _, again := range []bool{false, true} {
			spy.Reset()
			f = open(t, atomicfs.NewFs(spy, nil), name, truncate)
			put(t, f, "new")
			spy.Fail(testfs.Calls("sync"), testfs.Fault{Err: testfs.ErrFault})
			spy.Fail(testfs.Calls("remove"), testfs.Fault{Err: enospc})
			require.ErrorIs(t, f.Sync(), testfs.ErrFault)
			if !again {
				spy.Reset()
			}
			err := f.Close()
			require.ErrorIs(t, err, testfs.ErrFault)
			requirePathError(t, err, name)
			assert.Equal(t, again, strings.Contains(err.Error(), "its temporary is left"), err)
			assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), map[bool]int{false: 1, true: 2}[again])
			assert.Empty(t, spy.OpenFiles())
		}
	})
}

func TestNewFsSyncOnly(t *testing.T) {
	eachNewFs(t, &atomicfs.FsOptions{SyncOnly: true}, func(t *testing.T, k testfs.Kind, fsys afero.Fs, name string) {
		f := open(t, fsys, name, truncate)
		require.NoError(t, f.Close(), "nothing was written")
		f = open(t, fsys, name, truncate)
		put(t, f, "new")
		err := f.Close()
		require.ErrorContains(t, err, "not synced")
		requirePathError(t, err, name)
		assert.Equal(t, "old", k.ReadFile(t, name))

		f = open(t, fsys, name, truncate)
		put(t, f, "new")
		require.NoError(t, f.Sync())
		require.NoError(t, f.Close())
		assert.Equal(t, "new", k.ReadFile(t, name))

		f = open(t, fsys, name, truncate)
		put(t, f, "newer")
		require.NoError(t, f.Sync())
		put(t, f, " and discarded")
		require.ErrorContains(t, f.Close(), "not synced")
		assert.Equal(t, "newer", k.ReadFile(t, name))

		f = open(t, fsys, k.Join("new"), truncate)
		require.ErrorContains(t, f.Close(), "not synced")
		assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// Options hold, less those that follow the call.
func TestNewFsOptions(t *testing.T) {
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("file"), "old")
		link(t, k, "file", k.Join("link"))
		spy := testfs.NewSpy(k.Fs)
		fsys := atomicfs.NewFs(spy, &atomicfs.FsOptions{Options: atomicfs.Options{
			NoSync: true, NoFollow: true, NoReplace: true, ExactPerm: true, Perm: 0o777,
		}})
		require.NoError(t, afero.WriteFile(fsys, k.Join("link"), []byte("new"), 0o600))
		assert.NotContains(t, spy.Script(k.Dir), "sync")
		assert.Equal(t, "old", k.ReadFile(t, k.Join("file")))
		assert.Equal(t, "new", k.ReadFile(t, k.Join("link")))
		info, err := os.Lstat(k.Real(k.Join("link")))
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode())

		link(t, k, "file", k.Join("other"))
		f := open(t, fsys, k.Join("other"), os.O_WRONLY|os.O_TRUNC)
		require.NoError(t, f.Close())
		info, err = os.Lstat(k.Real(k.Join("other")))
		require.NoError(t, err)
		assert.NotZero(t, info.Mode()&fs.ModeSymlink, "nothing was written")
	})
}

// afero's own helpers, which truncate before they have anything to write.
func TestNewFsForAfero(t *testing.T) {
	eachNewFs(t, nil, func(t *testing.T, k testfs.Kind, fsys afero.Fs, name string) {
		require.NoError(t, afero.WriteFile(fsys, name, []byte("new"), 0o644))
		assert.Equal(t, "new", k.ReadFile(t, name))
		require.NoError(t, afero.WriteFile(fsys, name, nil, 0o644))
		assert.Empty(t, k.ReadFile(t, name))
		require.NoError(t, afero.WriteReader(fsys, k.Join("other"), strings.NewReader("text")))
		assert.Equal(t, "text", k.ReadFile(t, k.Join("other")))
		require.NoError(t, afero.SafeWriteReader(fsys, k.Join("third"), strings.NewReader("text")))
		assert.Equal(t, "text", k.ReadFile(t, k.Join("third")))
	})
}

// What viper does: truncate, encode, sync. A value that cannot be encoded leaves
// the old file.
func TestNewFsForViper(t *testing.T) {
	writeConfig := func(fsys afero.Fs, name string, config any) error {
		f, err := fsys.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		data, err := json.Marshal(config)
		if err != nil {
			return err
		}
		if _, err := f.WriteString(string(data)); err != nil {
			return err
		}
		return f.Sync()
	}
	for _, opts := range []*atomicfs.FsOptions{nil, {SyncOnly: true}} {
		eachNewFs(t, opts, func(t *testing.T, k testfs.Kind, fsys afero.Fs, name string) {
			require.Error(t, writeConfig(fsys, name, map[string]any{"a": func() {}}))
			assert.Equal(t, "old", k.ReadFile(t, name))
			require.NoError(t, writeConfig(fsys, name, map[string]any{"a": 1}))
			assert.Equal(t, `{"a":1}`, k.ReadFile(t, name))
		})
	}
}

// Everything else passes through.
func TestNewFsPasses(t *testing.T) {
	eachNewFs(t, nil, func(t *testing.T, k testfs.Kind, fsys afero.Fs, name string) {
		require.NoError(t, fsys.MkdirAll(k.Join("a", "b"), 0o755))
		require.NoError(t, fsys.Mkdir(k.Join("c"), 0o755))
		require.NoError(t, fsys.Chmod(name, 0o600))
		require.NoError(t, fsys.Rename(name, k.Join("c", "file")))
		f, err := fsys.Open(k.Join("c", "file"))
		require.NoError(t, err)
		beneath, err := k.Fs.Open(k.Join("c", "file"))
		require.NoError(t, err)
		assert.IsType(t, beneath, f, "untouched")
		require.NoError(t, errors.Join(f.Close(), beneath.Close()))
		f = open(t, fsys, k.Join("c", "file"), os.O_RDWR)
		beneath = open(t, k.Fs, k.Join("c", "file"), os.O_RDWR)
		assert.IsType(t, beneath, f, "untouched")
		require.NoError(t, errors.Join(f.Close(), beneath.Close()))
		require.NoError(t, fsys.Remove(k.Join("c", "file")))
		require.NoError(t, fsys.RemoveAll(k.Join("a")))

		// Links too, as far as there are any, and the truth about them.
		linker, ok := fsys.(afero.Symlinker)
		require.True(t, ok)
		info, lstat, err := linker.LstatIfPossible(k.Join("c"))
		require.NoError(t, err)
		assert.True(t, info.IsDir())
		_, want, _ := lstatOf(k.Fs, k.Join("c"))
		assert.Equal(t, want, lstat)
		err = linker.SymlinkIfPossible("c", k.Join("link"))
		if !k.Links {
			require.ErrorIs(t, err, afero.ErrNoSymlink)
			_, err = linker.ReadlinkIfPossible(k.Join("link"))
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		_, err = linker.ReadlinkIfPossible(k.Join("link"))
		require.NoError(t, err)
	})
}

func lstatOf(fsys afero.Fs, name string) (fs.FileInfo, bool, error) {
	if l, ok := fsys.(afero.Lstater); ok {
		return l.LstatIfPossible(name)
	}
	info, err := fsys.Stat(name)
	return info, false, err
}

// What this library writes on it goes to the Fs beneath: it is aside already.
func TestNewFsBeneath(t *testing.T) {
	eachNewFs(t, nil, func(t *testing.T, k testfs.Kind, fsys afero.Fs, name string) {
		require.NoError(t, tmpfs.WithFile(fsys, &tmpfs.Options{Dir: k.Dir}, func(f *tmpfs.File) error {
			_, err := k.Fs.Stat(f.Name())
			require.NoError(t, err, "it is there at once")
			put(t, f, "new")
			return atomicfs.Commit(f, name)
		}))
		assert.Equal(t, "new", k.ReadFile(t, name))
		_, osFile := tmpfsFileOf(t, k.Fs, k.Dir)
		_, osFileAside := tmpfsFileOf(t, fsys, k.Dir)
		assert.Equal(t, osFile, osFileAside)
		assert.Equal(t, "atomicfs", fsys.Name())
	})
}

func tmpfsFileOf(t *testing.T, fsys afero.Fs, dir string) (*os.File, bool) {
	t.Helper()
	f, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: dir})
	require.NoError(t, err)
	defer f.Close()
	return f.OSFile()
}

// A file that was replaced by another since it was synced is not mixed with that.
func TestNewFsReplacedAfterSync(t *testing.T) {
	eachNewFs(t, nil, func(t *testing.T, k testfs.Kind, fsys afero.Fs, name string) {
		f := open(t, fsys, name, truncate)
		put(t, f, "mine")
		require.NoError(t, f.Sync())
		require.NoError(t, atomicfs.WriteFile(k.Fs, name, []byte("another's, and longer"), 0o644))
		put(t, f, " too")
		require.NoError(t, f.Close())
		assert.Equal(t, "mine too", k.ReadFile(t, name))
	})
}
