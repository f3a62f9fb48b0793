//go:build linux

package powercut_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/powercut"
)

func TestStoreAndLoad(t *testing.T) {
	const size = 16 * pageSize
	im := powercut.Image{}
	im.Write(fill('a', 5), 3*pageSize+9)
	im.Write(fill(0, pageSize), 8*pageSize)
	name := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(name, fill('x', 2*size), 0o600), "what was there before is gone")
	require.NoError(t, im.Store(name, size))
	info, err := os.Stat(name)
	require.NoError(t, err)
	assert.EqualValues(t, size, info.Size())
	got, err := powercut.Load(name)
	require.NoError(t, err)
	assert.Len(t, got, 1, "a page of zeros is none")
	assert.Equal(t, read(im, 0, size), read(got, 0, size))
}
