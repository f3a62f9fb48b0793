package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// sectionMost is how many lines of a step, and how many equal steps such as
// uploads, the short report shows.
const sectionMost = 6

// report prints what r says: once what all kinds say alike, then each difference,
// then a line for each kind.
func report(w io.Writer, r result, verbose bool) {
	p := &printer{w: w}
	p.transcript(r)
	p.differences(r)
	if verbose {
		p.details(r)
	}
	p.kinds(r)
	p.verdict(r)
}

// A printer writes a report. Errors of the writer are the writer's affair.
type printer struct{ w io.Writer }

func (p *printer) line(format string, args ...any) {
	_, _ = fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

func (p *printer) transcript(r result) {
	p.line("One pipeline on %d file systems. What they all say:", len(r))
	p.line("")
	alike := 0
	for i, s := range r[0].sections {
		if i > 0 && r[0].sections[i-1].step == s.step {
			alike++
		} else {
			alike = 0
		}
		if alike == sectionMost {
			p.line("  %-20s  ... and more; -v shows all", "")
		}
		if alike >= sectionMost {
			continue
		}
		p.section(r, i)
	}
	p.line("")
}

// section prints the lines of step i that are the same on every kind.
func (p *printer) section(r result, i int) {
	s := r.fullest(i)
	label := s.step
	for n, text := range s.lines {
		for _, t := range r {
			other := t.sections[i]
			if other.omitted == "" && (len(other.lines) <= n || other.lines[n] != text) {
				text = "(not the same everywhere: see below)"
			}
		}
		p.line("  %-20s  %s", label, text)
		label = ""
	}
	if len(s.lines) == 0 {
		p.line("  %-20s  %s", label, "(nothing)")
	}
	for _, t := range r {
		if why := t.sections[i].omitted; why != "" {
			p.line("  %-20s  left out on %s: %s", "", t.kind, why)
		}
	}
}

// differences prints what each kind says on the steps that differ, or where a
// promise was broken.
func (p *printer) differences(r result) {
	for i, first := range r[0].sections {
		differs := false
		for _, t := range r {
			differs = differs || t.sections[i].broken != nil || !t.sections[i].same(r.fullest(i))
		}
		if !differs {
			continue
		}
		p.line("%s, one by one:", first.step)
		for _, t := range r {
			s := t.sections[i]
			for n, text := range s.lines {
				p.line("  %-20s  %s", onlyFirst(n, t.kind), text)
			}
			if s.broken != nil {
				p.line("  %-20s  BROKEN: %s", onlyFirst(len(s.lines), t.kind), oneLine(s.broken))
			}
		}
		p.line("")
	}
}

func (p *printer) details(r result) {
	for _, t := range r {
		p.line("%s, in detail:", t.kind)
		for _, s := range t.sections {
			n := 0
			for _, text := range append(s.lines, s.details...) {
				p.line("  %-20s  %s", onlyFirst(n, s.step), strings.ReplaceAll(text, "\n", "; "))
				n++
			}
		}
		p.line("")
	}
}

func (p *printer) kinds(r result) {
	p.line("  %-20s  %-16s  %-7s  %7s  %s", "file system", "transcript", "kept", "seconds", "root")
	for _, t := range r {
		kept := "yes"
		if t.broken() {
			kept = "NO"
		}
		p.line("  %-20s  %-16.16s  %-7s  %7.2f  %s", t.kind, t.digest(r.common), kept, t.took.Round(10*time.Millisecond).Seconds(), t.where)
	}
	p.line("")
}

func (p *printer) verdict(r result) {
	same, kept := "identical", "every promise was kept"
	if !r.identical() {
		same = "NOT identical"
	}
	if !r.kept() {
		kept = "A PROMISE WAS BROKEN"
	}
	p.line("The %d transcripts are %s; %s.", len(r), same, kept)
	if r.identical() {
		p.line("sha256 %s", r[0].digest(r.common))
	}
}

// onlyFirst returns text for line 0 of a block, and nothing for the others.
func onlyFirst(n int, text string) string {
	if n == 0 {
		return text
	}
	return ""
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
