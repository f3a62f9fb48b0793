package atomicfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"sync/atomic"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
)

// Readers see the old contents or the new, whole, and never that there is no
// file. This is what the promise table says of each kind.
func TestAtomicForReaders(t *testing.T) {
	inMemory(t)
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		text := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i%26)}, 10_000+i%26) }
		require.NoError(t, atomicfs.WriteFile(k.Fs, name, text(0), 0o644))
		var done atomic.Bool
		var reads atomic.Int64
		race(4, func(i int) {
			if i == 0 {
				for n := range 300 {
					f, err := atomicfs.Create(k.Fs, name, &atomicfs.Options{NoSync: true})
					if assert.NoError(t, err) {
						_, err = f.Write(text(n))
						assert.NoError(t, errors.Join(err, f.Commit(), f.Close()))
					}
				}
				done.Store(true)
				return
			}
			for !done.Load() {
				data, err := afero.ReadFile(k.Fs, name)
				if !assert.NoError(t, err) || !assert.NotEmpty(t, data) || !assert.Equal(t, text(int(data[0]-'a')), data) {
					return
				}
				reads.Add(1)
			}
		})
		assert.NotZero(t, reads.Load())
		_, err := k.Fs.Stat(name + "x")
		require.ErrorIs(t, err, fs.ErrNotExist)
	})
}
