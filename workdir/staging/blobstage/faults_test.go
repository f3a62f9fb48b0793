package blobstage_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/tempkit/tempkit/workdir/staging"
	"github.com/tempkit/tempkit/workdir/staging/blobstage"
)

// once lets the driver of S3 try no second time, so that a test sees what this package
// does.
func once(o *s3.Options) { o.RetryMaxAttempts = 1 }

// bodies are uploads of one part and of several.
var bodies = map[string]int{"one part": part - 1, "parts": large}

// A connection that is cut in the middle of the body leaves the old object.
func TestCut(t *testing.T) {
	w := newWire(t, versitygw(t))
	bucket := s3Bucket(t, w.addr, once)
	p := blobstage.New(bucket, &blobstage.Options{PartSize: part, Backoff: time.Millisecond})
	for name, size := range bodies {
		for _, noReplace := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, NoReplace %v", name, noReplace), func(t *testing.T) {
				key := "object" + strings.ReplaceAll(t.Name(), "/", "-")
				if !noReplace {
					require.NoError(t, bucket.WriteAll(t.Context(), key, []byte("old"), nil))
				}
				opts := &staging.PublishOptions{NoReplace: noReplace}
				u := upload(t, data(size))
				for _, at := range []int64{100, 1000, int64(size) / 2, int64(size) - 1} {
					w.cutAfter(at)
					err := u.Publish(t.Context(), p, key, opts)
					assert.Positive(t, w.heal(), "it was cut")
					require.Error(t, err)
					require.NotErrorIs(t, err, fs.ErrExist)
					if noReplace {
						there, err := bucket.Exists(t.Context(), key)
						require.NoError(t, err)
						assert.False(t, there)
					} else {
						assert.Equal(t, "old", contents(t, bucket, key))
					}
				}
				require.NoError(t, u.Publish(t.Context(), p, key, opts), "the upload is still here")
				require.True(t, string(data(size)) == contents(t, bucket, key))
			})
		}
	}
}

// A byte that changes on the way is seen by the store, which keeps the old object.
func TestDamage(t *testing.T) {
	w := newWire(t, versitygw(t))
	bucket := s3Bucket(t, w.addr, once)
	require.NoError(t, bucket.WriteAll(t.Context(), "object", []byte("old"), nil))
	p := blobstage.New(bucket, &blobstage.Options{PartSize: part, Tries: 1})
	for name, size := range bodies {
		t.Run(name, func(t *testing.T) {
			u := upload(t, data(size))
			w.flipAfter(int64(size) / 2)
			err := u.Publish(t.Context(), p, "object", nil)
			assert.Equal(t, 1, w.heal())
			require.Error(t, err)
			assert.Equal(t, "old", contents(t, bucket, "object"))
		})
	}
}

// However a Publish ends in the middle, the object is not half of the upload.
func TestEndedInTheMiddle(t *testing.T) {
	errBug := errors.New("bug")
	each(t, func(t *testing.T, _ store, bucket *blob.Bucket) {
		for name, size := range bodies {
			t.Run(name, func(t *testing.T) {
				require.NoError(t, bucket.WriteAll(t.Context(), "object", []byte("old"), nil))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var at func()
				p := blobstage.New(bucket, &blobstage.Options{PartSize: part, Progress: func(sent, of int64) {
					if sent > of/2 {
						at()
					}
				}})
				u := upload(t, data(size))
				at = cancel
				err := u.Publish(ctx, p, "object", nil)
				require.ErrorIs(t, err, context.Canceled)
				assert.Equal(t, "old", contents(t, bucket, "object"))

				at = func() { panic(errBug) }
				assert.PanicsWithValue(t, errBug, func() { _ = u.Publish(t.Context(), p, "object", nil) })
				assert.Equal(t, "old", contents(t, bucket, "object"))

				// Closed, it has no contents to read: what was declared is not there.
				at = func() { _ = u.Close() }
				err = u.Publish(t.Context(), p, "object", nil)
				if err != nil {
					assert.Equal(t, "old", contents(t, bucket, "object"))
				} else {
					assert.True(t, string(data(size)) == contents(t, bucket, "object"), "whole, as the reader was open")
				}
			})
		}
	})
}

// Called on an upload that is closed, a Publisher does not write an empty object.
func TestClosedUpload(t *testing.T) {
	each(t, func(t *testing.T, _ store, bucket *blob.Bucket) {
		u := upload(t, data(100))
		require.NoError(t, u.Close())
		err := blobstage.New(bucket, nil).Publish(t.Context(), "object", u, nil)
		require.Error(t, err)
		assert.Empty(t, names(t, bucket))
	})
}

func TestRefusedNames(t *testing.T) {
	each(t, func(t *testing.T, _ store, bucket *blob.Bucket) {
		err := blobstage.New(bucket, nil).Publish(t.Context(), "\xff", upload(t, nil), nil)
		var perr *fs.PathError
		require.ErrorAs(t, err, &perr)
		assert.Empty(t, names(t, bucket))
	})
}

// answers makes the server refuse the first n writes in that way.
func answers(n int32, status int, code string) (wrap func(http.Handler) http.Handler, met *atomic.Int32) {
	met = new(atomic.Int32)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && strings.Count(r.URL.Path, "/") > 1 && met.Add(1) <= n {
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>not now</Message></Error>", code)
				return
			}
			next.ServeHTTP(w, r)
		})
	}, met
}

func TestTriesAgain(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		again  bool
	}{
		{http.StatusServiceUnavailable, "SlowDown", true},
		{http.StatusTooManyRequests, "TooManyRequests", true},
		{http.StatusConflict, "ConditionalRequestConflict", true},
		{http.StatusInternalServerError, "InternalError", true},
		{http.StatusForbidden, "AccessDenied", false},
		{http.StatusBadRequest, "InvalidArgument", false},
	} {
		t.Run(c.code, func(t *testing.T) {
			for _, noReplace := range []bool{false, true} {
				opts := &staging.PublishOptions{NoReplace: noReplace}
				wrap, met := answers(3, c.status, c.code)
				bucket := s3Bucket(t, fake(t, wrap), once)
				p := blobstage.New(bucket, &blobstage.Options{Tries: 4, Backoff: time.Millisecond})
				err := upload(t, data(100)).Publish(t.Context(), p, "object", opts)
				if c.again {
					require.NoError(t, err)
					assert.Equal(t, int32(4), met.Load())
					assert.Equal(t, string(data(100)), contents(t, bucket, "object"))
				} else {
					require.Error(t, err)
					assert.Equal(t, int32(1), met.Load())
				}

				wrap, met = answers(1000, c.status, c.code)
				bucket = s3Bucket(t, fake(t, wrap), once)
				p = blobstage.New(bucket, &blobstage.Options{Tries: 4, Backoff: time.Millisecond})
				err = upload(t, data(100)).Publish(t.Context(), p, "object", opts)
				require.ErrorContains(t, err, c.code)
				if c.again {
					assert.Equal(t, int32(4), met.Load(), "no more than Tries")
				}
				assert.Empty(t, names(t, bucket))
			}
		})
	}
}

// The context ends the waiting between two tries.
func TestContextEndsTheTries(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wrap, met := answers(1000, http.StatusServiceUnavailable, "SlowDown")
	bucket := s3Bucket(t, fake(t, func(next http.Handler) http.Handler {
		wrapped := wrap(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wrapped.ServeHTTP(w, r)
			if met.Load() == 2 {
				time.AfterFunc(20*time.Millisecond, cancel)
			}
		})
	}), once)
	p := blobstage.New(bucket, &blobstage.Options{Tries: 1 << 30, Backoff: time.Millisecond})
	u := upload(t, data(100))
	err := u.Publish(ctx, p, "object", nil)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "SlowDown", "and says what it waited for")
	assert.Empty(t, names(t, bucket))
}

// An answer that is lost on its way is asked for again by the driver, and then the
// object is there: it is our own, and that is a success.
func TestLostAnswer(t *testing.T) {
	var lost atomic.Int32
	wrap := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match") == "" || lost.Add(1) > 1 {
				next.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		})
	}
	bucket := s3Bucket(t, fake(t, wrap))
	p := blobstage.New(bucket, nil)
	opts := &staging.PublishOptions{NoReplace: true}
	require.NoError(t, upload(t, data(100)).Publish(t.Context(), p, "object", opts))
	assert.Equal(t, int32(2), lost.Load(), "it was sent twice")
	assert.Equal(t, string(data(100)), contents(t, bucket, "object"))
	require.ErrorIs(t, upload(t, data(100)).Publish(t.Context(), p, "object", opts), fs.ErrExist, "the same by another is no success")
}
