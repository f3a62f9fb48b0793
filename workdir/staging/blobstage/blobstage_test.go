package blobstage_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/tempkit/tempkit/workdir/staging"
	"github.com/tempkit/tempkit/workdir/staging/blobstage"
)

func Example() {
	ctx := context.Background()
	bucket := memblob.OpenBucket(nil) // or blob.OpenBucket(ctx, "s3://uploads")
	defer bucket.Close()
	store := blobstage.New(bucket, nil)
	opts := &staging.Options{Checks: []staging.Check{staging.ContentType("text/plain")}}
	for _, body := range []string{"hello", "hallo", "<html>"} {
		err := staging.With(afero.NewOsFs(), opts, func(u *staging.Upload) error {
			if _, err := u.Write([]byte(body)); err != nil {
				return err
			}
			return u.Publish(ctx, store, "greeting.txt", &staging.PublishOptions{NoReplace: true})
		})
		there, _ := bucket.ReadAll(ctx, "greeting.txt")
		fmt.Printf("%s: %s, %v %v\n", body, there, errors.Is(err, fs.ErrExist), errors.Is(err, staging.ErrRejected))
	}
	// Output:
	// hello: hello, false false
	// hallo: hello, true false
	// <html>: hello, false true
}

func ExampleNew() {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	store := blobstage.New(bucket, &blobstage.Options{Progress: func(sent, size int64) { fmt.Println(sent, "of", size) }})
	u, _ := staging.New(afero.NewMemMapFs(), nil)
	defer u.Close()
	_, _ = u.Write([]byte("hello"))
	err := u.Publish(context.Background(), store, "greeting.txt", nil)
	fmt.Println(u.FinalPath(), err)
	// Output:
	// 5 of 5
	// greeting.txt <nil>
}

// The one of the README.
func Example_readme() {
	ctx, bucket := context.Background(), memblob.OpenBucket(nil)
	defer bucket.Close()
	upload, _ := staging.New(afero.NewMemMapFs(), nil)
	defer upload.Close()
	_, _ = upload.Write([]byte("hello"))

	err := upload.Publish(ctx, blobstage.New(bucket, nil), "2026/42.txt", nil) // bucket is gocloud.dev/blob's
	fmt.Println("error:", err)                                                 // prints error: <nil>

	// Output: error: <nil>
}

func ExampleVerify() {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	fmt.Println(blobstage.Verify(context.Background(), bucket))
	// Output: <nil>
}

const (
	part  = 5 << 20         // the least that S3 takes
	large = 16<<20 + part/2 // what is more than 16 MiB the driver of S3 sends in parts
)

// sizes are those where something changes: nothing, what is sniffed, one part, parts.
var sizes = []int{0, 1, 511, 512, 513, part, large}

func TestPublish(t *testing.T) {
	each(t, func(t *testing.T, _ store, bucket *blob.Bucket) {
		for _, size := range sizes {
			content := data(size)
			var sent int64
			p := blobstage.New(bucket, &blobstage.Options{PartSize: part, Progress: func(n, of int64) {
				assert.Greater(t, n, sent)
				assert.Equal(t, int64(size), of)
				sent = n
			}})
			for range 2 { // the second replaces the first
				sent = 0
				u := upload(t, content)
				require.NoError(t, u.Publish(t.Context(), p, "dir/object", nil), size)
				assert.Equal(t, int64(size), sent)
				assert.Equal(t, "dir/object", u.FinalPath())
				require.NoError(t, u.Close())
				require.True(t, string(content) == contents(t, bucket, "dir/object"), size)
			}
		}
		assert.Equal(t, []string{"dir/object"}, names(t, bucket))
	})
}

func TestContentType(t *testing.T) {
	each(t, func(t *testing.T, _ store, bucket *blob.Bucket) {
		p := blobstage.New(bucket, nil)
		for _, c := range []struct{ given, want string }{{"image/x-own", "image/x-own"}, {"", "text/html; charset=utf-8"}} {
			u := upload(t, []byte("<!DOCTYPE HTML>"))
			require.NoError(t, u.Publish(t.Context(), p, "page", &staging.PublishOptions{ContentType: c.given}))
			a, err := bucket.Attributes(t.Context(), "page")
			require.NoError(t, err)
			assert.Equal(t, c.want, a.ContentType)
		}
	})
}

// What is there stays, and the upload may go elsewhere.
func TestNoReplace(t *testing.T) {
	each(t, func(t *testing.T, _ store, bucket *blob.Bucket) {
		for _, size := range []int{3, large} {
			p := blobstage.New(bucket, &blobstage.Options{PartSize: part})
			old, other := fmt.Sprint("old", size), fmt.Sprint("other", size)
			once := &staging.PublishOptions{NoReplace: true, ContentType: "text/old"}
			require.NoError(t, upload(t, data(size)).Publish(t.Context(), p, old, once))
			u := upload(t, append(data(size), "more"...))
			err := u.Publish(t.Context(), p, old, &staging.PublishOptions{NoReplace: true, ContentType: "text/new"})
			require.ErrorIs(t, err, fs.ErrExist)
			var perr *fs.PathError
			require.ErrorAs(t, err, &perr)
			assert.Equal(t, []string{"publish", old}, []string{perr.Op, perr.Path})
			assert.Empty(t, u.FinalPath())
			require.True(t, string(data(size)) == contents(t, bucket, old))
			a, err := bucket.Attributes(t.Context(), old)
			require.NoError(t, err)
			assert.Equal(t, "text/old", a.ContentType)

			require.NoError(t, u.Publish(t.Context(), p, other, &staging.PublishOptions{NoReplace: true}))
			assert.Equal(t, other, u.FinalPath())
			require.ErrorIs(t, u.Publish(t.Context(), p, other, nil), fs.ErrClosed)
		}
	})
}

// Thirty-two that create one object at once: one wins, the others hear of it, and what
// is there is the winner's.
func TestRace(t *testing.T) {
	each(t, func(t *testing.T, s store, bucket *blob.Bucket) {
		for size, writers := range map[int]int{100: 32, part: 32, large: 4} {
			if size > 100 && testing.Short() || size == large && !s.inParts {
				continue
			}
			name := fmt.Sprint("raced", size)
			p := blobstage.New(bucket, &blobstage.Options{PartSize: part})
			var all sync.WaitGroup
			start := make(chan struct{})
			results := make([]error, writers)
			for i := range writers {
				u := upload(t, append(data(size), byte(i)))
				all.Go(func() {
					<-start
					results[i] = u.Publish(t.Context(), p, name, &staging.PublishOptions{NoReplace: true})
					_ = u.Close()
				})
			}
			close(start)
			all.Wait()
			winners := 0
			for i, err := range results {
				if err != nil {
					assert.ErrorIs(t, err, fs.ErrExist)
					continue
				}
				winners++
				assert.True(t, string(append(data(size), byte(i))) == contents(t, bucket, name), "the winner's")
			}
			assert.Equal(t, 1, winners)
		}
	})
}

func TestVerify(t *testing.T) {
	each(t, func(t *testing.T, s store, bucket *blob.Bucket) {
		err := blobstage.Verify(t.Context(), bucket)
		if s.verified {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, errors.ErrUnsupported)
			t.Log(err)
		}
		assert.Empty(t, names(t, bucket))
	})
}

// A server that ignores the condition is found out.
func TestVerifyOfAServerThatIgnores(t *testing.T) {
	var ignored atomic.Int32
	bucket := s3Bucket(t, fake(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match") != "" {
				ignored.Add(1)
				r.Header.Del("If-None-Match")
			}
			next.ServeHTTP(w, r)
		})
	}))
	err := blobstage.Verify(t.Context(), bucket)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assert.Positive(t, ignored.Load())
	assert.Empty(t, names(t, bucket))
}

// keeps makes gofakes3 keep to the condition also where an object comes in parts.
func keeps(next http.Handler) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("If-None-Match") == "" {
			next.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		look, there := httptest.NewRequest(http.MethodHead, r.URL.Path, nil), httptest.NewRecorder()
		if next.ServeHTTP(there, look); there.Code != http.StatusOK {
			next.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusPreconditionFailed)
		_, _ = fmt.Fprint(w, "<Error><Code>PreconditionFailed</Code></Error>")
	})
}

func TestVerifyOfAServerThatKeeps(t *testing.T) {
	require.NoError(t, blobstage.Verify(t.Context(), s3Bucket(t, fake(t, keeps))))
}

// One that looks and then writes is found out too, though it refuses a second write.
func TestVerifyOfAServerThatLooksFirst(t *testing.T) {
	var mu sync.Mutex
	looks, both := map[string]int{}, make(chan struct{})
	bucket := s3Bucket(t, fake(t, func(next http.Handler) http.Handler {
		next = keeps(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := 0
			if r.Method == http.MethodPut && r.Header.Get("If-None-Match") != "" {
				mu.Lock()
				looks[r.URL.Path]++
				if len(looks) == 2 {
					n = looks[r.URL.Path]
				}
				mu.Unlock()
			}
			// Of those that write the second object two look before either writes.
			switch n {
			case 0:
			case 1:
				<-both
				r.Header.Del("If-None-Match")
			case 2:
				r.Header.Del("If-None-Match")
				defer close(both)
			default:
				<-both
			}
			next.ServeHTTP(w, r)
		})
	}))
	err := blobstage.Verify(t.Context(), bucket)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "of 16 at once 2 were accepted")
	assert.Empty(t, names(t, bucket))
}

func TestVerifyThatCannotAsk(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	each(t, func(t *testing.T, _ store, bucket *blob.Bucket) {
		err := blobstage.Verify(ctx, bucket)
		require.Error(t, err)
		require.NotErrorIs(t, err, errors.ErrUnsupported)
		assert.Empty(t, names(t, bucket))
	})
}
