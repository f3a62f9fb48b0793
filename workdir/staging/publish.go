package staging

import (
	"context"
	"errors"
	"io/fs"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/vfs"
)

// A Publisher puts a finished upload somewhere that is no afero.Fs, such as an
// object store.
//
// Publish puts what u holds there as name, whole or not at all: when it returns an
// error, whoever reads name finds what was there before. With opts.NoReplace the
// error is fs.ErrExist if something is there, also if that came a moment ago. A nil
// opts asks for the defaults. It must return when ctx is done, and be safe for
// concurrent use.
//
// It reads u by NewReader, as often as it likes, and asks for its Size and Sum; to
// all else u is closed meanwhile. It should not close u: that is its caller's.
//
// Where it cannot know whether name was written, because the answer was lost, it
// returns an error: to publish the same once more must do no harm then.
type Publisher interface {
	Publish(ctx context.Context, name string, u *Upload, opts *PublishOptions) error
}

// PublishOptions adjusts how an upload is published. A nil *PublishOptions asks for
// the defaults.
type PublishOptions struct {
	NoReplace   bool   // fail with fs.ErrExist if there is something of that name, and leave it untouched
	ContentType string // what the store is to serve it as, such as "image/png"; "" lets the Publisher sniff it
}

// Publish runs the checks and puts the upload in place as name by p. If publishing
// fails the upload is still open and Publish, or Commit, may be tried again; if a
// check fails it is gone.
//
// In all that comes before p it is Commit: the same checks and the same refusals,
// with the upload as it was. After it has succeeded Close does nothing more, and
// FinalPath is name. The contents are gone from here then, but for Readers that
// are open. Errors name name, or the upload if p was not asked.
//
// The error of p is kept: fs.ErrExist if NoReplace found that another was faster.
// If p panics, or does not read all, the upload is as after a failure.
func (u *Upload) Publish(ctx context.Context, p Publisher, name string, opts *PublishOptions) error {
	if p == nil || name == "" {
		return fail("publish", name, fs.ErrInvalid)
	}
	// A copy: p may keep it, and is never given nil by this method.
	o := PublishOptions{}
	if opts != nil {
		o = *opts
	}
	return u.finish(ctx, "publish", func() error {
		err := p.Publish(ctx, name, u, &o)
		if err != nil {
			err = fail("publish", name, vfs.Reason(err))
			if !errors.Is(err, atomicfs.ErrNotDurable) {
				return err
			}
		}
		u.published(name)
		return err
	})
}

// published ends an upload whose contents are somewhere else now.
func (u *Upload) published(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.slot.beforeRename()
	u.state, u.final = done, name
	// What cannot be removed here is for Close, or a Sweep: it is in place.
	if u.f.Close() == nil {
		_ = u.slot.leave()
	}
}
