package vfs

import (
	"errors"
	"io/fs"
	"time"
)

// patience is how long a refusal that may pass by itself is borne.
const patience = 2 * time.Second

// patiently repeats fn as long as what refuses it may pass: on Windows, another
// process that looks into one of the places. It sleeps in between, so it is called
// under no lock that others wait for. The error is that of the last call.
func (v FS) patiently(fn func() error, mayPass func(error) bool) error {
	err := fn()
	// Where an open file can be renamed and removed, what busy knows is an answer and
	// not a delay: ENOTEMPTY is for the caller to hear at once.
	if err == nil || v.OpenRenames() || !mayPass(Reason(err)) {
		return err
	}
	limit := patience
	if v.foreign() != nil {
		limit = v.foreign().Patience(Sealed{})
	}
	for wait, end := time.Millisecond, time.Now().Add(limit); time.Now().Before(end); wait *= 2 {
		time.Sleep(wait)
		if err = fn(); err == nil || !mayPass(Reason(err)) {
			return err
		}
	}
	return err
}

// removing is the removal of the clean name by fn, patiently.
func (v FS) removing(name string, fn func() error) error {
	return v.patiently(func() error {
		if err := v.refuses(name); err != nil {
			return err
		}
		return fn()
	}, busy)
}

// inTheWay is busy for a rename: that the name is taken does not pass.
func inTheWay(err error) bool { return busy(err) && !errors.Is(err, fs.ErrExist) }
