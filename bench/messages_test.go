package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
	"github.com/tempkit/tempkit/workdir/staging"
)

var update = flag.Bool("update", false, "write testdata/messages.txt anew")

// A mistake is something that goes wrong, in a directory that holds the file "file"
// and the directory "dir".
type mistake struct {
	what string
	make func(fsys afero.Fs, at func(name string) string) error
}

var errOwn = errors.New("the caller's own reason")

// created calls fn with a temporary file in dir.
func created(fsys afero.Fs, dir string, fn func(f *tmpfs.File) error) error {
	f, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: dir})
	if err != nil {
		return err
	}
	return errors.Join(fn(f), f.Close())
}

func createdDir(fsys afero.Fs, dir string, fn func(d *tmpfs.Dir) error) error {
	d, err := tmpfs.Mkdir(fsys, &tmpfs.Options{Dir: dir})
	if err != nil {
		return err
	}
	return errors.Join(fn(d), d.Close())
}

func job(fsys afero.Fs, dir string, fn func(d *workdir.Dir) error) error {
	return workdir.With(fsys, &workdir.Options{Temp: tmpfs.Options{Dir: dir}}, fn)
}

func received(fsys afero.Fs, dir, body string, opts *staging.Options, dest string) error {
	opts.Spool.Temp.Dir = dir
	return staging.With(fsys, opts, func(u *staging.Upload) error {
		if _, err := u.ReadFrom(strings.NewReader(body)); err != nil {
			return err
		}
		return u.Commit(context.Background(), fsys, dest, nil)
	})
}

// An upload that is gone has an ID, which is what its user gave.
var goneID = strings.Repeat("a", 26)

var mistakes = []mistake{
	{"tmpfs.Create in a directory that is missing", func(fsys afero.Fs, at func(string) string) error {
		_, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: at("missing")})
		return err
	}},
	{"tmpfs.Create in a file", func(fsys afero.Fs, at func(string) string) error {
		_, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: at("file")})
		return err
	}},
	{"tmpfs.Create with a pattern that is a path", func(fsys afero.Fs, at func(string) string) error {
		_, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: at("."), Pattern: "a/b-*"})
		return err
	}},
	{"tmpfs.Create with a pattern that is too long", func(fsys afero.Fs, at func(string) string) error {
		_, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: at("."), Pattern: strings.Repeat("x-", 120)})
		return err
	}},
	{"tmpfs.CreateAnonymous in a directory that is missing", func(fsys afero.Fs, at func(string) string) error {
		_, err := tmpfs.CreateAnonymous(fsys, &tmpfs.Options{Dir: at("missing")})
		return err
	}},
	{"tmpfs.CreateTemp in a directory that is missing", func(fsys afero.Fs, at func(string) string) error {
		_, _, err := tmpfs.CreateTemp(fsys, at("missing"), "x-*")
		return err
	}},
	{"tmpfs.Mkdir in a directory that is missing", func(fsys afero.Fs, at func(string) string) error {
		_, err := tmpfs.Mkdir(fsys, &tmpfs.Options{Dir: at("missing")})
		return err
	}},
	{"tmpfs.MkdirTemp in a file", func(fsys afero.Fs, at func(string) string) error {
		_, err := tmpfs.MkdirTemp(fsys, at("file"), "")
		return err
	}},
	{"tmpfs.TempDir that is a file", func(fsys afero.Fs, at func(string) string) error {
		_, err := tmpfs.TempDir(tmpfs.WithTempDir(fsys, at("file")))
		return err
	}},
	{"tmpfs.RemoveAll of nothing", func(fsys afero.Fs, _ func(string) string) error {
		return tmpfs.RemoveAll(fsys, "")
	}},
	{"tmpfs.RemoveAll of the temporary directory", func(fsys afero.Fs, at func(string) string) error {
		return tmpfs.RemoveAll(tmpfs.WithTempDir(fsys, at("dir")), at("dir"))
	}},
	{"tmpfs.Adopt of what is missing", func(fsys afero.Fs, at func(string) string) error {
		_, err := tmpfs.Adopt(fsys, at("missing"))
		return err
	}},
	{"tmpfs.Adopt of a directory", func(fsys afero.Fs, at func(string) string) error {
		_, err := tmpfs.Adopt(fsys, at("dir"))
		return err
	}},
	{"tmpfs.AdoptDir of a file", func(fsys afero.Fs, at func(string) string) error {
		_, err := tmpfs.AdoptDir(fsys, at("file"))
		return err
	}},
	{"File.Keep in a directory that is missing", func(fsys afero.Fs, at func(string) string) error {
		return created(fsys, at("."), func(f *tmpfs.File) error { return f.Keep(at("missing/new")) })
	}},
	{"File.Keep as a directory", func(fsys afero.Fs, at func(string) string) error {
		return created(fsys, at("."), func(f *tmpfs.File) error { return f.Keep(at("dir")) })
	}},
	{"File.KeepNew as a file that exists", func(fsys afero.Fs, at func(string) string) error {
		return created(fsys, at("."), func(f *tmpfs.File) error { return f.KeepNew(at("file")) })
	}},
	{"Dir.Keep as a file that exists", func(fsys afero.Fs, at func(string) string) error {
		return createdDir(fsys, at("."), func(d *tmpfs.Dir) error { return d.Keep(at("file")) })
	}},
	{"Dir: a name that leaves it", func(fsys afero.Fs, at func(string) string) error {
		return createdDir(fsys, at("."), func(d *tmpfs.Dir) error {
			_, err := d.Open("../file")
			return err
		})
	}},
	{"Dir: a name that is missing", func(fsys afero.Fs, at func(string) string) error {
		return createdDir(fsys, at("."), func(d *tmpfs.Dir) error {
			_, err := d.Open("missing")
			return err
		})
	}},
	{"atomicfs.WriteFile of a directory", func(fsys afero.Fs, at func(string) string) error {
		return atomicfs.WriteFile(fsys, at("dir"), nil, 0o644)
	}},
	{"atomicfs.WriteFile below a file", func(fsys afero.Fs, at func(string) string) error {
		return atomicfs.WriteFile(fsys, at("file/below"), nil, 0o644)
	}},
	{"atomicfs.WriteFile of no name", func(fsys afero.Fs, _ func(string) string) error {
		return atomicfs.WriteFile(fsys, "", nil, 0o644)
	}},
	{"atomicfs.WriteFile of a name with NUL", func(fsys afero.Fs, _ func(string) string) error {
		return atomicfs.WriteFile(fsys, "a\x00b", nil, 0o644)
	}},
	{"atomicfs.WriteReader of a reader that fails", func(fsys afero.Fs, at func(string) string) error {
		_, err := atomicfs.WriteReader(fsys, at("new"), iotest.ErrReader(errOwn), 0o644)
		return err
	}},
	{"atomicfs.WriteFunc of a function that fails", func(fsys afero.Fs, at func(string) string) error {
		return atomicfs.WriteFunc(fsys, at("new"), 0o644, func(io.Writer) error { return errOwn })
	}},
	{"atomicfs.Update of a function that fails", func(fsys afero.Fs, at func(string) string) error {
		return atomicfs.Update(fsys, at("file"), 0o644, func([]byte) ([]byte, error) { return nil, errOwn })
	}},
	{"atomicfs.Create with NoReplace of a file that exists", func(fsys afero.Fs, at func(string) string) error {
		_, err := atomicfs.Create(fsys, at("file"), &atomicfs.Options{NoReplace: true})
		return err
	}},
	{"File.Commit twice", func(fsys afero.Fs, at func(string) string) error {
		f, err := atomicfs.Create(fsys, at("new"), nil)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := f.Commit(); err != nil {
			return err
		}
		return f.Commit()
	}},
	{"atomicfs.CommitNew as a file that exists", func(fsys afero.Fs, at func(string) string) error {
		return created(fsys, at("."), func(f *tmpfs.File) error { return atomicfs.CommitNew(f, at("file")) })
	}},
	{"atomicfs.Commit of a file that is closed", func(fsys afero.Fs, at func(string) string) error {
		return created(fsys, at("."), func(f *tmpfs.File) error {
			return errors.Join(f.Close(), atomicfs.Commit(f, at("new")))
		})
	}},
	{"atomicfs.CommitDir as a file", func(fsys afero.Fs, at func(string) string) error {
		return createdDir(fsys, at("."), func(d *tmpfs.Dir) error { return atomicfs.CommitDir(d, at("file")) })
	}},
	{"Batch with a directory among the files", func(fsys afero.Fs, at func(string) string) error {
		b := atomicfs.NewBatch(fsys, nil)
		defer b.Close()
		_ = b.WriteFile(at("new"), nil, 0o644)
		_ = b.WriteFile(at("dir"), nil, 0o644) // Commit says it too
		return b.Commit()
	}},
	{"atomicfs.SyncDir of what is missing", func(fsys afero.Fs, at func(string) string) error {
		return atomicfs.SyncDir(fsys, at("missing"))
	}},
	{"atomicfs.Sweep of what is missing", func(fsys afero.Fs, at func(string) string) error {
		_, err := atomicfs.Sweep(context.Background(), fsys, at("missing"), 0)
		return err
	}},
	{"atomicfs.NewFs: a Close without a Sync", func(fsys afero.Fs, at func(string) string) error {
		f, err := atomicfs.NewFs(fsys, &atomicfs.FsOptions{SyncOnly: true}).Create(at("new"))
		if err != nil {
			return err
		}
		_, err = f.WriteString("text")
		return errors.Join(err, f.Close())
	}},
	{"a disk that is full, for atomicfs.WriteFile", func(fsys afero.Fs, at func(string) string) error {
		return atomicfs.WriteFile(fullDisk{fsys}, at("new"), []byte("text"), 0o644)
	}},
	{"a disk that is full, for a spool", func(fsys afero.Fs, at func(string) string) error {
		f := spool.New(fullDisk{fsys}, &spool.Options{MaxMemory: -1, Temp: tmpfs.Options{Dir: at(".")}})
		_, err := f.Write([]byte("text"))
		return errors.Join(err, f.Sync(), f.Close())
	}},
	{"a rename that fails, for atomicfs.WriteFile", func(fsys afero.Fs, at func(string) string) error {
		refuse := func(_ afero.Fs, from, to string) error {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EIO}
		}
		return atomicfs.WriteFile(&hooked{Fs: fsys, rename: refuse}, at("new"), []byte("text"), 0o644)
	}},
	{"an Fs that is read-only, for atomicfs.WriteFile", func(fsys afero.Fs, at func(string) string) error {
		return atomicfs.WriteFile(afero.NewReadOnlyFs(fsys), at("new"), nil, 0o644)
	}},
	{"an Fs that is read-only, for tmpfs.Create", func(fsys afero.Fs, at func(string) string) error {
		_, err := tmpfs.Create(afero.NewReadOnlyFs(fsys), &tmpfs.Options{Dir: at(".")})
		return err
	}},
	{"spool: a disk side that is missing", func(fsys afero.Fs, at func(string) string) error {
		f := spool.New(fsys, &spool.Options{MaxMemory: 2, Temp: tmpfs.Options{Dir: at("missing")}})
		_, err := f.Write([]byte("text"))
		return errors.Join(err, f.Close())
	}},
	{"spool: too large", func(fsys afero.Fs, _ func(string) string) error {
		f := spool.New(fsys, &spool.Options{MaxSize: 2})
		_, err := f.Write([]byte("text"))
		return errors.Join(err, f.Close())
	}},
	{"spool: an offset before the start", func(fsys afero.Fs, _ func(string) string) error {
		f := spool.New(fsys, nil)
		_, err := f.Seek(-1, io.SeekStart)
		return errors.Join(err, f.Close())
	}},
	{"spool: a write after Close", func(fsys afero.Fs, _ func(string) string) error {
		f := spool.New(fsys, nil)
		err := f.Close()
		_, werr := f.Write([]byte("text"))
		return errors.Join(err, werr)
	}},
	{"spool: Commit as a directory", func(fsys afero.Fs, at func(string) string) error {
		f := spool.New(fsys, nil)
		return errors.Join(f.Commit(fsys, at("dir"), nil), f.Close())
	}},
	{"workdir.New in a directory that is missing", func(fsys afero.Fs, at func(string) string) error {
		return job(fsys, at("missing"), func(*workdir.Dir) error { return nil })
	}},
	{"workdir: Join leaves it", func(fsys afero.Fs, at func(string) string) error {
		return job(fsys, at("."), func(d *workdir.Dir) error {
			_, err := d.Join("../x")
			return err
		})
	}},
	{"workdir: WriteFile leaves it", func(fsys afero.Fs, at func(string) string) error {
		return job(fsys, at("."), func(d *workdir.Dir) error {
			_, err := d.WriteFile("../x", nil)
			return err
		})
	}},
	{"workdir: Commit of what is missing", func(fsys afero.Fs, at func(string) string) error {
		return job(fsys, at("."), func(d *workdir.Dir) error { return d.Commit("missing", at("new")) })
	}},
	{"workdir: Commit as a directory", func(fsys afero.Fs, at func(string) string) error {
		return job(fsys, at("."), func(d *workdir.Dir) error {
			_, err := d.WriteFile("x", nil)
			return errors.Join(err, d.Commit("x", at("dir")))
		})
	}},
	{"workdir: Subdir where a file is", func(fsys afero.Fs, at func(string) string) error {
		return job(fsys, at("."), func(d *workdir.Dir) error {
			_, err := d.WriteFile("x", nil)
			_, serr := d.Subdir("x")
			return errors.Join(err, serr)
		})
	}},
	{"workdir: CopyFS over a file", func(fsys afero.Fs, at func(string) string) error {
		return job(fsys, at("."), func(d *workdir.Dir) error {
			_, err := d.WriteFile("x", nil)
			return errors.Join(err, d.CopyFS(fstest.MapFS{"x/y": {Data: []byte("text")}}))
		})
	}},
	{"workdir.Sweep of what is missing", func(fsys afero.Fs, at func(string) string) error {
		_, err := workdir.Sweep(context.Background(), fsys, &workdir.SweepOptions{Dir: at("missing")})
		return err
	}},
	{"staging: too large", func(fsys afero.Fs, at func(string) string) error {
		return received(fsys, at("."), "text", &staging.Options{Spool: spool.Options{MaxSize: 2}}, at("new"))
	}},
	{"staging: fewer bytes than declared", func(fsys afero.Fs, at func(string) string) error {
		return received(fsys, at("."), "text", &staging.Options{Size: 5}, at("new"))
	}},
	{"staging: another digest", func(fsys afero.Fs, at func(string) string) error {
		return received(fsys, at("."), "text", &staging.Options{Hash: sha256.New, Digest: make([]byte, 32)}, at("new"))
	}},
	{"staging: another type", func(fsys afero.Fs, at func(string) string) error {
		checks := []staging.Check{staging.ContentType("image/*")}
		return received(fsys, at("."), "text", &staging.Options{Checks: checks}, at("new"))
	}},
	{"staging: Commit as a directory", func(fsys afero.Fs, at func(string) string) error {
		return received(fsys, at("."), "text", &staging.Options{}, at("dir"))
	}},
	{"staging: a chunk past the end", func(fsys afero.Fs, _ func(string) string) error {
		return staging.With(fsys, nil, func(u *staging.Upload) error {
			_, err := u.WriteChunk(7, []byte("text"))
			return err
		})
	}},
	{"staging.Open of a file", func(fsys afero.Fs, at func(string) string) error {
		_, err := staging.Open(fsys, at("file"), nil)
		return err
	}},
	{"Area.Begin past the quota", func(fsys afero.Fs, at func(string) string) error {
		area, err := staging.Open(fsys, at("area"), &staging.AreaOptions{Quota: 2})
		if err != nil {
			return err
		}
		_, err = area.Begin(context.Background(), &staging.Options{Size: 3})
		return err
	}},
	{"Area.Resume of an ID that is none", func(fsys afero.Fs, at func(string) string) error {
		area, err := staging.Open(fsys, at("area"), nil)
		if err != nil {
			return err
		}
		_, err = area.Resume(context.Background(), "../file", nil)
		return err
	}},
	{"Area.Resume of an upload that is gone", func(fsys afero.Fs, at func(string) string) error {
		area, err := staging.Open(fsys, at("area"), nil)
		if err != nil {
			return err
		}
		_, err = area.Resume(context.Background(), goneID, nil)
		return err
	}},
}

// A fullDisk is an Fs that takes names and no contents.
type fullDisk struct{ afero.Fs }

type fullFile struct{ afero.File }

func (d fullDisk) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	f, err := d.Fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return fullFile{f}, nil
}

func (f fullFile) full() (int, error) {
	return 0, &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
}
func (f fullFile) Write([]byte) (int, error)          { return f.full() }
func (f fullFile) WriteString(string) (int, error)    { return f.full() }
func (f fullFile) WriteAt([]byte, int64) (int, error) { return f.full() }

// messages makes each mistake on a kind of its own, and returns what the user is
// told: with DIR for the user's directory, whatever that lies in.
func messages(t *testing.T, mk maker) (list []string) {
	t.Helper()
	for _, m := range mistakes {
		scratch := t.TempDir()
		k, err := mk.make(scratch)
		require.NoError(t, err)
		require.NoError(t, k.fsys.MkdirAll(k.path("user/dir"), 0o755))
		require.NoError(t, afero.WriteFile(k.fsys, k.path("user/file"), []byte("old"), 0o644))
		err = m.make(k.fsys, func(name string) string { return k.path("user/" + name) })
		require.Error(t, err, m.what)
		said := strings.ReplaceAll(oneLine(err), "\x00", "<NUL>")
		if k.root != string(filepath.Separator) {
			said = strings.ReplaceAll(said, k.root, "")
		}
		said = strings.ReplaceAll(filepath.ToSlash(said), "/user", "DIR")

		assert.NotContains(t, said, filepath.ToSlash(scratch), "%s: a path outside of the base", m.what)
		assert.NotRegexp(t, randomPart, strings.ReplaceAll(said, goneID, ""), "%s: the name of a temporary", m.what)
		assert.NotContains(t, said, ".tmp-", "%s: the name of a temporary", m.what)
		data, err := afero.ReadFile(k.fsys, k.path("user/file"))
		require.NoError(t, err, m.what)
		assert.Equal(t, "old", string(data), m.what)
		require.NoError(t, k.close())
		list = append(list, said)
	}
	return list
}

// What a user is told is a promise too: each message names the operation, the path
// that the user gave and the reason, on every kind. What the user's own function
// or reader says comes back as it is.
func TestMessages(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the reasons are the system's, and worded by it")
	}
	golden := filepath.Join("testdata", "messages.txt")
	said := map[string][]string{}
	for _, mk := range makers {
		said[mk.name] = messages(t, mk)
	}
	var got strings.Builder
	for i, m := range mistakes {
		first := said[makers[0].name][i]
		fmt.Fprintf(&got, "%s\n\t%s\n", m.what, first)
		for _, mk := range makers[1:] {
			if other := said[mk.name][i]; other != first {
				fmt.Fprintf(&got, "\t%s: %s\n", mk.name, other)
			}
		}
	}
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), got.String(), "go test ./bench -run Messages -update writes it anew")
}
