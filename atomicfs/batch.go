package atomicfs

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/vfs"
)

// A Batch writes many files and waits for the disk once for all of them,
// not once for each. Each file is atomic and durable; the batch as a whole is
// not a transaction.
//
// What is written goes to temporaries beside the files at once, so that a batch
// of any number of files holds neither their contents nor more than some hundred
// descriptors, and one for each directory up to a quarter of what the process may
// have. Its methods may be called concurrently.
type Batch struct {
	v vfs.FS
	o Options

	mu    sync.Mutex
	spent bool                // Commit or Close has been called
	files map[string]*batched // by cleaned name
	dirs  batchDirs
	open  int // how many handles were kept open
	seq   int

	writes sync.WaitGroup // those at work, for which Commit and Close wait
}

// maxOpenFiles is how many handles a batch keeps open, so as not to open the files of
// a small one again.
const maxOpenFiles = 32

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

// write makes the temporary and lets fn fill it. What fails is noted in the file
// too, so that Commit says it again, and an earlier write of that name is given
// up. So it is if fn panics or exits, which pass through.
func (b *Batch) write(name string, perm fs.FileMode, fn func(c *contents) error) error {
	key, err := b.v.Clean("write", name)
	if err != nil {
		// A name that cannot be cleaned is still one that Commit must report.
		key = name
	}
	w := &batched{name: name}
	if !b.enter() {
		return fail("write", name, fs.ErrClosed)
	}
	defer b.writes.Done()
	returned := false
	defer func() {
		if !returned {
			w.err = fail("write", name, errUnfinished)
		}
		if w.err != nil && w.pending != nil {
			_ = w.discard() // if it fails, Commit and Close try again
		}
		b.take(key, w)
	}()
	if err == nil {
		err = b.begin(w, key, perm)
	}
	if err == nil {
		err = b.fill(w, fn)
	}
	w.err, returned = err, true
	return err
}

// errUnfinished is the error of a file whose reader panicked or exited.
var errUnfinished = errors.New("not written to its end")

// enter reports whether the batch takes another write, which must say when it is
// done. It says so by writes.Done, if it was taken.
func (b *Batch) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.spent {
		// Under the lock, so that none is added once leave has begun to wait.
		b.writes.Add(1)
	}
	return !b.spent
}

// leave makes the batch take no more writes, waits for those at work, and reports
// whether it was the first to do so. b.mu must not be held: the writes at work
// need it to end.
func (b *Batch) leave() bool {
	b.mu.Lock()
	first := !b.spent
	b.spent = true
	b.mu.Unlock()
	b.writes.Wait()
	return first
}

// begin makes the temporary of w. It takes b.mu, under which the directories are
// found and the handles counted.
func (b *Batch) begin(w *batched, name string, perm fs.FileMode) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.o
	o.Perm = perm
	dir, t, err := b.dirs.find(name, w.name, o)
	if err == nil {
		w.dir, w.base = dir, filepath.Base(t.Name)
		err = b.temporary(w, t)
	}
	if err != nil {
		return fail("write", w.name, err)
	}
	return nil
}

// temporary makes that of w. Its handle stays open, and with it its own lock, if
// the batch has not enough of them. b.mu must be held. A handle is counted until
// letGo, whatever comes of it.
func (b *Batch) temporary(w *batched, t *target) (err error) {
	switch {
	case b.open < maxOpenFiles:
		w.kept = true
		b.open++
		w.pending, err = t.claimed()
	// No descriptors and no locks there: only age and this process tell who is
	// alive.
	case !t.OnDisk():
		w.pending, err = t.named(pattern)
	case w.dir.lock != nil:
		w.pending, err = t.named(pattern + byDir)
	default:
		w.pending, err = t.named(pattern + byAge)
	}
	return err
}

// fill writes the contents of w, and closes its handle if it is not to be kept
// open. An error means that the temporary is not to be put in place; it is not
// removed here.
func (b *Batch) fill(w *batched, fn func(c *contents) error) error {
	h := w.handle()
	c := &contents{p: w.pending, h: h}
	if err := fn(c); err != nil {
		return err
	}
	// A write that failed counts, also if fn has passed over it.
	if c.err != nil {
		return c.err
	}
	// The disk begins while the next files are written, so that Commit has less
	// to wait for.
	if g, ok := h.OSFile(); ok && !w.o.NoSync {
		vfs.StartWriteOut(g)
	}
	if w.kept {
		return nil
	}
	if perm := w.perm(); perm != 0 && perm&0o600 == 0 {
		// Such a file could not be opened again. One that nobody may read is the owner's until it is settled.
		if err := w.settle(); err != nil {
			return fail("write", w.name, err)
		}
		w.settled = true
	}
	// Noted first: a handle that failed to close is closed all the same.
	w.closed = true
	// Nothing of it stays open: on the disk it has no lock of its own, as its
	// name says.
	if err := w.file.CloseHandle(); err != nil {
		return fail("write", w.name, err)
	}
	return nil
}

// take puts w into the batch, in the place of an earlier file of that name. The
// later by the order in which they end, not in which they began.
func (b *Batch) take(key string, w *batched) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if earlier := b.files[key]; earlier != nil {
		_ = earlier.drop() // what is left then, Sweep finds
		b.letGo(earlier)
	}
	if w.err != nil {
		b.letGo(w)
	}
	b.seq++
	w.seq = b.seq
	b.files[key] = w
}

// letGo says that the handle of w, which is done with, is not kept open any more.
func (b *Batch) letGo(w *batched) {
	if w.kept {
		w.kept = false
		b.open--
	}
}

// Commit puts all files in place. The error, if any, is a *BatchError.
//
// A file that fails does not stop the others. After Commit the batch is spent:
// what is called on it fails with fs.ErrClosed.
func (b *Batch) Commit() error {
	if !b.leave() {
		return &BatchError{spent: true}
	}
	b.mu.Lock() // a Close waits
	defer b.mu.Unlock()
	files := slices.SortedFunc(maps.Values(b.files), func(a, b *batched) int { return cmp.Compare(a.seq, b.seq) })
	// Whatever comes of them is settled here. A Close afterwards finds none.
	b.files = nil
	// Started together, so that the file system makes few commits for many files.
	inParallel(files, func(w *batched) {
		if !w.settled {
			w.step((*pending).settle)
		}
	})
	// One after another, in the order in which they were written: of two names of
	// one file the later wins.
	for _, w := range files {
		w.step((*pending).rename)
	}
	// Each directory once, after all renames in it.
	if !b.o.NoSync {
		b.dirs.sync()
	}
	failed := map[string]error{}
	// Only now is it known of each: the sync of its directory is the last thing
	// that can fail.
	for _, w := range files {
		if err := w.outcome(); err != nil {
			failed[w.name] = err
		}
	}
	// After the outcomes: to remove a temporary takes its directory.
	b.dirs.close()
	if len(failed) > 0 {
		return &BatchError{Failed: failed}
	}
	return nil
}

// Close discards what has not been committed.
//
// A second Close returns nil. What could not be removed may be tried again.
func (b *Batch) Close() error {
	b.leave()
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
		// The directories stay held, for the next attempt.
		return errors.Join(errs...)
	}
	b.dirs.close()
	return nil
}
