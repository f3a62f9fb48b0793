package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"
)

// A row of the chart of curves, and what is below its curve.
const curveRow, curveHeight, curveTop = 90, 50, 56

// curvesChart draws curves, each in a row of its own: the sizes from left to right,
// and what a unit costs as a multiple of the cheapest, up to eight times that.
func curvesChart(all []*traced, title string) []byte {
	var works, systems []string
	for _, t := range all {
		if !slices.Contains(works, t.work) {
			works = append(works, t.work)
		}
		if !slices.Contains(systems, t.at) {
			systems = append(systems, t.at)
		}
	}
	width, height := labelWidth+barWidth+valueWidth, curveTop+curveRow*len(works)
	d := &drawing{}
	d.put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`, width, height, width, height)
	d.put(`<title>What a unit costs, by how many there are</title>`)
	d.put(`<style>%s polyline { fill: none; stroke-width: 2 } .l0 { stroke: #0969da } .l1 { stroke: #1a7f37 } .l2 { stroke: #bf8700 }</style>`, chartStyle)
	d.text(10, 20, "title", "start", "tempkit: what a unit costs as a multiple of the cheapest (flat is good)")
	d.text(10, 38, "", "start", title)
	for i, s := range systems {
		d.put(`<rect x="%d" y="11" width="10" height="10" class="s%d"/>`, labelWidth+85*i, i%3)
		d.text(float64(labelWidth+85*i+15), 20, "", "start", s)
	}
	for _, t := range all {
		row := slices.Index(works, t.work)
		d.curve(t, float64(curveTop+curveRow*row+curveHeight), slices.Index(systems, t.at)%3)
	}
	d.put(`</svg>`)
	return d.Bytes()
}

// curve draws one curve above base.
func (d *drawing) curve(t *traced, base float64, series int) {
	d.text(labelWidth-20, base-curveHeight/2, "work", "end", t.work+": each "+t.unit+", by "+t.of)
	d.put(`<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" class="grid"/>`, labelWidth, labelWidth+barWidth, base, base)
	step := float64(barWidth) / float64(max(len(t.sizes)-1, 1))
	var points bytes.Buffer
	for i, p := range t.points {
		if p.err != nil {
			continue
		}
		times := p.each / t.cheapest()
		x, y := float64(labelWidth)+step*float64(i), base-curveHeight*math.Log2(min(times, 8))/3
		fmt.Fprintf(&points, "%.1f,%.1f ", x, y)
		d.text(x, base+14, "", "middle", t.label(p.size))
		if times > 1.5 {
			d.text(x, y-5, "", "middle", fmt.Sprintf("%.1f", times))
		}
	}
	d.put(`<polyline points="%s" class="l%d"/>`, points.String(), series)
}
