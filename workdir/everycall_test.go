package workdir_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// acrossVolumes makes a directory, and commits a file, a tree and the directory
// itself to where no rename leads. The error says so if one that failed is not as it
// was.
func acrossVolumes(spy *testfs.Spy, k testfs.Kind) (committed []string, err error) {
	d, err := workdir.New(spy, &workdir.Options{Temp: tmpfs.Options{Dir: k.Dir}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := d.CopyFS(fstest.MapFS{"file": {Data: []byte("text")}, "tree/sub/file": {Data: []byte("text")}, "rest": {Data: []byte("text")}}); err != nil {
		return nil, err
	}
	if err := d.Renew(); err != nil {
		return nil, err
	}
	// From here on what is in the directory is on another volume than the rest.
	spy.Fail(testfs.Calls("rename "+d.Path()), testfs.Fault{Err: syscall.EXDEV})
	for _, c := range [][2]string{{"file", "to/file"}, {"tree", "to/tree"}, {".", "to/all"}} {
		name, dest := c[0], c[1]
		if cerr := d.Commit(name, k.Join(dest)); cerr != nil {
			err = errors.Join(err, cerr)
			if errors.Is(cerr, atomicfs.ErrNotDurable) {
				continue
			}
			if there, _ := afero.Exists(k.Fs, k.Join(dest)); there {
				err = errors.Join(err, errHalf)
			}
			for _, file := range map[string][]string{"file": {"file"}, "tree": {"tree/sub/file"}, ".": {"rest"}}[name] {
				if text, _ := afero.ReadFile(k.Fs, filepath.Join(d.Path(), file)); string(text) != "text" {
					err = errors.Join(err, errHalf)
				}
			}
			continue
		}
		if name != "." {
			committed = append(committed, dest)
		}
	}
	return committed, err
}

var errHalf = errors.New("a commit that failed is half done")

// Each call of a commit across volumes fails in turn: what was committed is there,
// and of what was not nothing is half there.
func TestEveryCallOfACopyFails(t *testing.T) {
	met, bad := 0, 0
	for _, k := range testfs.Kinds(t) {
		if k.Name != "MemMapFs" {
			continue
		}
		for _, fault := range []testfs.Fault{{Err: testfs.ErrFault}, {Err: syscall.ENOSPC, Short: true}} {
			for n := 1; ; n++ {
				k := k.Fresh(t)
				spy := testfs.NewSpy(k.Fs)
				spy.Fail(testfs.Nth(n), fault)
				committed, err := acrossVolumes(spy, k)
				if n > len(spy.Calls()) {
					require.NoError(t, err)
					break
				}
				met++
				ok := assert.Empty(t, spy.OpenFiles())
				ok = assert.NotErrorIs(t, err, errHalf, "call %d: %v", n, spy.Met()) && ok
				for _, name := range committed {
					if name == "to/tree" {
						name += "/sub/file"
					}
					ok = assert.Equal(t, "text", k.ReadFile(t, k.Join(strings.Split(name, "/")...)), "call %d: %v", n, err) && ok
				}
				if !ok {
					bad++
				}
			}
		}
	}
	testfs.Figure(t, "every call of a commit across volumes fails", met, 100, bad)
}

// A sweep leaves alone what others have put in its way, and says why.
func TestClaimsOfOthers(t *testing.T) {
	name := "work-" + strings.Repeat("c", 26)
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		v := vfs.On(k.Fs)
		sweep := func(age time.Duration) map[string]string {
			report, err := workdir.Sweep(context.Background(), k.Fs, &workdir.SweepOptions{Dir: k.Dir, MinAge: age})
			require.NoError(t, err)
			require.Empty(t, report.Removed)
			return report.Kept
		}
		k.WriteFile(t, k.Join("."+name+".lease"), name)
		require.NoError(t, k.Fs.Mkdir(k.Join(name), 0o700))
		k.WriteFile(t, k.Join("."+name+".claim"), "in the way")
		require.Contains(t, sweep(1)[k.Join(name)], "claimed by another user")
		require.NoError(t, v.Remove(k.Join("."+name+".claim")))
		require.NoError(t, k.Fs.Mkdir(k.Join("."+name+".claim"), 0o700))
		if !k.OS && k.Name != "MemMapFs" && k.Name != "BasePathFs(MemMapFs)" {
			// Nobody can be asked: a young claim may be a sweeper's that is at work, and
			// the lease is old.
			old := time.Now().Add(-time.Hour)
			require.NoError(t, k.Fs.Chtimes(k.Join("."+name+".lease"), old, old))
			require.NoError(t, k.Fs.Chtimes(k.Join(name), old, old))
			require.Contains(t, sweep(time.Minute)[k.Join(name)], "being removed by another sweep")
		}
		report, err := workdir.Sweep(context.Background(), k.Fs, &workdir.SweepOptions{Dir: k.Dir, MinAge: 1})
		require.NoError(t, err)
		require.Len(t, report.Removed, 1)
		require.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
	})
}

// Each call of a sweep fails in turn: it says so, or leaves the directory for the
// next, which finishes.
func TestEveryCallOfASweepFails(t *testing.T) {
	met, bad := 0, 0
	for _, k := range testfs.Kinds(t) {
		if k.Name != "MemMapFs" && k.Name != "CopyOnWriteFs" {
			continue
		}
		for _, when := range []func(int) testfs.When{func(n int) testfs.When { return testfs.Nth(n) }, testfs.From} {
			for n := 1; ; n++ {
				k := k.Fresh(t)
				name := "work-" + strings.Repeat("c", 26)
				k.WriteFile(t, k.Join("."+name+".lease"), name)
				require.NoError(t, k.Fs.MkdirAll(k.Join(name, "sub"), 0o700))
				k.WriteFile(t, k.Join(name, "sub", "file"), "text")
				k.WriteFile(t, k.Join("precious"), "text")
				spy := testfs.NewSpy(k.Fs)
				spy.Fail(when(n), testfs.Fault{Err: testfs.ErrFault})
				opts := &workdir.SweepOptions{Dir: k.Dir, MinAge: 1}
				report, err := workdir.Sweep(context.Background(), spy, opts)
				if len(spy.Met()) == 0 {
					require.NoError(t, err)
					require.Len(t, report.Removed, 1)
					break
				}
				met++
				ok := assert.Empty(t, spy.OpenFiles(), "call %d", n)
				_, err = workdir.Sweep(context.Background(), k.Fs, opts)
				ok = assert.NoError(t, err) && ok
				if left := testfs.Leftovers(t, k.Fs, k.Dir); !assert.Equal(t, []string{"precious"}, left, "call %d: %v", n, spy.Met()) || !ok {
					bad++
				}
			}
		}
	}
	testfs.Figure(t, "every call of a sweep fails", met, 40, bad)
}
