package workdir_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

func ExampleNew() {
	fsys := afero.NewMemMapFs()
	d, err := workdir.New(fsys, &workdir.Options{Temp: tmpfs.Options{Pattern: "render-*"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close() // removes all of it
	name, err := d.WriteFile("pages/1.txt", []byte("one"))
	fmt.Println(strings.HasPrefix(name, "/tmp/render-"), path.Base(name), err)
	// Output: true 1.txt <nil>
}

func ExampleWith() {
	fsys := afero.NewMemMapFs()
	var dir string
	err := workdir.With(fsys, nil, func(d *workdir.Dir) error {
		dir = d.Path()
		if _, err := d.WriteFile("out/report.txt", []byte("all is well\n")); err != nil {
			return err
		}
		return d.Commit("out/report.txt", "/srv/report.txt")
	})
	report, _ := afero.ReadFile(fsys, "/srv/report.txt")
	left, _ := afero.Exists(fsys, dir)
	fmt.Printf("%s%v %v\n", report, left, err)
	// Output:
	// all is well
	// false <nil>
}

func ExampleWith_keepOnError() {
	fsys := afero.NewMemMapFs()
	errJob := errors.New("page 7 does not render")
	err := workdir.With(fsys, &workdir.Options{KeepOnError: true}, func(d *workdir.Dir) error {
		if _, err := d.WriteFile("page7.log", []byte("...")); err != nil {
			return err
		}
		return errJob
	})
	fmt.Println(errors.Is(err, errJob))
	fmt.Println(regexp.MustCompile(`[a-z2-7]{26}`).ReplaceAllString(err.Error(), "x"))
	// Output:
	// true
	// page 7 does not render (work directory kept: /tmp/work-x)
}

func ExampleDir_Join() {
	_ = workdir.With(afero.NewMemMapFs(), nil, func(d *workdir.Dir) error {
		name, err := d.Join("a/../b.txt")
		fmt.Println(name == d.Path()+"/b.txt", err)
		_, err = d.Join("../b.txt")
		fmt.Println(errors.Is(err, fs.ErrInvalid), err)
		return nil
	})
	// Output:
	// true <nil>
	// true join ../b.txt: path escapes from its base
}

func ExampleDir_Subdir() {
	_ = workdir.With(afero.NewMemMapFs(), nil, func(d *workdir.Dir) error {
		name, err := d.Subdir("cache/thumbs")
		fmt.Println(strings.TrimPrefix(name, d.Path()), err)
		return nil
	})
	// Output: /cache/thumbs <nil>
}

func ExampleDir_WriteFile() {
	_ = workdir.With(afero.NewMemMapFs(), nil, func(d *workdir.Dir) error {
		name, err := d.WriteFile("logs/empty.log", nil)
		fmt.Println(strings.TrimPrefix(name, d.Path()), err)
		return nil
	})
	// Output: /logs/empty.log <nil>
}

func ExampleDir_CopyFS() {
	src := fstest.MapFS{"in/a.txt": {Data: []byte("A")}, "in/b.txt": {Data: []byte("B")}}
	_ = workdir.With(afero.NewMemMapFs(), nil, func(d *workdir.Dir) error {
		err := d.CopyFS(src)
		b, _ := afero.ReadFile(d, "in/b.txt")
		fmt.Printf("%s %v\n", b, err)
		return nil
	})
	// Output: B <nil>
}

func ExampleDir_IOFS() {
	_ = workdir.With(afero.NewMemMapFs(), nil, func(d *workdir.Dir) error {
		for _, name := range []string{"b.txt", "a.txt", "c.bin"} {
			if _, err := d.WriteFile(name, nil); err != nil {
				return err
			}
		}
		found, err := fs.Glob(d.IOFS(), "*.txt")
		fmt.Println(found, err)
		return nil
	})
	// Output: [a.txt b.txt] <nil>
}

func ExampleDir_Env() {
	_ = workdir.With(afero.NewOsFs(), nil, func(d *workdir.Dir) error {
		env, err := d.Env([]string{"LANG=C", "TMP=/elsewhere"})
		for _, e := range env {
			fmt.Println(strings.ReplaceAll(filepath.ToSlash(e), filepath.ToSlash(d.Path()), "WORK"))
		}
		return err // env is for exec.Cmd.Env
	})
	// Output:
	// LANG=C
	// TMPDIR=WORK/.tmp
	// TEMP=WORK/.tmp
	// TMP=WORK/.tmp
}

func ExampleDir_Commit() {
	fsys := afero.NewMemMapFs()
	err := workdir.With(fsys, nil, func(d *workdir.Dir) error {
		if _, err := d.WriteFile("site/index.html", []byte("<h1>Hi</h1>")); err != nil {
			return err
		}
		return d.Commit("site", "/srv/www")
	})
	page, _ := afero.ReadFile(fsys, "/srv/www/index.html")
	fmt.Printf("%s %v\n", page, err)
	// Output: <h1>Hi</h1> <nil>
}

func ExampleDir_Keep() {
	fsys := afero.NewMemMapFs()
	err := workdir.With(fsys, nil, func(d *workdir.Dir) error {
		if _, err := d.WriteFile("a", nil); err != nil {
			return err
		}
		return d.Keep("/kept")
	})
	there, _ := afero.Exists(fsys, "/kept/a")
	fmt.Println(there, err)
	// Output: true <nil>
}

func ExampleDir_Renew() {
	_ = workdir.With(afero.NewMemMapFs(), nil, func(d *workdir.Dir) error {
		fmt.Println(d.Renew()) // now and then, on an Fs without locks
		return nil
	})
	// Output: <nil>
}

func ExampleDir_Close() {
	d, err := workdir.New(afero.NewMemMapFs(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Close(), d.Close())
	// Output: <nil> <nil>
}

func ExampleSweep() {
	fsys := afero.NewMemMapFs()
	d, err := workdir.New(fsys, &workdir.Options{Temp: tmpfs.Options{Dir: "/"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	report, err := workdir.Sweep(context.Background(), fsys, &workdir.SweepOptions{Dir: "/"})
	fmt.Println(len(report.Removed), report.Kept[d.Path()], err)
	// Output: 0 in use by this process <nil>
}

func ExampleSweepReport() {
	fsys := afero.NewMemMapFs()
	// A job of a process that was killed: its directory, and the lease beside it.
	const name = "work-aaaaaaaaaaaaaaaaaaaaaaaaaa"
	_ = fsys.MkdirAll("/jobs/"+name, 0o700)
	_ = fsys.MkdirAll("/jobs/somebody-else", 0o700)
	_ = afero.WriteFile(fsys, "/jobs/."+name+".lease", []byte(name), 0o600)
	opts := &workdir.SweepOptions{Dir: "/jobs", MinAge: time.Nanosecond, DryRun: true}
	report, err := workdir.Sweep(context.Background(), fsys, opts)
	fmt.Println(report.Removed, report.Kept, err)
	// Output: [/jobs/work-aaaaaaaaaaaaaaaaaaaaaaaaaa] map[] <nil>
}

// in returns options for a work directory in k.Dir.
func in(k testfs.Kind) *workdir.Options {
	return &workdir.Options{Temp: tmpfs.Options{Dir: k.Dir}}
}

func left(t testing.TB, k testfs.Kind) []string {
	t.Helper()
	return testfs.Leftovers(t, k.Fs, k.Dir)
}

var workName = regexp.MustCompile(`^work-[a-z2-7]{26}$`)

func TestNew(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d, err := workdir.New(k.Fs, in(k))
		require.NoError(t, err)
		base := filepath.Base(d.Path())
		assert.Regexp(t, workName, base)
		assert.Equal(t, k.Join(base), d.Path())
		assert.Equal(t, []string{"." + base + ".lease", base}, left(t, k))
		info, err := k.Fs.Stat(d.Path())
		require.NoError(t, err)
		assert.Equal(t, fs.ModeDir|0o700, info.Mode()&(fs.ModeDir|fs.ModePerm))
		require.NoError(t, d.Close())
		assert.NoError(t, d.Close())
		assert.Empty(t, left(t, k))
	})
}

func TestNewPattern(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for pattern, want := range map[string]string{
			"job":      `^job[a-z2-7]{26}$`,
			"job-*.d":  `^job-[a-z2-7]{26}\.d$`,
			"*":        `^[a-z2-7]{26}$`,
			".hidden-": `^\.hidden-[a-z2-7]{26}$`,
		} {
			o := in(k)
			o.Temp.Pattern = pattern
			d, err := workdir.New(k.Fs, o)
			require.NoError(t, err, pattern)
			base := filepath.Base(d.Path())
			assert.Regexp(t, want, base)
			assert.Contains(t, left(t, k), "."+base+".lease")
			require.NoError(t, d.Close())
		}
		assert.Empty(t, left(t, k))
	})
}

func TestNewRefused(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for name, c := range map[string]struct {
			opts tmpfs.Options
			want error
		}{
			"missing parent": {tmpfs.Options{Dir: k.Join("missing")}, fs.ErrNotExist},
			"separator":      {tmpfs.Options{Dir: k.Dir, Pattern: "../x*"}, fs.ErrInvalid},
			"backslash":      {tmpfs.Options{Dir: k.Dir, Pattern: `a\b`}, fs.ErrInvalid},
			"NUL":            {tmpfs.Options{Dir: k.Dir, Pattern: "a\x00"}, fs.ErrInvalid},
		} {
			_, err := workdir.New(k.Fs, &workdir.Options{Temp: c.opts})
			require.ErrorIs(t, err, c.want, name)
			var pe *fs.PathError
			require.ErrorAs(t, err, &pe, name)
			assert.NotContains(t, pe.Path, ".lease", name)
		}
		assert.Empty(t, left(t, k))
	})
}

func TestNoLease(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		o := in(k)
		o.NoLease = true
		d, err := workdir.New(k.Fs, o)
		require.NoError(t, err)
		assert.Equal(t, []string{filepath.Base(d.Path())}, left(t, k))
		report, err := workdir.Sweep(context.Background(), k.Fs, &workdir.SweepOptions{Dir: k.Dir, MinAge: 1})
		require.NoError(t, err)
		assert.Empty(t, report.Removed)
		assert.Empty(t, report.Kept)
		require.NoError(t, d.Renew())
		require.NoError(t, d.Close())
		assert.Empty(t, left(t, k))
	})
}

func TestNewIsRefusedWhole(t *testing.T) {
	testfs.EachRefuser(t, func(t *testing.T, k testfs.Kind) {
		_, err := workdir.New(k.Fs, in(k))
		require.ErrorIs(t, err, fs.ErrPermission)
		assert.Empty(t, left(t, k))
	})
}

// Whatever fails in the life of a work directory, nothing is left but what the
// next Close or Sweep removes, and an error says so.
func TestErrorsOfLife(t *testing.T) { eachFault(t, liveWithFaults) }

// eachFault runs testfs.EachFault on memory and, as it waits for the disk then,
// only in a long run, and with one fault, on the operating system; behind a spy
// the calls of the other kinds are the same.
func eachFault(t *testing.T, run func(t *testing.T, k testfs.Kind, s *testfs.Spy)) {
	for _, k := range testfs.Kinds(t) {
		switch {
		case k.Name == "MemMapFs":
			t.Run(k.Name, func(t *testing.T) { testfs.EachFault(t, k, run) })
		case k.Name == "OsFs" && !testing.Short():
			t.Run(k.Name, func(t *testing.T) { testfs.EachFault(t, k, run, testfs.Fault{Err: testfs.ErrFault}) })
		}
	}
}

func liveWithFaults(t *testing.T, k testfs.Kind, s *testfs.Spy) {
	d, err := workdir.New(s, in(k))
	made := err == nil
	if made {
		_, werr := d.WriteFile("a/b", []byte("b"))
		err = errors.Join(werr, d.Close())
	}
	if len(s.Met()) == 0 {
		require.NoError(t, err)
	}
	if err == nil {
		assert.Empty(t, left(t, k))
	}
	assert.Empty(t, s.OpenFiles())
	var dirs, leases int
	for _, name := range left(t, k) {
		switch {
		case workName.MatchString(name):
			dirs++
			assert.True(t, made || len(left(t, k)) <= 2, "New left more than an empty directory")
		case strings.HasSuffix(name, ".lease"):
			leases++
		}
	}
	assert.LessOrEqual(t, dirs, leases, "a directory without a lease is left: %v", left(t, k))
}

// sweepAll sweeps k.Dir of everything that can be known to be dead.
func sweepAll(t testing.TB, k testfs.Kind) {
	t.Helper()
	_, err := workdir.Sweep(context.Background(), k.Fs, &workdir.SweepOptions{Dir: k.Dir, MinAge: 1})
	require.NoError(t, err)
}

func TestWith(t *testing.T) {
	errJob := errors.New("job")
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for _, want := range []error{nil, errJob} {
			err := workdir.With(k.Fs, in(k), func(d *workdir.Dir) error {
				_, err := d.WriteFile("deep/er/file", []byte("x"))
				require.NoError(t, err)
				return want
			})
			assert.Equal(t, want, err)
			assert.Empty(t, left(t, k))
		}
	})
}

func TestWithPanic(t *testing.T) {
	value := &struct{ int }{7}
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		assert.PanicsWithValue(t, value, func() {
			_ = workdir.With(k.Fs, in(k), func(d *workdir.Dir) error {
				_, err := d.WriteFile("file", []byte("x"))
				require.NoError(t, err)
				panic(value)
			})
		})
		assert.Empty(t, left(t, k))
	})
}

func TestWithGoexit(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = workdir.With(k.Fs, in(k), func(*workdir.Dir) error {
				runtime.Goexit()
				return nil
			})
		})
		wg.Wait()
		assert.Empty(t, left(t, k))
	})
}

func TestWithKeepOnError(t *testing.T) {
	errJob := errors.New("job")
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		o := in(k)
		o.KeepOnError = true
		var dir string
		body := func(err error) func(d *workdir.Dir) error {
			return func(d *workdir.Dir) error {
				dir = d.Path()
				_, werr := d.WriteFile("log", []byte("why"))
				require.NoError(t, werr)
				return err
			}
		}
		require.NoError(t, workdir.With(k.Fs, o, body(nil)))
		assert.Empty(t, left(t, k), "kept without an error")

		err := workdir.With(k.Fs, o, body(errJob))
		require.ErrorIs(t, err, errJob)
		assert.ErrorContains(t, err, dir)
		base := filepath.Base(dir)
		assert.Equal(t, []string{base, base + "/log"}, left(t, k), "or a lease is left, by which a sweep would remove it")
		sweepAll(t, k)
		assert.Equal(t, "why", k.ReadFile(t, k.Join(base, "log")))
		require.NoError(t, tmpfs.RemoveAll(k.Fs, dir))

		assert.PanicsWithValue(t, "bug", func() {
			_ = workdir.With(k.Fs, o, func(d *workdir.Dir) error {
				_ = body(nil)(d)
				panic("bug")
			})
		})
		assert.Equal(t, "why", k.ReadFile(t, k.Join(filepath.Base(dir), "log")))
		require.NoError(t, tmpfs.RemoveAll(k.Fs, dir))

		err = workdir.With(k.Fs, o, func(d *workdir.Dir) error {
			require.NoError(t, body(nil)(d))
			return errors.Join(errJob, d.Keep(k.Join("chosen")))
		})
		require.ErrorIs(t, err, errJob)
		assert.NotContains(t, err.Error(), "kept:", "fn has kept it elsewhere, and knows where")
		assert.Equal(t, []string{"chosen", "chosen/log"}, left(t, k))
	})
}

func TestKeep(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		d, err := workdir.New(k.Fs, in(k))
		require.NoError(t, err)
		_, err = d.WriteFile("a", []byte("A"))
		require.NoError(t, err)
		require.NoError(t, k.Fs.Mkdir(k.Join("taken"), 0o755))
		require.ErrorIs(t, d.Keep(k.Join("taken")), fs.ErrExist)
		assert.Contains(t, left(t, k), "."+filepath.Base(d.Path())+".lease", "still temporary")
		require.NoError(t, d.Keep(k.Join("kept")))
		assert.Equal(t, k.Join("kept"), d.Path())
		require.NoError(t, d.Close())
		assert.Equal(t, []string{"kept", "kept/a", "taken"}, left(t, k))
	})
}

// As long as the directory is there its lease is, and another Close may remove
// both.
func TestCloseAgain(t *testing.T) {
	k := testfs.Kinds(t)[2]
	s := testfs.NewSpy(k.Fs)
	d, err := workdir.New(s, in(k))
	require.NoError(t, err)
	_, err = d.WriteFile("a", nil)
	require.NoError(t, err)
	s.Fail(func(_ int, call string) bool {
		return strings.HasPrefix(call, "remove") && !strings.HasSuffix(call, ".lease")
	}, testfs.Fault{Err: os.ErrPermission})
	require.ErrorIs(t, d.Close(), fs.ErrPermission)
	assert.Contains(t, left(t, k), "."+filepath.Base(d.Path())+".lease")
	s.Reset()
	require.NoError(t, d.Close())
	assert.Empty(t, left(t, k))
}
