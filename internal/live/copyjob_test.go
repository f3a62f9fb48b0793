//go:build unix

package live_test

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// More than atomicfs lets the kernel copy at once.
var (
	sourceText = strings.Repeat("of the source\n", (8<<20+100_000)/14)
	fromSource = []atom{
		{old: map[string]string{"file": oldText}, new: map[string]string{"file": sourceText}},
		{old: map[string]string{"source": sourceText}, new: map[string]string{"source": sourceText}},
	}
)

// copies are jobs that have the kernel copy one file to another.
var copies = []job{
	{name: "WriteReader of a file", atoms: fromSource, run: ofSource(func(fsys afero.Fs, at func(string) string, source afero.File) error {
		_, err := atomicfs.WriteReader(fsys, at("file"), source, 0o644)
		return err
	})},
	{name: "WriteReader of a part", atoms: fromSource, run: ofSource(func(fsys afero.Fs, at func(string) string, source afero.File) error {
		n, err := atomicfs.WriteReader(fsys, at("file"), io.LimitReader(source, 1<<40), 0o644)
		return all(n, err)
	})},
	{name: "Create, NoSync, of a file", atoms: fromSource, run: ofSource(func(fsys afero.Fs, at func(string) string, source afero.File) error {
		f, err := atomicfs.Create(fsys, at("file"), &atomicfs.Options{NoSync: true})
		if err != nil {
			return err
		}
		if err = all(f.ReadFrom(source)); err == nil {
			err = f.Commit()
		}
		return errors.Join(err, f.Close())
	})},
	{name: "Keep of a file", atoms: fromSource, run: ofSource(func(fsys afero.Fs, at func(string) string, source afero.File) error {
		return tmpfs.WithFile(fsys, &tmpfs.Options{Dir: at("")}, func(f *tmpfs.File) error {
			if err := all(f.ReadFrom(source)); err != nil {
				return err
			}
			return f.Keep(at("file"))
		})
	})},
	{name: "Keep of what goes to it", atoms: fromSource, run: ofSource(func(fsys afero.Fs, at func(string) string, source afero.File) error {
		return tmpfs.WithFile(fsys, &tmpfs.Options{Dir: at("")}, func(f *tmpfs.File) error {
			if err := all(io.Copy(f, source)); err != nil {
				return err
			}
			return f.Keep(at("file"))
		})
	})},
	{name: "spool of a file", atoms: fromSource, run: ofSource(func(fsys afero.Fs, at func(string) string, source afero.File) error {
		f := spool.New(fsys, &spool.Options{MaxMemory: 100, Temp: tmpfs.Options{Dir: at("")}})
		err := f.Spill()
		if err == nil {
			err = all(f.ReadFrom(source))
		}
		if err == nil {
			err = f.Commit(fsys, at("file"), nil)
		}
		return errors.Join(err, f.Close())
	})},
	{name: "spool to a file", spools: true, atoms: fromSource, run: ofSource(func(fsys afero.Fs, at func(string) string, source afero.File) error {
		f, err := spool.FromReader(fsys, justReader{source}, &spool.Options{MaxMemory: 100, Temp: tmpfs.Options{Dir: at("")}})
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return tmpfs.WithFile(fsys, &tmpfs.Options{Dir: at("")}, func(to *tmpfs.File) error {
			w, _ := to.OSFile()
			if err := all(f.WriteTo(w)); err != nil {
				return err
			}
			return to.Keep(at("file"))
		})
	})},
	{name: "spool.Commit elsewhere", spools: true, atoms: fromSource, run: ofSource(func(fsys afero.Fs, at func(string) string, source afero.File) error {
		f, err := spool.FromReader(fsys, justReader{source}, &spool.Options{MaxMemory: 100, Temp: tmpfs.Options{Dir: at("")}})
		if err != nil {
			return err
		}
		// Another Fs, so that it is copied.
		return errors.Join(f.Commit(afero.NewBasePathFs(fsys, at("")), "/file", nil), f.Close())
	})},
	{name: "NewFs goes on", spools: true, atoms: []atom{{old: map[string]string{"file": sourceText}, new: map[string]string{"file": sourceText + "more"}}},
		run: func(fsys afero.Fs, at func(string) string) error {
			f, err := atomicfs.NewFs(fsys, nil).Create(at("file"))
			if err != nil {
				return err
			}
			if _, err = f.WriteString(sourceText); err == nil {
				err = f.Sync()
			}
			if err == nil {
				_, err = f.WriteString("more") // to a copy of what is in place
			}
			return errors.Join(err, f.Close())
		}},
}

// justReader hides the file that r is.
type justReader struct{ r io.Reader }

func (j justReader) Read(p []byte) (int, error) { return j.r.Read(p) }

// ofSource opens the source for a job.
func ofSource(run func(fsys afero.Fs, at func(string) string, source afero.File) error) func(afero.Fs, func(string) string) error {
	return func(fsys afero.Fs, at func(string) string) error {
		source, err := fsys.Open(at("source"))
		if err != nil {
			return err
		}
		return errors.Join(run(fsys, at, source), source.Close())
	}
}

// all returns err, or that a copy of the source was said to be shorter or longer
// than that.
func all(n int64, err error) error {
	if err == nil && n != int64(len(sourceText)) {
		return errMiscounted
	}
	return err
}

var errMiscounted = errors.New("the copy was miscounted")
