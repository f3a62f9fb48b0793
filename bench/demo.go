package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// A demo is the pipeline on one kind. Each step says what it did, in words that
// are the same on every kind, and returns an error when a promise was not kept.
type demo struct {
	*kind
	in     *inputs
	meter  *meter
	log    *transcript
	placed []string // what was put in place on purpose, as slash-separated names below root
}

// demonstrate runs the pipeline on k.
func demonstrate(ctx context.Context, k *kind, in *inputs, m *meter) *transcript {
	start := time.Now()
	d := &demo{kind: k, in: in, meter: m, log: &transcript{kind: k.name, where: k.where()}}
	d.step(ctx, "temporary directory", d.temporaryDirectory)
	d.step(ctx, "configuration", d.configuration)
	for _, u := range in.uploads {
		d.step(ctx, "upload", func(ctx context.Context, s *section) error { return d.upload(ctx, s, u) })
	}
	d.step(ctx, "work directory", d.workDirectory)
	d.step(ctx, "spool", d.spool)
	d.step(ctx, "temporary files", d.temporaryFiles)
	d.step(ctx, "escape", d.escape)
	d.step(ctx, "left behind", d.leftBehind)
	d.log.took = time.Since(start)
	return d.log
}

func (d *demo) step(ctx context.Context, name string, run func(context.Context, *section) error) {
	s := &section{step: name}
	d.log.sections = append(d.log.sections, s)
	if s.broken = ctx.Err(); s.broken == nil {
		s.broken = run(ctx, s)
	}
}

// put notes that name was put in place on purpose, and returns its path.
func (d *demo) put(name string) string {
	d.placed = append(d.placed, name)
	return d.path(name)
}

func (d *demo) temporaryDirectory(_ context.Context, s *section) error {
	dir, err := tmpfs.TempDir(d.fsys)
	if err != nil {
		return err
	}
	s.say("%s", d.show(dir))
	s.detail("%s", dir)
	return nil
}

func (d *demo) workDirectory(_ context.Context, s *section) error {
	if d.disk == "" && d.in.size > memoryMost {
		s.omitted = fmt.Sprintf("the directory is %s, too much to keep in memory", byteSize(d.in.size))
		return nil
	}
	const report = "out/report.txt"
	var dir string
	err := workdir.With(d.fsys, nil, func(w *workdir.Dir) error {
		dir = w.Path()
		if err := w.CopyFS(d.in.tree); err != nil {
			return err
		}
		copied, err := countFiles(w, string(os.PathSeparator))
		if err != nil {
			return err
		}
		sub, err := w.Subdir(path.Dir(report))
		if err != nil {
			return err
		}
		file, err := w.WriteFile(report, []byte("a report\n"))
		if err != nil {
			return err
		}
		if err := holds(d.fsys, file, "a report\n"); err != nil {
			return err
		}
		s.say("%s with a copy of %d files and %s", d.show(dir), copied, report)
		s.detail("%s, %s, %s", dir, sub, file)
		return w.Commit(report, d.put("reports/report.txt"))
	})
	if err != nil {
		return err
	}
	if err := d.gone(dir); err != nil {
		return err
	}
	if dir, err = d.panicInside(); err != nil {
		return err
	}
	s.say("the report was put in place; the directory is gone, as it is after a panic")
	return d.gone(dir)
}

// panicInside panics in a work directory, and returns where that was.
func (d *demo) panicInside() (dir string, err error) {
	defer func() {
		if v := recover(); v != "a bug" {
			err = fmt.Errorf("the panic was changed to %v", v)
		}
	}()
	err = workdir.With(d.fsys, nil, func(w *workdir.Dir) error {
		dir = w.Path()
		_, err := w.WriteFile("half/done.txt", []byte("half"))
		if err != nil {
			return err
		}
		panic("a bug")
	})
	return dir, err
}

// gone returns an error unless there is nothing called name.
func (d *demo) gone(name string) error {
	_, err := d.fsys.Stat(name)
	switch {
	case err == nil:
		return fmt.Errorf("%s is there", d.show(name))
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// holds returns an error unless name holds text.
func holds(fsys afero.Fs, name, text string) error {
	data, err := afero.ReadFile(fsys, name)
	if err == nil && string(data) != text {
		err = fmt.Errorf("%s holds %d bytes, which are not those written", name, len(data))
	}
	return err
}

func (d *demo) spool(_ context.Context, s *section) error {
	const chunks, most = 10, 50
	var all []byte
	opts := &spool.Options{MaxMemory: most}
	f := spool.New(d.fsys, opts)
	defer f.Close()
	spilledAt := 0
	for i := range chunks {
		chunk := fmt.Appendf(nil, "chunk %03d\n", i+1)
		all = append(all, chunk...)
		if _, err := f.Write(chunk); err != nil {
			return err
		}
		if spilledAt == 0 && f.Spilled() {
			spilledAt = i + 1
		}
	}
	if data, err := f.Bytes(); err != nil || !bytes.Equal(data, all) {
		return errors.Join(errors.New("the spool does not hold what was written"), err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	whole, err := spool.FromChunks(d.fsys, func(yield func([]byte, error) bool) {
		for chunk := range slices.Chunk(all, len(all)/chunks) {
			if !yield(chunk, nil) {
				return
			}
		}
	}, opts)
	if err != nil {
		return err
	}
	defer whole.Close()
	if data, err := whole.Bytes(); err != nil || !bytes.Equal(data, all) || !whole.Spilled() {
		return errors.Join(errors.New("the spool does not hold what came in chunks"), err)
	}
	s.say("%d chunks of %d bytes, %d in memory: spilled at chunk %d, read back whole",
		chunks, len(all)/chunks, most, spilledAt)
	return whole.Close()
}

func (d *demo) temporaryFiles(_ context.Context, s *section) error {
	for _, pattern := range []string{"*.txt", "app-*.db"} {
		f, err := tmpfs.Create(d.fsys, &tmpfs.Options{Pattern: pattern})
		if err != nil {
			return err
		}
		defer f.Close()
		name := f.Name()
		if _, err := f.WriteString("some text\n"); err != nil {
			return err
		}
		if err := holds(d.fsys, name, "some text\n"); err != nil {
			return err
		}
		info, err := d.fsys.Stat(name)
		if err != nil {
			return err
		}
		hasModes := runtime.GOOS != "windows" || d.disk == ""
		if hasModes && info.Mode().Perm() != 0o600 {
			return fmt.Errorf("%s has mode %v", d.show(name), info.Mode())
		}
		if err := f.Close(); err != nil {
			return err
		}
		if err := d.gone(name); err != nil {
			return err
		}
		s.say("%s written, read by name, closed and gone", d.show(name))
		s.detail("%s, %v", name, info.Mode())
	}
	return nil
}

// leftBehind looks for everything that is not there on purpose.
func (d *demo) leftBehind(_ context.Context, s *section) error {
	allowed := map[string]bool{".": true, "tmp": true}
	for _, name := range d.placed {
		for ; name != "."; name = path.Dir(name) {
			allowed[name] = true
		}
	}
	found := 0
	var left []string
	err := afero.Walk(d.fsys, d.root, func(name string, info fs.FileInfo, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(d.root, name)
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil:
			return err
		case !allowed[rel]:
			left = append(left, rel)
		case !info.IsDir():
			found++
			s.detail("%s, %s", name, byteSize(info.Size()))
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(left) > 0:
		return fmt.Errorf("left behind: %q", left)
	case found != len(d.placed):
		return fmt.Errorf("of the %d files that were put in place, %d are there", len(d.placed), found)
	}
	s.say("nothing but what was put in place")
	return nil
}

// countFiles returns how many files there are below dir.
func countFiles(fsys afero.Fs, dir string) (n int, err error) {
	err = afero.Walk(fsys, dir, func(_ string, info fs.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n++
		}
		return err
	})
	return n, err
}
