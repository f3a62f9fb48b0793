package staging_test

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/workdir/staging"
)

// An upload that could not be looked at is left, and the sweep says so.
func TestErrorsOfSweepAreSaid(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		spy := testfs.NewSpy(k.Fs)
		area, err := staging.Open(spy, k.Join("area"), &staging.AreaOptions{TTL: 1})
		require.NoError(t, err)
		u, err := area.Begin(context.Background(), nil)
		require.NoError(t, err)
		_, err = u.Write([]byte("some"))
		require.NoError(t, err)
		require.NoError(t, u.Suspend())
		spy.Fail(func(_ int, call string) bool {
			return strings.HasPrefix(call, "open ") && strings.HasSuffix(call, ".json")
		}, testfs.Fault{Err: syscall.EIO})
		removed, err := area.Sweep(context.Background())
		assert.Empty(t, removed)
		require.ErrorIs(t, err, syscall.EIO)
		spy.Reset()
		removed, err = area.Sweep(context.Background())
		require.NoError(t, err)
		assert.Equal(t, []string{u.ID()}, removed)
	})
}

// What arrives is nobody else's to read.
func TestModeAndOwnerOfAnArea(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		area, err := staging.Open(k.Fs, k.Join("area"), nil)
		require.NoError(t, err)
		u, err := area.Begin(context.Background(), nil)
		require.NoError(t, err)
		for name, want := range map[string]os.FileMode{"": 0o700, u.ID() + ".part": 0o600, u.ID() + ".json": 0o600} {
			info, err := k.Fs.Stat(k.Join("area", name))
			require.NoError(t, err)
			assert.Equal(t, want, info.Mode().Perm(), name)
		}
		require.NoError(t, u.Close())
	})
}
