package staging

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// An Area keeps uploads in a directory, so that they can be resumed, listed
// and swept, also by another process after a crash.
//
// An upload there is a file of what has arrived, "<id>.part", beside one that
// describes it, "<id>.json". IDs have 128 random bits: who knows one may resume
// that upload. Nothing else in the directory is ever touched, and no name comes
// from a client. An upload has one writer: on the operating system the file is
// under lock (flock) as long as that lives; in memory and elsewhere this process
// knows its own.
//
// An Area is safe for concurrent use. It has nothing to close.
type Area struct {
	fsys afero.Fs
	v    vfs.FS
	dir  string
	opts AreaOptions

	// look is held while the directory is read, and by uploads that come and go. It
	// is taken before mu, and never while that is held.
	look sync.Mutex
	mu   sync.Mutex
	held map[string]*holding // by ID
}

// AreaOptions adjusts a staging area. A nil *AreaOptions asks for the defaults.
//
// Quota and MaxOpen count all uploads in the directory, those of other processes
// as they were when one was last begun, resumed or refused here: two processes
// that begin at the same moment may pass them by one upload each.
type AreaOptions struct {
	Quota   int64         // bytes of all open uploads; 0 means no limit
	MaxOpen int           // open uploads; 0 means no limit
	TTL     time.Duration // Sweep removes uploads idle for longer; 0 means 24 h
}

const (
	defaultTTL = 24 * time.Hour
	dataSuffix = ".part"
)

// A holding is what one upload takes of the quota.
type holding struct {
	bytes    int64 // the declared size, or what has arrived if that is more
	declared int64
	ours     *spool.File // of an upload that is open here
}

// An Info describes an upload in an area.
type Info struct {
	ID       string    // for Resume
	Size     int64     // bytes that have arrived
	Declared int64     // bytes that there are to be; 0 if that is not known
	Started  time.Time // zero if the upload's description is lost
	Updated  time.Time // when bytes last reached the disk, or the upload was flushed
}

// Open returns the area in the directory dir, which is made with mode 0700 if it
// is missing. Any number of areas, in any number of processes, may be open in one
// directory.
func Open(fsys afero.Fs, dir string, opts *AreaOptions) (*Area, error) {
	a := &Area{fsys: fsys, v: vfs.On(fsys), held: map[string]*holding{}}
	if opts != nil {
		a.opts = *opts
	}
	if a.opts.TTL == 0 {
		a.opts.TTL = defaultTTL
	}
	// Where it is now is where it stays, whatever the working directory becomes.
	var err error
	if a.dir, err = a.v.Clean("open", dir); err != nil {
		return nil, err
	}
	// What is flushed in it is to survive.
	if err := a.v.MakeDurable(a.dir, 0o700); err != nil {
		return nil, fail("open", dir, vfs.Reason(err))
	}
	a.look.Lock()
	defer a.look.Unlock()
	return a, a.scan()
}

// path returns the path of an upload's file. id is one that isID has seen, or that
// was made here.
func (a *Area) path(id, suffix string) string { return filepath.Join(a.dir, id+suffix) }

// Begin starts an upload in the area.
//
// The error is ErrQuota if it would be one too many, or if its declared size,
// which is reserved until it ends, does not fit. Close discards the upload;
// Suspend leaves it in the area; and so does the end of the process.
func (a *Area) Begin(ctx context.Context, opts *Options) (*Upload, error) {
	o, err := opts.filled("begin")
	if err == nil && ctx.Err() != nil {
		err = fail("begin", unnamed, ctx.Err())
	}
	if err != nil {
		return nil, err
	}
	s, err := a.enter(o.Size)
	if err != nil {
		return nil, fail("begin", unnamed, vfs.Reason(err))
	}
	u, err := s.upload(o)
	if err == nil {
		err = s.save(0, u.hash) // data without a sidecar would never be swept
	}
	if err != nil {
		return nil, fail("begin", unnamed, vfs.Reason(errors.Join(err, s.discard())))
	}
	return u, nil
}

// enter makes the file of a new upload and counts it. The quota is looked at and
// taken in one step, so that of two that fit alone but not together one is refused.
func (a *Area) enter(declared int64) (*slot, error) {
	a.look.Lock()
	defer a.look.Unlock()
	if err := a.scan(); err != nil {
		return nil, err
	}
	if err := a.admit(declared); err != nil {
		return nil, err
	}
	defer a.count(pending, nil)
	// Its random part is the upload's ID.
	f, err := tmpfs.Create(a.fsys, &tmpfs.Options{Dir: a.dir, Pattern: "*" + dataSuffix})
	if err != nil {
		return nil, err
	}
	id, _ := idOf(filepath.Base(f.Name()), dataSuffix)
	s := &slot{area: a, id: id, data: f, side: sidecar{ID: id, Declared: declared, Started: time.Now()}}
	writers.Store(id, nil)
	// A sweep of another process may have opened the file before its writer locked it.
	if got, err := s.hold(); err != nil || !got {
		if err == nil {
			err = errWriter
		}
		writers.Delete(id)
		return nil, errors.Join(err, f.Close())
	}
	a.count(id, &holding{bytes: declared, declared: declared})
	return s, nil
}

// Resume goes on with an upload that was suspended, or whose process has ended.
//
// Its Size tells where; its Sum is that of all that has arrived, which is read
// again as far as the hash was not saved with it. Options are as for Begin; a Size
// of 0 means the one declared then, and any other must be the same. After the
// machine went down the upload goes on where it was last flushed, as far as the
// system can tell that it did.
//
// The error is fs.ErrNotExist if there is no such upload, also for what is no ID
// at all, and fs.ErrExist if it has a writer, here or in another process. Whatever
// the error, the upload is as it was.
func (a *Area) Resume(ctx context.Context, id string, opts *Options) (*Upload, error) {
	u, err := a.resume(ctx, id, opts)
	if err != nil {
		return nil, fail("resume", id, vfs.Reason(err))
	}
	return u, nil
}

var (
	errNoID    = &refusal{"is no upload's ID", fs.ErrNotExist}
	errWriter  = &refusal{"has a writer already", fs.ErrExist}
	errAnother = fmt.Errorf("%w: another size was declared when it began", ErrRejected)
)

// resume is Resume, less the name in its error.
func (a *Area) resume(ctx context.Context, id string, opts *Options) (*Upload, error) {
	if !isID(id) {
		return nil, errNoID
	}
	o, err := opts.filled("resume")
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	if _, taken := writers.LoadOrStore(id, nil); taken {
		return nil, errWriter
	}
	s := &slot{area: a, id: id}
	u, err := s.resume(ctx, o)
	if err != nil {
		return nil, errors.Join(vfs.Reason(err), s.letGo())
	}
	return u, nil
}

// List yields the uploads in the area, in no order: those of all processes, open
// or not. What is not an upload is not among them.
func (a *Area) List(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for name, err := range a.v.Names(a.dir) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Info{}, err)
				return
			}
			id, ok := idOf(name, dataSuffix)
			if !ok {
				continue
			}
			info, _, err := a.describe(id)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// InUse returns how many bytes of the quota the uploads in the area take, and how
// many there are. It looks into the directory; if that fails, it is as of the last
// time that it did not.
func (a *Area) InUse() (bytes int64, uploads int) {
	a.look.Lock()
	defer a.look.Unlock()
	_ = a.scan()
	return a.sum()
}
