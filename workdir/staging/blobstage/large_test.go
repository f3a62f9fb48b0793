package blobstage_test

import (
	"io"
	"net/http"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir/staging"
	"github.com/tempkit/tempkit/workdir/staging/blobstage"
)

// A large upload goes in parts of the size asked for, no more of them at once than
// asked for.
func TestParts(t *testing.T) {
	var mu sync.Mutex
	var parts, now, most int
	bucket := s3Bucket(t, fake(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("partNumber") {
				mu.Lock()
				parts++
				now++
				most = max(most, now)
				mu.Unlock()
				defer func() { mu.Lock(); now--; mu.Unlock() }()
			}
			next.ServeHTTP(w, r)
		})
	}))
	for _, c := range []struct {
		opts blobstage.Options
		want int
	}{
		{blobstage.Options{PartSize: part, Parts: 2}, (large + part - 1) / part},
		{blobstage.Options{PartSize: 1}, (large + part - 1) / part},
		{blobstage.Options{}, (large + 8<<20 - 1) / (8 << 20)},
	} {
		parts, most = 0, 0
		require.NoError(t, upload(t, data(large)).Publish(t.Context(), blobstage.New(bucket, &c.opts), "object", nil))
		assert.Equal(t, c.want, parts)
		assert.LessOrEqual(t, most, 3)
		if c.opts.Parts > 0 {
			assert.LessOrEqual(t, most, c.opts.Parts)
		}
	}
}

// pattern is a reader that never ends.
type pattern struct{ off int64 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		at := p.off + int64(i)
		b[i] = byte(at ^ at>>8 ^ at>>16*31 ^ at>>24*17)
	}
	p.off += int64(len(b))
	return len(b), nil
}

// 300 MiB take no more memory than some parts of it.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 300 MiB")
	}
	const (
		size = 300 << 20
		most = 96 << 20
	)
	bucket := s3Bucket(t, versitygw(t))
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // what is seen is in use, not garbage
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	inUse := func() int64 {
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	debug.FreeOSMemory()
	before, peak, next := inUse(), int64(0), int64(0)
	u, err := staging.New(afero.NewOsFs(), &staging.Options{Spool: spool.Options{MaxSize: size, Temp: tmpfs.Options{Dir: t.TempDir()}}})
	require.NoError(t, err)
	defer u.Close()
	_, err = u.ReadFrom(io.LimitReader(&pattern{}, size))
	require.NoError(t, err)
	p := blobstage.New(bucket, &blobstage.Options{Progress: func(sent, _ int64) {
		if sent >= next {
			peak = max(peak, inUse()-before)
			next = sent + 1<<20
		}
	}})
	require.NoError(t, u.Publish(t.Context(), p, "large", nil))
	t.Logf("%d MiB more than before", peak>>20)
	assert.Less(t, peak, int64(most))
	assert.Positive(t, peak)

	r, err := bucket.NewReader(t.Context(), "large", nil)
	require.NoError(t, err)
	defer r.Close()
	want, got := make([]byte, 1<<20), make([]byte, 1<<20)
	from := &pattern{}
	for range size / len(got) {
		_, err = io.ReadFull(r, got)
		require.NoError(t, err)
		_, _ = from.Read(want)
		require.True(t, string(want) == string(got))
	}
	_, err = r.Read(got)
	require.ErrorIs(t, err, io.EOF)
}
