package spool

import "sync/atomic"

// A Budget is memory that many spools share. A spool that cannot have more
// spills early; it never waits. A nil *Budget has no end.
//
// What is counted is the capacity of the pages that hold contents, or with
// Options.Memory the size of the contents. It is given back when the spool
// spills, is reset, committed or closed, or, if a Reader is still reading it
// then, when that is closed.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget returns a budget of so many bytes. One of 0 or less has none: with
// it every spool spills at the first byte.
func NewBudget(bytes int64) *Budget { return &Budget{limit: bytes} }

// InUse returns how many bytes the spools hold now.
func (b *Budget) InUse() int64 {
	if b == nil {
		return 0
	}
	return b.used.Load()
}

// take reports whether n more bytes may be held, and counts them if so.
func (b *Budget) take(n int64) bool {
	if b == nil || n == 0 {
		return true
	}
	for {
		used := b.used.Load()
		if n > b.limit-used {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// give gives n bytes back.
func (b *Budget) give(n int64) {
	if b != nil {
		b.used.Add(-n)
	}
}
