package blobstage

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/tempkit/tempkit/workdir/staging"
)

// A Publisher puts uploads into a bucket. It is safe for concurrent use.
type Publisher struct {
	bucket  *blob.Bucket
	opts    Options
	onFiles bool
}

var _ staging.Publisher = (*Publisher)(nil)

// Publish puts u into the bucket as the object name, whole or not at all. It is for
// [staging.Upload.Publish] to call, which runs the upload's checks first.
//
// What the store will not take now, because there is too much to do (429, 503) or
// because another write of that name is under way (409), is sent again, as Options
// say and as long as ctx lives. Other errors are the driver's, as a *fs.PathError;
// with opts.NoReplace fs.ErrExist if there is such an object. When the connection is
// lost at the very end nobody here can know whether the store has got it all: the
// object is the old one or the new one then, and publishing once more does no harm.
func (p *Publisher) Publish(ctx context.Context, name string, u *staging.Upload, opts *staging.PublishOptions) error {
	o := staging.PublishOptions{}
	if opts != nil {
		o = *opts
	}
	if err := p.publish(ctx, name, u, o); err != nil {
		return &fs.PathError{Op: "publish", Path: name, Err: err}
	}
	return nil
}

func (p *Publisher) publish(ctx context.Context, name string, u *staging.Upload, o staging.PublishOptions) error {
	if o.NoReplace {
		// An error here says nothing: who may write need not be allowed to look.
		if there, err := p.bucket.Exists(ctx, name); err == nil && there {
			return fs.ErrExist
		}
	}
	s := &sending{p: p, name: name, u: u, size: u.Size(), noReplace: o.NoReplace}
	sum, err := s.digest(ctx)
	if err != nil {
		return err
	}
	s.opts = blob.WriterOptions{
		BufferSize:     p.partSize(s.size),
		MaxConcurrency: p.opts.Parts,
		ContentType:    o.ContentType,
		ContentMD5:     sum,
		IfNotExist:     o.NoReplace,
	}
	if o.NoReplace && !p.onFiles { // where the loser's metadata would replace the winner's
		s.token = rand.Text()
		s.opts.Metadata = map[string]string{tokenKey: s.token}
	}
	return p.patiently(ctx, func() error { return s.send(ctx) })
}

// partSize returns how large the parts of an upload are.
func (p *Publisher) partSize(size int64) int {
	return int(min(max(p.opts.PartSize, minPartSize, (size+maxParts-1)/maxParts), math.MaxInt))
}

// tokenKey names, in an object's metadata, the write that made it: letters only,
// because Azure takes nothing else.
const tokenKey = "tempkitwrite"

// A sending is one upload on its way.
type sending struct {
	p         *Publisher
	name      string
	u         *staging.Upload
	size      int64
	noReplace bool
	token     string // of this writer, or "" where the object cannot carry one
	opts      blob.WriterOptions
}

// digest returns the MD5 sum of the contents.
func (s *sending) digest(ctx context.Context) ([]byte, error) {
	r := s.u.NewReader()
	defer func() { _ = r.Close() }() // only read
	h := md5.New()
	if err := s.copy(ctx, h, r, nil); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// copy writes all of the upload to w, or fails.
func (s *sending) copy(ctx context.Context, w io.Writer, r io.Reader, tell func(sent, size int64)) error {
	const piece = 64 << 10
	buf := make([]byte, piece)
	for sent := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			sent += int64(n)
			if tell != nil {
				tell(sent, s.size)
			}
		}
		switch {
		case err == io.EOF && sent == s.size:
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF // somebody has closed the upload
		case err != nil:
			return err
		}
	}
}

// send tries once.
func (s *sending) send(parent context.Context) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	r := s.u.NewReader()
	defer func() { _ = r.Close() }() // only read
	opts := s.opts
	w, err := s.p.bucket.NewWriter(ctx, s.name, &opts)
	if err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended {
			// Close means that this was all, also of half an object, unless the context is
			// done. Deferred, because Progress may panic.
			cancel()
			_ = w.Close()
		}
	}()
	err = s.copy(ctx, w, r, s.p.opts.Progress)
	if err == nil {
		ended = true
		err = s.end(w)
	}
	return s.meant(parent, err)
}

// end completes the object.
func (s *sending) end(w io.Closer) error {
	if s.noReplace && s.p.onFiles {
		// The driver looks and then renames.
		defer acquire(s.name)()
	}
	return w.Close()
}

// meant returns what an error of the driver says.
func (s *sending) meant(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	case s.noReplace:
		return s.lost(ctx, err)
	}
	return err
}

// lost returns what it means that an object was not created. A store that refuses may
// close the connection on who is still sending, so that the refusal is not heard; and
// the driver sends a request again whose answer was lost, and is then refused because
// of itself. What is there tells.
func (s *sending) lost(ctx context.Context, err error) error {
	attrs, aerr := s.p.bucket.Attributes(ctx, s.name)
	switch {
	case aerr == nil && s.token != "" && attrs.Metadata[tokenKey] == s.token:
		return nil
	case aerr == nil, refused(err) && gcerrors.Code(aerr) != gcerrors.NotFound:
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	}
	return err
}

// refused reports whether a store says that its condition does not hold.
func refused(err error) bool {
	code := gcerrors.Code(err)
	return code == gcerrors.FailedPrecondition || code == gcerrors.AlreadyExists
}
