package spool

import (
	"math/bits"
	"sync"
)

const (
	minShift = 9  // the smallest page is of 512 bytes
	maxShift = 18 // the largest of 256 KiB
	maxPage  = 1 << maxShift
)

// pages is the memory side: bytes in pages that never move.
//
// Page 0 is a power of two that holds the first write, each page after it
// reaches as far again as all before it, and from 256 KiB on every page is of
// that size. So the page of an offset is a matter of counting bits, small
// contents lie in few pages, and no page is more than half empty because of it.
//
// A page is there only if something was written to it, and if its start is below
// size. What such a page holds at and past size is whatever it was last used
// for: growth clears it first.
type pages struct {
	table  []*page  // nil for a hole
	first  [2]*page // table's room while that is enough
	size   int64
	limit  int64 // size never exceeds it, so the last page ends there
	budget *Budget
	held   int64 // bytes counted in budget
	shift  uint8 // page 0 is of 1<<shift bytes
}

// index returns which page holds off, which may be past all that are there. For
// pages that double, that is the number of bits of off in units of page 0.
func (p *pages) index(off int64) int {
	if off < maxPage {
		return bits.Len64(uint64(off) >> p.shift)
	}
	return int(off>>maxShift) + maxShift - int(p.shift)
}

// span returns the offsets at which page k starts and ends. No page ends past the
// limit: there would be nothing to put into it.
func (p *pages) span(k int) (start, end int64) {
	large := k - (maxShift - int(p.shift)) // 1 for the first page at or past 256 KiB
	switch {
	case large > 0:
		start = int64(large) << maxShift
		end = start + maxPage
	case k == 0:
		end = 1 << p.shift
	default:
		start = 1 << (int(p.shift) + k - 1)
		end = 2 * start
	}
	return start, min(end, p.limit)
}

// reserve makes room in the table and in the budget for a write from off to end,
// which is past off and within the limit. It reports false, with nothing
// changed, if the budget has not so much. Before anything is stored it chooses
// the size of page 0, so that a first write lies in one page.
func (p *pages) reserve(off, end int64) bool {
	if len(p.table) == 0 {
		n := max(end-off, 1<<minShift)
		p.shift = uint8(min(bits.Len64(uint64(n-1)), maxShift))
	}
	last := p.index(end - 1)
	if p.budget != nil {
		var need int64
		for k := p.index(off); k <= last; k++ {
			if k >= len(p.table) || p.table[k] == nil {
				start, stop := p.span(k)
				need += stop - start
			}
		}
		if !p.budget.take(need) {
			return false
		}
		p.held += need
	}
	if n := last + 1 - len(p.table); n > 0 {
		if p.table == nil {
			p.table = p.first[:0]
		}
		p.table = append(p.table, make([]*page, n)...)
	}
	return true
}

// write stores b, for which reserve has made room, at off. A page that it takes
// is not cleared as a whole, which would cost as much as the write: only what
// lies below the size, old or new, and is not of b.
func (p *pages) write(b []byte, off int64) {
	end := off + int64(len(b))
	p.clearTo(off)
	for k := p.index(off); off < end; k++ {
		start, stop := p.span(k)
		pg := p.table[k]
		if pg == nil {
			pg = newPage(stop - start)
			p.table[k] = pg
			clear(pg.b[:off-start])
			if old := min(stop, p.size); old > end {
				clear(pg.b[end-start : old-start])
			}
		}
		n := copy(pg.b[off-start:], b)
		b = b[n:]
		off += int64(n)
	}
	p.size = max(p.size, end)
}

// clearTo makes the bytes from size to off zero, if off is past size. Only the
// page that size is in can hold any: there is none past it.
func (p *pages) clearTo(off int64) {
	if off <= p.size {
		return
	}
	if k := p.index(p.size); k < len(p.table) && p.table[k] != nil {
		start, stop := p.span(k)
		clear(p.table[k].b[p.size-start : min(stop, off)-start])
	}
}

// read fills b with what is at off. All of it is below size. Where there is no
// page there is a hole.
func (p *pages) read(b []byte, off int64) {
	for k := p.index(off); len(b) > 0; k++ {
		start, stop := p.span(k)
		n := min(int64(len(b)), stop-off)
		if k < len(p.table) && p.table[k] != nil {
			copy(b[:n], p.table[k].b[off-start:])
		} else {
			clear(b[:n])
		}
		b = b[n:]
		off += n
	}
}

// each calls fn with the contents of every page that is there, in order.
func (p *pages) each(fn func(b []byte, off int64) error) error {
	for k, pg := range p.table {
		if pg == nil {
			continue
		}
		start, stop := p.span(k)
		if err := fn(pg.b[:min(stop, p.size)-start], start); err != nil {
			return err
		}
	}
	return nil
}

// truncate makes size n, which is within the limit. Pages that start at n or past
// it are given back; none is taken.
func (p *pages) truncate(n int64) {
	p.clearTo(n)
	p.size = n
	keep := 0
	if n > 0 {
		keep = min(p.index(n-1)+1, len(p.table))
	}
	for k, pg := range p.table[keep:] {
		if pg != nil {
			start, stop := p.span(keep + k)
			p.count(start - stop)
			pg.free()
		}
	}
	clear(p.table[keep:])
	p.table = p.table[:keep]
}

// release makes pages empty: all memory and all of the budget is given back.
func (p *pages) release() {
	for k, pg := range p.table {
		if pg != nil {
			pg.free()
			p.table[k] = nil
		}
	}
	p.budget.give(p.held)
	p.table, p.size, p.held = nil, 0, 0
}

// count changes what is counted in the budget by n, which is not more than 0.
func (p *pages) count(n int64) {
	if p.budget != nil {
		p.budget.give(-n)
		p.held += n
	}
}

// A page is memory that is used again. The header is what the pool holds, so
// that giving a page back allocates nothing.
type page struct{ b []byte }

// free are the pages that nobody uses, by the power of two of their size. The
// collector takes what nobody has asked for between two of its runs.
var free [maxShift - minShift + 1]sync.Pool

// newPage returns a page of n bytes, which hold anything, the contents of other
// spools among it.
func newPage(n int64) *page {
	if i := poolOf(n); i >= 0 {
		if pg, ok := free[i].Get().(*page); ok {
			return pg
		}
	}
	return &page{make([]byte, n)}
}

// free gives the page back. Whoever still reads it reads somebody else's bytes.
func (pg *page) free() {
	if i := poolOf(int64(len(pg.b))); i >= 0 {
		free[i].Put(pg)
	}
}

// poolOf returns which pool has pages of n bytes, or -1: the last page before a
// limit may be of any size.
func poolOf(n int64) int {
	if n&(n-1) != 0 || n < 1<<minShift {
		return -1
	}
	return bits.TrailingZeros64(uint64(n)) - minShift
}
