package rootfs_test

import (
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A file without a name is made in no directory outside, whatever leads there: it
// would take of another volume's room, and could be given a name.
func TestEscapesUnnamed(t *testing.T) {
	p := newPrison(t)
	fsys := open(t, p.base)
	require.NoError(t, fsys.SymlinkIfPossible("sub", "within"))
	unnamed := func(dir string) error { return openFile(fsys, dir, unix.O_TMPFILE|os.O_RDWR) }
	if err := unnamed("/"); err != nil {
		t.Skip("no files without a name here:", err)
	}
	for _, dir := range []string{"reldir", "absdir", "up", "sub/deep", "/absdir", "reldir/sub"} {
		err := unnamed(dir)
		require.ErrorIs(t, err, fs.ErrInvalid, dir)
		assert.ErrorContains(t, err, "path escapes from its base", dir)
		shape(t, err)
	}
	for _, dir := range []string{"sub", "within", "."} {
		require.NoError(t, unnamed(dir), dir)
	}
	require.ErrorIs(t, unnamed("inside"), unix.ENOTDIR)
}
