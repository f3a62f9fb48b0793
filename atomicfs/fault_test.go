package atomicfs_test

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// faulty are the kinds that the fault tables run on: the rest of them differ in
// what is beneath, and not in what this package asks of them.
var faulty = []string{"OsFs", "MemMapFs", "CopyOnWriteFs"}

// eachFault runs op with each of its calls failing in turn. A file "dir/file" is
// there before, with the contents "old", if there is to be one. After op it holds
// the old contents or the new, whole; if op returned nil, the new; and if nothing
// failed any more while it cleaned up, nothing else is left.
func eachFault(t *testing.T, exists bool, op func(fsys afero.Fs, name string) error) {
	inMemory(t)
	for _, k := range testfs.Kinds(t) {
		if !strings.Contains(strings.Join(faulty, " "), k.Name) {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			testfs.EachFault(t, k, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
				require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
				name := k.Join("dir", "file")
				if exists {
					k.WriteFile(t, name, "old")
				}
				err := op(s, name)
				checkFault(t, k, s, name, exists, err)
			})
		})
	}
}

func checkFault(t *testing.T, k testfs.Kind, s *testfs.Spy, name string, exists bool, err error) {
	t.Helper()
	now, rerr := afero.ReadFile(k.Fs, name)
	isNew := rerr == nil && string(now) == "new"
	isOld := exists && rerr == nil && string(now) == "old" || !exists && errors.Is(rerr, fs.ErrNotExist)
	require.True(t, isNew || isOld, "it holds %q, %v", now, rerr)
	if err == nil || errors.Is(err, atomicfs.ErrNotDurable) {
		require.True(t, isNew, "%v, and it holds %q", err, now)
	}
	if len(s.Met()) == 0 {
		require.NoError(t, err)
	}
	if err != nil {
		met := strings.Join(s.Met(), "\n")
		require.True(t, injected(err), "%v, after\n%s", err, met)
		require.NotContains(t, err.Error(), k.Join("dir", ".tmp-"))
	}
	for _, left := range testfs.Leftovers(t, k.Fs, k.Join("dir")) {
		if left != "file" {
			assert.True(t, removalFailed(s), "left: %s", left)
		}
	}
	assert.Empty(t, s.OpenFiles())
}

// injected reports whether err is one of testfs.Faults.
func injected(err error) bool {
	return errors.Is(err, testfs.ErrFault) || errors.Is(err, enospc) || strings.Contains(err.Error(), "short write")
}

// removalFailed reports whether it was the removal of the temporary, or the look
// whether it is gone, that failed: what is left then is left for Sweep.
func removalFailed(s *testfs.Spy) bool {
	for _, call := range s.Met() {
		op, name, _ := strings.Cut(call, " ")
		if (op == "remove" || op == "lstat") && path.Base(name) != "file" {
			return true
		}
	}
	return false
}

func TestErrorsOfWriteFile(t *testing.T) {
	for _, exists := range []bool{true, false} {
		eachFault(t, exists, func(fsys afero.Fs, name string) error {
			return atomicfs.WriteFile(fsys, name, []byte("new"), 0o644)
		})
	}
}

func TestErrorsOfNoReplace(t *testing.T) {
	eachFault(t, false, func(fsys afero.Fs, name string) error {
		f, err := atomicfs.Create(fsys, name, &atomicfs.Options{NoReplace: true})
		if err != nil {
			return err
		}
		_, err = f.WriteString("new")
		if err == nil {
			err = f.Commit()
		}
		return errors.Join(err, f.Close())
	})
}

func TestErrorsOfCommit(t *testing.T) {
	eachFault(t, true, func(fsys afero.Fs, name string) error {
		return tmpfs.WithFile(fsys, &tmpfs.Options{Dir: path.Dir(name), Pattern: "other-*"}, func(f *tmpfs.File) error {
			if _, err := f.WriteString("new"); err != nil {
				return err
			}
			return atomicfs.Commit(f, name)
		})
	})
}

func TestErrorsOfUpdate(t *testing.T) {
	eachFault(t, true, func(fsys afero.Fs, name string) error {
		return atomicfs.Update(fsys, name, 0o644, func(old []byte) ([]byte, error) {
			return []byte(strings.ReplaceAll(string(old), "old", "new")), nil
		})
	})
}

func TestErrorsOfBatch(t *testing.T) {
	eachFault(t, true, func(fsys afero.Fs, name string) error {
		b := atomicfs.NewBatch(fsys, nil)
		_ = b.WriteFile(name, []byte("new"), 0o644) // Commit says it too
		return errors.Join(b.Commit(), b.Close())
	})
}

func TestErrorsOfNewFs(t *testing.T) {
	for _, exists := range []bool{true, false} {
		eachFault(t, exists, func(fsys afero.Fs, name string) error {
			f, err := atomicfs.NewFs(fsys, nil).Create(name)
			if err != nil {
				return err
			}
			_, err = f.WriteString("new")
			return errors.Join(err, f.Close())
		})
		eachFault(t, exists, func(fsys afero.Fs, name string) error {
			f, err := atomicfs.NewFs(fsys, nil).Create(name)
			if err != nil {
				return err
			}
			_, err = f.WriteString("new")
			if err == nil {
				err = f.Sync()
			}
			return errors.Join(err, f.Close())
		})
	}
}

// What fails while parents are made leaves none that is not durable.
func TestErrorsOfParents(t *testing.T) {
	inMemory(t)
	for _, k := range testfs.Kinds(t) {
		if k.Name != "OsFs" && k.Name != "MemMapFs" {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			testfs.EachFault(t, k, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
				name := k.Join("a", "b", "file")
				err := atomicfs.WriteFile(s, name, []byte("new"), 0o644)
				if err == nil {
					assert.Equal(t, "new", k.ReadFile(t, name))
				}
				made := false
				for _, call := range s.Met() {
					made = made || strings.HasPrefix(call, "sync "+k.Dir) && !strings.Contains(call, ".tmp-") && call != "sync "+k.Join("a", "b")
				}
				if made && len(s.Met()) == 1 { // a parent was not synced, and all else worked
					require.Error(t, err)
					assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
				}
			}, testfs.Fault{Err: testfs.ErrFault})
		})
	}
}

// A sweep with a failing call removes no more than it should.
func TestErrorsOfSweep(t *testing.T) {
	inMemory(t)
	abandoned := ".tmp-" + strings.Repeat("a", 26)
	for _, k := range testfs.Kinds(t) {
		if k.Name != "OsFs" && k.Name != "MemMapFs" {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			testfs.EachFault(t, k, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
				k.WriteFile(t, k.Join("file"), "old")
				k.WriteFile(t, k.Join(abandoned), "part")
				long := time.Now().Add(-48 * time.Hour)
				require.NoError(t, k.Fs.Chtimes(k.Join(abandoned), long, long))
				removed, err := atomicfs.Sweep(context.Background(), s, k.Dir, 0)
				assert.Equal(t, "old", k.ReadFile(t, k.Join("file")))
				left := testfs.Leftovers(t, k.Fs, k.Dir)
				if len(removed) == 1 {
					assert.Equal(t, []string{"file"}, left)
				} else if len(left) == 2 {
					require.Error(t, err)
				}
				if len(s.Met()) == 0 {
					require.NoError(t, err)
					require.Equal(t, []string{abandoned}, removed)
				}
			}, testfs.Fault{Err: testfs.ErrFault})
		})
	}
}

// The order of the calls of one WriteFile is a promise. See the package doc.
func TestDurableOrder(t *testing.T) {
	k := testfs.Kinds(t)[0]
	require.Equal(t, "OsFs", k.Name)
	spy := testfs.NewSpy(k.Fs)
	acts := func(run func()) string {
		spy.Reset()
		run()
		var script []string
		for _, line := range strings.Split(spy.Script(k.Dir), "\n") {
			switch op, _, _ := strings.Cut(line, " "); op {
			case "stat", "lstat", "fstat", "seek", "readlink", "open": // looks, and the opening of a directory
			default:
				script = append(script, line)
			}
		}
		return strings.Join(script, "\n")
	}
	write := func() { require.NoError(t, atomicfs.WriteFile(spy, k.Join("file"), []byte("text"), 0o644)) }
	assert.Equal(t, `openfile rdwr|create|excl 0644 .tmp-*
write 4 .tmp-*
sync .tmp-*
close .tmp-*
rename .tmp-* file
sync .
close .
`, acts(write), "a new file")

	require.NoError(t, k.Fs.Chmod(k.Join("file"), 0o664))
	assert.Equal(t, `openfile rdwr|create|excl 0600 .tmp-*
write 4 .tmp-*
chmod 0664 .tmp-*
sync .tmp-*
close .tmp-*
rename .tmp-* file
sync .
close .
`, acts(write), "a file that exists")

	assert.Equal(t, `mkdir 0777 a
mkdir 0777 a/b
sync .
close .
sync a
close a
openfile rdwr|create|excl 0644 a/b/.tmp-*
write 4 a/b/.tmp-*
sync a/b/.tmp-*
close a/b/.tmp-*
rename a/b/.tmp-* a/b/file
sync a/b
close a/b
`, acts(func() {
		require.NoError(t, atomicfs.WriteFile(spy, k.Join("a", "b", "file"), []byte("text"), 0o644))
	}), "missing parents")

	assert.Equal(t, `openfile rdwr|create|excl 0644 .tmp-*
write 1 .tmp-*
openfile rdwr|create|excl 0644 .tmp-*
write 2 .tmp-*
sync .tmp-*
sync .tmp-*
close .tmp-*
rename .tmp-* one
close .tmp-*
rename .tmp-* two
sync .
close .
`, acts(func() {
		b := atomicfs.NewBatch(spy, nil)
		require.NoError(t, b.WriteFile(k.Join("one"), []byte("1"), 0o644))
		require.NoError(t, b.WriteFile(k.Join("two"), []byte("22"), 0o644))
		require.NoError(t, b.Commit())
	}), "a batch")
}

// A sync that failed is not tried again: the system may have dropped the pages
// that it could not write, and then says nil.
func TestErrorsFailedSyncIsFinal(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		k.WriteFile(t, name, "old")
		spy := testfs.NewSpy(k.Fs)
		spy.Fail(testfs.Calls("sync"), testfs.Fault{Err: testfs.ErrFault})
		err := atomicfs.WriteFile(spy, name, []byte("new"), 0o644)
		require.ErrorIs(t, err, testfs.ErrFault)
		require.NotErrorIs(t, err, atomicfs.ErrNotDurable)
		requirePathError(t, err, name)
		assert.Len(t, spy.Met(), 1)
		assert.Equal(t, "old", k.ReadFile(t, name))
		assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

func TestErrorsNotDurable(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for way, write := range writers {
			name := k.Join("file")
			k.WriteFile(t, name, "old")
			spy := testfs.NewSpy(k.Fs)
			spy.Fail(func(_ int, call string) bool { return call == "sync "+k.Dir }, testfs.Fault{Err: eio})
			err := write(spy, name, "new")
			require.ErrorIs(t, err, atomicfs.ErrNotDurable, way)
			require.ErrorIs(t, err, eio, way)
			require.Contains(t, err.Error(), name, way)
			assert.Equal(t, "new", k.ReadFile(t, name), way)
			assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir), way)
		}
	})
}

// Where directories cannot be synced at all, that is no error.
func TestNoPretenceNoSuchSync(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, reason := range []error{einval, enotsup, errors.ErrUnsupported} {
			spy := testfs.NewSpy(k.Fs)
			spy.Fail(func(_ int, call string) bool { return call == "sync "+k.Dir }, testfs.Fault{Err: reason})
			require.NoError(t, atomicfs.WriteFile(spy, k.Join("file"), []byte("new"), 0o644))
			require.Len(t, spy.Met(), 1)
		}
	})
}

// An owner that cannot be kept is no error; one whose change fails is.
func TestModeAndOwnerRefused(t *testing.T) {
	for reason, fails := range map[error]bool{eperm: false, einval: false, enosys: false, eio: true} {
		k := testfs.Kinds(t)[0]
		if !canChown(t) {
			t.Skip("only root can give a file away")
		}
		k.WriteFile(t, k.Join("file"), "old")
		require.NoError(t, k.Fs.Chown(k.Join("file"), 1234, 1234))
		spy := testfs.NewSpy(k.Fs)
		spy.Fail(testfs.Calls("chown"), testfs.Fault{Err: reason})
		err := atomicfs.WriteFile(spy, k.Join("file"), []byte("new"), 0o644)
		if fails {
			require.ErrorIs(t, err, reason)
			assert.Equal(t, "old", k.ReadFile(t, k.Join("file")))
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, "new", k.ReadFile(t, k.Join("file")))
		assert.Len(t, spy.Met(), 2, "both, and then the group alone")
	}
}
