//go:build linux

package live_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing/fstest"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
	"github.com/tempkit/tempkit/workdir/staging"
)

// makers are the other entry points that make something, which goes again: nothing
// is left of them, whatever they say.
var makers = []job{
	{name: "CreateTemp", run: func(fsys afero.Fs, at func(string) string) error {
		f, name, err := tmpfs.CreateTemp(fsys, at(""), "*")
		if err != nil {
			return err
		}
		_, err = f.WriteString(newText)
		return errors.Join(err, f.Close(), fsys.Remove(name))
	}},
	{name: "MkdirTemp", run: func(fsys afero.Fs, at func(string) string) error {
		name, err := tmpfs.MkdirTemp(fsys, at(""), "*")
		if err != nil {
			return err
		}
		return fsys.Remove(name)
	}},
	{name: "WithFile", run: func(fsys afero.Fs, at func(string) string) error {
		return tmpfs.WithFile(fsys, &tmpfs.Options{Dir: at("")}, writeTo)
	}},
	{name: "CreateAnonymous", run: func(fsys afero.Fs, at func(string) string) error {
		f, err := tmpfs.CreateAnonymous(fsys, &tmpfs.Options{Dir: at("")})
		if err != nil {
			return err
		}
		return errors.Join(writeTo(f), f.Close())
	}},
	{name: "WithDir", trees: true, run: func(fsys afero.Fs, at func(string) string) error {
		return tmpfs.WithDir(fsys, &tmpfs.Options{Dir: at("")}, func(d *tmpfs.Dir) error {
			return atomicfs.WriteFile(d, "/sub/file", []byte(newText), 0o644)
		})
	}},
	{name: "spool.Spill", run: func(fsys afero.Fs, at func(string) string) error {
		return spooled(spool.FromReader(fsys, strings.NewReader(newText), spoolOptions(at, 1<<20)))
	}},
	{name: "spool.FromReader", run: func(fsys afero.Fs, at func(string) string) error {
		return spooled(spool.FromReader(fsys, strings.NewReader(newText), spoolOptions(at, 100)))
	}},
	{name: "spool.FromChunks", run: func(fsys afero.Fs, at func(string) string) error {
		return spooled(spool.FromChunks(fsys, chunks(), spoolOptions(at, 1000)))
	}},
	{name: "workdir.New", trees: true, run: func(fsys afero.Fs, at func(string) string) error {
		d, err := workdir.New(fsys, &workdir.Options{Temp: tmpfs.Options{Dir: at("")}})
		if err != nil {
			return err
		}
		_, suberr := d.Subdir("a/b")
		_, enverr := d.Env(nil)
		return errors.Join(suberr, enverr, d.CopyFS(fstest.MapFS{"c/file": {Data: []byte(newText)}}), d.Close())
	}},
	{name: "workdir without a lease", trees: true, run: func(fsys afero.Fs, at func(string) string) error {
		return workdir.With(fsys, &workdir.Options{Temp: tmpfs.Options{Dir: at("")}, NoLease: true}, func(d *workdir.Dir) error {
			_, err := d.WriteFile("a/file", []byte(newText))
			return err
		})
	}},
	{name: "staging.New", run: func(fsys afero.Fs, at func(string) string) error {
		return staging.With(fsys, &staging.Options{Spool: *spoolOptions(at, 100)}, func(u *staging.Upload) error {
			_, err := u.ReadFrom(strings.NewReader(newText))
			return errors.Join(err, u.Flush())
		})
	}},
	{name: "staging.Resume", made: []string{"area"}, run: func(fsys afero.Fs, at func(string) string) error {
		ctx := context.Background()
		a, err := staging.Open(fsys, at("area"), nil)
		if err != nil {
			return err
		}
		u, err := a.Begin(ctx, nil)
		if err != nil {
			return err
		}
		id := u.ID()
		_, err = u.WriteChunk(0, []byte(newText))
		if err = errors.Join(err, u.Suspend()); err == nil {
			u, err = a.Resume(ctx, id, nil)
		}
		if err == nil {
			return u.Close()
		}
		return suspended{err}
	}},
}

// suspended is the error of an upload whose data stays, as Suspend and Resume have
// it.
type suspended struct{ error }

func writeTo(f *tmpfs.File) error {
	_, err := f.WriteString(newText)
	return err
}

func spoolOptions(at func(string) string, memory int64) *spool.Options {
	return &spool.Options{MaxMemory: memory, Temp: tmpfs.Options{Dir: at("")}}
}

// spooled moves a spool to the disk, writes on there, and closes it. That a spill
// which failed has lost nothing is seen on the way.
func spooled(f *spool.File, err error) error {
	if err != nil {
		return err
	}
	if err := f.Spill(); err != nil {
		if b, rerr := f.Bytes(); rerr != nil || string(b) != newText {
			panic("a spill that failed has lost something")
		}
		return errors.Join(err, f.Close())
	}
	_, werr := f.WriteAt([]byte(newText), 100_000)
	_, serr := f.OSFile()
	return errors.Join(werr, serr, f.Close())
}

func chunks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for text := newText; text != ""; text = text[min(len(text), 5000):] {
			if !yield([]byte(text[:min(len(text), 5000)]), nil) {
				return
			}
		}
	}
}
