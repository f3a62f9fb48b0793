package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFullPrintsAndDraws(t *testing.T) {
	dir, svg := t.TempDir(), filepath.Join(t.TempDir(), "figures.svg")
	s := &survey{only: regexp.MustCompile("spool of 1 KiB|rootfs"), dir: dir, svg: svg, meter: &meter{w: io.Discard}}
	var said strings.Builder
	require.NoError(t, s.run(t.Context(), &said))
	out := said.String()
	assert.Contains(t, out, "spool of 1 KiB")
	assert.Contains(t, out, "rootfs: open, read, close")
	assert.NotContains(t, out, "Batch")
	assert.Contains(t, out, "figures of 2 are past")

	drawn, err := os.ReadFile(svg)
	require.NoError(t, err)
	assert.Contains(t, string(drawn), "spool of 1 KiB : bytes.Buffer")
	for d := xml.NewDecoder(bytes.NewReader(drawn)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err, "the SVG is XML")
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestFullRefusesWhatItCannotDo(t *testing.T) {
	status, _, errs := bench(t, makers, "-full", "-only", "no such row")
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, "no row matches")

	status, _, _ = bench(t, makers, "-full", "-only", "(")
	assert.Equal(t, 2, status)

	status, _, errs = bench(t, makers, "-full", "file")
	assert.Equal(t, 2, status)
	assert.Contains(t, errs, "usage")

	// What fails in one row is said there, and the others go on.
	missing := filepath.Join(t.TempDir(), "missing")
	status, out, _ := bench(t, makers, "-full", "-only", "rootfs", "-dir", missing)
	assert.Zero(t, status)
	assert.Contains(t, out, missing)
}

func TestMeasure(t *testing.T) {
	none := func() (int64, bool) { return 0, false }
	var calls []string
	counted := func(impl string) way {
		return way{impl: impl, ready: func() error { return nil }, do: func() error {
			calls = append(calls, impl)
			return nil
		}}
	}
	flushes := int64(0)
	ways := []way{counted("a"), counted("b")}
	samples, err := measure(t.Context(), ways, roundsLeast, 0, func() (int64, bool) { flushes++; return flushes, true }, func(int) {})
	require.NoError(t, err)
	require.Len(t, samples, 2)
	assert.GreaterOrEqual(t, len(samples[0].wall), roundsLeast)
	assert.Len(t, samples[1].wall, len(samples[0].wall))
	assert.Len(t, samples[1].flushes, len(samples[0].wall))
	assert.Equal(t, "a b b a a b", strings.Join(calls[:6], " "), "nobody is always first")

	broken := errors.New("broken")
	_, err = measure(t.Context(), []way{{impl: "x", do: func() error { return broken }}}, 1, 0, none, func(int) {})
	require.ErrorIs(t, err, broken)
	assert.EqualError(t, err, "x: broken")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = measure(ctx, ways, 1, 0, none, func(int) {})
	assert.ErrorIs(t, err, context.Canceled)
}

// However long a way takes the first time, its turns are as long as they are to be:
// of one that is over in a microsecond what surrounds it would be measured.
func TestTurnsAreLong(t *testing.T) {
	calls, least := 0, math.MaxInt
	w := way{impl: "x", do: func() error {
		if calls++; calls == 1 {
			time.Sleep(2 * turnLength)
		}
		return nil
	}}
	count := func(int) { least, calls = min(least, calls), 1 }
	_, err := measure(t.Context(), []way{w}, 3, 0, func() (int64, bool) { return 0, false }, count)
	require.NoError(t, err)
	assert.Greater(t, least, 1000)
}

func TestRatioIsOfRounds(t *testing.T) {
	assert.InDelta(t, 2.0, ratio([]float64{2, 200, 4}, []float64{1, 100, 1}), 1e-9)
	assert.Zero(t, ratio(nil, nil))
	assert.InDelta(t, 5.0, median([]float64{9, 1, 5}), 1e-9)
}

func TestMissed(t *testing.T) {
	limits := row{most: 1.05, cpu: 1.25}
	for _, test := range []struct {
		m    measured
		want bool
	}{
		{measured{row: limits, ratio: 1.05, cpu: 1.25}, false},
		{measured{row: limits, ratio: 1.06, cpu: 1}, true},
		{measured{row: limits, ratio: 1, cpu: 1.26}, true},
		{measured{row: row{most: 1.05}, ratio: 1, cpu: 9}, false},
		{measured{row: row{memory: 1.1}, ratio: 1.2}, true},
		{measured{row: limits, err: errNotHere, ratio: 9}, false},
	} {
		assert.Equal(t, test.want, test.m.missed(), "%+v", test.m)
	}
}

func TestChartOrder(t *testing.T) {
	disk, memory := row{work: "disk", against: "<raw>", most: 1, onDisk: true}, row{work: "memory", against: "copy", most: 2}
	svg := string(chart([]*measured{
		{row: disk, at: "ext4", ratio: 0.5}, {row: memory, at: "ext4", ratio: 1.5},
		{row: disk, at: "xfs", ratio: 0.25}, {row: memory, at: "xfs", ratio: 1.75},
		{row: disk, at: "xfs", err: errNotHere},
	}, "a machine"))
	assert.Contains(t, svg, "disk : &lt;raw&gt;")
	assert.Contains(t, svg, ">0.50<")
	assert.Contains(t, svg, ">0.25<")
	assert.Contains(t, svg, ">1.50<")
	assert.NotContains(t, svg, ">1.75<", "memory is the same on every file system")
	assert.Contains(t, svg, "a machine")
}

func TestScalePrintsAndDraws(t *testing.T) {
	dir, svg := t.TempDir(), filepath.Join(t.TempDir(), "scale.svg")
	only := regexp.MustCompile("at once|without sync|spool")
	s := &survey{only: only, dir: dir, svg: svg, scales: true, small: true, meter: &meter{w: io.Discard}}
	var said strings.Builder
	require.NoError(t, s.run(t.Context(), &said))
	assert.Contains(t, said.String(), "64.0 KiB bytes")
	assert.Contains(t, said.String(), "4 goroutines")
	assert.NotContains(t, said.String(), "Sweep")
	drawn, err := os.ReadFile(svg)
	require.NoError(t, err)
	assert.Equal(t, 3, strings.Count(string(drawn), "<polyline"))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestCheapest(t *testing.T) {
	c := &traced{points: []point{{each: 4}, {each: 2}, {each: 1, err: errNotHere}, {each: 3}}}
	assert.InDelta(t, 2.0, c.cheapest(), 1e-9)
	assert.Equal(t, "64.0 KiB", (&curve{bytes: true}).label(64*kib))
	assert.Equal(t, "1000", (&curve{}).label(1000))
}
