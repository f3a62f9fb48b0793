package atomicfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// crashOps write "/dir/file" and, some of them, "/dir/new/file".
var crashOps = map[string]struct {
	names []string
	do    func(fsys afero.Fs) error
}{
	"WriteFile": {[]string{"/dir/file"}, func(fsys afero.Fs) error {
		return atomicfs.WriteFile(fsys, "/dir/file", newText, 0o644)
	}},
	"WriteFile in missing parents": {[]string{"/dir/a/b/new"}, func(fsys afero.Fs) error {
		return atomicfs.WriteFile(fsys, "/dir/a/b/new", newText, 0o644)
	}},
	"NoReplace": {[]string{"/dir/new"}, func(fsys afero.Fs) error {
		f, err := atomicfs.Create(fsys, "/dir/new", &atomicfs.Options{NoReplace: true})
		if err == nil {
			_, err = f.Write(newText)
			err = errors.Join(err, f.Commit(), f.Close())
		}
		return err
	}},
	"Update": {[]string{"/dir/file"}, func(fsys afero.Fs) error {
		return atomicfs.Update(fsys, "/dir/file", 0o644, func([]byte) ([]byte, error) { return newText, nil })
	}},
	"Commit": {[]string{"/dir/file"}, func(fsys afero.Fs) error {
		return tmpfs.WithFile(fsys, &tmpfs.Options{Dir: "/dir"}, func(f *tmpfs.File) error {
			if _, err := f.Write(newText); err != nil {
				return err
			}
			return atomicfs.Commit(f, "/dir/file")
		})
	}},
	"NewFs, Close": {[]string{"/dir/file"}, func(fsys afero.Fs) error {
		return afero.WriteFile(atomicfs.NewFs(fsys, nil), "/dir/file", newText, 0o644)
	}},
	"NewFs, Sync": {[]string{"/dir/new"}, func(fsys afero.Fs) error {
		f, err := atomicfs.NewFs(fsys, nil).OpenFile("/dir/new", truncate, 0o644)
		if err == nil {
			_, err = f.Write(newText)
			err = errors.Join(err, f.Sync())
		}
		return err
	}},
	"Batch": {[]string{"/dir/file", "/dir/new", "/dir/a/new", "/dir/b/new"}, func(fsys afero.Fs) error {
		b := atomicfs.NewBatch(fsys, nil)
		for _, name := range []string{"/dir/file", "/dir/new", "/dir/a/new", "/dir/b/new"} {
			if err := b.WriteFile(name, newText, 0o644); err != nil {
				return err
			}
		}
		return errors.Join(b.Commit(), b.Close())
	}},
}

var oldText, newText = []byte(strings.Repeat("old ", 3000)), []byte(strings.Repeat("the new text ", 1500))

// A write that has been acknowledged is there after a power cut at any moment,
// in whatever order the disk had done what it was not made to wait for; and
// before it is the old file or the new one that is there, whole.
func TestCrash(t *testing.T) {
	for op, c := range crashOps {
		for _, m := range testfs.Models {
			t.Run(fmt.Sprint(op, " ", m), func(t *testing.T) {
				f := testfs.NewCrash()
				require.NoError(t, f.Mkdir("/dir", 0o755))
				require.NoError(t, afero.WriteFile(f, "/dir/file", oldText, 0o604))
				f.Settle()
				began := f.Now()
				require.NoError(t, c.do(f))
				states := 0
				for at := began; at <= f.Now(); at++ {
					n, err := f.Crashes(at, m, 300, rand.New(rand.NewPCG(uint64(at), 1)), func(state *testfs.CrashFs) error {
						return afterCrash(state, c.names, at == f.Now())
					})
					require.NoError(t, err)
					states += n
				}
				require.Greater(t, states, 10)
			})
		}
	}
}

// afterCrash reports what is wrong with a state. When all was acknowledged it is
// all there; before, each file is the old one or the new.
func afterCrash(state *testfs.CrashFs, names []string, acknowledged bool) error {
	known := map[string]bool{"file": true}
	for _, name := range names {
		for rel := strings.TrimPrefix(name, "/dir/"); rel != "."; rel = path.Dir(rel) {
			known[rel] = true
		}
		data, err := afero.ReadFile(state, name)
		isNew := err == nil && string(data) == string(newText)
		isOld := err == nil && name == "/dir/file" && string(data) == string(oldText)
		if name != "/dir/file" {
			isOld = errors.Is(err, fs.ErrNotExist)
		}
		if !isNew && (acknowledged || !isOld) {
			return fmt.Errorf("%s holds %.20q, %w", name, data, err)
		}
		want := fs.FileMode(0o644)
		if name == "/dir/file" {
			want = 0o604
		}
		if got := mode(state, name); isNew && got != want {
			return fmt.Errorf("%s has mode %v", name, got)
		}
	}
	return afero.Walk(state, "/dir", func(name string, _ fs.FileInfo, err error) error {
		rel := strings.TrimPrefix(strings.TrimPrefix(name, "/dir"), "/")
		if err == nil && rel != "" && !known[rel] && (acknowledged || !strings.HasPrefix(path.Base(rel), ".tmp-") && !strings.HasPrefix(rel, "tmp-")) {
			err = fmt.Errorf("%s is left", name)
		}
		return err
	})
}

func mode(fsys afero.Fs, name string) fs.FileMode {
	info, err := fsys.Stat(name)
	if err != nil {
		return 0
	}
	return info.Mode().Perm()
}

// A directory that has been put in place is whole at every moment.
func TestCrashCommitDir(t *testing.T) {
	for _, m := range testfs.Models {
		t.Run(m.String(), func(t *testing.T) {
			f := testfs.NewCrash()
			require.NoError(t, f.MkdirAll("/dir", 0o755))
			f.Settle()
			d, err := tmpfs.Mkdir(f, &tmpfs.Options{Dir: "/dir"})
			require.NoError(t, err)
			for _, name := range []string{"a", "b/c", "b/d/e"} {
				require.NoError(t, d.MkdirAll(path.Dir(name), 0o755))
				require.NoError(t, afero.WriteFile(d, name, newText, 0o644))
			}
			began := f.Now()
			require.NoError(t, atomicfs.CommitDir(d, "/dir/x/site"))
			for at := began; at <= f.Now(); at++ {
				_, err := f.Crashes(at, m, 300, rand.New(rand.NewPCG(uint64(at), 2)), func(state *testfs.CrashFs) error {
					if _, err := state.Stat("/dir/x/site"); errors.Is(err, fs.ErrNotExist) && at < f.Now() {
						return nil
					}
					for _, name := range []string{"a", "b/c", "b/d/e"} {
						data, err := afero.ReadFile(state, path.Join("/dir/x/site", name))
						if err != nil || string(data) != string(newText) {
							return fmt.Errorf("%s holds %.20q, %w", name, data, err)
						}
					}
					return nil
				})
				require.NoError(t, err)
			}
		})
	}
}
