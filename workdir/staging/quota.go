package staging

// What an area knows of the uploads in it. Of those that are open here it keeps
// account, byte by byte; of all others the directory tells, each time that it is
// read, because they come and go with other processes.

import (
	"errors"
	"io/fs"
)

// sum returns what all uploads take, as far as is known: whoever wants to know it
// of other processes scans first.
func (a *Area) sum() (bytes int64, uploads int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total(), len(a.held)
}

// total needs mu.
func (a *Area) total() (bytes int64) {
	for _, h := range a.held {
		bytes += h.bytes
	}
	return bytes
}

// pending is what an upload is called that has no ID yet. There is one at a time,
// because look is held.
const pending = ""

// admit counts a new upload as pending, or reports that there is no room for it.
func (a *Area) admit(declared int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.opts.MaxOpen > 0 && len(a.held) >= a.opts.MaxOpen:
		return ErrQuota
	case a.opts.Quota > 0 && declared > a.opts.Quota-a.total():
		return ErrQuota
	}
	a.held[pending] = &holding{bytes: declared}
	return nil
}

// count makes an upload count for h, and no more if that is nil. Whatever it counted
// for before, no quota is looked at: that has been done by admit, or the bytes are
// there already.
func (a *Area) count(id string, h *holding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.held, id)
	if h != nil {
		a.held[id] = h
	}
}

// holding returns what is known of an upload, or nil.
func (a *Area) holding(id string) *holding {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held[id]
}

// scan looks which uploads there are. Of those that are open here it knows more
// than the directory does. It needs look.
func (a *Area) scan() error {
	there := map[string]*holding{}
	for name, err := range a.v.Names(a.dir) {
		if err != nil {
			return err
		}
		id, ok := idOf(name, dataSuffix)
		if !ok {
			continue
		}
		h := a.holding(id)
		if h != nil && h.ours != nil {
			continue
		}
		info, _, err := a.stat(id)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if h == nil {
			side, _ := a.load(id) // without one nothing is declared
			h = &holding{declared: side.Declared}
		}
		there[id] = &holding{bytes: max(h.declared, info.Size()), declared: h.declared}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, h := range a.held {
		if h.ours != nil {
			there[id] = h
		}
	}
	a.held = there
	return nil
}

// reserve makes an upload that is open here count for size bytes, or reports that
// there is no room for them.
func (a *Area) reserve(id string, size int64) error {
	if a.grow(id, size) {
		return nil
	}
	// Those of other processes may have ended.
	a.look.Lock()
	defer a.look.Unlock()
	if err := a.scan(); err != nil {
		return err
	}
	if !a.grow(id, size) {
		return ErrQuota
	}
	return nil
}

// grow is reserve by what is known. It reports false with nothing changed; an upload
// never counts for less than before by it.
func (a *Area) grow(id string, size int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.held[id]
	if size <= h.bytes {
		return true
	}
	if a.opts.Quota > 0 && size-h.bytes > a.opts.Quota-a.total() {
		return false
	}
	h.bytes = size
	return true
}

// settle makes an upload count for no more than it has stored, or declared: what is
// declared stays reserved until the upload ends, so that one that has begun can go on.
func (a *Area) settle(id string, size int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.held[id]
	h.bytes = max(h.declared, size)
}
