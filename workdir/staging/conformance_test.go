package staging_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"mime/multipart"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/workdir/staging"
)

// A trial is one case of somebody else's suite, on one kind of Fs.
type trial struct {
	*testing.T
	k    testfs.Kind
	area *staging.Area
}

func (c trial) begin(o *staging.Options) *staging.Upload {
	c.Helper()
	u := begin(c.T, c.area, o)
	c.Cleanup(func() { assert.NoError(c, u.Close()) })
	return u
}

func (c trial) resume(id string, o *staging.Options) *staging.Upload {
	c.Helper()
	u, err := c.area.Resume(c.Context(), id, o)
	require.NoError(c, err)
	c.Cleanup(func() { assert.NoError(c, u.Close()) })
	return u
}

func (c trial) write(u *staging.Upload, p []byte) {
	c.Helper()
	_, err := u.WriteChunk(u.Size(), p)
	require.NoError(c, err)
}

func (c trial) commit(u *staging.Upload, name string) error {
	return u.Commit(c.Context(), c.k.Fs, c.k.Join(name), nil)
}

func (c trial) missing(name string) {
	c.Helper()
	_, err := c.k.Fs.Stat(c.k.Join(name))
	assert.ErrorIs(c, err, fs.ErrNotExist)
}

// uploads returns the names in the area.
func (c trial) uploads() []string {
	c.Helper()
	return testfs.Leftovers(c, c.k.Fs, c.k.Join("area"))
}

// conformance are the cases by which the suites of containerd (CD), distribution
// (DX), tusd (TU), multer (ML) and shrine (SH) judge a staging area, and those
// that come from bugs that bit others (NW).
var conformance = []struct {
	id, what, skip string
	run            func(c trial)
}{
	{id: "CD1", what: "a writer knows its offset, total and times", run: func(c trial) {
		start := time.Now()
		u := c.begin(&staging.Options{Size: 20})
		c.write(u, data(10))
		for info, err := range c.area.List(c.Context()) {
			require.NoError(c, err)
			assert.Equal(c, [2]int64{10, 20}, [2]int64{info.Size, info.Declared})
			assert.WithinDuration(c, start, info.Started, time.Minute)
			assert.False(c, info.Updated.Before(info.Started.Add(-time.Second)))
		}
	}},
	{id: "CD2", what: "resume after the writer was closed", run: func(c trial) {
		u := c.begin(hashed)
		c.write(u, data(10))
		require.NoError(c, u.Suspend())
		u = c.resume(u.ID(), hashed)
		c.write(u, data(20)[10:])
		require.NoError(c, c.commit(u, "dest"))
		assert.Equal(c, string(data(20)), c.k.ReadFile(c, c.k.Join("dest")))
	}},
	{id: "CD3", what: "a second opener while it is open", run: func(c trial) {
		u := c.begin(nil)
		_, err := c.area.Resume(c.Context(), u.ID(), nil)
		assert.ErrorIs(c, err, fs.ErrExist)
		c.write(u, data(1))
	}},
	{id: "CD4", what: "commit of what exists, with and without a digest", run: func(c trial) {
		for _, o := range []*staging.Options{{}, {Hash: sha256.New, Digest: sum(data(10))}} {
			c.k.WriteFile(c, c.k.Join("dest"), "old")
			u := c.begin(o)
			c.write(u, data(10))
			opts := &atomicfs.Options{NoReplace: true}
			require.ErrorIs(c, u.Commit(c.Context(), c.k.Fs, c.k.Join("dest"), opts), fs.ErrExist)
			assert.Equal(c, "old", c.k.ReadFile(c, c.k.Join("dest")))
			require.NoError(c, c.commit(u, "dest"), "replacing it")
			assert.Equal(c, string(data(10)), c.k.ReadFile(c, c.k.Join("dest")))
		}
		assert.Empty(c, c.uploads())
	}},
	{id: "CD5", what: "a wrong size fails and the right one commits; a wrong digest ends it (theirs goes on)", run: func(c trial) {
		u := c.begin(&staging.Options{Size: 20})
		c.write(u, data(10))
		require.ErrorIs(c, c.commit(u, "dest"), staging.ErrRejected)
		c.write(u, data(20)[10:])
		require.NoError(c, c.commit(u, "dest"))
		u = c.begin(&staging.Options{Hash: sha256.New, Digest: sum(data(11))})
		c.write(u, data(10))
		require.ErrorIs(c, c.commit(u, "other"), staging.ErrRejected)
		c.missing("other")
		assert.Empty(c, c.uploads(), "its name is free")
	}},
	{id: "CD6", what: "resume by copying what is there: the offset is the size, and only that", run: func(c trial) {
		u := c.begin(hashed)
		c.write(u, data(10))
		require.NoError(c, u.Suspend())
		u = c.resume(u.ID(), hashed)
		_, err := u.WriteChunk(0, data(20))
		require.ErrorIs(c, err, staging.ErrOffset)
		rest := bytes.NewReader(data(20))
		_, err = rest.Seek(u.Size(), io.SeekStart)
		require.NoError(c, err)
		_, err = u.ReadFrom(rest)
		require.NoError(c, err)
		assert.Equal(c, sum(data(20)), u.Sum())
	}},
	{id: "CD7", what: "a small blob", run: func(c trial) {
		u := c.begin(hashed)
		c.write(u, []byte("x"))
		require.NoError(c, c.commit(u, "dest"))
		assert.Equal(c, "x", c.k.ReadFile(c, c.k.Join("dest")))
	}},
	{id: "CD8", what: "a commit onto what exists gives the reference back", run: func(c trial) {
		for range 2 {
			u := c.begin(nil)
			c.write(u, data(10))
			require.NoError(c, c.commit(u, "dest"))
			_, err := c.area.Resume(c.Context(), u.ID(), nil)
			require.ErrorIs(c, err, fs.ErrNotExist)
		}
		assert.Equal(c, [2]int64{0, 0}, inUse(c.area))
	}},
	{id: "DX1", what: "what is written after reopening is appended", run: func(c trial) {
		u := c.begin(nil)
		for i := range 5 {
			c.write(u, data(50)[i*10:i*10+10])
			require.NoError(c, u.Suspend())
			u = c.resume(u.ID(), nil)
			assert.Equal(c, int64(i*10+10), u.Size())
		}
		require.NoError(c, c.commit(u, "dest"))
		assert.Equal(c, string(data(50)), c.k.ReadFile(c, c.k.Join("dest")))
	}},
	{id: "DX2", what: "an upload that is cancelled is missing; another is committed", run: func(c trial) {
		u := c.begin(hashed)
		c.write(u, data(10))
		require.NoError(c, u.Close())
		_, err := c.area.Resume(c.Context(), u.ID(), hashed)
		require.ErrorIs(c, err, fs.ErrNotExist)
		u = c.begin(hashed)
		c.write(u, data(10))
		require.NoError(c, u.Suspend())
		u = c.resume(u.ID(), &staging.Options{Hash: sha256.New, Digest: sum(data(10))})
		require.NoError(c, c.commit(u, "dest"))
		require.NoError(c, c.k.Fs.Remove(c.k.Join("dest")))
		assert.Empty(c, c.uploads())
	}},
	{id: "DX3", what: "nothing at all", run: func(c trial) {
		u := c.begin(hashed)
		_, err := u.ReadFrom(strings.NewReader(""))
		require.NoError(c, err)
		require.NoError(c, c.commit(u, "dest"))
		assert.Equal(c, "", c.k.ReadFile(c, c.k.Join("dest")))
		assert.Equal(c, sum(nil), u.Sum())
	}},
	{id: "DX4", what: "put over something, in a new directory, and where it cannot be", run: func(c trial) {
		c.k.WriteFile(c, c.k.Join("dest"), strings.Repeat("old", 100))
		u := c.begin(nil)
		c.write(u, data(10))
		require.Error(c, c.commit(u, "dest/below/a/file"))
		require.ErrorIs(c, u.Commit(c.Context(), c.k.Fs, "", nil), fs.ErrInvalid)
		require.NoError(c, c.commit(u, "dest"))
		assert.Equal(c, string(data(10)), c.k.ReadFile(c, c.k.Join("dest")))
		u = c.begin(nil)
		require.NoError(c, c.commit(u, "made/for/it"))
		assert.Equal(c, "", c.k.ReadFile(c, c.k.Join("made/for/it")))
	}},
	{id: "DX5", what: "appending much, little, and nothing first", run: func(c trial) {
		all := data(600 << 10)
		u := c.begin(hashed)
		c.write(u, nil)
		c.write(u, all[:500<<10])
		c.write(u, all[500<<10:500<<10+1])
		c.write(u, all[500<<10+1:])
		require.NoError(c, c.commit(u, "dest"))
		assert.Equal(c, sum(all), u.Sum())
		assert.Equal(c, string(all), c.k.ReadFile(c, c.k.Join("dest")))
	}},
	{id: "DX6", what: "many streams at once", run: func(c trial) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				u, err := c.area.Begin(c.Context(), hashed)
				if !assert.NoError(c, err) {
					return
				}
				mine := data(1000 * (i + 1))
				_, err = u.ReadFrom(iotest.OneByteReader(bytes.NewReader(mine)))
				assert.NoError(c, err)
				assert.NoError(c, c.commit(u, u.ID()))
				assert.Equal(c, string(mine), c.k.ReadFile(c, c.k.Join(u.ID())))
			})
		}
		wg.Wait()
		assert.Empty(c, c.uploads())
	}},
	{id: "DX7", what: "purge none, all, some, only uploads; one without its start is kept", run: func(c trial) {
		area := openArea(c.T, c.k, &staging.AreaOptions{TTL: time.Hour})
		purge := func() []string {
			removed, err := area.Sweep(c.Context())
			require.NoError(c, err)
			return removed
		}
		suspended := func() string {
			u := c.begin(nil)
			c.write(u, data(10))
			require.NoError(c, u.Suspend())
			return u.ID()
		}
		assert.Empty(c, purge(), "none")
		a, b := suspended(), suspended()
		assert.Empty(c, purge(), "all are young")
		age(c, c.k, a)
		assert.Equal(c, []string{a}, purge(), "some")
		age(c, c.k, b)
		assert.Equal(c, []string{b}, purge(), "all")
		lost := strings.ToLower(rand.Text())
		c.k.WriteFile(c, c.k.Join("area", lost+".part"), "x")
		c.k.WriteFile(c, c.k.Join("area", lost+".json"), `{"id":"`+lost+`"}`)
		c.k.WriteFile(c, c.k.Join("area", "README"), "not an upload")
		age(c, c.k, lost)
		require.NoError(c, c.k.Fs.Chtimes(c.k.Join("area", "README"), time.Unix(0, 0), time.Unix(0, 0)))
		c.k.WriteFile(c, c.k.Join("area", lost+".json"), `{"id":"`+lost+`"}`)
		assert.Empty(c, purge())
		assert.ElementsMatch(c, []string{"README", lost + ".json", lost + ".part"}, c.uploads())
	}},
	{id: "TU1", what: "another offset is a conflict", run: func(c trial) {
		u := c.begin(nil)
		c.write(u, data(5))
		for _, off := range []int64{0, 4, 6} {
			_, err := u.WriteChunk(off, data(1))
			require.ErrorIs(c, err, staging.ErrOffset)
		}
		assert.Equal(c, int64(5), u.Size())
	}},
	{id: "TU2", what: "more than may be is refused, and nothing of it stored", run: func(c trial) {
		_, err := c.area.Begin(c.Context(), &staging.Options{Size: 11, Spool: spool.Options{MaxSize: 10}})
		require.ErrorIs(c, err, spool.ErrTooLarge)
		u := c.begin(&staging.Options{Spool: spool.Options{MaxSize: 10}})
		_, err = u.WriteChunk(0, data(11))
		require.ErrorIs(c, err, spool.ErrTooLarge)
		assert.Zero(c, u.Size())
		u = c.begin(&staging.Options{Size: 10})
		_, err = u.WriteChunk(0, data(11))
		require.ErrorIs(c, err, staging.ErrRejected)
		assert.Zero(c, u.Size())
	}},
	{id: "TU3", what: "an upload that is ended in the middle is deleted", run: func(c trial) {
		u := c.begin(nil)
		_, err := u.ReadFrom(io.MultiReader(bytes.NewReader(data(10)), iotest.ErrReader(io.ErrUnexpectedEOF)))
		require.ErrorIs(c, err, io.ErrUnexpectedEOF)
		require.NoError(c, u.Close())
		assert.Empty(c, c.uploads())
	}},
	{id: "ML1", what: "a form that breaks off at the part's start, in it, or after the limit leaves nothing", run: func(c trial) {
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		part, err := w.CreateFormFile("f", "x")
		require.NoError(c, err)
		head := form.Len()
		_, err = part.Write(data(5000))
		require.NoError(c, err)
		require.NoError(c, w.Close())
		for name, size := range map[string]int{"start": head, "middle": head + 2000, "limit": form.Len()} {
			body := io.MultiReader(bytes.NewReader(form.Bytes()[:size]), iotest.ErrReader(io.ErrUnexpectedEOF))
			part, err := multipart.NewReader(body, w.Boundary()).NextPart()
			require.NoError(c, err, name)
			u := c.begin(&staging.Options{Spool: spool.Options{MaxSize: 3000}})
			_, err = u.ReadFrom(part)
			require.Error(c, err, name)
			require.Error(c, c.commit(u, "dest"), name)
			require.NoError(c, u.Close())
			assert.Empty(c, c.uploads(), name)
			c.missing("dest")
		}
	}},
	{id: "ML2", what: "of several errors the first is told", run: func(c trial) {
		errFirst, errSecond := errors.New("first"), errors.New("second")
		fail := func(err error) staging.Check { return func(*staging.Upload) error { return err } }
		u := c.begin(&staging.Options{Checks: []staging.Check{fail(nil), fail(errFirst), fail(errSecond)}})
		err := c.commit(u, "dest")
		require.ErrorIs(c, err, errFirst)
		assert.NotErrorIs(c, err, errSecond)
	}},
	{id: "SH1", what: "opening what is missing fails, deleting twice does not, and neighbours stay", run: func(c trial) {
		_, err := c.area.Resume(c.Context(), strings.ToLower(rand.Text()), nil)
		require.ErrorIs(c, err, fs.ErrNotExist)
		a, b := c.begin(nil), c.begin(nil)
		c.k.WriteFile(c, c.k.Join("area", a.ID()), "neighbour")
		c.k.WriteFile(c, c.k.Join("area", a.ID()+".part.bak"), "neighbour")
		require.NoError(c, a.Close())
		require.NoError(c, a.Close())
		want := []string{a.ID(), a.ID() + ".part.bak", b.ID() + ".json", b.ID() + ".part"}
		slices.Sort(want)
		assert.Equal(c, want, c.uploads())
	}},
	{id: "NW8", what: "Close after Commit touches nothing", run: func(c trial) {
		u := c.begin(nil)
		c.write(u, data(10))
		require.NoError(c, c.commit(u, "dest"))
		require.NoError(c, errors.Join(u.Close(), u.Suspend(), u.Close()))
		assert.Equal(c, string(data(10)), c.k.ReadFile(c, c.k.Join("dest")))
	}},
	{id: "NW13", what: "exactly the limit is accepted, one more is rejected with nothing stored", run: func(c trial) {
		for _, o := range []staging.Options{{Spool: spool.Options{MaxSize: 100}}, {Size: 100}} {
			u := c.begin(&o)
			n, err := u.Write(data(101))
			require.Error(c, err)
			assert.Zero(c, n)
			assert.Zero(c, u.Size())
			c.write(u, data(100))
			require.NoError(c, c.commit(u, "dest"))
		}
	}},
	{id: "NW15", skip: "kill -9: TestLitterAfterKill, between processes"},
	{id: "NW17", what: "the budget is back at zero after every path", run: func(c trial) {
		budget := spool.NewBudget(1 << 20)
		o := options(c.k)
		o.Spool.Budget = budget
		for name, end := range map[string]func(u *staging.Upload) error{
			"close":  func(u *staging.Upload) error { return u.Close() },
			"commit": func(u *staging.Upload) error { return c.commit(u, "dest") },
			"reader": func(u *staging.Upload) error {
				r := u.NewReader()
				return errors.Join(u.Close(), r.Close())
			},
		} {
			u, err := staging.New(c.k.Fs, o)
			require.NoError(c, err)
			c.write(u, data(1000))
			assert.Positive(c, budget.InUse())
			require.NoError(c, end(u))
			assert.Zero(c, budget.InUse(), name)
		}
	}},
	{id: "NW19", what: "a destination on another file system", run: func(c trial) {
		u := c.begin(hashed)
		c.write(u, data(1000))
		other := afero.NewMemMapFs()
		require.NoError(c, u.Commit(c.Context(), other, "/dest", nil))
		got, err := afero.ReadFile(other, "/dest")
		require.NoError(c, err)
		assert.Equal(c, data(1000), got)
		assert.Empty(c, c.uploads())
	}},
	{id: "NW20", what: "IDs that are paths", run: func(c trial) {
		before := left(c.T, c.k)
		for _, id := range []string{"..", "/", "../x", "a/b", "a\x00", "."} {
			_, err := c.area.Resume(c.Context(), id, nil)
			require.ErrorIs(c, err, fs.ErrNotExist)
		}
		assert.Equal(c, before, left(c.T, c.k))
	}},
}

func TestConformance(t *testing.T) {
	for _, c := range conformance {
		t.Run(c.id, func(t *testing.T) {
			if c.skip != "" {
				t.Skip(c.skip)
			}
			t.Log(c.what)
			testfs.Each(t, func(t *testing.T, k testfs.Kind) {
				c.run(trial{t, k, openArea(t, k, nil)})
			})
		})
	}
}
