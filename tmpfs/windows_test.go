package tmpfs_test

import (
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// Where an open file can be neither renamed nor removed it is closed first. The loser
// of a KeepNew has it open again, where it stood.
func TestWindowsFile(t *testing.T) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		k.WriteFile(t, k.Join("there"), "old")
		f := create(t, k, "new")
		require.ErrorIs(t, f.KeepNew(k.Join("there")), fs.ErrExist)
		_, err := f.WriteString(", and more")
		require.NoError(t, err, "it is open")
		assert.Equal(t, "new, and more", content(t, f))
		require.NoError(t, f.KeepNew(k.Join("kept")))
		assert.Equal(t, "new, and more", k.ReadFile(t, k.Join("kept")))
		g := create(t, k, "newer")
		require.NoError(t, g.Keep(k.Join("there")))
		assert.Equal(t, "newer", k.ReadFile(t, k.Join("there")))
		h := create(t, k, "closed")
		require.NoError(t, h.CloseHandle())
		require.NoError(t, h.KeepNew(k.Join("closed")))
		require.NoError(t, create(t, k, "removed").Close())
		assert.Equal(t, []string{"closed", "kept", "there"}, testfs.Leftovers(t, w, k.Dir))
	})
}

// The name is taken between the look of KeepNew and its rename, as another process
// may: the handle is closed by then, and the loser gets another.
func TestWindowsKeepNewRace(t *testing.T) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		const racers = 8
		for round := range 20 {
			name := k.Join("kept" + string(rune('a'+round)))
			done := make(chan *tmpfs.File, racers)
			for range racers {
				f := create(t, k, "text")
				_, err := f.Seek(2, 0)
				require.NoError(t, err)
				go func() {
					if f.KeepNew(name) == nil {
						f = nil
					}
					done <- f
				}()
			}
			winners := 0
			for range racers {
				f := <-done
				if f == nil {
					winners++
					continue
				}
				b := make([]byte, 2)
				_, err := f.Read(b)
				require.NoError(t, err)
				assert.Equal(t, "xt", string(b), "where it stood")
				require.NoError(t, f.Close())
			}
			require.Equal(t, 1, winners)
			require.NoError(t, w.Remove(name))
		}
		empty(t, k)
	})
}

// A file that would be without a name elsewhere has one until Close, and nothing is
// waited for to find that out.
func TestWindowsAnonymous(t *testing.T) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		start := time.Now()
		f, err := tmpfs.CreateAnonymous(w, &tmpfs.Options{Dir: k.Dir})
		require.NoError(t, err)
		assert.Less(t, time.Since(start), time.Second)
		_, err = f.WriteString("hello")
		require.NoError(t, err)
		assert.NotEmpty(t, f.Name())
		require.NoError(t, f.Keep(k.Join("kept")))
		assert.Equal(t, "hello", k.ReadFile(t, k.Join("kept")))
		f, err = tmpfs.CreateAnonymous(w, &tmpfs.Options{Dir: k.Dir})
		require.NoError(t, err)
		require.NoError(t, f.Close())
		assert.Equal(t, []string{"kept"}, testfs.Leftovers(t, w, k.Dir))
	})
}

func TestWindowsDir(t *testing.T) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		for _, keep := range []bool{true, false} {
			d, err := tmpfs.Mkdir(w, &tmpfs.Options{Dir: k.Dir})
			require.NoError(t, err)
			f, err := tmpfs.Create(d, &tmpfs.Options{Dir: "/"})
			require.NoError(t, err)
			require.NoError(t, f.Keep("/file"))
			if keep {
				require.NoError(t, d.Keep(k.Join("kept")))
			}
			require.NoError(t, d.Close())
		}
		assert.Equal(t, []string{"kept", "kept/file"}, testfs.Leftovers(t, w, k.Dir))
	})
}
