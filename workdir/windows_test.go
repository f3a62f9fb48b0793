package workdir_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/workdir"
)

// The lease is an open file as long as its owner lives: where such a one cannot be
// removed, it is closed first, and says that it is none any more.
func TestWindowsLife(t *testing.T) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		for _, keep := range []bool{false, true} {
			d, err := workdir.New(w, in(k))
			require.NoError(t, err)
			_, err = d.WriteFile("sub/a", []byte("a"))
			require.NoError(t, err)
			require.NoError(t, d.Commit("sub/a", k.Join("file")))
			_, err = d.WriteFile("tree/b", []byte("b"))
			require.NoError(t, err)
			if keep {
				require.NoError(t, d.Commit("tree", k.Join("tree")))
				require.NoError(t, d.Keep(k.Join("kept")))
			}
			require.NoError(t, d.Close())
			assert.Equal(t, "a", k.ReadFile(t, k.Join("file")))
		}
		assert.Equal(t, "b", k.ReadFile(t, k.Join("tree", "b")))
		assert.Equal(t, []string{"file", "kept", "kept/sub", "tree", "tree/b"}, left(t, k))
	})
}

// A sweep that has the lease of a dead owner open closes it to remove it.
func TestWindowsSweep(t *testing.T) {
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		live, err := workdir.New(w, in(k))
		require.NoError(t, err)
		old := time.Now().Add(-48 * time.Hour)
		var dead []string
		for _, locked := range []bool{true, false} {
			name := abandon(t, k, locked)
			dead = append(dead, k.Join(name))
			for _, file := range []string{name, "." + name + ".lease"} {
				require.NoError(t, w.Chtimes(k.Join(file), old, old))
			}
		}
		report := sweep(t, w, k, workdir.SweepOptions{})
		assert.ElementsMatch(t, dead, report.Removed)
		require.NoError(t, live.Close())
		assert.Empty(t, left(t, k))
	})
}
