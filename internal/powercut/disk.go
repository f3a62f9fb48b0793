package powercut

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// PageSize is what an Image shares or copies at a time.
const PageSize = 4096

type page = [PageSize]byte

// An Image is the contents of a disk by page number. A page that it does not have
// is all zeros. Images share pages, so that no page is ever changed.
type Image map[int64]*page

// Write changes what the image holds from off on. It keeps b.
func (im Image) Write(b []byte, off int64) {
	for len(b) > 0 {
		num, in := off/PageSize, off%PageSize
		n := min(int64(len(b)), PageSize-in)
		if n == PageSize {
			im[num] = (*page)(b)
		} else {
			p := new(page)
			if old := im[num]; old != nil {
				*p = *old
			}
			copy(p[in:], b[:n])
			im[num] = p
		}
		b, off = b[n:], off+n
	}
}

// An Event is one write that a disk took or, with no data, a flush of its cache.
type Event struct {
	Off  int64
	Data []byte
	End  int64 // the byte of the log at which it ends
}

// AppendEvent appends a write, or with no data a flush, to a log.
func AppendEvent(log []byte, off int64, data []byte) []byte {
	log = binary.LittleEndian.AppendUint64(log, uint64(off))
	log = binary.LittleEndian.AppendUint64(log, uint64(len(data)))
	return append(log, data...)
}

// ParseLog returns the events that a log holds whole. They share its memory.
func ParseLog(log []byte) (events []Event, err error) {
	const head, largest = 16, 1 << 30
	for pos := 0; len(log)-pos >= head; {
		off := binary.LittleEndian.Uint64(log[pos:])
		n := binary.LittleEndian.Uint64(log[pos+8:])
		if n > largest {
			return nil, fmt.Errorf("bad log at byte %d", pos)
		}
		end := pos + head + int(n)
		if end > len(log) {
			break
		}
		events = append(events, Event{int64(off), log[pos+head : end], int64(end)})
		pos = end
	}
	return events, nil
}

// A Mode says what became of the writes that no flush had covered.
type Mode string

const (
	Kept    Mode = "kept"    // all of them are there, as after a crash of the kernel alone
	Dropped Mode = "dropped" // none is
	Random  Mode = "random"  // any of them is, and any of their sectors
)

// Modes are all modes.
var Modes = []Mode{Kept, Dropped, Random}

// A History is what a disk took from a moment on.
type History struct {
	Ready  Image // the disk as it was then
	Events []Event
	Safe   int // the first of them, which cannot be lost

	// Whole are the numbers of pages that are written whole or not at all, however
	// small a sector is.
	Whole []int64
}

// Crash returns the disk as a power cut after the first k events leaves it. It
// writes each sector, of as many bytes, whole or not at all. rnd decides in the
// mode Random.
func (h History) Crash(k int, m Mode, sector int, rnd *rand.Rand) Image {
	im := maps.Clone(h.Ready)
	safe := h.Safe
	for i, e := range h.Events[:k] {
		if len(e.Data) == 0 {
			safe = max(safe, i)
		}
	}
	for i, e := range h.Events[:k] {
		switch {
		case i < safe || m == Kept:
			im.Write(e.Data, e.Off)
		case m == Random:
			h.writePart(im, e, sector, rnd)
		}
	}
	return im
}

// writePart writes all of e, none of it, or a random choice of its sectors.
func (h History) writePart(im Image, e Event, sector int, rnd *rand.Rand) {
	fate := rnd.IntN(3)
	for lo := 0; lo < len(e.Data); {
		off, unit := e.Off+int64(lo), int64(sector)
		if slices.Contains(h.Whole, off/PageSize) {
			unit = PageSize
		}
		hi := min(len(e.Data), lo+int(unit-off%unit))
		if fate == 1 || fate == 2 && rnd.IntN(2) == 0 {
			im.Write(e.Data[lo:hi], off)
		}
		lo = hi
	}
}
