package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// A meter says on a line of its own how far a long piece of work has come. It is
// silent about short ones.
type meter struct {
	w        io.Writer
	rewrites bool // w is a terminal, on which a line can be written over

	what  string
	start time.Time
	last  time.Time
	shown bool
}

const (
	meterPatience = time.Second            // work that is done sooner is not worth a line
	meterRefresh  = 200 * time.Millisecond // on a terminal
	meterRepeat   = 5 * time.Second        // elsewhere, where lines stay
)

// begin starts to measure a piece of work, and ends the one before.
func (m *meter) begin(what string) {
	if m.shown && m.rewrites {
		_, _ = fmt.Fprintf(m.w, "\r%-78s\r", "")
	}
	m.what, m.start, m.shown = what, time.Now(), false
}

// at tells how much of the work is done, in bytes.
func (m *meter) at(done, total int64) {
	m.say("%s of %s", byteSize(done), byteSize(total))
}

// say tells how far the work has come.
func (m *meter) say(format string, args ...any) {
	now := time.Now()
	pause := meterRepeat
	if m.rewrites {
		pause = meterRefresh
	}
	if now.Sub(m.start) < meterPatience || m.shown && now.Sub(m.last) < pause {
		return
	}
	m.last, m.shown = now, true
	line := m.what + ": " + fmt.Sprintf(format, args...)
	if m.rewrites {
		_, _ = fmt.Fprintf(m.w, "\r%-78.78s", line)
	} else {
		_, _ = fmt.Fprintln(m.w, line)
	}
}

// A meteredReader tells a meter what was read, and ends when its context does.
type meteredReader struct {
	ctx         context.Context
	r           io.Reader
	meter       *meter
	done, total int64
}

func (r *meteredReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.r.Read(p)
	r.done += int64(n)
	r.meter.at(r.done, r.total)
	return n, err
}

// byteSize returns n as people write it.
func byteSize(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, 0
	for value >= unit && prefix < len("KMGTPE")-1 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[prefix])
}
