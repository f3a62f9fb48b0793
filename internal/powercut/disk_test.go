package powercut_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/powercut"
)

const pageSize = powercut.PageSize

// fill returns n bytes c, a new slice each time: images keep what they are given.
func fill(c byte, n int) []byte { return bytes.Repeat([]byte{c}, n) }

// read returns n bytes of an image from off on.
func read(im powercut.Image, off, n int64) []byte {
	b := make([]byte, n)
	for i := range b {
		if p := im[(off+int64(i))/pageSize]; p != nil {
			b[i] = p[(off+int64(i))%pageSize]
		}
	}
	return b
}

// history returns the events as they come out of a log.
func history(t *testing.T, ready powercut.Image, safe int, events ...powercut.Event) powercut.History {
	t.Helper()
	var log []byte
	for _, e := range events {
		log = powercut.AppendEvent(log, e.Off, e.Data)
	}
	parsed, err := powercut.ParseLog(log)
	require.NoError(t, err)
	require.Len(t, parsed, len(events))
	return powercut.History{Ready: ready, Events: parsed, Safe: safe}
}

func TestImageMergesOverlappingWrites(t *testing.T) {
	im := powercut.Image{}
	im.Write(fill('a', 3*pageSize), 0)
	im.Write(fill('b', pageSize), pageSize/2)
	im.Write([]byte("xyz"), 2*pageSize-1)
	want := bytes.Join([][]byte{
		fill('a', pageSize/2), fill('b', pageSize), fill('a', pageSize/2-1), []byte("xyz"), fill('a', pageSize-2),
	}, nil)
	assert.Equal(t, want, read(im, 0, 3*pageSize))
}

func TestImagesShareNoChange(t *testing.T) {
	im := powercut.Image{}
	im.Write(fill('a', pageSize), 0)
	other := maps.Clone(im)
	other.Write([]byte("b"), 7)
	assert.Equal(t, "a", string(read(im, 7, 1)))
	assert.Equal(t, "b", string(read(other, 7, 1)))
}

// A log that ends in the middle of an event, as when its writer is still at it.
func TestParseLogStopsAtWhatIsNotWhole(t *testing.T) {
	whole := powercut.AppendEvent(nil, 0, []byte("whole"))
	torn := powercut.AppendEvent(nil, 9, []byte("torn"))
	for n := range torn {
		events, err := powercut.ParseLog(append(bytes.Clone(whole), torn[:n]...))
		require.NoError(t, err)
		require.Len(t, events, 1)
		assert.Equal(t, powercut.Event{Data: []byte("whole"), End: int64(len(whole))}, events[0])
	}
	_, err := powercut.ParseLog(fill(0xff, 16))
	assert.Error(t, err)
}

func TestCrash(t *testing.T) {
	const page0, page1, page2 = 0, pageSize, 2 * pageSize
	ready := powercut.Image{}
	ready.Write(fill('0', 3*pageSize), 0)
	events := []powercut.Event{
		{Off: page0, Data: fill('a', pageSize)},
		{}, // flush
		{Off: page1, Data: fill('b', pageSize)},
		{Off: page2, Data: fill('c', pageSize)},
		{Off: page1, Data: fill('d', pageSize)},
	}
	for _, test := range []struct {
		safe, k int
		mode    powercut.Mode
		want    string // first byte of each page
	}{
		{0, 0, powercut.Kept, "000"},
		{0, 1, powercut.Kept, "a00"},
		{0, 1, powercut.Dropped, "000"},
		{0, 2, powercut.Dropped, "a00"},
		{0, 5, powercut.Dropped, "a00"},
		{0, 5, powercut.Kept, "adc"},
		{0, 4, powercut.Kept, "abc"},
		{3, 5, powercut.Dropped, "ab0"},
		{1, 1, powercut.Dropped, "a00"},
	} {
		im := history(t, ready, test.safe, events...).Crash(test.k, test.mode, pageSize, nil)
		got := string([]byte{read(im, page0, 1)[0], read(im, page1, 1)[0], read(im, page2, 1)[0]})
		assert.Equal(t, test.want, got, "%d safe, %d events, %s", test.safe, test.k, test.mode)
	}
	assert.Equal(t, "0", string(read(ready, 0, 1)), "a crash state changes nothing of what it starts from")
}

// Of two writes that no flush covers, any part may be there, in whole sectors.
func TestCrashAtRandom(t *testing.T) {
	h := history(t, powercut.Image{}, 0,
		powercut.Event{Data: fill('a', pageSize)}, powercut.Event{},
		powercut.Event{Data: fill('b', pageSize)}, powercut.Event{Data: fill('c', pageSize)},
	)
	for _, test := range []struct {
		sector int
		whole  []int64
		states int
	}{
		{pageSize, nil, 3},            // the page is a, b or c
		{pageSize / 2, nil, 9},        // each half is
		{pageSize / 2, []int64{1}, 9}, // which pages are whole goes by their number
		{pageSize / 2, []int64{0}, 3},
	} {
		h.Whole = test.whole
		seen := map[string]bool{}
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 1000 {
			b := read(h.Crash(len(h.Events), powercut.Random, test.sector, rnd), 0, pageSize)
			seen[string(b)] = true
			for lo := 0; lo < pageSize; lo += test.sector {
				s := b[lo : lo+test.sector]
				require.Contains(t, "abc", string(s[:1]), "what was flushed is there")
				require.Equal(t, fill(s[0], test.sector), s, "a sector is whole")
			}
		}
		assert.Len(t, seen, test.states, "sectors of %d bytes", test.sector)
	}
}
