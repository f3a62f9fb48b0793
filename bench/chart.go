package main

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
)

// A chart has a row for each work, in it a bar for each file system, and goes from
// chartLow to chartHigh of what the rival takes, in a scale in which a half and a
// double are as far from one.
const (
	chartLow, chartHigh  = 1.0 / 64, 4.0
	labelWidth, barWidth = 520, 400
	barHeight, rowGap    = 11, 7
	chartTop, chartFoot  = 64, 30
	valueWidth           = 60
)

// chartStyle is readable on light and on dark pages.
const chartStyle = `
text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #57606a }
.title { font-size: 14px; font-weight: 600; fill: #24292f }
.work { fill: #24292f }
.grid { stroke: #d0d7de }
.one { stroke: #57606a }
.goal { stroke: #cf222e; stroke-width: 2 }
.s0 { fill: #0969da } .s1 { fill: #1a7f37 } .s2 { fill: #bf8700 } .s3 { fill: #8250df }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 } .title, .work { fill: #f0f6fc }
.grid { stroke: #3d444d } .one { stroke: #9198a1 } .goal { stroke: #ff7b72 }
.s0 { fill: #4493f8 } .s1 { fill: #3fb950 } .s2 { fill: #d29922 } .s3 { fill: #ab7df8 }
}
`

// A drawing is an SVG that is being written.
type drawing struct{ bytes.Buffer }

func (d *drawing) put(format string, args ...any) { fmt.Fprintf(&d.Buffer, format+"\n", args...) }

func (d *drawing) text(x, y float64, class, anchor, text string) {
	var safe bytes.Buffer
	_ = xml.EscapeText(&safe, []byte(text)) // a bytes.Buffer takes all
	d.put(`<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`, x, y, class, anchor, safe.String())
}

// chart draws what was measured as an SVG.
func chart(all []*measured, title string) []byte {
	all = slices.DeleteFunc(slices.Clone(all), func(m *measured) bool { return m.err != nil || m.ratio <= 0 })
	var works, systems []string
	for _, m := range all {
		if !slices.Contains(works, m.work) {
			works = append(works, m.work)
		}
		if m.onDisk && !slices.Contains(systems, m.at) {
			systems = append(systems, m.at)
		}
	}
	// What is in memory is the same everywhere: one bar will do.
	all = slices.DeleteFunc(all, func(m *measured) bool {
		return !m.onDisk && len(systems) > 1 && m.at != systems[0]
	})
	d, y := &drawing{}, float64(chartTop)
	for _, work := range works {
		y = d.work(all, systems, work, y)
	}
	return frame(d, systems, title, y)
}

// work draws the bars of one work at y, and returns where the next begins.
func (d *drawing) work(all []*measured, systems []string, work string, y float64) float64 {
	top := y
	var first *measured
	for _, m := range all {
		if m.work != work {
			continue
		}
		first = cmp.Or(first, m)
		series := max(0, slices.Index(systems, m.at))
		class := fmt.Sprint("s", series%4)
		if !m.onDisk {
			class = "s3"
		}
		from, to := position(1), position(m.ratio)
		d.put(`<rect x="%.1f" y="%.1f" width="%.1f" height="%d" class="%s"/>`, min(from, to), y, max(math.Abs(to-from), 1), barHeight-2, class)
		d.text(labelWidth+barWidth+8, y+barHeight-2, "", "start", fmt.Sprintf("%.2f", m.ratio))
		y += barHeight
	}
	goal := position(cmp.Or(first.memory, first.most))
	d.put(`<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" class="goal"/>`, goal, goal, top-1, y)
	d.text(labelWidth-10, (top+y)/2+4, "work", "end", first.work+" : "+first.against)
	return y + rowGap
}

// position returns where a ratio is, from left to right.
func position(ratio float64) float64 {
	ratio = min(max(ratio, chartLow), chartHigh)
	return labelWidth + barWidth*math.Log(ratio/chartLow)/math.Log(chartHigh/chartLow)
}

// frame puts the bars, which end at bottom, into a whole SVG.
func frame(bars *drawing, systems []string, title string, bottom float64) []byte {
	width, height := labelWidth+barWidth+valueWidth, bottom+chartFoot
	d := &drawing{}
	d.put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" role="img">`, width, height, width, height)
	d.put(`<title>Time as a multiple of what the rival takes</title>`)
	d.put(`<style>%s</style>`, chartStyle)
	d.text(10, 20, "title", "start", "tempkit : rival, time as a multiple (less is faster)")
	d.text(10, 38, "", "start", title)
	x := float64(labelWidth)
	for i, s := range append(slices.Clone(systems), "in memory") {
		class := i % 4
		if i == len(systems) {
			class = 3
		}
		d.put(`<rect x="%.1f" y="11" width="10" height="10" class="s%d"/>`, x, class)
		d.text(x+15, 20, "", "start", s)
		x += 85
	}
	d.put(`<line x1="%.1f" x2="%.1f" y1="10" y2="22" class="goal"/>`, x+4, x+4)
	d.text(x+12, 20, "", "start", "to reach")
	for ratio := chartLow; ratio <= chartHigh; ratio *= 2 {
		class, at := "grid", position(ratio)
		if ratio == 1 {
			class = "one"
		}
		d.put(`<line x1="%.1f" x2="%.1f" y1="%d" y2="%.1f" class="%s"/>`, at, at, chartTop-6, bottom, class)
		label := fmt.Sprint(ratio)
		if ratio < 1 {
			label = fmt.Sprintf("1/%.0f", 1/ratio)
		}
		d.text(at, chartTop-12, "", "middle", label)
		d.text(at, bottom+14, "", "middle", label)
	}
	_, _ = bars.WriteTo(d)
	d.put(`</svg>`)
	return d.Bytes()
}
