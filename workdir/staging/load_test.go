package staging_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir/staging"
)

// TestLoad receives 200 uploads, 50 at a time, of which some hang up: every
// digest is right, nothing is left of the others, and memory stays within the
// budget. OsFs alone: in memory the disk side would be memory too.
func TestLoad(t *testing.T) {
	const uploads, atOnce, mostBytes = 200, 50, 1 << 20
	dir := t.TempDir()
	temp, dest := filepath.Join(dir, "temp"), filepath.Join(dir, "dest")
	require.NoError(t, os.Mkdir(temp, 0o700))
	require.NoError(t, os.Mkdir(dest, 0o700))
	budget := spool.NewBudget(4 << 20)
	var peakBudget, peakHeap atomic.Int64
	fsys := afero.NewOsFs()
	// The first of them wait for each other, so that the budget is felt on a machine
	// of any speed: together they hold more than it has.
	const together = 24
	var arrived atomic.Int64
	all := make(chan struct{})

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		opts := &staging.Options{
			Spool:    spool.Options{MaxSize: mostBytes, MaxMemory: 512 << 10, Budget: budget, Temp: tmpfs.Options{Dir: temp}},
			Size:     r.ContentLength,
			Hash:     sha256.New,
			Progress: func(int64, int64) { raise(&peakBudget, budget.InUse()) },
		}
		var sum []byte
		err := staging.With(fsys, opts, func(u *staging.Upload) error {
			if _, err := u.ReadFrom(r.Body); err != nil {
				return err
			}
			sum = u.Sum()
			if n := arrived.Add(1); n == together {
				close(all)
			} else if n < together {
				<-all
			}
			return u.Commit(r.Context(), fsys, filepath.Join(dest, filepath.Base(r.URL.Path)), nil)
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = w.Write([]byte(hex.EncodeToString(sum)))
	}))
	defer server.Close()

	stop := make(chan struct{})
	var sampler sync.WaitGroup
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	sampler.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				raise(&peakHeap, int64(m.HeapAlloc)-int64(before.HeapAlloc))
			}
		}
	})

	content := data(mostBytes) // what all are a piece of
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	slots := make(chan struct{}, atOnce)
	var want sync.Map
	var finished, hungUp atomic.Int64
	var clients sync.WaitGroup
	for i := range uploads {
		slots <- struct{}{}
		clients.Go(func() {
			defer func() { <-slots }()
			r := rand.New(rand.NewPCG(1, uint64(i)))
			from := r.IntN(mostBytes / 2)
			body := content[from : from+1+r.IntN(mostBytes/2)]
			var reader io.Reader = bytes.NewReader(body)
			hangs := r.IntN(4) == 0
			if hangs {
				reader = io.MultiReader(bytes.NewReader(body[:r.IntN(len(body))]), hangUp{})
			}
			name := fmt.Sprintf("upload-%03d", i)
			req, err := http.NewRequest(http.MethodPut, server.URL+"/"+name, reader)
			if !assert.NoError(t, err) {
				return
			}
			if r.IntN(2) == 0 {
				req.ContentLength = int64(len(body)) // else in chunks
			}
			resp, err := client.Do(req)
			if hangs {
				hungUp.Add(1)
				assert.Error(t, err)
				return
			}
			if !assert.NoError(t, err) {
				return
			}
			said, err := io.ReadAll(resp.Body)
			assert.NoError(t, err)
			assert.NoError(t, resp.Body.Close())
			digest := sha256.Sum256(body)
			assert.Equal(t, hex.EncodeToString(digest[:]), string(said))
			want.Store(name, string(digest[:]))
			finished.Add(1)
		})
	}
	clients.Wait()
	client.CloseIdleConnections()
	server.Close() // waits for the handlers
	close(stop)
	sampler.Wait()

	t.Logf("%d finished, %d hung up; budget at most %d KiB, heap at most %d KiB more",
		finished.Load(), hungUp.Load(), peakBudget.Load()>>10, peakHeap.Load()>>10)
	assert.Equal(t, int64(uploads), finished.Load()+hungUp.Load())
	assert.Greater(t, hungUp.Load(), int64(uploads/10))
	assert.Zero(t, budget.InUse())
	assert.LessOrEqual(t, peakBudget.Load(), int64(4<<20))
	assert.Greater(t, peakBudget.Load(), int64(2<<20), "the budget was never felt")
	assert.Less(t, peakHeap.Load(), int64(32<<20))
	assert.Empty(t, testfs.Leftovers(t, fsys, temp))
	there := testfs.Leftovers(t, fsys, dest)
	assert.Len(t, there, int(finished.Load()))
	for _, name := range there {
		b, err := os.ReadFile(filepath.Join(dest, name))
		require.NoError(t, err)
		digest, ok := want.Load(name)
		require.True(t, ok, name)
		got := sha256.Sum256(b)
		assert.Equal(t, digest, string(got[:]), name)
	}
}

func raise(peak *atomic.Int64, to int64) {
	for {
		now := peak.Load()
		if to <= now || peak.CompareAndSwap(now, to) {
			return
		}
	}
}
