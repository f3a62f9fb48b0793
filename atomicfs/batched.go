package atomicfs

import (
	"errors"
)

// A batched is one file of a batch: on its way, or failed. Its pending is nil if
// none could be begun. It is used by one goroutine at a time.
type batched struct {
	*pending
	name    string // as the caller wrote it
	base    string
	dir     *batchDir
	seq     int  // the later write of two that lead to one file wins
	kept    bool // its handle stays open until the end
	settled bool
	err     error
}

// step takes w one step further, unless it has failed before. Its place is new
// for each step, because not every directory is held in between.
func (w *batched) step(do func(p *pending) error) {
	if w.err != nil {
		return
	}
	place, err := w.dir.place(w.base)
	if err == nil {
		w.Place = place
		err = do(w.pending)
		// Of a held directory this does nothing.
		err = errors.Join(err, place.Close())
	}
	if err != nil {
		w.err = fail("commit", w.name, err)
	}
}

// outcome returns what became of w at the end. nil means that it is in place and
// durable, unless that was not asked for. One that failed has no temporary any
// more, or its error says so.
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

// drop removes the temporary of w, if it has one. A second drop does nothing. It
// may be tried again if it fails.
func (w *batched) drop() error {
	if w.pending == nil {
		return nil
	}
	if err := w.discard(); err != nil {
		return fail("close", w.name, err)
	}
	return nil
}
