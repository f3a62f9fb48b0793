package testfs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
)

// failing records whether a test of its own would have failed.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper()               {}
func (f *failing) Logf(string, ...any)   {}
func (f *failing) Errorf(string, ...any) { f.failed = true }

func TestFigure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "figures")
	t.Setenv("TEMPKIT_FIGURES", path)
	for _, c := range []struct {
		cases, least, bad int
		fails             bool
	}{{10, 10, 0, false}, {9, 10, 0, true}, {10, 10, 1, true}} {
		f := &failing{TB: t}
		testfs.Figure(f, "instrument", c.cases, c.least, c.bad)
		assert.Equal(t, c.fails, f.failed, "%+v", c)
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "instrument\t10\t0\ninstrument\t9\t0\ninstrument\t10\t1\n", string(text))
}
