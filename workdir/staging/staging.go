// Package staging receives uploads: each is spooled, limited, hashed and checked,
// and only then put in place.
//
//	err := staging.With(fsys, opts, func(u *staging.Upload) error {
//		if _, err := u.ReadFrom(body); err != nil {
//			return err
//		}
//		return u.Commit(ctx, fsys, "/srv/files/42", nil)
//	})
//
// Whatever fails, nothing has been put in place and nothing is left. What a
// client says of its upload is never trusted: the declared size is a limit and
// not an allocation, the type is sniffed from the contents, and a name is for the
// caller to make up.
//
// # What errors mean
//
//   - [spool.ErrTooLarge]: more than Options.Spool.MaxSize; 413 in HTTP.
//   - [ErrContentType]: not one of the types that ContentType allows; 415. It is
//     also ErrRejected.
//   - [ErrRejected]: the declared size, the digest or a check said no; 400 or 422.
//   - [ErrQuota]: the Area is full; 507.
//   - [ErrOffset]: a chunk does not start where the upload ends; 409.
//   - any other: the reader or the disk, as they said it.
//
// # Beyond a file system
//
// Commit puts an upload on an afero.Fs. An object store is none, as it cannot
// rename: [Upload.Publish] hands the upload to a [Publisher], which puts it there
// whole or not at all. That of package blobstage, a module of its own, does so for
// S3, GCS, Azure and all else that gocloud.dev/blob knows.
//
// # Areas
//
// An [Upload] of New lives as long as its process. One of an [Area] is a file in
// the area's directory from its first byte, so that it can be resumed after the
// connection, the process or the machine has gone down.
//
// # Differences between systems
//
// In the order in which they are likely to bite:
//
//   - Commit to another volume, or another Fs, is a copy beside the destination,
//     which takes its time and as much room again.
//   - Where files cannot be locked (on every Fs but the operating system's, and on some
//     network file systems) another process does not see that an upload in an Area
//     has a writer. Let one process at a time use the area there; Sweep goes by TTL.
//   - Where there are no files without a name (all but Linux), a process that is killed
//     leaves the file of an upload that has spilled. In an Area Sweep removes it.
//   - On Windows what a reader still has open cannot be removed: Close says so, and may
//     be called again.
package staging

import (
	"errors"
	"hash"
	"io/fs"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/spool"
)

// DefaultMaxSize is the most that an upload may hold when Options.MaxSize is
// 0.
const DefaultMaxSize = 100 << 20

var (
	// ErrRejected reports that a check, the digest or the declared size said no.
	// Nothing has been put in place.
	ErrRejected = errors.New("upload rejected")

	// ErrQuota reports that the bytes or the uploads that an Area may hold are taken.
	// Nothing of the chunk, or of the new upload, has been stored.
	ErrQuota = errors.New("staging area is full")

	// ErrOffset reports a chunk that does not start at Upload.Size, where the sender
	// is to go on. Nothing of it has been stored.
	ErrOffset = errors.New("chunk does not start where the upload ends")

	// ErrContentType is why ContentType rejects an upload.
	ErrContentType = errors.New("content type not allowed")
)

// Options adjusts an upload. A nil *Options asks for the defaults.
type Options struct {
	Spool    spool.Options                 // Spool.MaxSize 0 means DefaultMaxSize, less than 0 no limit
	Size     int64                         // declared size; 0 or less means unknown. More or fewer bytes are rejected
	Hash     func() hash.Hash              // computed while writing; nil means none
	Digest   []byte                        // expected sum; it needs Hash
	Checks   []Check                       // run by Commit and Publish, in order, before anything is in place
	Progress func(written, declared int64) // called after each write, in the writer's goroutine; nil means nobody
}

// filled returns opts with the defaults put in, or why they cannot be met.
func (opts *Options) filled(op string) (Options, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Spool.MaxSize == 0 {
		o.Spool.MaxSize = DefaultMaxSize
	}
	o.Size = max(o.Size, 0)
	switch {
	case len(o.Digest) > 0 && o.Hash == nil:
		return o, fail(op, unnamed, &refusal{"a digest needs a hash", fs.ErrInvalid})
	case o.Spool.MaxSize > 0 && o.Size > o.Spool.MaxSize:
		return o, fail(op, unnamed, spool.ErrTooLarge)
	}
	return o, nil
}

// New starts an upload that will spill to fsys.
//
// It does no input or output. It fails with spool.ErrTooLarge if more is declared
// than is allowed, so that such an upload need not be read at all. The caller
// must Close the Upload, whatever has become of it.
func New(fsys afero.Fs, opts *Options) (*Upload, error) {
	o, err := opts.filled("upload")
	if err != nil {
		return nil, err
	}
	return newUpload(spool.New(fsys, &o.Spool), o), nil
}

// With calls fn with an upload that is discarded unless fn commits or publishes it.
//
// That holds whether fn returns, panics or exits. The result joins fn's error and
// that of discarding.
func With(fsys afero.Fs, opts *Options, fn func(u *Upload) error) (err error) {
	u, err := New(fsys, opts)
	if err != nil {
		return err
	}
	// Deferred and without recover: a panic and a Goexit pass through as they are.
	defer func() {
		if cerr := u.Close(); cerr != nil {
			err = errors.Join(err, cerr)
		}
	}()
	return fn(u)
}

// unnamed is what errors call an upload that has no ID.
const unnamed = "upload"

// A refusal is a reason of our own that is a case of another.
type refusal struct {
	text string
	is   error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.is }

// fail returns err as an error of op on the upload of that name.
func fail(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}
