package atomicfs_test

import (
	"fmt"
	"io/fs"
	"strconv"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
)

func ExampleUpdate() {
	fsys := afero.NewMemMapFs()
	for range 3 {
		if err := atomicfs.Update(fsys, "/count", 0o644, func(old []byte) ([]byte, error) {
			return append(old, '|'), nil
		}); err != nil {
			fmt.Println(err)
			return
		}
	}
	data, err := afero.ReadFile(fsys, "/count")
	fmt.Println(string(data), err)
	// Output: ||| <nil>
}

func increment(old []byte) ([]byte, error) {
	n := 0
	if old != nil {
		var err error
		if n, err = strconv.Atoi(string(old)); err != nil {
			return nil, err
		}
	}
	return []byte(strconv.Itoa(n + 1)), nil
}

func TestUpdateLosesNothing(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("dir", "count")
		race(64, func(int) {
			assert.NoError(t, atomicfs.Update(k.Fs, name, 0o644, increment))
		})
		assert.Equal(t, "64", k.ReadFile(t, name))
		assert.Equal(t, []string{"count"}, testfs.Leftovers(t, k.Fs, k.Join("dir")))
	})
}

// Paths, links and base paths that lead to one file are one.
func TestUpdateByAllPaths(t *testing.T) {
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		link(t, k, "dir", k.Join("other"))
		link(t, k, "dir/count", k.Join("link"))
		base := afero.NewBasePathFs(afero.NewOsFs(), k.Real(k.Join("dir")))
		race(64, func(i int) {
			switch i % 4 {
			case 0:
				assert.NoError(t, atomicfs.Update(k.Fs, k.Join("dir", "count"), 0o644, increment))
			case 1:
				assert.NoError(t, atomicfs.Update(k.Fs, k.Join("other", "count"), 0o644, increment))
			case 2:
				assert.NoError(t, atomicfs.Update(k.Fs, k.Join("link"), 0o644, increment))
			case 3:
				assert.NoError(t, atomicfs.Update(base, "count", 0o644, increment))
			}
		})
		assert.Equal(t, "64", k.ReadFile(t, k.Join("dir", "count")))
	})
}

func TestUpdateOld(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		want := func(want []byte, next []byte) {
			t.Helper()
			require.NoError(t, atomicfs.Update(k.Fs, name, 0o600, func(old []byte) ([]byte, error) {
				assert.Equal(t, want, old)
				return next, nil
			}))
		}
		want(nil, nil)
		want([]byte{}, []byte("text"))
		want([]byte("text"), []byte("more"))
		info, err := k.Fs.Stat(name)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	})
}

// Updates of different files do not wait for each other, also from within one.
func TestUpdateWithinUpdate(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		require.NoError(t, atomicfs.Update(k.Fs, k.Join("a", "file"), 0o644, func([]byte) ([]byte, error) {
			return []byte("outer"), atomicfs.Update(k.Fs, k.Join("b", "file"), 0o644, func([]byte) ([]byte, error) {
				return []byte("inner"), nil
			})
		}))
		assert.Equal(t, "outer", k.ReadFile(t, k.Join("a", "file")))
		assert.Equal(t, "inner", k.ReadFile(t, k.Join("b", "file")))
	})
}

// After a panic the next one has its turn.
func TestUpdateAfterPanic(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		assert.Panics(t, func() {
			_ = atomicfs.Update(k.Fs, k.Join("count"), 0o644, func([]byte) ([]byte, error) { panic("stop") })
		})
		require.NoError(t, atomicfs.Update(k.Fs, k.Join("count"), 0o644, increment))
		assert.Equal(t, "1", k.ReadFile(t, k.Join("count")))
	})
}

// What cannot be read is not replaced.
func TestUpdateUnreadable(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("file"), "old")
		spy := testfs.NewSpy(k.Fs)
		spy.Fail(testfs.Calls("read "), testfs.Fault{Err: testfs.ErrFault})
		err := atomicfs.Update(spy, k.Join("file"), 0o644, func([]byte) ([]byte, error) {
			t.Error("called without the old contents")
			return nil, nil
		})
		require.ErrorIs(t, err, testfs.ErrFault)
		requirePathError(t, err, k.Join("file"))
		assert.Equal(t, "old", k.ReadFile(t, k.Join("file")))
	})
}
