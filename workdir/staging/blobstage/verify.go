package blobstage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Verify reports whether the store keeps the promise that NoReplace relies on. It
// returns nil if it does, errors.ErrUnsupported if it was seen to break it, and any
// other error if it could not be asked.
//
// It writes an object twice on the condition that there is none, one after the other,
// and expects that the second write is refused and the first is what is there; then
// once more as a large object, because the condition is another server's code when
// an object comes in parts; then another object several times at once, and expects
// that not two of the writes succeed. The objects have random names that begin with
// ".tempkit-verify-", and are removed. It sends 17 MiB and some twenty small requests:
// once when a program starts, not before each Publish.
//
// Of a bucket of fileblob it returns errors.ErrUnsupported: whatever a test shows, two
// processes may win there.
func Verify(ctx context.Context, bucket *blob.Bucket) error {
	v := &verification{bucket: bucket}
	err := v.inTurn(ctx)
	if err == nil {
		err = v.atOnce(ctx)
	}
	if err == nil && onFiles(bucket) {
		err = fmt.Errorf("verify: %w: fileblob looks and then renames", errIgnored)
	}
	return errors.Join(err, v.clear(ctx))
}

var errIgnored = fmt.Errorf("%w: the store does not keep to create-only writes", errors.ErrUnsupported)

type verification struct {
	bucket *blob.Bucket
	keys   []string
}

// key returns the name of a new object, which clear removes.
func (v *verification) key() string {
	key := ".tempkit-verify-" + rand.Text()
	v.keys = append(v.keys, key)
	return key
}

func (v *verification) create(ctx context.Context, key, content string) error {
	opts := &blob.WriterOptions{IfNotExist: true, ContentType: "text/plain"}
	return v.bucket.WriteAll(ctx, key, []byte(content), opts)
}

// isRefusal returns nil if err is one of a write that had to be refused.
func isRefusal(what string, err error) error {
	if err == nil {
		return fmt.Errorf("verify: %w: %s was accepted", errIgnored, what)
	}
	if !refused(err) {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

// createLarge is create with what every driver sends in parts.
func (v *verification) createLarge(ctx context.Context, key string) error {
	const size = 17 << 20 // that of S3 begins at 16 MiB, whatever the options
	opts := &blob.WriterOptions{IfNotExist: true, ContentType: "text/plain"}
	return v.bucket.Upload(ctx, key, io.LimitReader(zeros{}, size), opts)
}

// zeros is a reader that never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// inTurn writes one object after the other.
func (v *verification) inTurn(ctx context.Context) error {
	key := v.key()
	if err := v.create(ctx, key, "first"); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	err := isRefusal("the second of two", v.create(ctx, key, "second"))
	if err == nil {
		err = isRefusal("a large one, in parts,", v.createLarge(ctx, key))
	}
	if err != nil {
		return err
	}
	got, err := v.bucket.ReadAll(ctx, key)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if string(got) != "first" {
		return fmt.Errorf("verify: %w: the second of two was refused and is there", errIgnored)
	}
	return nil
}

// atOnce writes one object several times at the same moment.
func (v *verification) atOnce(ctx context.Context) error {
	const writers = 16
	key := v.key()
	var all sync.WaitGroup
	results := make([]error, writers)
	for i := range results {
		all.Go(func() { results[i] = v.create(ctx, key, "raced") })
	}
	all.Wait()
	winners := 0
	for _, err := range results {
		switch {
		case err == nil:
			winners++
		case !refused(err) && !passes(err):
			return fmt.Errorf("verify: %w", err)
		}
	}
	if winners > 1 {
		return fmt.Errorf("verify: %w: of %d at once %d were accepted", errIgnored, writers, winners)
	}
	return nil
}

// clear removes what was written, also if ctx is done by now.
func (v *verification) clear(ctx context.Context) error {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var errs []error
	for _, key := range v.keys {
		if err := v.bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			errs = append(errs, fmt.Errorf("verify: %w", err))
		}
	}
	return errors.Join(errs...)
}
