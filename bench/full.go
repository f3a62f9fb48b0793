package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// A survey is a run of -full: which rows are measured, and where.
type survey struct {
	only   *regexp.Regexp
	dir    string        // "" means where temporaries are made
	loop   string        // file systems to make and measure on, separated by commas
	svg    string        // file for the chart; "" means none
	scales bool          // curves are measured, not rows
	small  bool          // the works are tried, not measured
	long   time.Duration // for a row, unless its rounds are longer
	meter  *meter
}

// surveyFlags adds to flags what adjusts a survey. The survey is filled by Parse.
func surveyFlags(flags *flag.FlagSet, m *meter) *survey {
	s := &survey{only: regexp.MustCompile(""), long: roundsEnd, meter: m}
	flags.StringVar(&s.dir, "dir", "", "with -full: measure in `DIR`")
	flags.StringVar(&s.loop, "loop", "", "with -full, as root on Linux: measure on new file systems, such as `ext4,xfs,btrfs`, in files in DIR")
	flags.StringVar(&s.svg, "svg", "", "with -full: draw the figures into `FILE`")
	flags.BoolVar(&s.scales, "scale", false, "with -full: measure what a unit costs, by how many there are")
	flags.Func("only", "with -full: measure the rows that match `REGEXP`", func(text string) (err error) {
		s.only, err = regexp.Compile("(?i)" + text)
		return err
	})
	return s
}

// A measured row is a row with what came out on one file system.
type measured struct {
	row
	at           string // the file system
	ratio, cpu   float64
	ours, theirs float64 // nanoseconds, or bytes for a row of memory
	flushes      [2]float64
	counted      bool // flushes were
	rounds       int
	err          error // why there is nothing
}

// missed reports whether a figure was not reached.
func (m *measured) missed() bool {
	limit := cmp.Or(m.memory, m.most)
	return m.err == nil && (m.ratio > limit || m.row.cpu > 0 && m.cpu > m.row.cpu)
}

// run measures and prints tables.
func (s *survey) run(ctx context.Context, stdout io.Writer) error {
	p := &printer{w: stdout}
	p.line("Each figure is the median of the rounds of one run, in which all take turns in the same directory.")
	p.line("Rivals of other modules: go test -bench Ratio -run '^$' in bench/peers.")
	var all []*measured
	var lines []*traced
	each := func(dir, name string) error {
		dir, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		p.line("")
		p.line("%s, %s", name, dir)
		p.line("")
		if s.scales {
			list, err := s.scale(ctx, dir, name, p)
			lines = append(lines, list...)
			return err
		}
		list, err := s.on(ctx, dir, name, p)
		all = append(all, list...)
		return err
	}
	if s.loop != "" {
		if err := onLoops(cmp.Or(s.dir, os.TempDir()), strings.Split(s.loop, ","), each); err != nil {
			return err
		}
	} else {
		dir := cmp.Or(s.dir, os.TempDir())
		if err := each(dir, fileSystem(dir)); err != nil {
			return err
		}
	}
	if len(all)+len(lines) == 0 {
		return errors.New("no row matches")
	}
	if s.scales {
		if s.svg == "" {
			return nil
		}
		return os.WriteFile(s.svg, curvesChart(lines, s.title()), 0o644)
	}
	missed := 0
	for _, m := range all {
		if m.missed() {
			missed++
		}
	}
	p.line("%d figures of %d are past what was set out to be reached.", missed, len(all))
	if s.svg == "" {
		return nil
	}
	return os.WriteFile(s.svg, chart(all, s.title()), 0o644)
}

func (s *survey) title() string {
	return fmt.Sprintf("%s, %s/%s, %d processors", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}

// on measures in dir, which is on the file system name, and prints row by row.
func (s *survey) on(ctx context.Context, dir, name string, p *printer) (all []*measured, err error) {
	p.line("  %-44s  %-36s %6s %6s %6s  %9s %9s  %s", "work", "against", "at most", "ratio", "cpu", "ours", "theirs", "flushes")
	other := elsewhere(dir)
	for _, r := range rows {
		if !s.only.MatchString(r.work) {
			continue
		}
		m := s.row(ctx, r, dir, other)
		if err := ctx.Err(); err != nil {
			return all, err
		}
		m.at = name
		all = append(all, m)
		p.measured(m)
	}
	return all, nil
}

// elsewhere returns a directory on another volume than dir, or "".
func elsewhere(dir string) string {
	for _, other := range []string{os.TempDir(), "/dev/shm", "/var/tmp"} {
		if info, err := os.Stat(other); err == nil && info.IsDir() && !sameVolume(dir, other) {
			return other
		}
	}
	return ""
}

// row measures one row.
func (s *survey) row(ctx context.Context, r row, dir, other string) *measured {
	m := &measured{row: r}
	s.meter.begin(r.work)
	defer s.meter.begin("")
	at, err := newSite(dir, other)
	if err != nil {
		m.err = err
		return m
	}
	at.small = s.small
	m.err = s.measure(ctx, m, at)
	if err := at.close(); err != nil {
		m.err = errors.Join(m.err, err)
	}
	runtime.GC() // the next begins with what this one held let go of
	return m
}

func (s *survey) measure(ctx context.Context, m *measured, at *site) error {
	ways, err := m.open(at)
	if err != nil {
		return err
	}
	if len(ways) < 2 || m.against != "os" && ways[len(ways)-1].impl == "os" {
		return errNotHere
	}
	ways = []way{ways[0], ways[len(ways)-1]} // what is between them is for the benchmarks
	samples, err := measure(ctx, ways, roundsLeast, s.long, flushCounter(at.dir), func(round int) {
		s.meter.say("%d rounds", round)
	})
	if err != nil {
		return err
	}
	ours, theirs := samples[0], samples[1]
	m.rounds = len(ours.wall)
	if m.memory > 0 {
		m.ours, m.theirs = median(ours.alloc), float64(m.data)
		m.ratio = m.ours / m.theirs
		return nil
	}
	m.ours, m.theirs = median(ours.wall), median(theirs.wall)
	m.ratio, m.cpu = ratio(ours.wall, theirs.wall), ratio(ours.cpu, theirs.cpu)
	m.flushes = [2]float64{median(ours.flushes), median(theirs.flushes)}
	m.counted = m.onDisk && len(ours.flushes) > 0
	return nil
}

// measured prints a row.
func (p *printer) measured(m *measured) {
	limit := fmt.Sprintf("%.2f", cmp.Or(m.memory, m.most))
	if m.err != nil {
		p.line("  %-44s  %-36s %7s  %s", m.work, m.against, limit, oneLine(m.err))
		return
	}
	cpu, flushes, mark := "", "", ""
	if m.cpu > 0 {
		cpu = fmt.Sprintf("%.2f", m.cpu)
	}
	if m.counted && m.flushes[0]+m.flushes[1] > 0 {
		flushes = fmt.Sprintf("%.4g : %.4g", m.flushes[0], m.flushes[1])
	}
	ours, theirs := duration(m.ours), duration(m.theirs)
	if m.memory > 0 {
		ours, theirs = byteSize(int64(m.ours)), byteSize(int64(m.theirs))
	}
	if m.missed() {
		mark = "  past it"
	}
	p.line("  %-44s  %-36s %7s %6.2f %6s  %9s %9s  %s%s", m.work, m.against, limit, m.ratio, cpu, ours, theirs, flushes, mark)
}

// duration returns nanoseconds as people write them, in three digits.
func duration(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.3g ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.3g us", ns/1e3)
	case ns < 1e9:
		return fmt.Sprintf("%.3g ms", ns/1e6)
	}
	return fmt.Sprintf("%.3g s", time.Duration(ns).Seconds())
}
