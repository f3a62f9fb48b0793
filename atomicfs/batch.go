package atomicfs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/afero"
	"golang.org/x/sync/errgroup"

	"github.com/tempkit/tempkit/internal/vfs"
)

// A Batch writes many files and waits for the disk once for all of them,
// not once for each. Each file is atomic and durable; the batch as a whole is
// not a transaction.
//
// What is written goes to temporaries beside the files at once, so that a batch
// of any number of files holds neither their contents nor more than some hundred
// descriptors. Its methods may be called concurrently.
type Batch struct {
	v vfs.FS
	o Options

	mu    sync.Mutex
	files map[string]*batched // by cleaned name; nil once the batch is spent
	dirs  batchDirs
	open  int // handles that are kept open
	seq   int
}

// A batched is one file of a batch: on its way, or failed.
type batched struct {
	*pending
	name string // as the caller wrote it
	base string
	dir  *batchDir
	seq  int // the later write of two that lead to one file wins
	err  error
}

const (
	maxOpenFiles = 64 // handles that a batch keeps open, so as not to open the files of a small one again
	syncers      = 16 // syncs at a time: the file system makes one commit of them
)

// NewBatch returns an empty batch. The Perm of opts is not used: each file has
// its own.
func NewBatch(fsys afero.Fs, opts *Options) *Batch {
	b := &Batch{v: vfs.On(fsys), o: opts.filled(), files: map[string]*batched{}}
	b.dirs.v = b.v
	return b
}

// WriteFile writes a file of the batch aside. See the function WriteFile.
//
// Of two writes of one name the later wins, also if it fails. What fails here is
// an error of Commit, too.
func (b *Batch) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return b.write(name, perm, func(c *contents) error {
		_, err := c.Write(data)
		return err
	})
}

// WriteReader is WriteFile with the contents of r.
func (b *Batch) WriteReader(name string, r io.Reader, perm fs.FileMode) (n int64, err error) {
	err = b.write(name, perm, func(c *contents) error {
		n, err = c.ReadFrom(r)
		return err
	})
	return n, err
}

func (b *Batch) write(name string, perm fs.FileMode, fn func(c *contents) error) error {
	key, err := b.v.Clean("write", name)
	if err != nil {
		key = name
	}
	w := &batched{name: name}
	if err == nil {
		err = b.begin(w, key, perm)
	}
	if err == nil {
		err = b.fill(w, fn)
	}
	if err != nil && w.pending != nil {
		_ = w.discard() // if it fails, Commit and Close try again
	}
	w.err = err
	if spentErr := b.enter(key, w); spentErr != nil {
		return spentErr
	}
	return err
}

// begin makes the temporary of w.
func (b *Batch) begin(w *batched, name string, perm fs.FileMode) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.files == nil {
		return fail("write", w.name, fs.ErrClosed)
	}
	o := b.o
	o.Perm = perm
	dir, t, err := b.dirs.find(name, w.name, o)
	if err == nil {
		w.dir, w.base = dir, filepath.Base(t.Name)
		if dir.lock != nil {
			w.pending, err = t.named()
		} else {
			w.pending, err = t.claimed()
		}
	}
	if err != nil {
		return fail("write", w.name, err)
	}
	return nil
}

// fill writes the contents of w, and closes its handle if the batch has enough
// of them open.
func (b *Batch) fill(w *batched, fn func(c *contents) error) error {
	h := w.handle()
	c := &contents{p: w.pending, h: h}
	if err := fn(c); err != nil {
		return err
	}
	if c.err != nil {
		return c.err
	}
	if g, ok := h.OSFile(); ok && !w.o.NoSync {
		vfs.StartWriteOut(g)
	}
	b.mu.Lock()
	stays := b.open < maxOpenFiles || w.perm()&0o600 == 0 && w.perm() != 0 // such a file could not be opened again
	if stays {
		b.open++
	}
	b.mu.Unlock()
	if stays {
		return nil
	}
	w.closed = true
	h.Unlock() // its descriptor goes too: the lock of the directory stands for it
	if err := w.file.CloseHandle(); err != nil {
		return fail("write", w.name, err)
	}
	return nil
}

// enter takes w into the batch, in the place of an earlier file of that name.
func (b *Batch) enter(key string, w *batched) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.files == nil {
		return errors.Join(fail("write", w.name, fs.ErrClosed), w.drop())
	}
	if earlier := b.files[key]; earlier != nil {
		_ = earlier.drop() // what is left then, Sweep finds
	}
	b.seq++
	w.seq = b.seq
	b.files[key] = w
	return nil
}

// Commit puts all files in place. The error, if any, is a *BatchError.
//
// A file that fails does not stop the others. After Commit the batch is spent:
// what is called on it fails with fs.ErrClosed.
func (b *Batch) Commit() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.files == nil {
		return &BatchError{spent: true}
	}
	files := slices.SortedFunc(maps.Values(b.files), func(a, b *batched) int { return cmp.Compare(a.seq, b.seq) })
	b.files = nil
	inParallel(files, func(w *batched) { w.step((*pending).settle) })
	for _, w := range files {
		w.step((*pending).rename)
	}
	if !b.o.NoSync {
		b.dirs.sync()
	}
	failed := map[string]error{}
	for _, w := range files {
		if err := w.outcome(); err != nil {
			failed[w.name] = err
		}
	}
	b.dirs.close()
	if len(failed) > 0 {
		return &BatchError{Failed: failed}
	}
	return nil
}

// step takes w one step further, unless it has failed before.
func (w *batched) step(do func(p *pending) error) {
	if w.err != nil {
		return
	}
	place, err := w.dir.place(w.base)
	if err == nil {
		w.Place = place
		err = do(w.pending)
		err = errors.Join(err, place.Close())
	}
	if err != nil {
		w.err = fail("commit", w.name, err)
	}
}

// outcome returns what became of w at the end.
func (w *batched) outcome() error {
	if w.err == nil && w.dir.err != nil {
		return fail("commit", w.name, notDurable(w.dir.err))
	}
	if w.err == nil {
		return nil
	}
	if err := w.drop(); err != nil {
		return errors.Join(w.err, err)
	}
	return w.err
}

// drop removes the temporary of w, if it has one.
func (w *batched) drop() error {
	if w.pending == nil {
		return nil
	}
	if err := w.discard(); err != nil {
		return fail("close", w.name, err)
	}
	return nil
}

// Close discards what has not been committed.
//
// A second Close returns nil. What could not be removed may be tried again.
func (b *Batch) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for key, w := range b.files {
		if err := w.drop(); err != nil {
			errs = append(errs, err)
			continue
		}
		delete(b.files, key)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if b.files != nil {
		b.files = nil
		b.dirs.close()
	}
	return nil
}

// inParallel calls fn for each of list, a few at a time.
func inParallel[T any](list []T, fn func(T)) {
	var g errgroup.Group
	g.SetLimit(syncers)
	for _, item := range list {
		g.Go(func() error {
			fn(item)
			return nil
		})
	}
	_ = g.Wait() // fn has nothing to return
}

// A BatchError says which files of a batch did not get in place, and why.
//
// A file whose error is ErrNotDurable is in place. The names are those that the
// batch was given.
type BatchError struct {
	Failed map[string]error
	spent  bool
}

func (e *BatchError) Error() string {
	if e.spent {
		return "batch: " + fs.ErrClosed.Error()
	}
	errs := e.Unwrap()
	const most = 10
	var lines []string
	for _, err := range errs[:min(len(errs), most)] {
		lines = append(lines, err.Error())
	}
	if more := len(errs) - most; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("batch: %d failed: %s", len(errs), strings.Join(lines, "; "))
}

// Unwrap returns the errors in the order of the names.
func (e *BatchError) Unwrap() []error {
	if e.spent {
		return []error{fs.ErrClosed}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(e.Failed)) {
		errs = append(errs, e.Failed[name])
	}
	return errs
}
