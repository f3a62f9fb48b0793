package atomicfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// How an asideFile begins its temporaries, and puts them in place. What has no
// contract of its own needs a.mu.

var (
	errNotSynced = errors.New("discarded: it was not synced")
	errReplaced  = errors.New("replaced by another file since it was synced")
)

// start makes the temporary. It looks at the place anew: since the file was opened,
// another may have taken it, whose mode is kept, or a directory, which is refused.
func (a *asideFile) start() error {
	t := &target{Place: a.at.Beside(filepath.Base(a.at.Name)), o: a.o, name: a.name}
	if err := t.look(); err != nil {
		return err
	}
	f, err := t.create()
	a.f = f
	return err
}

// resume makes a temporary that is a copy of what is in place, and stands where
// the handle stood there. What it began and could not fill is for Close to discard.
func (a *asideFile) resume() error {
	if a.lost != nil {
		return a.lost
	}
	pos, err := a.placed.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := a.placed.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := a.start(); err != nil {
		return err
	}
	if _, err := a.f.ReadFrom(a.placed); err != nil {
		return err
	}
	if _, err = a.f.Seek(pos, io.SeekStart); err != nil {
		return err
	}
	// Not past this: open, it could not be replaced on Windows.
	_ = a.placed.Close() // it was only read
	a.placed = nil
	return nil
}

// begin makes sure that there is a temporary to write to, and notes that it is. An
// error is final: without what was written before there is nothing to go on from.
func (a *asideFile) begin() error {
	if a.f == nil {
		if a.err = a.resume(); a.err != nil {
			return a.err
		}
	}
	a.dirty = true
	return nil
}

// Sync puts the file in place, as it is now, also if nothing was written. It does
// nothing if that has been done. An error is final.
func (a *asideFile) Sync() error {
	leave, err := a.enter("sync", noLimit)
	if err != nil {
		return err
	}
	defer leave()
	if a.f == nil {
		return nil // it is there, and nothing was written since
	}
	pos, err := a.f.Seek(0, io.SeekCurrent)
	c := a.f.c
	var was fs.FileInfo
	if err == nil {
		was, err = c.h.Stat()
	}
	if err == nil {
		err = a.put()
	}
	if c.p.handle() != c.h {
		was = nil // a copy has been put in place, of which nobody has looked
	}
	if err != nil {
		a.err = err
		return a.fail("sync", err)
	}
	// Now, because by the next call another file may have taken its place.
	a.lost = a.reopen(was, pos)
	return nil
}

// put puts the temporary in place. If it fails, the temporary is still there for
// Close, which removes what Commit could not, or says so.
func (a *asideFile) put() error {
	err := a.f.Commit()
	if err == nil || errors.Is(err, ErrNotDurable) {
		a.f = nil
		a.isNew, a.dirty = false, false
		a.o.NoReplace = false // what is there now is its own
	}
	return err
}

// reopen opens what has been put in place, which is the file was if that is known, at
// pos. An error is for whoever reads next: the file itself is where it was to go.
func (a *asideFile) reopen(was fs.FileInfo, pos int64) error {
	f, err := a.at.Open(a.at.Name)
	a.placed = f
	if err != nil {
		return err
	}
	if now, err := f.Stat(); err != nil || a.at.OnDisk() && was != nil && !os.SameFile(was, now) {
		return errors.Join(errReplaced, err)
	}
	_, err = f.Seek(pos, io.SeekStart)
	return err
}

// Close puts the file in place, if that is called for; see NewFs. The handle is
// closed whatever it says. A second Close is fs.ErrClosed, as of an *os.File: code
// that knows only afero may rely on it.
func (a *asideFile) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return fail("close", a.name, fs.ErrClosed)
	}
	a.closed = true
	err := a.finish()
	if a.placed != nil {
		_ = a.placed.Close() // it was only read
	}
	_ = a.at.Close() // open for reading: there is nothing that it could fail to write
	return a.fail("close", err)
}

// finish is Close, less what follows it. The File is closed whatever happened, and
// removes what a failure has left.
func (a *asideFile) finish() error {
	f, err := a.f, a.err
	if f == nil {
		return err
	}
	if wanted := a.dirty || a.isNew; wanted && err == nil {
		if a.syncOnly {
			err = errNotSynced
		} else {
			err = a.put()
		}
	}
	if cerr := f.leave(); cerr != nil {
		err = errors.Join(err, cerr)
	}
	return err
}
