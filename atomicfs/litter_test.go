package atomicfs_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
)

// What a write could not remove a Sweep finds, also in the process that wrote.
func TestLitterOfARemovalThatFailed(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for way, write := range writers {
			if way == "Create" { // whose Close may be called again
				continue
			}
			spy := testfs.NewSpy(k.Fs)
			temporary := k.Join(".tmp-")
			spy.Fail(func(_ int, call string) bool {
				op, rest, _ := strings.Cut(call, " ")
				return strings.HasPrefix(rest, temporary) && (op == "sync" || op == "remove")
			}, testfs.Fault{Err: eio})
			err := write(spy, k.Join("file"), "new")
			require.ErrorIs(t, err, eio, way)
			left := testfs.Leftovers(t, k.Fs, k.Dir)
			require.Len(t, left, 1, way)
			spy.Reset()
			removed, err := atomicfs.Sweep(context.Background(), spy, k.Dir, 1)
			require.NoError(t, err, way)
			assert.Equal(t, left, removed, way)
			assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir), way)
		}
	})
}
