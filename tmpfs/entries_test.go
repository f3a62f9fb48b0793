package tmpfs_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// A made is what an entry point has made.
type made struct {
	name  string // "" for what has no name
	isDir bool
	f     afero.File // nil for a directory
	drop  func() error
}

// An entry is one of the ways to make a temporary.
type entry struct {
	name  string
	isDir bool
	perm  bool // it takes Options.Perm
	make  func(fsys afero.Fs, o tmpfs.Options) (made, error)
}

// entries are all of them.
var entries = []entry{
	{"CreateTemp", false, false, func(fsys afero.Fs, o tmpfs.Options) (made, error) {
		f, name, err := tmpfs.CreateTemp(fsys, o.Dir, o.Pattern)
		if err != nil {
			return made{}, err
		}
		return made{name: name, f: f, drop: func() error { return errors.Join(f.Close(), fsys.Remove(name)) }}, nil
	}},
	{"MkdirTemp", true, false, func(fsys afero.Fs, o tmpfs.Options) (made, error) {
		name, err := tmpfs.MkdirTemp(fsys, o.Dir, o.Pattern)
		return made{name: name, isDir: true, drop: func() error { return tmpfs.RemoveAll(fsys, name) }}, err
	}},
	{"Create", false, true, func(fsys afero.Fs, o tmpfs.Options) (made, error) {
		f, err := tmpfs.Create(fsys, &o)
		if err != nil {
			return made{}, err
		}
		return made{name: f.Name(), f: f, drop: f.Close}, nil
	}},
	{"CreateAnonymous", false, true, func(fsys afero.Fs, o tmpfs.Options) (made, error) {
		f, err := tmpfs.CreateAnonymous(fsys, &o)
		if err != nil {
			return made{}, err
		}
		return made{name: f.Name(), f: f, drop: f.Close}, nil
	}},
	{"Mkdir", true, true, func(fsys afero.Fs, o tmpfs.Options) (made, error) {
		d, err := tmpfs.Mkdir(fsys, &o)
		if err != nil {
			return made{}, err
		}
		return made{name: d.Path(), isDir: true, drop: d.Close}, nil
	}},
	{"WithFile", false, true, func(fsys afero.Fs, o tmpfs.Options) (m made, err error) {
		err = tmpfs.WithFile(fsys, &o, func(f *tmpfs.File) error {
			if err := f.Keep(f.Name()); err != nil {
				return err
			}
			m = made{name: f.Name(), drop: func() error { return fsys.Remove(f.Name()) }}
			return nil
		})
		return m, err
	}},
	{"WithDir", true, true, func(fsys afero.Fs, o tmpfs.Options) (m made, err error) {
		err = tmpfs.WithDir(fsys, &o, func(d *tmpfs.Dir) error {
			if err := d.Keep(d.Path()); err != nil {
				return err
			}
			m = made{name: d.Path(), isDir: true, drop: func() error { return tmpfs.RemoveAll(fsys, d.Path()) }}
			return nil
		})
		return m, err
	}},
}

// eachEntry runs body with every entry point on every kind.
func eachEntry(t *testing.T, body func(t *testing.T, k testfs.Kind, e entry)) {
	t.Helper()
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, e := range entries {
			t.Run(e.name, func(t *testing.T) { body(t, k.Fresh(t), e) })
		}
	})
}

// randomPart is what random text looks like: 130 bits in lower case.
const randomPart = `[a-z2-7]{26}`

// exists reports whether there is anything called name.
func exists(t testing.TB, fsys afero.Fs, name string) bool {
	t.Helper()
	_, err := lstat(fsys, name)
	if err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	return err == nil
}

func lstat(fsys afero.Fs, name string) (fs.FileInfo, error) {
	if l, ok := fsys.(afero.Lstater); ok {
		info, _, err := l.LstatIfPossible(name)
		return info, err
	}
	return fsys.Stat(name)
}

// empty checks that nothing is left in the directory of k.
func empty(t testing.TB, k testfs.Kind) {
	t.Helper()
	assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
}

// pathError checks that err is a *fs.PathError about that path.
func pathError(t testing.TB, err error, path string) {
	t.Helper()
	var perr *fs.PathError
	if assert.ErrorAs(t, err, &perr) {
		assert.Equal(t, path, perr.Path)
		assert.Equal(t, strings.ToLower(perr.Op), perr.Op)
	}
	assert.NotRegexp(t, randomPart, err.Error(), "the path of a temporary")
}
