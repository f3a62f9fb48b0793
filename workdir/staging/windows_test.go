package staging_test

import (
	"context"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/workdir/staging"
)

// The data of an upload in an area is open twice, for the lock: where such a file cannot
// be renamed or removed, the lock is given back first, and taken again after a failure.
func TestWindowsUpload(t *testing.T) {
	ctx := context.Background()
	testfs.EachWindows(t, func(t *testing.T, k testfs.Kind, w *testfs.Windows) {
		area, err := staging.Open(w, k.Join("area"), nil)
		require.NoError(t, err)
		want, dest := data(100_000), k.Join("dest")
		for _, make := range []func() (*staging.Upload, error){
			func() (*staging.Upload, error) { return staging.New(w, options(k)) },
			func() (*staging.Upload, error) { return area.Begin(ctx, nil) },
			func() (*staging.Upload, error) { // one that was interrupted
				u, err := area.Begin(ctx, nil)
				require.NoError(t, err)
				require.NoError(t, u.Suspend())
				return area.Resume(ctx, u.ID(), nil)
			},
		} {
			u, err := make()
			require.NoError(t, err)
			_, err = u.Write(want[:50_000])
			require.NoError(t, err)
			require.NoError(t, u.Flush())
			k.WriteFile(t, dest, "old")
			require.ErrorIs(t, u.Commit(ctx, w, dest, &atomicfs.Options{NoReplace: true}), fs.ErrExist)
			assert.Equal(t, "old", k.ReadFile(t, dest))
			if id := u.ID(); id != "" {
				_, err = area.Resume(ctx, id, nil)
				require.Error(t, err, "it has its writer still")
			}
			_, err = u.Write(want[50_000:])
			require.NoError(t, err)
			require.NoError(t, u.Commit(ctx, w, dest, nil))
			require.NoError(t, u.Close())
			assert.Equal(t, string(want), k.ReadFile(t, dest))

			u, err = make()
			require.NoError(t, err)
			_, err = u.Write(want)
			require.NoError(t, err)
			require.NoError(t, u.Close()) // discarded
			assert.Equal(t, []string{"area", "dest"}, left(t, k))
		}
		assert.Equal(t, [2]int64{}, inUse(area))
	})
}
