package staging_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/workdir/staging"
)

// A shelf is the smallest store that there is.
type shelf struct {
	mu    sync.Mutex
	items map[string][]byte
	types map[string]string
}

func newShelf() *shelf { return &shelf{items: map[string][]byte{}, types: map[string]string{}} }

// Publish puts the whole upload on the shelf.
func (s *shelf) Publish(ctx context.Context, name string, u *staging.Upload, opts *staging.PublishOptions) error {
	r := u.NewReader()
	defer r.Close()
	all, err := io.ReadAll(r)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.items[name]; there && opts.NoReplace {
		return fs.ErrExist
	}
	s.items[name], s.types[name] = all, opts.ContentType
	return nil
}

// publisherFunc is a Publisher that a test makes up.
type publisherFunc func(ctx context.Context, name string, u *staging.Upload, opts *staging.PublishOptions) error

func (f publisherFunc) Publish(ctx context.Context, name string, u *staging.Upload, opts *staging.PublishOptions) error {
	return f(ctx, name, u, opts)
}

func ExampleUpload_Publish() {
	store := newShelf() // or blobstage.New(bucket, nil)
	for _, body := range []string{"hello", "hallo"} {
		err := staging.With(afero.NewMemMapFs(), nil, func(u *staging.Upload) error {
			if _, err := u.Write([]byte(body)); err != nil {
				return err
			}
			return u.Publish(context.Background(), store, "greeting", &staging.PublishOptions{NoReplace: true})
		})
		fmt.Printf("%s %v %v\n", store.items["greeting"], errors.Is(err, fs.ErrExist), err)
	}
	// Output:
	// hello false <nil>
	// hello true publish greeting: file already exists
}

// inbox is a Publisher: it takes an upload whole, by a reader of its own.
type inbox struct{ sizes map[string]int64 }

func (in inbox) Publish(_ context.Context, name string, u *staging.Upload, _ *staging.PublishOptions) error {
	r := u.NewReader()
	defer func() { _ = r.Close() }()
	n, err := io.Copy(io.Discard, r) // to wherever it is to go
	if err == nil {
		in.sizes[name] = n
	}
	return err
}

func ExamplePublisher() {
	in := inbox{sizes: map[string]int64{}}
	err := staging.With(afero.NewMemMapFs(), nil, func(u *staging.Upload) error {
		if _, err := u.Write([]byte("hello")); err != nil {
			return err
		}
		return u.Publish(context.Background(), in, "greeting", nil)
	})
	fmt.Println(in.sizes, err)
	// Output: map[greeting:5] <nil>
}

// newUpload returns an upload of content.
func newUpload(t testing.TB, k testfs.Kind, o *staging.Options, content []byte) *staging.Upload {
	t.Helper()
	u, err := staging.New(k.Fs, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = u.Close() })
	_, err = u.Write(content)
	require.NoError(t, err)
	return u
}

func TestPublish(t *testing.T) {
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		store := newShelf()
		var ran []string
		o.Checks = []staging.Check{func(u *staging.Upload) error {
			ran = append(ran, "check")
			assert.Empty(t, store.items, "before anything is in place")
			return nil
		}}
		u := newUpload(t, k, o, data(150))
		require.NoError(t, u.Publish(t.Context(), store, "a/b", &staging.PublishOptions{ContentType: "image/png"}))
		assert.Equal(t, []string{"check"}, ran)
		assert.Equal(t, data(150), store.items["a/b"])
		assert.Equal(t, "image/png", store.types["a/b"])
		assert.Equal(t, "a/b", u.FinalPath())
		assert.Equal(t, int64(150), u.Size())
		assert.Equal(t, sum(data(150)), u.Sum())
		assert.Empty(t, left(t, k), "before Close")

		_, err := u.Write([]byte("more"))
		require.ErrorIs(t, err, fs.ErrClosed)
		require.ErrorIs(t, u.Publish(t.Context(), store, "again", nil), fs.ErrClosed)
		require.ErrorIs(t, u.Commit(t.Context(), k.Fs, k.Join("again"), nil), fs.ErrClosed)
		require.NoError(t, u.Close())
		require.NoError(t, u.Close())
		assert.Equal(t, "a/b", u.FinalPath())
		assert.Len(t, store.items, 1)
	})
}

// What fails before the Publisher is asked does not ask it.
func TestPublishRefused(t *testing.T) {
	errCheck := errors.New("check")
	never := publisherFunc(func(context.Context, string, *staging.Upload, *staging.PublishOptions) error {
		t.Error("the Publisher was asked")
		return nil
	})
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		done, cancel := context.WithCancel(t.Context())
		cancel()
		u := newUpload(t, k, o, data(150))
		require.ErrorIs(t, u.Publish(t.Context(), nil, "x", nil), fs.ErrInvalid)
		require.ErrorIs(t, u.Publish(t.Context(), never, "", nil), fs.ErrInvalid)
		require.ErrorIs(t, u.Publish(done, never, "x", nil), context.Canceled)
		require.NoError(t, u.Publish(t.Context(), newShelf(), "x", nil), "still open")

		o.Size = 200
		u = newUpload(t, k, o, data(150))
		require.ErrorIs(t, u.Publish(t.Context(), never, "x", nil), staging.ErrRejected)
		_, err := u.Write(data(200)[150:])
		require.NoError(t, err, "still open")
		require.NoError(t, u.Publish(t.Context(), newShelf(), "x", nil))

		o.Size, o.Digest = 0, sum([]byte("another"))
		u = newUpload(t, k, o, data(150))
		require.ErrorIs(t, u.Publish(t.Context(), never, "x", nil), staging.ErrRejected)
		assert.Empty(t, left(t, k), "a check that fails is final")

		o.Digest = nil
		o.Checks = []staging.Check{func(*staging.Upload) error { return errCheck }}
		u = newUpload(t, k, o, data(150))
		err = u.Publish(t.Context(), never, "x", nil)
		require.ErrorIs(t, err, errCheck)
		require.ErrorIs(t, err, staging.ErrRejected)
		var perr *fs.PathError
		require.ErrorAs(t, err, &perr)
		assert.Equal(t, "publish", perr.Op)
		assert.Empty(t, left(t, k))

		o.Checks = []staging.Check{func(u *staging.Upload) error { return u.Close() }}
		u = newUpload(t, k, o, data(150))
		require.ErrorIs(t, u.Publish(t.Context(), never, "x", nil), fs.ErrClosed, "a check closed it")
		assert.Empty(t, u.FinalPath())
	})
}

// A Publisher that misbehaves does the upload no harm: it may be published again.
func TestPublishAgain(t *testing.T) {
	errStore := errors.New("no such bucket")
	bad := map[string]publisherFunc{
		"fails": func(context.Context, string, *staging.Upload, *staging.PublishOptions) error { return errStore },
		"reads a part": func(_ context.Context, _ string, u *staging.Upload, _ *staging.PublishOptions) error {
			r := u.NewReader()
			defer r.Close()
			_, err := io.CopyN(io.Discard, r, 10)
			return errors.Join(err, errStore)
		},
		"leaves a reader open": func(_ context.Context, _ string, u *staging.Upload, _ *staging.PublishOptions) error {
			r := u.NewReader()
			t.Cleanup(func() { _ = r.Close() })
			_, err := r.Read(make([]byte, 10))
			return errors.Join(err, errStore)
		},
		"writes": func(ctx context.Context, _ string, u *staging.Upload, _ *staging.PublishOptions) error {
			_, err := u.Write([]byte("more"))
			assert.ErrorIs(t, err, fs.ErrClosed)
			_, err = u.ReadFrom(bytes.NewReader([]byte("more")))
			assert.ErrorIs(t, err, fs.ErrClosed)
			assert.ErrorIs(t, u.Publish(ctx, newShelf(), "x", nil), fs.ErrClosed)
			return errStore
		},
		"panics": func(_ context.Context, _ string, u *staging.Upload, _ *staging.PublishOptions) error {
			r := u.NewReader()
			_, _ = r.Read(make([]byte, 10))
			t.Cleanup(func() { _ = r.Close() })
			panic(errStore)
		},
		"exits": func(context.Context, string, *staging.Upload, *staging.PublishOptions) error {
			runtime.Goexit()
			return nil
		},
	}
	for name, publish := range bad {
		t.Run(name, func(t *testing.T) {
			eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
				u := newUpload(t, k, o, data(150))
				ended := make(chan any)
				go func() {
					defer close(ended)
					defer func() {
						if v := recover(); v != nil {
							assert.Equal(t, errStore, v)
						}
					}()
					err := u.Publish(t.Context(), publish, "x", nil)
					assert.ErrorIs(t, err, errStore)
					var perr *fs.PathError
					assert.ErrorAs(t, err, &perr)
					assert.Equal(t, &fs.PathError{Op: "publish", Path: "x", Err: perr.Err}, perr)
				}()
				<-ended
				assert.Empty(t, u.FinalPath())
				_, err := u.Write(data(200)[150:])
				require.NoError(t, err, "still open")
				store := newShelf()
				require.NoError(t, u.Publish(t.Context(), store, "x", nil))
				assert.Equal(t, data(200), store.items["x"])
			})
		})
	}
}

// After a Publisher has failed the upload can still be committed.
func TestCommitAfterPublish(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		u := newUpload(t, k, options(k), data(150))
		store := newShelf()
		store.items["x"] = nil
		err := u.Publish(t.Context(), store, "x", &staging.PublishOptions{NoReplace: true})
		require.ErrorIs(t, err, fs.ErrExist)
		require.NoError(t, u.Commit(t.Context(), k.Fs, k.Join("x"), nil))
		assert.Equal(t, string(data(150)), k.ReadFile(t, k.Join("x")))
		assert.Equal(t, k.Join("x"), u.FinalPath())
	})
}

// Of what is in place and may be lost with the power, the error says so and the
// upload is done, as with Commit.
func TestPublishNotDurable(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		u := newUpload(t, k, options(k), data(150))
		err := u.Publish(t.Context(), publisherFunc(func(context.Context, string, *staging.Upload, *staging.PublishOptions) error {
			return fmt.Errorf("store: %w", atomicfs.ErrNotDurable)
		}), "x", nil)
		require.ErrorIs(t, err, atomicfs.ErrNotDurable)
		assert.Equal(t, "x", u.FinalPath())
		assert.Empty(t, left(t, k))
	})
}

// Published, an upload leaves its area: its bytes, its sidecar and its share of the
// quota. Failed, it stays, and another process may resume it.
func TestPublishFromAnArea(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		area := openArea(t, k, nil)
		u := begin(t, area, hashed)
		defer u.Close()
		_, err := u.Write(data(150))
		require.NoError(t, err)
		store := newShelf()
		store.items["x"] = nil
		require.Error(t, u.Publish(t.Context(), store, "x", &staging.PublishOptions{NoReplace: true}))
		require.NoError(t, u.Suspend())
		assert.Equal(t, [2]int64{150, 1}, inUse(area))

		u, err = area.Resume(t.Context(), u.ID(), hashed)
		require.NoError(t, err)
		require.NoError(t, u.Publish(t.Context(), store, "x", nil))
		assert.Equal(t, data(150), store.items["x"])
		assert.Equal(t, [2]int64{0, 0}, inUse(area))
		assert.Equal(t, []string{"area"}, left(t, k))
		require.NoError(t, u.Suspend(), "it does nothing")
		require.NoError(t, u.Close())
		_, err = area.Resume(t.Context(), u.ID(), hashed)
		require.ErrorIs(t, err, fs.ErrNotExist)
	})
}

// Readers that are open when the upload is published read on.
func TestPublishLeavesReaders(t *testing.T) {
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		u := newUpload(t, k, o, data(150))
		r := u.NewReader()
		require.NoError(t, u.Publish(t.Context(), newShelf(), "x", nil))
		all, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, data(150), all)
		require.NoError(t, r.Close())
		require.NoError(t, u.Close())
		assert.Empty(t, left(t, k))
	})
}
