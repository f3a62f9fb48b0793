package workdir_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/workdir"
)

func newName() string { return "work-" + strings.ToLower(rand.Text()) }

// abandon makes what a killed owner leaves: a directory, and its lease, that says
// whether it was under lock.
func abandon(t testing.TB, k testfs.Kind, locked bool) string {
	t.Helper()
	name := newName()
	lease := ""
	if locked {
		lease = name
	}
	require.NoError(t, k.Fs.MkdirAll(k.Join(name, "sub"), 0o700))
	k.WriteFile(t, k.Join(name, "sub", "file"), "data")
	// Last, because other sweeps may be at work.
	k.WriteFile(t, k.Join("."+name+".new"), lease)
	require.NoError(t, k.Fs.Rename(k.Join("."+name+".new"), k.Join("."+name+".lease")))
	return name
}

func sweep(t testing.TB, fsys afero.Fs, k testfs.Kind, o workdir.SweepOptions) workdir.SweepReport {
	t.Helper()
	o.Dir = k.Dir
	report, err := workdir.Sweep(context.Background(), fsys, &o)
	require.NoError(t, err)
	return report
}

func TestSweep(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		live, err := workdir.New(k.Fs, in(k))
		require.NoError(t, err)
		_, err = live.WriteFile("a", []byte("a"))
		require.NoError(t, err)
		before := left(t, k)
		dead := k.Join(abandon(t, k, true))

		dry := sweep(t, k.Fs, k, workdir.SweepOptions{MinAge: 1, DryRun: true})
		assert.Equal(t, []string{dead}, dry.Removed)
		_, err = k.Fs.Stat(dead)
		require.NoError(t, err)

		report := sweep(t, k.Fs, k, workdir.SweepOptions{MinAge: 1})
		assert.Equal(t, []string{dead}, report.Removed)
		assert.Equal(t, map[string]string{live.Path(): "in use by this process"}, report.Kept)
		assert.Equal(t, before, left(t, k))

		report = sweep(t, k.Fs, k, workdir.SweepOptions{MinAge: 1})
		assert.Empty(t, report.Removed)
		require.NoError(t, live.Close())
		assert.Empty(t, left(t, k))
	})
}

// Where the owner can be asked its age does not matter; where it cannot, the
// young are left alone.
func TestSweepMinAge(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		asks := k.OS || strings.Contains(k.Name, "MemMapFs")
		locked, unlocked := abandon(t, k, true), abandon(t, k, false)
		report := sweep(t, k.Fs, k, workdir.SweepOptions{})
		gone := func(name string) bool { return slices.Contains(report.Removed, k.Join(name)) }
		assert.Equal(t, asks, gone(locked))
		assert.Equal(t, asks && !k.OS, gone(unlocked), "on the operating system a lease without a lock tells nothing")
		for _, name := range []string{locked, unlocked} {
			if !gone(name) {
				assert.Contains(t, report.Kept[k.Join(name)], "younger than 24h")
			}
		}
		old := time.Now().Add(-48 * time.Hour)
		for _, name := range []string{locked, unlocked} {
			if !gone(name) {
				require.NoError(t, k.Fs.Chtimes(k.Join("."+name+".lease"), old, old))
				require.NoError(t, k.Fs.Chtimes(k.Join(name), old, old))
			}
		}
		report = sweep(t, k.Fs, k, workdir.SweepOptions{})
		if k.Name == "CopyOnWriteFs" || k.Name == "CacheOnReadFs" {
			// A union may answer with the time of either side: what counts is that it goes
			// once it counts as old.
			report = sweep(t, k.Fs, k, workdir.SweepOptions{MinAge: 1})
		}
		assert.Empty(t, report.Kept)
		assert.Empty(t, left(t, k))
	})
}

// A job on an Fs without locks stays young by Renew. A spy hides the locks.
func TestRenew(t *testing.T) {
	k := testfs.Kinds(t)[0]
	name := abandon(t, k, false)
	old := time.Now().Add(-48 * time.Hour)
	for _, path := range []string{k.Join("." + name + ".lease"), k.Join(name)} {
		require.NoError(t, k.Fs.Chtimes(path, old, old))
	}
	d, err := workdir.New(testfs.NewSpy(k.Fs), in(k))
	require.NoError(t, err)
	lease := k.Join("." + filepath.Base(d.Path()) + ".lease")
	require.NoError(t, k.Fs.Chtimes(lease, old, old))
	require.NoError(t, d.Renew())
	info, err := k.Fs.Stat(lease)
	require.NoError(t, err)
	assert.Less(t, time.Since(info.ModTime()), time.Hour)
	assert.Equal(t, []string{k.Join(name)}, sweep(t, k.Fs, k, workdir.SweepOptions{}).Removed)
	require.NoError(t, d.Close())
	assert.Empty(t, left(t, k))
}

func TestSweepOfNothing(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		report := sweep(t, k.Fs, k, workdir.SweepOptions{})
		assert.Empty(t, report.Removed)
		assert.Empty(t, report.Kept)
		_, err := workdir.Sweep(t.Context(), k.Fs, &workdir.SweepOptions{Dir: k.Join("missing")})
		require.ErrorIs(t, err, fs.ErrNotExist)
		k.WriteFile(t, k.Join("file"), "x")
		_, err = workdir.Sweep(t.Context(), k.Fs, &workdir.SweepOptions{Dir: k.Join("file")})
		require.Error(t, err)
	})
}

// The default directory is where New makes its own.
func TestSweepOfTheTemporaryDirectory(t *testing.T) {
	fsys := afero.NewMemMapFs()
	d, err := workdir.New(fsys, nil)
	require.NoError(t, err)
	report, err := workdir.Sweep(t.Context(), fsys, nil)
	require.NoError(t, err)
	assert.Contains(t, report.Kept, d.Path())
	require.NoError(t, d.Close())
}

// plantBystanders puts things into dir that are no work directories of ours, or
// not known to be, and returns their paths in it, sorted.
func plantBystanders(t testing.TB, dir string) []string {
	t.Helper()
	in := func(name string) string { return filepath.Join(dir, name) }
	put := func(name, content string) { require.NoError(t, os.WriteFile(in(name), []byte(content), 0o600)) }
	tree := func(name string) string {
		require.NoError(t, os.Mkdir(in(name), 0o700))
		put(name+"/precious", "precious")
		return name
	}
	tree(newName())                                                       // no lease
	tree("home")                                                          // a lease of another make
	put(".home.lease", "home")                                            //
	put("."+tree(newName())+".lease", "/etc")                             // points elsewhere
	put("."+tree(newName())+".lease", newName())                          // another's, moved or linked here
	put("."+tree(newName())+".lease", strings.Repeat("x", 1<<20))         // huge
	require.NoError(t, os.Mkdir(in("."+tree(newName())+".lease"), 0o700)) // a directory
	link := tree(newName())
	require.NoError(t, os.Symlink(in(".home.lease"), in("."+link+".lease"))) // a link to a file
	dangling := tree(newName())
	require.NoError(t, os.Symlink("nowhere", in("."+dangling+".lease")))
	plantFIFO(t, in("."+tree(newName())+".lease"))
	linked := newName() // the directory is a link
	put("."+linked+".lease", linked)
	require.NoError(t, os.Symlink(in("home"), in(linked)))
	file := newName() // the directory is a file
	put("."+file+".lease", file)
	put(file, "precious")
	aside := newName() // in the place of what is set aside there is a link
	put("."+aside+".lease", aside)
	require.NoError(t, os.Symlink(in("home"), in("."+aside+".dead")))
	if os.Geteuid() == 0 {
		for _, whose := range []string{"lease", "directory"} {
			name := tree(newName())
			put("."+name+".lease", name)
			if whose == "lease" {
				require.NoError(t, os.Lchown(in("."+name+".lease"), 12345, 12345))
			} else {
				require.NoError(t, os.Lchown(in(name), 12345, 12345))
			}
		}
	}
	planted := testfs.Leftovers(t, afero.NewOsFs(), dir)
	require.Greater(t, len(planted), 20)
	return planted
}

// OsFs alone: no other kind has links, FIFOs and users of its own.
func TestLitterSweepLeavesBystandersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege")
	}
	dir := t.TempDir()
	planted := plantBystanders(t, dir)
	base := filepath.Base(dir)
	for name, c := range map[string]struct {
		fsys afero.Fs
		dir  string
	}{
		"OsFs":       {afero.NewOsFs(), dir},
		"BasePathFs": {afero.NewBasePathFs(afero.NewOsFs(), filepath.Dir(dir)), "/" + base},
		"Spy":        {testfs.NewSpy(afero.NewOsFs()), dir},
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				report, err := workdir.Sweep(t.Context(), c.fsys, &workdir.SweepOptions{Dir: c.dir, MinAge: 1})
				assert.NoError(t, err)
				assert.Empty(t, report.Removed)
				assert.GreaterOrEqual(t, len(report.Kept), 10)
				for name, why := range report.Kept {
					t.Logf("%s: %s", filepath.Base(name), why)
				}
			}()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatal("the sweep blocks")
			}
			assert.Equal(t, planted, testfs.Leftovers(t, afero.NewOsFs(), dir))
		})
	}
}

// A sweep that is stopped at any call, as by a crash, harms nobody, and the next
// one finishes what it began.
func TestErrorsOfSweep(t *testing.T) {
	for name, locked := range map[string]bool{"locked": true, "unlocked": false} {
		t.Run(name, func(t *testing.T) {
			eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
				live, err := workdir.New(k.Fs, in(k))
				require.NoError(t, err)
				k.WriteFile(t, k.Join("bystander"), "x")
				before := left(t, k)
				dead := k.Join(abandon(t, k, locked))

				report, err := workdir.Sweep(t.Context(), s, &workdir.SweepOptions{Dir: k.Dir, MinAge: 1})
				if len(s.Met()) == 0 {
					require.NoError(t, err)
					assert.Equal(t, []string{dead}, report.Removed)
				}
				if slices.Contains(report.Removed, dead) {
					_, err := k.Fs.Stat(dead)
					assert.ErrorIs(t, err, fs.ErrNotExist)
				}
				assert.Empty(t, s.OpenFiles())

				_, err = workdir.Sweep(t.Context(), k.Fs, &workdir.SweepOptions{Dir: k.Dir, MinAge: 1})
				require.NoError(t, err)
				assert.Equal(t, before, left(t, k))
				require.NoError(t, live.Close())
			})
		})
	}
}

// The states that a sweeper leaves which is killed, one by one.
func TestLitterSweepAfterASweeper(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, k testfs.Kind, name string){
		"claimed": func(t *testing.T, k testfs.Kind, name string) {
			require.NoError(t, k.Fs.Mkdir(k.Join("."+name+".claim"), 0o700))
		},
		"aside": func(t *testing.T, k testfs.Kind, name string) {
			require.NoError(t, k.Fs.Mkdir(k.Join("."+name+".claim"), 0o700))
			require.NoError(t, k.Fs.RemoveAll(k.Join(name)))
			require.NoError(t, k.Fs.Mkdir(k.Join("."+name+".dead"), 0o700))
			k.WriteFile(t, k.Join("."+name+".dead", "half"), "x")
		},
		"removed": func(t *testing.T, k testfs.Kind, name string) {
			require.NoError(t, k.Fs.Mkdir(k.Join("."+name+".claim"), 0o700))
			require.NoError(t, k.Fs.RemoveAll(k.Join(name)))
		},
		"unclaimed": func(t *testing.T, k testfs.Kind, name string) {
			require.NoError(t, k.Fs.RemoveAll(k.Join(name)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			testfs.Each(t, func(t *testing.T, k testfs.Kind) {
				leave(t, k, abandon(t, k, true))
				sweep(t, k.Fs, k, workdir.SweepOptions{MinAge: 1})
				assert.Empty(t, left(t, k))
			})
		})
	}
}

// Owners and sweepers of one process at work side by side.
func TestSweepersAndOwners(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		ctx, stop := context.WithCancel(t.Context())
		var sweepers, owners sync.WaitGroup
		var mu sync.Mutex
		removed := map[string]int{}
		for range 3 {
			sweepers.Go(func() {
				for ctx.Err() == nil {
					report, err := workdir.Sweep(ctx, k.Fs, &workdir.SweepOptions{Dir: k.Dir, MinAge: time.Minute})
					if err != nil && !errors.Is(err, context.Canceled) {
						assert.NoError(t, err)
						return
					}
					mu.Lock()
					for _, name := range report.Removed {
						removed[name]++
					}
					mu.Unlock()
				}
			})
		}
		var dead []string
		asks := k.OS || strings.Contains(k.Name, "MemMapFs")
		for range 4 {
			owners.Go(func() {
				for i := range 15 {
					d, err := workdir.New(k.Fs, in(k))
					if !assert.NoError(t, err) {
						return
					}
					name, err := d.WriteFile("a/b", []byte("mine"))
					if !assert.NoError(t, err) {
						return
					}
					if asks && i%3 == 0 {
						name := k.Join(abandon(t, k, true))
						mu.Lock()
						dead = append(dead, name)
						mu.Unlock()
					}
					data, err := afero.ReadFile(k.Fs, name)
					assert.NoError(t, err)
					assert.Equal(t, "mine", string(data))
					assert.NoError(t, d.Close())
				}
			})
		}
		owners.Wait()
		stop()
		sweepers.Wait()
		for _, name := range sweep(t, k.Fs, k, workdir.SweepOptions{MinAge: 1}).Removed {
			removed[name]++
		}
		for _, name := range dead {
			assert.Equal(t, 1, removed[name], "%s was reported by so many sweeps", name)
		}
		assert.Empty(t, left(t, k))
	})
}

// counting is a context that is asked between entries.
type counting struct {
	context.Context
	asked func(n int) error
	n     int
}

func (c *counting) Err() error { c.n++; return c.asked(c.n) }

func TestSweepStops(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for range 6 {
			abandon(t, k, true)
		}
		ctx := &counting{Context: context.Background(), asked: func(n int) error {
			if n > 5 {
				return context.Canceled
			}
			return nil
		}}
		report, err := workdir.Sweep(ctx, k.Fs, &workdir.SweepOptions{Dir: k.Dir, MinAge: 1})
		require.ErrorIs(t, err, context.Canceled)
		assert.Less(t, len(report.Removed), 6)
		for _, name := range report.Removed {
			_, err := k.Fs.Stat(name)
			assert.ErrorIs(t, err, fs.ErrNotExist)
		}
		sweepAll(t, k)
		assert.Empty(t, left(t, k))
	})
}

// A directory of many entries is not held in memory: what is live between two
// entries does not grow with them. OsFs alone: elsewhere all names are read.
func TestSweepOfMany(t *testing.T) {
	many := 20_000
	if testing.Short() {
		many = 2_000
	}
	k := testfs.Kinds(t)[0]
	first := k.Join("0")
	k.WriteFile(t, first, "")
	for i := range many {
		// Hard links, because they are cheap; but a file has at most 65,000 of them.
		require.NoError(t, os.Link(first, k.Join("entry-with-a-name-of-some-length-"+strings.Repeat("x", 100)+itoa(i))))
	}
	dead := []string{k.Join(abandon(t, k, true)), k.Join(abandon(t, k, true))}
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most := live(), uint64(0)
	ctx := &counting{Context: context.Background(), asked: func(n int) error {
		if n%(many/20) == 0 {
			most = max(most, live())
		}
		return nil
	}}
	report, err := workdir.Sweep(ctx, k.Fs, &workdir.SweepOptions{Dir: k.Dir})
	require.NoError(t, err)
	assert.ElementsMatch(t, dead, report.Removed)
	grown := int64(most) - int64(before)
	t.Logf("%d entries, %d bytes of names: %d bytes more in use", many, many*140, grown)
	assert.Less(t, grown, int64(1<<20))
}

func itoa(i int) string {
	return string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26)) + string(rune('a'+i/17576%26))
}
