package spool_test

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
)

// A trial is one case of somebody else's suite on one kind of disk with one
// memory side.
type trial struct {
	*testing.T
	k    testfs.Kind
	opts spool.Options
}

// new returns a spool with that threshold, which is closed with the trial.
func (c trial) new(maxMemory int64) *spool.File {
	c.Helper()
	opts := c.opts
	opts.MaxMemory = maxMemory
	f := spool.New(c.k.Fs, &opts)
	c.Cleanup(func() { require.NoError(c, f.Close()) })
	return f
}

// each runs body with a spool that has room for size bytes, for exactly those,
// and for one less.
func (c trial) each(size int, body func(t *testing.T, f *spool.File)) {
	c.Helper()
	for name, limit := range map[string]int{"below": size + 1, "at": size, "above": size - 1} {
		c.Run(name, func(t *testing.T) {
			if limit == 0 {
				limit = -1
			}
			body(t, trial{t, c.k, c.opts}.new(int64(limit)))
		})
	}
}

// rolled asserts whether f is on the disk.
func rolled(t testing.TB, f *spool.File, want bool) {
	t.Helper()
	assert.Equal(t, want, f.Spilled())
}

func seekTo(t testing.TB, f io.Seeker, off int64) {
	t.Helper()
	got, err := f.Seek(off, io.SeekStart)
	require.NoError(t, err)
	require.Equal(t, off, got)
}

func put(t testing.TB, f io.Writer, s string) {
	t.Helper()
	n, err := io.WriteString(f, s)
	require.NoError(t, err)
	require.Equal(t, len(s), n)
}

const alphabet = "abcdefghijklmnopqrstuvwxyz"

// A conformanceCase is what a test of somebody else asserts, by the number that
// it has in their list.
type conformanceCase struct {
	id   string
	what string
	skip string // why it is not for us
	run  func(c trial)
}

func TestConformance(t *testing.T) {
	for _, cc := range slices.Concat(ofPython, ofRust, ofJava, ofGo, ofBugs) {
		t.Run(cc.id, func(t *testing.T) {
			if cc.skip != "" {
				t.Skip(cc.skip)
			}
			t.Log(cc.what)
			eachMemory(t, func(t *testing.T, k testfs.Kind, opts spool.Options) {
				cc.run(trial{t, k, opts})
			})
		})
	}
}

func mustRead(t testing.TB, r io.Reader, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	n, err := r.Read(p)
	require.NoError(t, err)
	return p[:n]
}

func requireFile(t testing.TB, fsys afero.Fs, name string, want []byte) {
	t.Helper()
	got, err := afero.ReadFile(fsys, name)
	require.NoError(t, err)
	require.Equal(t, len(want), len(got))
	require.True(t, bytes.Equal(want, got), "%s holds something else", name)
}
