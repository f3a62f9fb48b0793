package staging_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/workdir/staging"
)

// FuzzSidecar resumes, lists and sweeps an upload whose description is anything:
// what has arrived is never more than arrived, never changed, and its sum is its
// own; and only a description of its own lets a sweep take it.
func FuzzSidecar(f *testing.F) {
	id := strings.Repeat("f", 26)
	for _, side := range []string{
		"", "{}", "null", "[]", `{"id":"` + id + `"}`, `{"id":"` + id + `","started":"2020-01-01T00:00:00Z"}`,
		`{"id":"` + id + `","started":"2020-01-01T00:00:00Z","declared":-1}`, `{"id":"` + id + `","flushed":9223372036854775807,"boot":"x"}`,
		`{"id":"../x"}`, `{"id":"` + id + `","declared":3,"flushed":2,"boot":"another"}`, `{"id":"` + id + `","hash":"*sha256.Digest/32/64","state":"AAAA"}`,
		`{"id":"` + id + `","updated":"9999-12-31T23:59:59Z"}`, strings.Repeat("{", 1000), `{"id":"` + id + `","flushed":4,"hash":"*sha256.digest/32/64","state":"c2hhA2oJ5me7Z6"}`,
	} {
		f.Add([]byte(side), []byte("arrived"))
		f.Add([]byte(side), []byte(""))
	}
	kinds := testfs.Kinds(f)
	f.Fuzz(func(t *testing.T, side, arrived []byte) {
		for _, k := range kinds {
			ctx := context.Background()
			area, err := staging.Open(k.Fs, k.Join("area"), &staging.AreaOptions{TTL: 1})
			require.NoError(t, err)
			k.WriteFile(t, k.Join("area", id+".part"), string(arrived))
			k.WriteFile(t, k.Join("area", id+".json"), string(side))
			for _, err := range area.List(ctx) {
				require.NoError(t, err)
			}
			bytes, uploads := area.InUse()
			require.GreaterOrEqual(t, bytes, int64(len(arrived)))
			require.Equal(t, 1, uploads)
			u, err := area.Resume(ctx, id, &staging.Options{Hash: sha256.New})
			if err == nil {
				got := make([]byte, u.Size())
				r := u.NewReader()
				n, _ := r.ReadAt(got, 0)
				require.NoError(t, r.Close())
				require.Equal(t, len(got), n)
				require.Equal(t, string(arrived[:min(len(got), len(arrived))]), string(got), k.Name)
				require.NoError(t, u.Suspend())
			}
			removed, err := area.Sweep(ctx)
			require.NoError(t, err)
			_, there := k.Fs.Stat(k.Join("area", id+".part"))
			require.Equal(t, len(removed) == 1, errors.Is(there, fs.ErrNotExist), k.Name)
			for _, left := range testfs.Leftovers(t, k.Fs, k.Join("area")) {
				require.Contains(t, []string{id + ".part", id + ".json"}, left)
				require.NoError(t, k.Fs.Remove(k.Join("area", left)))
			}
		}
	})
}
