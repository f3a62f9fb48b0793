package atomicfs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
)

func ExampleSweep() {
	fsys := afero.NewMemMapFs()
	// What a writer would leave that was killed: nobody in this process owns it.
	abandoned := "/data/.tmp-" + strings.Repeat("a", 26)
	if err := afero.WriteFile(fsys, abandoned, []byte("par"), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	removed, err := atomicfs.Sweep(context.Background(), fsys, "/data", 0)
	fmt.Println(removed, err)
	// Output: [.tmp-aaaaaaaaaaaaaaaaaaaaaaaaaa] <nil>
}

func sweep(t *testing.T, k testfs.Kind, minAge time.Duration) []string {
	t.Helper()
	removed, err := atomicfs.Sweep(context.Background(), k.Fs, k.Dir, minAge)
	require.NoError(t, err)
	return removed
}

var abandoned = ".tmp-" + strings.Repeat("a", 26)

// What is abandoned goes, what is not does not, and nothing else is touched.
func TestSweep(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		others := []string{
			"file", ".tmp-", ".tmp-short", ".tmp-" + strings.Repeat("A", 26), ".tmp-" + strings.Repeat("1", 26),
			".tmp-" + strings.Repeat("a", 27), "x.tmp-" + strings.Repeat("a", 26), "tmp-" + strings.Repeat("a", 26),
			abandoned + ".go", abandoned + "-", abandoned + "-old", abandoned + "-dir-age",
		}
		for _, name := range others {
			k.WriteFile(t, k.Join(name), "")
		}
		dir := ".tmp-" + strings.Repeat("d", 26)
		require.NoError(t, k.Fs.Mkdir(k.Join(dir), 0o755))
		k.WriteFile(t, k.Join(dir, abandoned), "") // below a directory
		long := time.Now().Add(-25 * time.Hour)
		require.NoError(t, k.Fs.Chtimes(k.Join(dir), long, long))
		k.WriteFile(t, k.Join(abandoned), "part")

		// Writers of all sorts that are alive.
		f := create(t, k.Fs, k.Join("live"), nil)
		put(t, f, "text")
		batch := atomicfs.NewBatch(k.Fs, nil)
		for i := range 100 { // more than are held open
			require.NoError(t, batch.WriteFile(k.Join(fmt.Sprint("batch", i)), []byte("text"), 0o644))
		}
		aside, err := atomicfs.NewFs(k.Fs, nil).Create(k.Join("aside"))
		require.NoError(t, err)
		put(t, aside, "text")

		if !known(k) {
			assert.Empty(t, sweep(t, k, 0), "too young, and nobody can be asked")
			require.NoError(t, k.Fs.Chtimes(k.Join(abandoned), long, long))
		}
		assert.Equal(t, []string{abandoned}, sweep(t, k, 0))
		assert.Empty(t, sweep(t, k, 0))
		assert.Empty(t, sweep(t, k, time.Nanosecond), "those that live have locks, or are known")

		require.NoError(t, batch.Commit())
		require.NoError(t, f.Commit())
		require.NoError(t, aside.Close())
		assert.Equal(t, "text", k.ReadFile(t, k.Join("batch99")))
		left := testfs.Leftovers(t, k.Fs, k.Dir)
		assert.Len(t, left, len(others)+2+102)
		for _, name := range others {
			assert.Contains(t, left, name)
		}
	})
}

// known reports whether a sweep knows who is alive on the Fs.
func known(k testfs.Kind) bool {
	return k.OS && runtime.GOOS != "windows" || strings.Contains(k.Name, "MemMapFs")
}

// What a file's name tells a sweep to ask is asked: the directory's lock, which a
// large batch has, or nobody.
func TestSweepAsksByTheName(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if !k.OS || !known(k) {
			return // no locks there: nothing has such a name
		}
		byDir, byAge := abandoned+"-dir", abandoned+"-age"
		k.WriteFile(t, k.Join(byDir), "part")
		k.WriteFile(t, k.Join(byAge), "part")
		batch := atomicfs.NewBatch(k.Fs, nil)
		require.NoError(t, batch.WriteFile(k.Join("file"), []byte("text"), 0o644))
		long := time.Now().Add(-25 * time.Hour)
		require.NoError(t, k.Fs.Chtimes(k.Join(byDir), long, long))
		assert.Empty(t, sweep(t, k, 0), "it may be the batch's")
		require.NoError(t, batch.Commit())
		assert.Equal(t, []string{byDir}, sweep(t, k, 0))
		assert.Empty(t, sweep(t, k, 0))
		require.NoError(t, k.Fs.Chtimes(k.Join(byAge), long, long))
		assert.Equal(t, []string{byAge}, sweep(t, k, 0))
	})
}

func TestSweepErrors(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		_, err := atomicfs.Sweep(context.Background(), k.Fs, k.Join("missing"), 0)
		require.ErrorIs(t, err, fs.ErrNotExist)
		requirePathError(t, err, k.Join("missing"))
		_, err = atomicfs.Sweep(context.Background(), k.Fs, "", 0)
		require.ErrorIs(t, err, fs.ErrInvalid)
		k.WriteFile(t, k.Join("file"), "")
		_, err = atomicfs.Sweep(context.Background(), k.Fs, k.Join("file"), 0)
		require.ErrorIs(t, err, enotdir)

		k.WriteFile(t, k.Join(abandoned), "part")
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		removed, err := atomicfs.Sweep(ctx, k.Fs, k.Dir, 0)
		require.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, removed)
		assert.Contains(t, testfs.Leftovers(t, k.Fs, k.Dir), abandoned)
	})
}

// What cannot be removed does not stop the sweep.
func TestSweepGoesOn(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		stuck := ".tmp-" + strings.Repeat("b", 26)
		long := time.Now().Add(-25 * time.Hour)
		for _, name := range []string{stuck, abandoned} {
			k.WriteFile(t, k.Join(name), "part")
			require.NoError(t, k.Fs.Chtimes(k.Join(name), long, long))
		}
		spy := testfs.NewSpy(k.Fs)
		spy.Fail(testfs.Calls("remove "+k.Join(stuck)), testfs.Fault{Err: testfs.ErrFault})
		removed, err := atomicfs.Sweep(context.Background(), spy, k.Dir, 0)
		require.ErrorIs(t, err, testfs.ErrFault)
		require.ErrorContains(t, err, k.Join(stuck))
		assert.Equal(t, []string{abandoned}, removed)
	})
}

func TestLitterSweepLeavesLinks(t *testing.T) {
	eachWithLinks(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("file"), "text")
		link(t, k, "file", k.Join(abandoned))
		link(t, k, "missing", k.Join(".tmp-"+strings.Repeat("b", 26)))
		assert.Empty(t, sweep(t, k, time.Nanosecond))
		assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 3)
	})
}

// Sweeps and writers do not get in each other's way: every write succeeds, also
// where the files of the operating system have a name while they are written.
func TestLitterSweepBesideWriters(t *testing.T) {
	t.Run("unnamed", sweepBesideWriters)
	atomicfs.SetUnnamed(false)
	defer atomicfs.SetUnnamed(true)
	t.Run("named", sweepBesideWriters)
}

func sweepBesideWriters(t *testing.T) {
	inMemory(t)
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if !k.OS && !strings.Contains(k.Name, "MemMapFs") {
			t.Skip("where age decides, an age of nothing is asking for it")
		}
		stop := make(chan struct{})
		swept := make(chan int)
		go func() {
			n := 0
			for {
				select {
				case <-stop:
					swept <- n
					return
				default:
				}
				removed, err := atomicfs.Sweep(context.Background(), k.Fs, k.Dir, 0)
				assert.NoError(t, err)
				n += len(removed)
			}
		}()
		opts := &atomicfs.Options{NoSync: true}
		race(8, func(i int) {
			for round := range 20 {
				name := k.Join(fmt.Sprint(i))
				f, err := atomicfs.Create(k.Fs, name, opts)
				if assert.NoError(t, err) {
					_, err = f.WriteString("text")
					assert.NoError(t, err)
					assert.NoError(t, f.Commit())
				}
				b := atomicfs.NewBatch(k.Fs, opts)
				for n := range 3 {
					assert.NoError(t, b.WriteFile(k.Join(fmt.Sprint(i, n)), []byte("text"), 0o644))
				}
				assert.NoError(t, b.Commit())
				if round%10 == 0 {
					left := ".tmp-" + strings.ToLower(fmt.Sprintf("%026s", strings.Repeat("c", i%3)+"bb"))
					err := afero.WriteFile(k.Fs, k.Join(strings.ReplaceAll(left, "0", "a")), []byte("part"), 0o600)
					if !errors.Is(err, fs.ErrNotExist) { // MemMapFs takes two steps, and it may be swept in between
						assert.NoError(t, err)
					}
				}
			}
		})
		close(stop)
		<-swept
	})
}

// A temporary that its writer could not remove, as when a connection is lost for good,
// has no writer any more.
func TestSweepOfWhatCloseLeft(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		s := testfs.NewSpy(k.Fs)
		f := create(t, s, k.Join("file"), nil)
		batch := atomicfs.NewBatch(s, nil)
		require.NoError(t, batch.WriteFile(k.Join("other"), []byte("text"), 0o644))
		old := time.Now().Add(-time.Hour)
		for _, name := range testfs.Leftovers(t, k.Fs, k.Dir) {
			require.NoError(t, k.Fs.Chtimes(k.Join(name), old, old))
		}
		assert.Empty(t, sweep(t, k, time.Minute), "their writers live")
		s.Fail(testfs.Calls("remove"), testfs.Fault{Err: testfs.ErrFault})
		require.ErrorIs(t, f.Close(), testfs.ErrFault)
		require.ErrorIs(t, batch.Close(), testfs.ErrFault)
		for _, name := range testfs.Leftovers(t, k.Fs, k.Dir) {
			require.NoError(t, k.Fs.Chtimes(k.Join(name), old, old))
		}
		assert.Len(t, sweep(t, k, time.Minute), 2)
		assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
		s.Reset()
		require.NoError(t, f.Close(), "it is gone, whoever removed it")
		require.NoError(t, batch.Close())
	})
}
