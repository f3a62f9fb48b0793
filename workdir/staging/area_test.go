package staging_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/workdir/staging"
)

func ExampleOpen() {
	fsys := afero.NewMemMapFs()
	area, err := staging.Open(fsys, "/var/uploads", &staging.AreaOptions{Quota: 1 << 30, MaxOpen: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(area.InUse())
	// Output: 0 0
}

func ExampleArea_Begin() {
	ctx, fsys := context.Background(), afero.NewMemMapFs()
	area, _ := staging.Open(fsys, "/var/uploads", nil)
	u, err := area.Begin(ctx, &staging.Options{Size: 5})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer u.Close() // discards it, unless it was committed or suspended
	_, _ = u.Write([]byte("hello"))
	fmt.Println(len(u.ID()), u.Commit(ctx, fsys, "/hello.txt", nil))
	// Output: 26 <nil>
}

func ExampleArea_Resume() {
	ctx, fsys := context.Background(), afero.NewMemMapFs()
	area, _ := staging.Open(fsys, "/var/uploads", nil)
	opts := &staging.Options{Hash: sha256.New}

	u, _ := area.Begin(ctx, opts)
	_, _ = u.WriteChunk(0, []byte("hel"))
	fmt.Println(u.Suspend()) // the client has hung up

	u, err := area.Resume(ctx, u.ID(), opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer u.Close()
	_, _ = u.WriteChunk(u.Size(), []byte("lo"))
	fmt.Printf("%x %v\n", u.Sum()[:4], u.Commit(ctx, fsys, "/hello.txt", nil))
	// Output:
	// <nil>
	// 2cf24dba <nil>
}

func ExampleArea_List() {
	ctx, fsys := context.Background(), afero.NewMemMapFs()
	area, _ := staging.Open(fsys, "/var/uploads", nil)
	u, _ := area.Begin(ctx, &staging.Options{Size: 10})
	defer u.Close()
	_, _ = u.Write([]byte("hello"))
	for info, err := range area.List(ctx) {
		fmt.Println(info.ID == u.ID(), info.Size, "of", info.Declared, err)
	}
	// Output: true 5 of 10 <nil>
}

func ExampleInfo() {
	ctx, fsys := context.Background(), afero.NewMemMapFs()
	area, _ := staging.Open(fsys, "/var/uploads", nil)
	u, _ := area.Begin(ctx, &staging.Options{Size: 10})
	_, _ = u.Write([]byte("hello"))
	fmt.Println(u.Suspend())
	for info, err := range area.List(ctx) {
		u, _ := area.Resume(ctx, info.ID, nil)
		fmt.Println(info.Declared-info.Size, "to come", !info.Updated.IsZero(), err)
		fmt.Println(u.Close())
	}
	// Output:
	// <nil>
	// 5 to come true <nil>
	// <nil>
}

func ExampleUpload_ID() {
	ctx, fsys := context.Background(), afero.NewMemMapFs()
	area, _ := staging.Open(fsys, "/var/uploads", nil)
	u, _ := area.Begin(ctx, nil)
	defer u.Close()
	fmt.Println(len(u.ID())) // what the client names when it goes on
	alone, _ := staging.New(fsys, nil)
	defer alone.Close()
	fmt.Printf("%q\n", alone.ID()) // it cannot be resumed
	// Output:
	// 26
	// ""
}

func ExampleArea_InUse() {
	ctx, fsys := context.Background(), afero.NewMemMapFs()
	area, _ := staging.Open(fsys, "/var/uploads", &staging.AreaOptions{Quota: 100})
	u, _ := area.Begin(ctx, &staging.Options{Size: 60})
	defer u.Close()
	_, err := area.Begin(ctx, &staging.Options{Size: 50})
	fmt.Println(errors.Is(err, staging.ErrQuota))
	fmt.Println(area.InUse())
	// Output:
	// true
	// 60 1
}

func ExampleArea_Sweep() {
	ctx, fsys := context.Background(), afero.NewMemMapFs()
	area, _ := staging.Open(fsys, "/var/uploads", &staging.AreaOptions{TTL: time.Nanosecond})
	u, _ := area.Begin(ctx, nil)
	_ = u.Suspend()
	time.Sleep(time.Millisecond)
	removed, err := area.Sweep(ctx)
	fmt.Println(len(removed), removed[0] == u.ID(), err)
	// Output: 1 true <nil>
}

func ExampleUpload_Suspend() {
	ctx, fsys := context.Background(), afero.NewMemMapFs()
	area, _ := staging.Open(fsys, "/var/uploads", nil)
	u, _ := area.Begin(ctx, nil)
	_, _ = u.Write([]byte("hel"))
	fmt.Println(u.Suspend(), u.Close())
	fmt.Println(area.InUse())
	// Output:
	// <nil> <nil>
	// 3 1
}

func openArea(t testing.TB, k testfs.Kind, o *staging.AreaOptions) *staging.Area {
	t.Helper()
	area, err := staging.Open(k.Fs, k.Join("area"), o)
	require.NoError(t, err)
	return area
}

func begin(t testing.TB, area *staging.Area, o *staging.Options) *staging.Upload {
	t.Helper()
	u, err := area.Begin(t.Context(), o)
	require.NoError(t, err)
	return u
}

func inUse(area *staging.Area) [2]int64 {
	bytes, uploads := area.InUse()
	return [2]int64{bytes, int64(uploads)}
}

var hashed = &staging.Options{Hash: sha256.New}

func TestArea(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		area := openArea(t, k, nil)
		start := time.Now()
		u := begin(t, area, &staging.Options{Hash: sha256.New, Size: 300})
		assert.Regexp(t, `^[a-z2-7]{26}$`, u.ID())
		assert.Equal(t, []string{"area", "area/" + u.ID() + ".json", "area/" + u.ID() + ".part"}, left(t, k))
		_, err := u.Write(data(200))
		require.NoError(t, err)
		for info, err := range area.List(t.Context()) {
			require.NoError(t, err)
			assert.Equal(t, u.ID(), info.ID)
			assert.Equal(t, int64(200), info.Size)
			assert.Equal(t, int64(300), info.Declared)
			assert.WithinDuration(t, start, info.Started, time.Minute)
			assert.WithinDuration(t, start, info.Updated, time.Minute)
		}
		assert.Equal(t, [2]int64{300, 1}, inUse(area))
		require.NoError(t, u.Flush())
		_, err = u.Write(data(300)[200:])
		require.NoError(t, err)
		require.NoError(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil))
		assert.Equal(t, sum(data(300)), u.Sum())
		assert.Equal(t, [2]int64{0, 0}, inUse(area))
		require.NoError(t, u.Close())
		require.NoError(t, u.Suspend())
		assert.Equal(t, []string{"area", "dest"}, left(t, k))
		assert.Equal(t, string(data(300)), k.ReadFile(t, k.Join("dest")))
	})
}

func TestAreaDiscards(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		area := openArea(t, k, nil)
		u := begin(t, area, nil)
		_, err := u.Write(data(200))
		require.NoError(t, err)
		require.NoError(t, u.Close())
		require.NoError(t, u.Close())
		assert.Equal(t, []string{"area"}, left(t, k))
		u = begin(t, area, &staging.Options{Checks: []staging.Check{staging.ContentType("image/png")}})
		_, err = u.Write([]byte(html))
		require.NoError(t, err)
		require.ErrorIs(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil), staging.ErrRejected)
		assert.Equal(t, []string{"area"}, left(t, k))
		assert.Equal(t, [2]int64{0, 0}, inUse(area))
		_, err = area.Resume(t.Context(), u.ID(), nil)
		require.ErrorIs(t, err, fs.ErrNotExist)
	})
}

func TestResume(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for name, prepare := range map[string]func(u *staging.Upload) error{
			"suspended":             func(*staging.Upload) error { return nil },
			"flushed and suspended": func(u *staging.Upload) error { return u.Flush() },
		} {
			t.Run(name, func(t *testing.T) {
				area := openArea(t, k, nil)
				u := begin(t, area, &staging.Options{Hash: sha256.New, Size: 500})
				id := u.ID()
				for off := 0; off < 400; off += 100 {
					_, err := u.WriteChunk(int64(off), data(500)[off:off+100])
					require.NoError(t, err)
					if off == 100 {
						require.NoError(t, prepare(u))
					}
				}
				_, err := area.Resume(t.Context(), id, hashed)
				require.ErrorIs(t, err, fs.ErrExist, "it has a writer")
				_, err = openArea(t, k, nil).Resume(t.Context(), id, hashed)
				require.ErrorIs(t, err, fs.ErrExist, "from another area too")
				require.NoError(t, u.Suspend())
				_, err = u.Write([]byte("x"))
				require.ErrorIs(t, err, fs.ErrClosed)
				require.NoError(t, u.Close(), "it stays")
				assert.Equal(t, [2]int64{500, 1}, inUse(area))

				_, err = area.Resume(t.Context(), id, &staging.Options{Size: 499})
				require.ErrorIs(t, err, staging.ErrRejected, "another declared size")
				_, err = area.Resume(t.Context(), id, &staging.Options{Spool: spool.Options{MaxSize: 300}})
				require.ErrorIs(t, err, spool.ErrTooLarge)
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_, err = area.Resume(ctx, id, hashed)
				require.ErrorIs(t, err, context.Canceled)

				u, err = openArea(t, k, nil).Resume(t.Context(), id, hashed)
				require.NoError(t, err)
				assert.Equal(t, id, u.ID())
				assert.Equal(t, int64(400), u.Size())
				assert.Equal(t, sum(data(400)), u.Sum())
				_, err = u.Write(data(101))
				require.ErrorIs(t, err, staging.ErrRejected, "the declared size still counts")
				_, err = u.WriteChunk(400, data(500)[400:])
				require.NoError(t, err)
				require.NoError(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil))
				assert.Equal(t, string(data(500)), k.ReadFile(t, k.Join("dest")))
				assert.Equal(t, sum(data(500)), u.Sum())
				assert.Equal(t, []string{"area", "dest"}, left(t, k))
				assert.Equal(t, [2]int64{0, 0}, inUse(area))
			})
		}
	})
}

// The sum is right whatever is known of the hash: its state, that of another
// hash, nonsense, nothing.
func TestResumeHash(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		area := openArea(t, k, nil)
		u := begin(t, area, hashed)
		id := u.ID()
		_, err := u.Write(data(200 << 10))
		require.NoError(t, err)
		require.NoError(t, u.Suspend())

		text := k.ReadFile(t, k.Join("area", id+".json"))
		var whole map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &whole))
		require.NotEmpty(t, whole["state"])
		alien := sha256.New() // its state is a good one, of other bytes
		_, _ = alien.Write([]byte("other"))
		state, err := alien.(encoding.BinaryMarshaler).MarshalBinary()
		require.NoError(t, err)
		for name, change := range map[string]func(side map[string]any) string{
			"state": func(map[string]any) string { return "" },
			"none":  func(side map[string]any) string { delete(side, "state"); return "" },
			"other": func(side map[string]any) string { side["hash"], side["state"] = "*md5.digest/16/64", state; return "" },
			"bad":   func(side map[string]any) string { side["state"] = "AAAA"; return "" },
			"past":  func(side map[string]any) string { side["flushed"], side["state"] = 1<<30, state; return "" },
			"empty": func(map[string]any) string { return " " },
			"short": func(map[string]any) string { return text[:len(text)/2] },
			"alien": func(side map[string]any) string { side["id"], side["state"] = "x", state; return "" },
			"null":  func(map[string]any) string { return "null" },
			"huge":  func(map[string]any) string { return strings.Repeat(" ", 1<<20) + text },
		} {
			side := map[string]any{}
			require.NoError(t, json.Unmarshal([]byte(text), &side))
			written := change(side)
			if written == "" {
				b, err := json.Marshal(side)
				require.NoError(t, err)
				written = string(b)
			}
			k.WriteFile(t, k.Join("area", id+".json"), written)
			u, err := area.Resume(t.Context(), id, hashed)
			require.NoError(t, err, name)
			assert.Equal(t, sum(data(200<<10)), u.Sum(), name)
			require.NoError(t, u.Suspend(), name)
		}
		u, err = area.Resume(t.Context(), id, &staging.Options{Hash: sha512.New})
		require.NoError(t, err)
		want := sha512.Sum512(data(200 << 10))
		assert.Equal(t, want[:], u.Sum(), "another hash")
		require.NoError(t, u.Close())
	})
}

// The saved state is what is used: bytes before the flush are not read again.
func TestResumeReadsNoMoreThanItMust(t *testing.T) {
	k := testfs.Kinds(t)[2]
	area := openArea(t, k, nil)
	u := begin(t, area, hashed)
	_, err := u.Write(data(200 << 10))
	require.NoError(t, err)
	require.NoError(t, u.Suspend())
	s := testfs.NewSpy(k.Fs)
	area, err = staging.Open(s, k.Join("area"), nil)
	require.NoError(t, err)
	u, err = area.Resume(t.Context(), u.ID(), hashed)
	require.NoError(t, err)
	assert.Equal(t, sum(data(200<<10)), u.Sum())
	for _, call := range s.Calls() {
		assert.False(t, strings.HasPrefix(call, "readat"), call)
	}
	require.NoError(t, u.Close())
}

// After the machine went down only what was flushed is sure. Where one of the runs has
// no name, nothing tells that it did.
func TestResumeAfterAReboot(t *testing.T) {
	for _, runs := range []struct {
		then, now string
		lost      bool
	}{{"yesterday", "today", true}, {"today", "today", false}, {"yesterday", "", false}, {"", "today", false}} {
		staging.SetBootID(t, runs.now)
		testfs.Each(t, func(t *testing.T, k testfs.Kind) {
			area := openArea(t, k, nil)
			u := begin(t, area, hashed)
			id := u.ID()
			_, err := u.Write(data(1000))
			require.NoError(t, err)
			require.NoError(t, u.Suspend())
			path := k.Join("area", id+".json")
			var side map[string]any
			require.NoError(t, json.Unmarshal([]byte(k.ReadFile(t, path)), &side))
			side["boot"], side["flushed"] = runs.then, 600
			delete(side, "state")
			text, err := json.Marshal(side)
			require.NoError(t, err)
			k.WriteFile(t, path, string(text))
			u, err = area.Resume(t.Context(), id, hashed)
			require.NoError(t, err)
			want := int64(1000)
			if k.OS && runs.lost {
				want = 600
			}
			assert.Equal(t, want, u.Size(), "%+v", runs)
			assert.Equal(t, sum(data(int(want))), u.Sum())
			_, err = u.WriteChunk(want, data(1001)[want:])
			require.NoError(t, err)
			require.NoError(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil))
			assert.Equal(t, string(data(1001)), k.ReadFile(t, k.Join("dest")))
		})
	}
}

// What is no ID of an upload leads nowhere.
func TestResumeOfNothing(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		area := openArea(t, k, nil)
		k.WriteFile(t, k.Join("secret.part"), "secret")
		before := left(t, k)
		for _, id := range []string{
			"", ".", "..", "/", "../secret", "a\x00b", strings.Repeat("a", 25), strings.Repeat("a", 27), strings.Repeat("A", 26),
			strings.Repeat("a", 25) + "/", strings.Repeat("a", 26) + "\n", strings.ToLower(rand.Text()),
		} {
			_, err := area.Resume(t.Context(), id, nil)
			require.ErrorIs(t, err, fs.ErrNotExist, "%q", id)
		}
		assert.Equal(t, before, left(t, k))
	})
}

func TestQuota(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		area := openArea(t, k, &staging.AreaOptions{Quota: 1000})
		declared := begin(t, area, &staging.Options{Size: 600})
		_, err := area.Begin(t.Context(), &staging.Options{Size: 401})
		require.ErrorIs(t, err, staging.ErrQuota)
		open := begin(t, area, nil)
		assert.Equal(t, [2]int64{600, 2}, inUse(area))
		_, err = open.Write(data(300))
		require.NoError(t, err)
		n, err := open.Write(data(101))
		require.ErrorIs(t, err, staging.ErrQuota)
		assert.Zero(t, n)
		assert.Equal(t, int64(300), open.Size())
		_, err = open.Write(data(100))
		require.NoError(t, err, "exactly the quota")
		_, err = declared.Write(data(600))
		require.NoError(t, err, "what was reserved")
		assert.Equal(t, [2]int64{1000, 2}, inUse(area))

		// Another area in the same directory sees what the first one holds on the disk.
		require.NoError(t, declared.Flush())
		require.NoError(t, open.Flush())
		_, err = openArea(t, k, &staging.AreaOptions{Quota: 1000}).Begin(t.Context(), &staging.Options{Size: 1})
		require.ErrorIs(t, err, staging.ErrQuota)

		require.NoError(t, declared.Close())
		assert.Equal(t, [2]int64{400, 1}, inUse(area))
		require.NoError(t, open.Commit(t.Context(), k.Fs, k.Join("dest"), nil))
		assert.Equal(t, [2]int64{0, 0}, inUse(area))
	})
}

// An upload that waits for room gets it when another process's upload has ended.
func TestQuotaOfOthers(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		area := openArea(t, k, &staging.AreaOptions{Quota: 1000})
		other := begin(t, openArea(t, k, nil), &staging.Options{Size: 900})
		u := begin(t, area, nil)
		_, err := u.Write(data(101))
		require.ErrorIs(t, err, staging.ErrQuota)
		require.NoError(t, other.Close())
		_, err = u.Write(data(101))
		require.NoError(t, err)
		require.NoError(t, u.Close())
		assert.Equal(t, [2]int64{0, 0}, inUse(area))
	})
}

func TestMaxOpen(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		area := openArea(t, k, &staging.AreaOptions{MaxOpen: 2})
		a, b := begin(t, area, nil), begin(t, area, nil)
		_, err := area.Begin(t.Context(), nil)
		require.ErrorIs(t, err, staging.ErrQuota)
		require.NoError(t, a.Suspend())
		_, err = area.Begin(t.Context(), nil)
		require.ErrorIs(t, err, staging.ErrQuota, "one that is suspended is there still")
		a, err = area.Resume(t.Context(), a.ID(), nil)
		require.NoError(t, err)
		require.NoError(t, a.Close())
		c := begin(t, area, nil)
		require.NoError(t, b.Close())
		require.NoError(t, c.Close())
		assert.Equal(t, []string{"area"}, left(t, k))
	})
}

// Many at once never pass the quota, and all of it is free in the end.
func TestQuotaInParallel(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		area := openArea(t, k, &staging.AreaOptions{Quota: 5000, MaxOpen: 8})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 6 {
					size := int64(0)
					if (i+j)%2 == 0 {
						size = 700
					}
					u, err := area.Begin(t.Context(), &staging.Options{Size: size})
					if err != nil {
						assert.ErrorIs(t, err, staging.ErrQuota)
						continue
					}
					for range 7 {
						if _, err := u.Write(data(100)); err != nil {
							assert.ErrorIs(t, err, staging.ErrQuota)
						}
						bytes, uploads := area.InUse()
						assert.LessOrEqual(t, bytes, int64(5000))
						assert.LessOrEqual(t, uploads, 8)
					}
					if j%2 == 0 {
						assert.NoError(t, u.Close())
					} else if err := u.Commit(t.Context(), k.Fs, k.Join(u.ID()), nil); err != nil {
						assert.ErrorIs(t, err, staging.ErrQuota)
						assert.NoError(t, u.Close())
					}
				}
			})
		}
		wg.Wait()
		assert.Equal(t, [2]int64{0, 0}, inUse(area))
		for _, name := range left(t, k) {
			assert.NotContains(t, name, "area/")
		}
	})
}

func TestLitterAreaSweep(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		area := openArea(t, k, &staging.AreaOptions{TTL: time.Hour})
		live, idle, fresh := begin(t, area, nil), begin(t, area, nil), begin(t, area, nil)
		for _, u := range []*staging.Upload{live, idle, fresh} {
			_, err := u.Write(data(10))
			require.NoError(t, err)
		}
		require.NoError(t, live.Flush())
		require.NoError(t, idle.Suspend())
		require.NoError(t, fresh.Suspend())
		nobody := strings.ToLower(rand.Text()) // its sidecar is lost
		k.WriteFile(t, k.Join("area", nobody+".part"), "arrived")
		empty := strings.ToLower(rand.Text()) // its writer was killed before it had a sidecar
		k.WriteFile(t, k.Join("area", empty+".part"), "")
		gone := strings.ToLower(rand.Text()) // its writer was killed before it could remove the sidecar
		k.WriteFile(t, k.Join("area", gone+".json"), `{"id":"`+gone+`"}`)
		alien := strings.ToLower(rand.Text())
		k.WriteFile(t, k.Join("area", alien+".json"), `{"id":"something else"}`)
		k.WriteFile(t, k.Join("area", "notes.part"), "of the administrator")
		k.WriteFile(t, k.Join("area", "notes.json"), "of the administrator")
		require.NoError(t, k.Fs.Mkdir(k.Join("area", strings.ToLower(rand.Text())+".part"), 0o755))

		for _, id := range []string{live.ID(), idle.ID(), nobody, empty} {
			age(t, k, id)
		}
		before := left(t, k)
		removed, err := area.Sweep(t.Context())
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{idle.ID(), empty}, removed)
		want := slices.DeleteFunc(before, func(name string) bool {
			return slices.Contains([]string{"area/" + idle.ID() + ".part", "area/" + idle.ID() + ".json", "area/" + empty + ".part", "area/" + gone + ".json"}, name)
		})
		assert.Equal(t, want, left(t, k))
		ids := map[string]bool{}
		for info, err := range area.List(t.Context()) {
			require.NoError(t, err)
			ids[info.ID] = !info.Started.IsZero()
		}
		assert.Equal(t, map[string]bool{live.ID(): true, fresh.ID(): true, nobody: false}, ids)

		u, err := area.Resume(t.Context(), nobody, hashed)
		require.NoError(t, err, "it can be gone on with")
		assert.Equal(t, sum([]byte("arrived")), u.Sum())
		require.NoError(t, u.Close())
		require.NoError(t, live.Commit(t.Context(), k.Fs, k.Join("dest"), nil))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = area.Sweep(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// age makes an upload of yesterday's.
func age(t testing.TB, k testfs.Kind, id string) {
	t.Helper()
	old := time.Now().Add(-24 * time.Hour)
	path := k.Join("area", id+".json")
	if text, err := afero.ReadFile(k.Fs, path); err == nil {
		var side map[string]any
		require.NoError(t, json.Unmarshal(text, &side))
		side["started"], side["updated"] = old, old
		text, err = json.Marshal(side)
		require.NoError(t, err)
		k.WriteFile(t, path, string(text))
	}
	require.NoError(t, k.Fs.Chtimes(k.Join("area", id+".part"), old, old))
}

// Links in the area lead nowhere.
func TestAreaFollowsNoLinks(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if !k.Links {
			t.Skip("no links here")
		}
		area := openArea(t, k, &staging.AreaOptions{TTL: 1})
		k.WriteFile(t, k.Join("secret"), "secret")
		id := strings.ToLower(rand.Text())
		require.NoError(t, os.Symlink("../secret", filepath.Join(k.Real(k.Join("area")), id+".part")))
		before := left(t, k)
		_, err := area.Resume(t.Context(), id, nil)
		require.ErrorIs(t, err, fs.ErrNotExist)
		removed, err := area.Sweep(t.Context())
		require.NoError(t, err)
		assert.Empty(t, removed)
		for info, err := range area.List(t.Context()) {
			t.Error("a link is listed: ", info, err)
		}
		assert.Equal(t, [2]int64{0, 0}, inUse(area))
		assert.Equal(t, before, left(t, k))
	})
}

func TestOpenRefused(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		k.WriteFile(t, k.Join("file"), "")
		_, err := staging.Open(k.Fs, k.Join("file"), nil)
		require.Error(t, err)
		_, err = staging.Open(k.Fs, "", nil)
		require.ErrorIs(t, err, fs.ErrInvalid)
		_, err = staging.Open(k.Fs, k.Join("a/b/c"), nil)
		require.NoError(t, err)
		info, err := k.Fs.Stat(k.Join("a/b/c"))
		require.NoError(t, err)
		assert.True(t, info.IsDir())
	})
}

func TestNoPretenceSuspendInNoArea(t *testing.T) {
	u, err := staging.New(afero.NewMemMapFs(), nil)
	require.NoError(t, err)
	require.ErrorIs(t, u.Suspend(), errors.ErrUnsupported)
	_, err = u.Write(data(1))
	require.NoError(t, err)
	require.NoError(t, u.Close())
	require.NoError(t, u.Suspend())
}

// A commit on the volume of the area is a rename. OsFs alone: it is about inodes.
func TestAreaCommitIsARename(t *testing.T) {
	k := testfs.Kinds(t)[0]
	area := openArea(t, k, nil)
	for name, resumed := range map[string]bool{"begun": false, "resumed": true} {
		u := begin(t, area, nil)
		_, err := u.Write(data(1 << 20))
		require.NoError(t, err)
		if resumed {
			require.NoError(t, u.Suspend())
			u, err = area.Resume(t.Context(), u.ID(), nil)
			require.NoError(t, err)
		}
		before, err := os.Stat(k.Join("area", u.ID()+".part"))
		require.NoError(t, err)
		require.NoError(t, u.Commit(t.Context(), k.Fs, k.Join(name), nil))
		after, err := os.Stat(k.Join(name))
		require.NoError(t, err)
		assert.True(t, os.SameFile(before, after), name)
	}
}

// Whatever fails, what arrived is in the area or in its place, or was discarded,
// and the quota is free when nothing is left.
func TestErrorsOfArea(t *testing.T) {
	content := data(300)
	eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
		var id string
		var unkept error // of a handle whose close failed once, and that nobody can close again
		var stored, flushed int64
		err := func() error {
			area, err := staging.Open(s, k.Join("area"), nil)
			if err != nil {
				return err
			}
			u, err := area.Begin(t.Context(), hashed)
			if err != nil {
				return err
			}
			id = u.ID()
			n, werr := u.Write(content[:100])
			stored += int64(n)
			ferr := u.Flush()
			if ferr == nil {
				flushed = stored
			}
			if serr := errors.Join(werr, ferr, u.Suspend()); serr != nil {
				return serr
			}
			if u, err = area.Resume(t.Context(), id, hashed); err != nil {
				return err
			}
			if _, err := u.Write(content[100:]); err != nil {
				return errors.Join(err, u.Suspend())
			}
			if err := u.Commit(t.Context(), s, k.Join("dest"), nil); err != nil {
				unkept = u.Suspend()
				return errors.Join(err, unkept)
			}
			return nil
		}()
		if unkept == nil {
			assert.Empty(t, s.OpenFiles())
		}
		if len(s.Met()) == 0 {
			require.NoError(t, err)
		}
		if there, rerr := afero.ReadFile(k.Fs, k.Join("dest")); rerr == nil {
			assert.Equal(t, content, there)
			return
		}
		if id == "" {
			return
		}
		// What another process finds.
		area, err := staging.Open(k.Fs, k.Join("area"), nil)
		require.NoError(t, err)
		u, err := area.Resume(t.Context(), id, hashed)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, u.Size(), flushed)
		assert.Equal(t, sum(content[:u.Size()]), u.Sum())
		_, err = u.WriteChunk(u.Size(), content[u.Size():])
		require.NoError(t, err)
		require.NoError(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil))
		assert.True(t, bytes.Equal(content, []byte(k.ReadFile(t, k.Join("dest")))))
	})
}
