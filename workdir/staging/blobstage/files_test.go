package blobstage_test

import (
	"io/fs"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/fileblob"

	"github.com/tempkit/tempkit/workdir/staging"
	"github.com/tempkit/tempkit/workdir/staging/blobstage"
)

// fileblob looks whether there is such an object and renames then: who creates one
// waits for those of this process that create it too, and for nobody else.
func TestTurns(t *testing.T) {
	bucket, err := fileblob.OpenBucket(t.TempDir(), &fileblob.Options{NoTempDir: true})
	require.NoError(t, err)
	closed(t, bucket)
	release := blobstage.Acquire("name")
	u, done := upload(t, []byte("late")), make(chan error, 1)
	go func() {
		done <- u.Publish(t.Context(), blobstage.New(bucket, nil), "name", &staging.PublishOptions{NoReplace: true})
	}()
	for blobstage.Turns("name") < 2 {
		select {
		case err := <-done:
			t.Fatalf("it did not wait: %v", err)
		default:
			runtime.Gosched()
		}
	}
	other := upload(t, []byte("other"))
	require.NoError(t, other.Publish(t.Context(), blobstage.New(bucket, nil), "other", &staging.PublishOptions{NoReplace: true}))
	require.NoError(t, bucket.WriteAll(t.Context(), "name", []byte("first"), nil))
	release()
	require.ErrorIs(t, <-done, fs.ErrExist)
	assert.Equal(t, "first", contents(t, bucket, "name"))
	assert.Zero(t, blobstage.Turns("name"), "nothing is kept")
	assert.Zero(t, blobstage.Turns("other"))
}
