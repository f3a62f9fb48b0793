package atomicfs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// onWindows runs body where no open file can be renamed, replaced or removed. None of
// what it does may try, and no temporary may be left.
func onWindows(t *testing.T, body func(t *testing.T, k testfs.Kind, w *testfs.Windows)) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		body(t, k, w)
		assert.NotContains(t, strings.Join(testfs.Leftovers(t, w, k.Dir), "\n"), "tmp-")
	})
}

func TestWindowsWriteFile(t *testing.T) {
	onWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		name := k.Join("a", "file")
		for _, text := range []string{"old", "new"} {
			require.NoError(t, atomicfs.WriteFile(w, name, []byte(text), 0o644))
			assert.Equal(t, text, k.ReadFile(t, name))
		}
		require.NoError(t, atomicfs.Update(w, name, 0o644, func(old []byte) ([]byte, error) { return append(old, '!'), nil }))
		assert.Equal(t, "new!", k.ReadFile(t, name))

		f, err := atomicfs.Create(w, name, &atomicfs.Options{NoReplace: true, NoSync: true})
		require.ErrorIs(t, err, fs.ErrExist)
		require.Nil(t, f)
		f, err = atomicfs.Create(w, k.Join("new"), &atomicfs.Options{NoReplace: true})
		require.NoError(t, err)
		k.WriteFile(t, k.Join("new"), "faster")
		require.ErrorIs(t, f.Commit(), fs.ErrExist)
		require.NoError(t, f.Close())
		assert.Equal(t, "faster", k.ReadFile(t, k.Join("new")))
	})
}

// A file that somebody reads is not replaced: the old contents are whole, and the next
// attempt succeeds.
func TestWindowsWriteFileWhileRead(t *testing.T) {
	onWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		name := k.Join("file")
		k.WriteFile(t, name, "old")
		reader, err := w.Open(name)
		require.NoError(t, err)
		require.ErrorIs(t, atomicfs.WriteFile(w, name, []byte("new"), 0o644), testfs.ErrSharing)
		assert.NotEmpty(t, w.Refused())
		assert.Equal(t, "old", k.ReadFile(t, name))
		assert.Equal(t, []string{"file"}, testfs.Leftovers(t, w, k.Dir))
		require.NoError(t, reader.Close())
		require.NoError(t, atomicfs.WriteFile(w, name, []byte("new"), 0o644))
		assert.Equal(t, "new", k.ReadFile(t, name))
	})
}

// A temporary file of the caller's, open or closed, is committed; after a failure it is
// the caller's as before.
func TestWindowsCommit(t *testing.T) {
	onWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		commits := map[string]func(f *tmpfs.File, name string) error{"old": atomicfs.Commit, "free": atomicfs.CommitNew}
		for _, closed := range []bool{false, true} {
			k.WriteFile(t, k.Join("old"), "old")
			for name, commit := range commits {
				f, err := tmpfs.Create(w, &tmpfs.Options{Dir: k.Dir})
				require.NoError(t, err)
				_, err = f.WriteString("new")
				require.NoError(t, err)
				if closed {
					require.NoError(t, f.CloseHandle())
				}
				require.ErrorIs(t, atomicfs.CommitNew(f, k.Join("old")), fs.ErrExist)
				require.NoError(t, commit(f, k.Join(name)), "%s, closed %v", name, closed)
				require.NoError(t, f.Close())
				assert.Equal(t, "new", k.ReadFile(t, k.Join(name)))
				require.NoError(t, w.Remove(k.Join(name)))
				k.WriteFile(t, k.Join("old"), "old")
			}
		}
	})
}

// More directories than a batch holds, and more files than it keeps open.
func TestWindowsBatch(t *testing.T) {
	onWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		for _, text := range []string{"old", "new"} {
			b := atomicfs.NewBatch(w, nil)
			for i := range 100 {
				require.NoError(t, b.WriteFile(k.Join(fmt.Sprint(i%20), fmt.Sprint(i)), []byte(text), 0o644))
			}
			require.NoError(t, b.WriteFile(k.Join("0", "0"), []byte(text+" again"), 0o644))
			require.NoError(t, b.Commit())
			require.NoError(t, b.Close())
			for i := range 100 {
				want := text
				if i == 0 {
					want += " again"
				}
				assert.Equal(t, want, k.ReadFile(t, k.Join(fmt.Sprint(i%20), fmt.Sprint(i))))
			}
		}
		b := atomicfs.NewBatch(w, nil)
		require.NoError(t, b.WriteFile(k.Join("0", "0"), []byte("discarded"), 0o644))
		require.NoError(t, b.Close())
		assert.Equal(t, "new again", k.ReadFile(t, k.Join("0", "0")))
	})
}

// A new name is given to a tree; an old tree stays, because two cannot be exchanged.
func TestWindowsCommitDir(t *testing.T) {
	onWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		commit := func(text string) error {
			d, err := tmpfs.Mkdir(w, &tmpfs.Options{Dir: k.Dir})
			require.NoError(t, err)
			require.NoError(t, atomicfs.WriteFile(d, "/sub/file", []byte(text), 0o644))
			err = atomicfs.CommitDir(d, k.Join("site"))
			require.NoError(t, d.Close())
			return err
		}
		require.NoError(t, commit("old"))
		require.ErrorIs(t, commit("new"), errors.ErrUnsupported)
		assert.Equal(t, "old", k.ReadFile(t, k.Join("site", "sub", "file")))
		assert.Equal(t, []string{"site", "site/sub", "site/sub/file"}, testfs.Leftovers(t, w, k.Dir))
	})
}

// A handle of NewFs reads what it has put in place, which must not keep it from
// replacing that.
func TestWindowsNewFs(t *testing.T) {
	onWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		name := k.Join("file")
		k.WriteFile(t, name, "old")
		f, err := atomicfs.NewFs(w, nil).Create(name)
		require.NoError(t, err)
		for i := range 3 {
			_, err = f.WriteString("more ")
			require.NoError(t, err)
			require.NoError(t, f.Sync())
			assert.Equal(t, strings.Repeat("more ", i+1), k.ReadFile(t, name))
		}
		_, err = f.WriteString("at last")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		assert.Equal(t, "more more more at last", k.ReadFile(t, name))
	})
}

// Writers take no locks, so that only age tells.
func TestWindowsSweep(t *testing.T) {
	onWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		f, err := atomicfs.Create(w, k.Join("file"), nil)
		require.NoError(t, err)
		mine := testfs.Leftovers(t, w, k.Dir)
		require.Len(t, mine, 1)
		dead := []string{".tmp-" + strings.Repeat("a", 26), ".tmp-" + strings.Repeat("b", 26) + "-dir", ".tmp-" + strings.Repeat("c", 26) + "-age"}
		for _, name := range dead {
			k.WriteFile(t, k.Join(name), "litter")
		}
		removed, err := atomicfs.Sweep(context.Background(), w, k.Dir, time.Hour)
		require.NoError(t, err)
		assert.Empty(t, removed, "young")
		old := time.Now().Add(-2 * time.Hour)
		for _, name := range append(mine, dead...) {
			require.NoError(t, w.Chtimes(k.Join(name), old, old))
		}
		removed, err = atomicfs.Sweep(context.Background(), w, k.Dir, time.Hour)
		require.NoError(t, err)
		assert.ElementsMatch(t, dead, removed)
		require.NoError(t, f.Commit(), "its writer is of this process")
		require.NoError(t, f.Close())
	})
}
