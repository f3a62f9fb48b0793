package spool_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
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
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// From either side, on every kind: what is published is the contents, whole, and
// the spool is closed.
func TestCommit(t *testing.T) {
	want := append(text(200_000), make([]byte, 1000)...) // with a hole at the end
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, s := range sides {
			t.Run(s.name, func(t *testing.T) {
				k := k.Fresh(t)
				f := s.make(t, k)
				_, err := f.Write(want[:199_990])
				require.NoError(t, err)
				_, err = f.Write(want[199_990:200_000]) // gathered, on the disk
				require.NoError(t, err)
				require.NoError(t, f.Truncate(int64(len(want))))
				name := k.Join("missing", "dest")
				require.NoError(t, f.Commit(k.Fs, name, nil))
				requireFile(t, k.Fs, name, want)
				assert.Equal(t, []string{"missing", "missing/dest"}, testfs.Leftovers(t, k.Fs, k.Dir))
				_, err = f.Read(nil)
				require.ErrorIs(t, err, fs.ErrClosed)
				err = f.Commit(k.Fs, name, nil)
				require.ErrorIs(t, err, fs.ErrClosed)
				var path *fs.PathError
				require.ErrorAs(t, err, &path)
				assert.Equal(t, name, path.Path)
				require.NoError(t, f.Close())
				requireFile(t, k.Fs, name, want)
			})
		}
	})
}

// Nothing goes by the disk side that is not there already.
func TestCommitFromMemoryMakesNoDetour(t *testing.T) {
	for _, memory := range []afero.Fs{nil, afero.NewMemMapFs()} {
		s := testfs.NewSpy(afero.NewMemMapFs())
		f := spool.New(s, &spool.Options{Memory: memory})
		write(f, "abc")
		dest := afero.NewMemMapFs()
		require.NoError(t, f.Commit(dest, "/dest", nil))
		requireFile(t, dest, "/dest", []byte("abc"))
		assert.Empty(t, s.Calls())
	}
}

// The options mean the same from memory and from the disk.
func TestCommitOptions(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		mode := func(name string) fs.FileMode {
			info, err := k.Fs.Stat(name)
			require.NoError(t, err)
			return info.Mode().Perm()
		}
		fresh := map[string]fs.FileMode{}
		for _, s := range sides {
			name := k.Join("dest") + s.name
			commit := func(data string, opts *atomicfs.Options) error {
				f := s.make(t, k)
				defer func() { require.NoError(t, f.Close()) }()
				write(f, data)
				err := f.Commit(k.Fs, name, opts)
				if err != nil {
					requireContents(t, []byte(data), f)
				}
				return err
			}
			require.NoError(t, commit("new", nil))
			fresh[s.name] = mode(name)
			assert.Equal(t, fresh[sides[0].name], fresh[s.name])
			require.NoError(t, commit("exact", &atomicfs.Options{Perm: 0o640, ExactPerm: true, NoSync: true}))
			if k.OS {
				assert.Equal(t, fs.FileMode(0o640), mode(name))
			}
			require.NoError(t, commit("kept", &atomicfs.Options{Perm: 0o600}))
			if k.OS {
				assert.Equal(t, fs.FileMode(0o640), mode(name), "of the file that was there")
			}
			requireFile(t, k.Fs, name, []byte("kept"))
			require.ErrorIs(t, commit("refused", &atomicfs.Options{NoReplace: true}), fs.ErrExist)
			requireFile(t, k.Fs, name, []byte("kept"))
			if !k.Links {
				continue
			}
			target, link := name+"-target", name
			require.NoError(t, k.Fs.Rename(name, target))
			// BasePathFs would make another target of it.
			require.NoError(t, os.Symlink(filepath.Base(target), k.Real(link)))
			require.NoError(t, commit("through", nil))
			requireFile(t, k.Fs, target, []byte("through"))
			require.NoError(t, commit("instead", &atomicfs.Options{NoFollow: true}))
			requireFile(t, k.Fs, target, []byte("through"))
			requireFile(t, k.Fs, link, []byte("instead"))
		}
	})
}

// On the volume of the disk file it is that file which gets the name, with or
// without a reader; else a copy.
func TestCommitKeepsTheInode(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if !k.OS || runtime.GOOS != "linux" {
			t.Skip("inodes, and files that are given a name, are Linux's")
		}
		dest := k.Fs
		if k.Name == "OsFs" {
			dest = afero.OsFs{} // the same, though not the same value
		}
		for _, reading := range []bool{false, true} {
			f := spool.New(k.Fs, &spool.Options{Temp: tmpfs.Options{Dir: k.Dir}})
			want := text(300_000)
			_, err := f.Write(want)
			require.NoError(t, err)
			require.NoError(t, f.Spill())
			if f.Name() == "" && !canLink(t, k.Real(k.Dir)) {
				t.Skip("this file system gives no name to a file without one")
			}
			before, err := f.Stat()
			require.NoError(t, err)
			var r *spool.Reader
			if reading {
				r = f.NewReader()
			}
			name := k.Join("dest")
			require.NoError(t, f.Commit(dest, name, nil))
			after, err := k.Fs.Stat(name)
			require.NoError(t, err)
			assert.Equal(t, inode(t, before), inode(t, after))
			assert.Equal(t, []string{"dest"}, testfs.Leftovers(t, k.Fs, k.Dir))
			if reading {
				// What the reader holds is the file, wherever its name is.
				require.NoError(t, k.Fs.Remove(name))
				got, err := io.ReadAll(r)
				require.NoError(t, err)
				assert.True(t, bytes.Equal(want, got))
				require.NoError(t, r.Close())
			}
			requireNoDescriptors(t, k.Real(k.Dir))
		}
	})
}

// A commit that failed has closed the disk file where that has a name: it is
// opened again, as often as need be.
func TestErrorsCommitThatFailsTwice(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		s := testfs.NewSpy(k.Fs)
		fsys := newSticky(s, false)
		f := spool.New(fsys, &spool.Options{MaxMemory: -1, Temp: tmpfs.Options{Dir: k.Dir}})
		want := text(100_000)
		_, err := f.Write(want)
		require.NoError(t, err)
		require.NotEmpty(t, f.Name())
		s.Fail(testfs.Calls("rename"), testfs.Fault{Err: testfs.ErrFault})
		for range 2 {
			require.ErrorIs(t, f.Commit(fsys, k.Join("dest"), nil), testfs.ErrFault)
			requireContents(t, want, f)
			_, err = f.Write([]byte("more"))
			require.NoError(t, err)
			want = append(want, "more"...)
		}
		s.Reset()
		r := f.NewReader()
		require.NoError(t, f.Commit(fsys, k.Join("dest"), nil))
		requireFile(t, k.Fs, k.Join("dest"), want)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got))
		require.NoError(t, r.Close())
		assert.Empty(t, s.OpenFiles())
		assert.Equal(t, []string{"dest"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// Readers go on whatever way the contents were published.
func TestReaderAfterCommit(t *testing.T) {
	want := text(100_000)
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, s := range sides {
			k := k.Fresh(t)
			f := s.make(t, k)
			_, err := f.Write(want)
			require.NoError(t, err)
			r := f.NewReader()
			assert.Equal(t, want[:10], mustRead(t, r, 10))
			require.NoError(t, f.Commit(k.Fs, k.Join("dest"), nil))
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(want[10:], got))
			require.NoError(t, r.Close())
			assert.Equal(t, []string{"dest"}, testfs.Leftovers(t, k.Fs, k.Dir))
			requireFile(t, k.Fs, k.Join("dest"), want)
		}
	})
}

// Whatever call of a Commit fails: the destination is the old or the new, whole;
// nil means the new; otherwise everything is still here and the next try succeeds.
func TestErrorsCommitThatFails(t *testing.T) {
	old, want := []byte("old"), text(150_000)
	plain := func(fsys afero.Fs) afero.Fs { return fsys }
	for name, over := range map[string]func(fsys afero.Fs) afero.Fs{
		"pages": plain, "disk": plain,
		"a name":            func(fsys afero.Fs) afero.Fs { return newSticky(fsys, false) },
		"a name that holds": func(fsys afero.Fs) afero.Fs { return newSticky(fsys, true) },
	} {
		for _, reading := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", being read"}[reading], func(t *testing.T) {
				eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
					commitFails(t, k, s, over(s), name != "pages", reading, old, want)
				})
			})
		}
	}
}

// Nor can the temporary be removed: the error says that it is left.
func TestErrorsCommitThatLeavesItsTemporary(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		s := testfs.NewSpy(k.Fs)
		f := spool.New(s, nil)
		put(t, f, "text")
		s.Fail(testfs.Calls("sync"), testfs.Fault{Err: testfs.ErrFault})
		s.Fail(testfs.Calls("remove"), testfs.Fault{Err: syscall.EACCES})
		err := f.Commit(s, k.Join("dest"), nil)
		require.ErrorIs(t, err, testfs.ErrFault)
		require.ErrorIs(t, err, syscall.EACCES)
		require.ErrorContains(t, err, "its temporary is left")
		s.Reset()
		require.NoError(t, f.Commit(s, k.Join("dest"), nil))
	})
}

// commitFails commits to fsys, which calls s, which fails.
func commitFails(t *testing.T, k testfs.Kind, s *testfs.Spy, fsys afero.Fs, spill, reading bool, old, want []byte) {
	dest := k.Join("dest")
	require.NoError(t, atomicfs.WriteFile(k.Fs, dest, old, 0o644))
	f := spool.New(fsys, &spool.Options{Temp: tmpfs.Options{Dir: k.Dir}})
	defer func() { require.NoError(t, f.Close()) }()
	_, err := f.Write(want)
	require.NoError(t, err)
	_, err = f.Seek(77, io.SeekStart)
	require.NoError(t, err)
	if spill && f.Spill() != nil {
		return // TestErrorsSpillThatFails
	}
	var r *spool.Reader
	if reading {
		r = f.NewReader()
		defer func() { require.NoError(t, r.Close()) }()
	}
	err = f.Commit(fsys, dest, nil)
	if len(s.Met()) == 0 {
		require.NoError(t, err)
	}
	met := s.Met()
	s.Reset()
	got, rerr := afero.ReadFile(k.Fs, dest)
	require.NoError(t, rerr, "after %v", met)
	if err == nil || errors.Is(err, atomicfs.ErrNotDurable) {
		require.True(t, bytes.Equal(want, got))
	} else {
		require.True(t, bytes.Equal(old, got) || bytes.Equal(want, got), "torn: %d bytes", len(got))
		requireContents(t, want, f)
		require.Equal(t, spill, f.Spilled())
		require.Equal(t, "77 nil", tell(f))
		require.NoError(t, f.Commit(fsys, dest, nil), "again, after %v and %v", met, err)
		requireFile(t, k.Fs, dest, want)
	}
	if reading {
		all, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, all))
		require.NoError(t, r.Close())
	}
	require.NoError(t, f.Close())
	require.Empty(t, s.OpenFiles())
	if mayLeave(met) {
		return
	}
	require.Equal(t, []string{"dest"}, testfs.Leftovers(t, k.Fs, k.Dir), "after %v", met)
}

func TestCommitToAnotherVolume(t *testing.T) {
	const shm = "/dev/shm"
	if _, err := os.Stat(shm); err != nil {
		t.Skip("there is no second volume that is known to be there")
	}
	there, err := os.MkdirTemp(shm, "spool-*")
	require.NoError(t, err)
	defer func() { require.NoError(t, os.RemoveAll(there)) }()
	here := t.TempDir()
	want := text(300_000)
	for _, reading := range []bool{false, true} {
		f := spool.New(afero.NewOsFs(), &spool.Options{MaxMemory: 1000, Temp: tmpfs.Options{Dir: there}})
		_, err = f.Write(want)
		require.NoError(t, err)
		_, err = f.WriteString("gathered")
		require.NoError(t, err)
		r := f.NewReader()
		if !reading {
			require.NoError(t, r.Close())
		}
		name := filepath.Join(here, "dest")
		require.NoError(t, f.Commit(afero.NewOsFs(), name, nil))
		requireFile(t, afero.NewOsFs(), name, append(bytes.Clone(want), "gathered"...))
		require.NoError(t, r.Close())
		assert.Empty(t, mustGlob(t, there+"/*"))
		requireNoDescriptors(t, there)
	}
}

// The disk file of an upload has a name. It is given the mode of what it is to replace
// before the rename is found to be none, and is to be read all the same.
func TestCommitToAnotherVolumeOverAReadOnlyFile(t *testing.T) {
	if !testfs.AsUser(t) {
		return
	}
	there, err := os.MkdirTemp("/dev/shm", "spool-*")
	if err != nil {
		t.Skip("there is no second volume that is known to be there")
	}
	defer func() { require.NoError(t, os.RemoveAll(there)) }()
	fsys, name := afero.NewOsFs(), filepath.Join(there, "dest")
	require.NoError(t, os.WriteFile(name, nil, 0o400))
	g, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	f, err := spool.FromFile(g, nil)
	require.NoError(t, err)
	_, err = f.Write(text(1000))
	require.NoError(t, err)
	require.NoError(t, f.Commit(fsys, name, nil))
	requireFile(t, fsys, name, text(1000))
	assert.NoFileExists(t, g.Name())
}

// A destination that is full, and then is not.
func TestCommitToAFullDisk(t *testing.T) {
	dir := t.TempDir()
	testfs.Mount(t, "tmpfs", dir, "tmpfs", 0, "size=1m")
	ballast, name := filepath.Join(dir, "ballast"), filepath.Join(dir, "dest")
	want := text(600_000)
	for _, limit := range []int64{-1, 1 << 20} {
		require.NoError(t, os.WriteFile(ballast, make([]byte, 600<<10), 0o600))
		f := spool.New(afero.NewOsFs(), &spool.Options{MaxMemory: limit, Temp: tmpfs.Options{Dir: t.TempDir()}})
		_, err := f.Write(want)
		require.NoError(t, err)
		require.Error(t, f.Commit(afero.NewOsFs(), name, nil))
		assert.Equal(t, []string{ballast}, mustGlob(t, dir+"/*"))
		requireContents(t, want, f)
		require.NoError(t, os.Remove(ballast))
		require.NoError(t, f.Commit(afero.NewOsFs(), name, nil))
		requireFile(t, afero.NewOsFs(), name, want)
		require.NoError(t, os.Remove(name))
	}
}

// canLink reports whether a file without a name can be given one in dir.
func canLink(t testing.TB, dir string) bool {
	f, err := tmpfs.CreateAnonymous(afero.NewOsFs(), &tmpfs.Options{Dir: dir})
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	name := filepath.Join(dir, "link")
	defer func() { _ = os.Remove(name) }()
	return f.Keep(name) == nil
}

// requireNoDescriptors checks that this process has nothing open in dir.
func requireNoDescriptors(t testing.TB, dir string) {
	t.Helper()
	for _, fd := range mustGlob(t, "/proc/self/fd/*") {
		if target, err := os.Readlink(fd); err == nil {
			assert.False(t, strings.HasPrefix(target, dir), "%s is still open", target)
		}
	}
}

// Where the parents could not be made durable, and were left, there is no second way:
// it would take them for durable.
func TestCommitWhoseParentsAreNotDurable(t *testing.T) {
	mem := afero.NewMemMapFs()
	s := testfs.NewSpy(mem)
	fsys := newSticky(s, false)
	f := spool.New(fsys, &spool.Options{MaxMemory: -1})
	defer f.Close()
	put(t, f, "text")
	after := []string{"mkdir 0777 /a", "stat /a", "open /a"} // it is not seen, nor can it be looked into, to be removed
	s.Fail(func(_ int, call string) bool {
		if len(after) == 0 || call != after[0] {
			return false
		}
		after = after[1:]
		return len(after) < 2
	}, testfs.Fault{Err: errors.ErrUnsupported})
	require.ErrorIs(t, f.Commit(fsys, "/a/dest", nil), errors.ErrUnsupported)
	assert.Empty(t, after)
	assert.Empty(t, testfs.Leftovers(t, mem, "/a"))
	requireContents(t, []byte("text"), f)
}
