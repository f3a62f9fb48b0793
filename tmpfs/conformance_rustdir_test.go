package tmpfs_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// checksOfRustDirs are R54 to R63, directories, and R64 to R67, anonymous files.
var checksOfRustDirs = map[string]check{
	"R54": func(t *testing.T, k testfs.Kind) {
		var name string
		require.NoError(t, tmpfs.WithDir(k.Fs, &tmpfs.Options{Dir: k.Dir, Pattern: "foobar"}, func(d *tmpfs.Dir) error {
			name = d.Path()
			return nil
		}))
		assert.Contains(t, name, "foobar")
		assert.False(t, exists(t, k.Fs, name))
	},
	"R55": nameOf("Mkdir", "prefix*", "prefix", ""),
	"R56": nameOf("Mkdir", "*suffix", "", "suffix"),
	"R57": nameOf("Mkdir", "prefix*suffix", "prefix", "suffix"),
	"R58": dirAndGoroutines,
	"R59": func(t *testing.T, k testfs.Kind) {
		d := mkdir(t, k)
		require.NoError(t, d.Keep(d.Path()))
		require.NoError(t, d.Close())
		assert.True(t, exists(t, k.Fs, d.Path()))
	},
	"R60": func(t *testing.T, k testfs.Kind) {
		d := mkdir(t, k)
		require.NoError(t, d.Close())
		assert.False(t, exists(t, k.Fs, d.Path()))
	},
	"R61": func(t *testing.T, k testfs.Kind) {
		defer func() { assert.Equal(t, "first", recover()) }()
		_ = tmpfs.WithDir(k.Fs, &tmpfs.Options{Dir: k.Dir}, func(d *tmpfs.Dir) error {
			require.NoError(t, tmpfs.RemoveAll(k.Fs, d.Path()))
			panic("first")
		})
	},
	"R63": fourWays("Mkdir"),
	"R64": roundTrip(tmpfs.CreateAnonymous),
	"R65": func(t *testing.T, k testfs.Kind) {
		f := anonymous(t, k.Fs, k.Dir)
		_, err := f.WriteString("abcde")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		empty(t, k)
	},
	"R66": writeOnly("CreateAnonymous"),
	"R67": func(t *testing.T, k testfs.Kind) {
		if !canRemoveOpen(k) {
			t.Skip("an open file cannot be removed")
		}
		// All 10,000, beside another process: TestPathologicalCleaner.
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					clean(k.Fs, k.Dir)
				}
			}
		}()
		survives(t, k.Fs, k.Dir, 1000)
		close(stop)
		<-stopped
		empty(t, k)
	},
}

func dirAndGoroutines(t *testing.T, k testfs.Kind) {
	paths := make(chan string, 1)
	go func() { // it panics there
		defer close(paths)
		defer func() { _ = recover() }()
		_ = tmpfs.WithDir(k.Fs, &tmpfs.Options{Dir: k.Dir}, func(d *tmpfs.Dir) error {
			paths <- d.Path()
			panic("there")
		})
	}()
	name := <-paths
	<-paths
	assert.False(t, exists(t, k.Fs, name))

	d := mkdir(t, k) // it moves there
	done := make(chan error)
	go func() { done <- d.Close() }()
	require.NoError(t, <-done)

	dirs := make(chan *tmpfs.Dir) // it comes from there
	go func() {
		d, err := tmpfs.Mkdir(k.Fs, &tmpfs.Options{Dir: k.Dir})
		assert.NoError(t, err)
		dirs <- d
	}()
	d = <-dirs
	assert.True(t, exists(t, k.Fs, d.Path()))
	require.NoError(t, d.Close())
	empty(t, k)
}
