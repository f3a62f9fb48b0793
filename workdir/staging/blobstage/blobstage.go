// Package blobstage publishes uploads to object stores: to S3, Google Cloud Storage
// and Azure, and to all else that gocloud.dev/blob has a driver for.
//
//	bucket, err := blob.OpenBucket(ctx, "s3://uploads")
//	...
//	store := blobstage.New(bucket, nil)
//	err = upload.Publish(ctx, store, "2026/42.png", &staging.PublishOptions{NoReplace: true})
//
// It is a module of its own, so that who does not need it does not get the drivers
// and what they depend on. It moves bytes and speaks no protocol itself.
//
// # What it promises
//
// An object is the old one or the new one, whole: stores put an object in place when
// its last byte has arrived, and a write that fails in the middle is aborted by
// cancelling its context and never ended early. What the store has acknowledged is
// as durable as the store.
//
// PublishOptions.NoReplace is a condition that the store is sent along with the
// write ("If-None-Match: *" in S3), so that of many writers one wins, wherever they
// run. Some servers ignore the condition, or do when an object comes in parts, and let
// the last one win: [Verify] tells, and a program that relies on NoReplace should ask
// it once when it starts. In a
// bucket of fileblob, which looks and then renames, the condition holds within this
// process alone.
//
// # What it costs
//
// The contents are read twice: once for the MD5 sum that is sent along, which Google
// verifies, and which keeps a damaged temporary from being published everywhere
// else. The driver of S3 sends a checksum of each part by itself, and S3 verifies
// that. Memory is bounded by Options.PartSize times Options.Parts and some 32 MiB of
// the driver's own, whatever the size.
// With NoReplace the store is asked first whether there is such an object, so that
// most of those who lose send nothing.
//
// A large upload that is interrupted, by a kill or a power cut here, may leave parts
// in the store that no listing shows and that cost money: let a lifecycle rule of the
// bucket abort incomplete uploads. After an error the driver aborts them itself.
package blobstage

import (
	"time"

	"gocloud.dev/blob"
)

// Options adjusts a Publisher. A nil *Options asks for the defaults.
type Options struct {
	PartSize int64         // bytes of a part of a large upload; 0 means 8 MiB, and 5 MiB is the least. It grows for uploads that would have over 10,000
	Parts    int           // parts on their way at once; 0 means 3
	Tries    int           // how often an upload is sent that the store will not take now; 0 means 8
	Backoff  time.Duration // pause before the second try; it doubles, up to 10 s; 0 means 200 ms

	// Progress is told how much of an upload has been handed to the driver, which is a
	// few parts ahead of the store. A further try begins at 0 again.
	Progress func(sent, size int64)
}

const (
	defaultPartSize = 8 << 20
	defaultParts    = 3
	defaultTries    = 8
	defaultBackoff  = 200 * time.Millisecond

	maxBackoff = 10 * time.Second

	// The limits of S3, which are the narrowest.
	minPartSize = 5 << 20
	maxParts    = 10_000
)

// New returns a Publisher to bucket, which stays the caller's to close.
func New(bucket *blob.Bucket, opts *Options) *Publisher {
	p := &Publisher{bucket: bucket, onFiles: onFiles(bucket)}
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.PartSize <= 0 {
		p.opts.PartSize = defaultPartSize
	}
	if p.opts.Parts <= 0 {
		p.opts.Parts = defaultParts
	}
	if p.opts.Tries <= 0 {
		p.opts.Tries = defaultTries
	}
	if p.opts.Backoff <= 0 {
		p.opts.Backoff = defaultBackoff
	}
	return p
}
