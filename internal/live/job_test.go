//go:build unix

package live_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
	"github.com/tempkit/tempkit/workdir"
	"github.com/tempkit/tempkit/workdir/staging"
)

// A job is one thing that a program does with this library, in a directory of its
// own, and what must be there before and after.
type job struct {
	name  string
	run   func(fsys afero.Fs, at func(name string) string) error
	atoms []atom
	// made are the directories that may be there afterwards, whatever became of it.
	made []string
	// trees tells that it removes directories with what is in them, which takes more
	// calls than one that can fail.
	trees bool
	// spools tells that what the kernel copies is a file of its own.
	spools bool
	// writes is how many files it may be writing at one moment; 0 means 1.
	writes int
}

// afterwards is what went wrong after a job had put its files in place: something
// is left that was to be removed.
type afterwards struct{ error }

// settled returns err, as one of afterwards if the files are in place.
func settled(inPlace bool, err error) error {
	if inPlace && err != nil {
		return afterwards{err}
	}
	return err
}

// An atom is files that change together: paths to contents. All are old or all
// are new, at every moment. What is only in one of the two is not there in the
// other.
type atom struct{ old, new map[string]string }

// Contents of more than one page, so that there is something to tear.
var (
	oldText = strings.Repeat("old\n", 3000)
	newText = strings.Repeat("new contents\n", 6000)
)

func put(name string) atom     { return atom{new: map[string]string{name: newText}} }
func replace(name string) atom { return atom{map[string]string{name: oldText}, put(name).new} }

// tree is what is in a directory that takes its place as one.
func tree(dir, text string) map[string]string {
	return map[string]string{dir + "/" + text + "1": text + "1", dir + "/sub/" + text + "2": text + "2"}
}

var jobs = []job{
	{name: "WriteFile", atoms: []atom{put("file")}, run: func(fsys afero.Fs, at func(string) string) error {
		return atomicfs.WriteFile(fsys, at("file"), []byte(newText), 0o644)
	}},
	{name: "WriteFile over", atoms: []atom{replace("file")}, run: func(fsys afero.Fs, at func(string) string) error {
		return atomicfs.WriteFile(fsys, at("file"), []byte(newText), 0o644)
	}},
	{name: "WriteFile below", atoms: []atom{put("p/q/file")}, made: []string{"p", "p/q"}, run: func(fsys afero.Fs, at func(string) string) error {
		return atomicfs.WriteFile(fsys, at("p/q/file"), []byte(newText), 0o644)
	}},
	{name: "WriteReader over", atoms: []atom{replace("file")}, run: func(fsys afero.Fs, at func(string) string) error {
		_, err := atomicfs.WriteReader(fsys, at("file"), strings.NewReader(newText), 0o644)
		return err
	}},
	{name: "WriteFunc over", atoms: []atom{replace("file")}, run: func(fsys afero.Fs, at func(string) string) error {
		return atomicfs.WriteFunc(fsys, at("file"), 0o644, func(w io.Writer) error {
			_, err := io.WriteString(w, newText)
			return err
		})
	}},
	{name: "Update", atoms: []atom{replace("file")}, run: func(fsys afero.Fs, at func(string) string) error {
		return atomicfs.Update(fsys, at("file"), 0o644, func(old []byte) ([]byte, error) {
			if string(old) != oldText {
				return nil, errors.New("these are not the old contents")
			}
			return []byte(newText), nil
		})
	}},
	{name: "Create, NoReplace", atoms: []atom{put("file")}, run: func(fsys afero.Fs, at func(string) string) error {
		f, err := atomicfs.Create(fsys, at("file"), &atomicfs.Options{NoReplace: true})
		if err != nil {
			return err
		}
		if _, err = f.WriteString(newText); err == nil {
			err = f.Commit()
		}
		return errors.Join(err, f.Close())
	}},
	{name: "Batch", atoms: []atom{put("one"), replace("two"), put("p/three")}, made: []string{"p"}, writes: 3, run: batch},
	{name: "Commit", atoms: []atom{replace("file")}, run: adopt(atomicfs.Commit)},
	{name: "CommitNew", atoms: []atom{put("file")}, run: adopt(atomicfs.CommitNew)},
	{name: "Keep", atoms: []atom{replace("file")}, run: adopt((*tmpfs.File).Keep)},
	{name: "KeepNew", atoms: []atom{put("file")}, run: adopt((*tmpfs.File).KeepNew)},
	{name: "Dir.Keep", atoms: []atom{{new: tree("t", "new")}}, made: []string{"t", "t/sub"}, trees: true, run: adoptDir((*tmpfs.Dir).Keep)},
	{name: "CommitDir", atoms: []atom{{new: tree("t", "new")}}, made: []string{"t", "t/sub"}, trees: true, run: adoptDir(atomicfs.CommitDir)},
	{name: "CommitDir over", atoms: []atom{{tree("t", "old"), tree("t", "new")}}, made: []string{"t", "t/sub"}, trees: true, run: adoptDir(atomicfs.CommitDir)},
	{name: "NewFs", atoms: []atom{replace("file")}, run: func(fsys afero.Fs, at func(string) string) error {
		f, err := atomicfs.NewFs(fsys, nil).Create(at("file"))
		if err != nil {
			return err
		}
		_, err = f.WriteString(newText)
		return errors.Join(err, f.Close())
	}},
	{name: "spool.Commit from memory", atoms: []atom{replace("file")}, run: spoolOf(1 << 20)},
	{name: "spool.Commit from disk", atoms: []atom{replace("file")}, run: spoolOf(100)},
	{name: "workdir", atoms: []atom{replace("file")}, trees: true, run: func(fsys afero.Fs, at func(string) string) error {
		return inWorkdir(fsys, at, "result", "file")
	}},
	{name: "workdir as it is", atoms: []atom{{new: map[string]string{"t/result": newText, "t/sub/more": "more"}}}, made: []string{"t", "t/sub"}, trees: true,
		run: func(fsys afero.Fs, at func(string) string) error { return inWorkdir(fsys, at, ".", "t") }},
	{name: "upload", atoms: []atom{replace("file")}, run: func(fsys afero.Fs, at func(string) string) error {
		opts := &staging.Options{Spool: spool.Options{MaxMemory: 100, Temp: tmpfs.Options{Dir: at("")}}, Hash: sha256.New, Size: int64(len(newText))}
		return staging.With(fsys, opts, func(u *staging.Upload) error {
			if _, err := u.ReadFrom(strings.NewReader(newText)); err != nil {
				return err
			}
			return u.Commit(context.Background(), fsys, at("file"), nil)
		})
	}},
	{name: "area", atoms: []atom{replace("file")}, made: []string{"area"}, run: area},
}

func batch(fsys afero.Fs, at func(string) string) error {
	b := atomicfs.NewBatch(fsys, nil)
	for _, name := range []string{"one", "two", "p/three"} {
		_ = b.WriteFile(at(name), []byte(newText), 0o644) // Commit says so too
	}
	if err := b.Commit(); err != nil {
		return errors.Join(err, b.Close())
	}
	return settled(true, b.Close())
}

// adopt gives a temporary file its place by keep.
func adopt(keep func(*tmpfs.File, string) error) func(afero.Fs, func(string) string) error {
	return func(fsys afero.Fs, at func(string) string) error {
		return tmpfs.WithFile(fsys, &tmpfs.Options{Dir: at(""), Pattern: ".tmp-*"}, func(f *tmpfs.File) error {
			if _, err := f.WriteString(newText); err != nil {
				return err
			}
			return keep(f, at("file"))
		})
	}
}

func adoptDir(keep func(*tmpfs.Dir, string) error) func(afero.Fs, func(string) string) error {
	return func(fsys afero.Fs, at func(string) string) error {
		inPlace := false
		err := tmpfs.WithDir(fsys, &tmpfs.Options{Dir: at("")}, func(d *tmpfs.Dir) error {
			for name, text := range tree("", "new") {
				if err := d.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					return err
				}
				if err := afero.WriteFile(d, name, []byte(text), 0o644); err != nil {
					return err
				}
			}
			err := keep(d, at("t"))
			inPlace = err == nil
			return err
		})
		return settled(inPlace, err)
	}
}

func spoolOf(memory int64) func(afero.Fs, func(string) string) error {
	return func(fsys afero.Fs, at func(string) string) error {
		f, err := spool.FromReader(fsys, strings.NewReader(newText), &spool.Options{MaxMemory: memory, Temp: tmpfs.Options{Dir: at(""), Pattern: ".tmp-*"}})
		if err != nil {
			return err
		}
		return errors.Join(f.Commit(fsys, at("file"), nil), f.Close())
	}
}

func inWorkdir(fsys afero.Fs, at func(string) string, from, to string) error {
	inPlace := false
	err := workdir.With(fsys, &workdir.Options{Temp: tmpfs.Options{Dir: at("")}}, func(d *workdir.Dir) error {
		if _, err := d.WriteFile("result", []byte(newText)); err != nil {
			return err
		}
		if _, err := d.WriteFile("sub/more", []byte("more")); err != nil {
			return err
		}
		err := d.Commit(from, at(to))
		inPlace = err == nil
		return err
	})
	return settled(inPlace, err)
}

func area(fsys afero.Fs, at func(string) string) error {
	ctx := context.Background()
	a, err := staging.Open(fsys, at("area"), nil)
	if err != nil {
		return err
	}
	u, err := a.Begin(ctx, &staging.Options{Hash: sha256.New})
	if err != nil {
		return errors.New(err.Error()) // if it says ErrNotDurable, that is of its own file
	}
	_, err = u.WriteChunk(0, []byte(newText[:1000]))
	if err == nil {
		if err = u.Flush(); err != nil {
			err = errors.New(err.Error())
		}
	}
	if err == nil {
		_, err = u.WriteChunk(1000, []byte(newText[1000:]))
	}
	if err == nil {
		err = u.Commit(ctx, fsys, at("file"), nil)
	}
	return settled(err == nil, errors.Join(err, u.Close()))
}

// A ground is a way to the files of the operating system.
type ground struct {
	name string
	open func(dir string) (fsys afero.Fs, at func(name string) string, err error)
}

var grounds = []ground{
	{"OsFs", func(dir string) (afero.Fs, func(string) string, error) {
		return afero.NewOsFs(), func(name string) string { return filepath.Join(dir, name) }, nil
	}},
	{"rootfs", func(dir string) (afero.Fs, func(string) string, error) {
		fsys, err := rootfs.Open(dir)
		return fsys, inside, err
	}},
	{"BasePathFs", func(dir string) (afero.Fs, func(string) string, error) {
		return afero.NewBasePathFs(afero.NewOsFs(), dir), inside, nil
	}},
}

func inside(name string) string { return "/" + name }

// prepare makes what is old in dir.
func (j job) prepare(dir string) error {
	errs := []error{os.MkdirAll(dir, 0o777)}
	for _, a := range j.atoms {
		for name, text := range a.old {
			name = filepath.Join(dir, name)
			errs = append(errs, os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, []byte(text), 0o666))
		}
	}
	return errors.Join(errs...)
}

// read returns all files below dir, by name, and the directories, with "/" at the
// end.
func read(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil || e.IsDir() {
			files[rel+"/"] = ""
			return err
		}
		text, err := os.ReadFile(name)
		files[rel] = string(text)
		return err
	})
	return files, err
}

// An outcome is what a run of a job said.
type outcome struct {
	err        string // "" if it said nil
	notDurable bool
	left       string   // what went wrong after the files were in place
	failed     []string // of a batch: the files that did not get in place
	died       bool     // it said nothing
}

// judge looks at what a run of the job has left in dir, and returns what is wrong
// with it, and what it has left beside what it is to leave.
func (j job) judge(dir string, o outcome) (wrong, litter []string) {
	files, err := read(dir)
	if err != nil {
		return []string{err.Error()}, nil
	}
	for _, a := range j.atoms {
		isOld, isNew := holds(files, a.old, a.new), holds(files, a.new, a.old)
		switch failed := o.err != "" && !o.notDurable && !slices.ContainsFunc(keys(a.new), func(name string) bool {
			return len(o.failed) > 0 && !slices.Contains(o.failed, name)
		}); {
		case !isOld && !isNew:
			wrong = append(wrong, fmt.Sprintf("neither old nor new: %v", keys(a.new)))
		case o.died:
		case failed && !isOld:
			wrong = append(wrong, fmt.Sprintf("%q, and new: %v", o.err, keys(a.new)))
		case !failed && !isNew:
			wrong = append(wrong, fmt.Sprintf("said %q and failed %v, and old: %v", o.err, o.failed, keys(a.new)))
		}
		for _, names := range []map[string]string{a.old, a.new} {
			for name := range names {
				delete(files, name)
			}
		}
	}
	for _, dir := range j.made {
		delete(files, dir+"/")
	}
	return wrong, keys(files)
}

// holds reports whether files are those of want, and none that is only in other.
func holds(files, want, other map[string]string) bool {
	for name, text := range want {
		if got, ok := files[name]; !ok || got != text {
			return false
		}
	}
	for name := range other {
		if _, ok := want[name]; ok {
			continue
		}
		if _, ok := files[name]; ok {
			return false
		}
	}
	return true
}

func keys(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// sweep removes what a run has left, as the packages' own sweeps know it.
func sweep(dir string) error {
	ctx, fsys := context.Background(), afero.NewOsFs()
	var errs []error
	for _, sub := range []string{"", "p", "p/q", "area"} {
		if _, err := os.Stat(filepath.Join(dir, sub)); err == nil {
			_, err := atomicfs.Sweep(ctx, fsys, filepath.Join(dir, sub), 1)
			errs = append(errs, err)
		}
	}
	_, err := workdir.Sweep(ctx, fsys, &workdir.SweepOptions{Dir: dir, MinAge: 1})
	errs = append(errs, err)
	if _, err := os.Stat(filepath.Join(dir, "area")); err == nil {
		a, err := staging.Open(fsys, filepath.Join(dir, "area"), &staging.AreaOptions{TTL: time.Nanosecond})
		if err == nil {
			_, err = a.Sweep(ctx)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// say writes an outcome, and understand reads it.
func say(w io.Writer, err error) {
	var left afterwards
	switch {
	case err == nil:
		_, _ = fmt.Fprintln(w, "nil")
		return
	case errors.As(err, &left):
		_, _ = fmt.Fprintf(w, "nil\n%v\n", err)
		return
	}
	_, _ = fmt.Fprintf(w, "error\n%t\n", errors.Is(err, atomicfs.ErrNotDurable))
	var batch *atomicfs.BatchError
	if errors.As(err, &batch) {
		for name, err := range batch.Failed {
			if !errors.Is(err, atomicfs.ErrNotDurable) {
				_, _ = fmt.Fprintf(w, "%s\n", filepath.ToSlash(name))
			}
		}
	}
	_, _ = fmt.Fprintf(w, "-\n%v\n", err)
}

func understand(text []byte, dir string) outcome {
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if string(lines[0]) == "nil" {
		return outcome{left: string(bytes.Join(lines[1:], []byte("\n")))}
	}
	if len(lines) < 4 || string(lines[0]) != "error" {
		return outcome{died: true, err: string(text)}
	}
	o := outcome{notDurable: string(lines[1]) == "true"}
	lines = lines[2:]
	for ; len(lines) > 0 && string(lines[0]) != "-"; lines = lines[1:] {
		o.failed = append(o.failed, strings.TrimPrefix(strings.TrimPrefix(string(lines[0]), filepath.ToSlash(dir)), "/"))
	}
	if len(lines) > 0 {
		o.err = string(bytes.Join(lines[1:], []byte("\n")))
	}
	if len(o.failed) > 0 {
		o.notDurable = false // of a batch each file says so for itself
	}
	return o
}
