package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"
)

// randomPart matches what makes a temporary's name unique: 26 characters of base 32.
var randomPart = regexp.MustCompile(`[a-z2-7]{26}`)

// A transcript is what happened on one kind.
type transcript struct {
	kind     string
	where    string
	sections []*section
	took     time.Duration
}

// A section is what one step had to say. Its lines are the same on every kind
// that keeps the promises; its details are not.
type section struct {
	step    string
	lines   []string
	details []string
	omitted string // why this kind left the step out
	broken  error  // the promise that was not kept
}

func (s *section) say(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *section) detail(format string, args ...any) {
	s.details = append(s.details, fmt.Sprintf(format, args...))
}

// same reports whether s and other tell the same. A section that was left out
// tells nothing, and contradicts nobody.
func (s *section) same(other *section) bool {
	if s.omitted != "" || other.omitted != "" {
		return true
	}
	return (s.broken == nil) == (other.broken == nil) && slices.Equal(s.lines, other.lines)
}

// digest returns the SHA-256 of the sections of t that every kind has, in
// hexadecimal.
func (t *transcript) digest(common func(i int) bool) string {
	h := sha256.New()
	for i, s := range t.sections {
		if !common(i) {
			continue
		}
		for _, line := range s.lines {
			_, _ = io.WriteString(h, s.step+"\t"+line+"\n")
		}
		if s.broken != nil {
			_, _ = io.WriteString(h, s.step+"\tbroken\n")
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// broken reports whether a promise was not kept.
func (t *transcript) broken() bool {
	return slices.ContainsFunc(t.sections, func(s *section) bool { return s.broken != nil })
}

// A result is the transcripts of all kinds, which have the same steps.
type result []*transcript

// common reports whether every kind took step i.
func (r result) common(i int) bool {
	return !slices.ContainsFunc(r, func(t *transcript) bool { return t.sections[i].omitted != "" })
}

// fullest returns section i of the first kind that did not leave it out.
func (r result) fullest(i int) *section {
	for _, t := range r {
		if t.sections[i].omitted == "" {
			return t.sections[i]
		}
	}
	return r[0].sections[i]
}

// identical reports whether all kinds tell the same.
func (r result) identical() bool {
	for i := range r[0].sections {
		for _, t := range r {
			if !t.sections[i].same(r.fullest(i)) {
				return false
			}
		}
	}
	return true
}

// kept reports whether every promise was kept on every kind.
func (r result) kept() bool {
	return !slices.ContainsFunc(r, (*transcript).broken)
}
