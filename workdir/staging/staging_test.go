package staging_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir/staging"
)

func ExampleNew() {
	fsys := afero.NewMemMapFs()
	u, err := staging.New(fsys, &staging.Options{Hash: sha256.New})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer u.Close() // discards it, unless it was committed
	if _, err := u.ReadFrom(strings.NewReader("hello")); err != nil {
		fmt.Println(err)
		return
	}
	err = u.Commit(context.Background(), fsys, "/uploads/hello.txt", nil)
	fmt.Printf("%s %x %v\n", u.FinalPath(), u.Sum()[:4], err)
	// Output: /uploads/hello.txt 2cf24dba <nil>
}

func ExampleWith() {
	fsys := afero.NewMemMapFs()
	digest, _ := hex.DecodeString("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
	opts := &staging.Options{Hash: sha256.New, Digest: digest}
	for _, body := range []string{"hello", "hallo"} {
		err := staging.With(fsys, opts, func(u *staging.Upload) error {
			if _, err := u.ReadFrom(strings.NewReader(body)); err != nil {
				return err
			}
			return u.Commit(context.Background(), fsys, "/"+body, nil)
		})
		there, _ := afero.Exists(fsys, "/"+body)
		fmt.Println(body, there, errors.Is(err, staging.ErrRejected), err)
	}
	// Output:
	// hello true false <nil>
	// hallo false true commit upload: upload rejected: the digest is another
}

func ExampleContentType() {
	fsys := afero.NewMemMapFs()
	opts := &staging.Options{Checks: []staging.Check{staging.ContentType("image/*")}}
	err := staging.With(fsys, opts, func(u *staging.Upload) error {
		if _, err := u.Write([]byte("<html>I am a picture</html>")); err != nil {
			return err
		}
		return u.Commit(context.Background(), fsys, "/picture.png", nil)
	})
	fmt.Println(errors.Is(err, staging.ErrContentType), err)
	// Output: true commit upload: upload rejected: content type not allowed: text/html
}

func ExampleCheck() {
	text := func(u *staging.Upload) error {
		r := u.NewReader()
		defer r.Close()
		all, err := io.ReadAll(r)
		if err == nil && !utf8.Valid(all) {
			err = errors.New("not UTF-8")
		}
		return err
	}
	fsys := afero.NewMemMapFs()
	opts := &staging.Options{Checks: []staging.Check{text}}
	err := staging.With(fsys, opts, func(u *staging.Upload) error {
		if _, err := u.Write([]byte("\xff\xfe")); err != nil {
			return err
		}
		return u.Commit(context.Background(), fsys, "/a.txt", nil)
	})
	fmt.Println(err)
	// Output: commit upload: upload rejected: not UTF-8
}

func ExampleUpload_Size() {
	u, _ := staging.New(afero.NewMemMapFs(), nil)
	defer u.Close()
	_, _ = u.Write([]byte("hello"))
	fmt.Println(u.Size())
	// Output: 5
}

func ExampleUpload_Sum() {
	u, _ := staging.New(afero.NewMemMapFs(), &staging.Options{Hash: sha256.New})
	defer u.Close()
	_, _ = u.Write([]byte("hello"))
	fmt.Printf("%x\n", u.Sum()[:4])
	// Output: 2cf24dba
}

func ExampleUpload_FinalPath() {
	fsys := afero.NewMemMapFs()
	u, _ := staging.New(fsys, nil)
	defer u.Close()
	fmt.Printf("%q\n", u.FinalPath())
	fmt.Println(u.Commit(context.Background(), fsys, "/a.txt", nil))
	fmt.Printf("%q\n", u.FinalPath())
	// Output:
	// ""
	// <nil>
	// "/a.txt"
}

func ExampleUpload_Write() {
	u, _ := staging.New(afero.NewMemMapFs(), &staging.Options{Spool: spool.Options{MaxSize: 5}})
	defer u.Close()
	fmt.Println(u.Write([]byte("hello")))
	n, err := u.Write([]byte("!"))
	fmt.Println(n, errors.Is(err, spool.ErrTooLarge), u.Size())
	// Output:
	// 5 <nil>
	// 0 true 5
}

func ExampleUpload_WriteChunk() {
	u, _ := staging.New(afero.NewMemMapFs(), nil)
	defer u.Close()
	fmt.Println(u.WriteChunk(0, []byte("hel")))
	_, err := u.WriteChunk(5, []byte("lo"))
	fmt.Println(errors.Is(err, staging.ErrOffset))
	fmt.Println(u.WriteChunk(u.Size(), []byte("lo")))
	// Output:
	// 3 <nil>
	// true
	// 2 <nil>
}

func ExampleUpload_ReadFrom() {
	u, _ := staging.New(afero.NewMemMapFs(), &staging.Options{
		Size:     11,
		Progress: func(written, declared int64) { fmt.Printf("%d of %d\n", written, declared) },
	})
	defer u.Close()
	fmt.Println(u.ReadFrom(strings.NewReader("hello world")))
	// Output:
	// 11 of 11
	// 11 <nil>
}

func ExampleUpload_NewReader() {
	u, _ := staging.New(afero.NewMemMapFs(), nil)
	defer u.Close()
	_, _ = u.Write([]byte("hello"))
	r := u.NewReader()
	defer r.Close()
	all, err := io.ReadAll(r)
	fmt.Printf("%s %v\n", all, err)
	// Output: hello <nil>
}

func ExampleUpload_Commit() {
	fsys := afero.NewMemMapFs()
	u, _ := staging.New(fsys, &staging.Options{Checks: []staging.Check{func(u *staging.Upload) error {
		if u.Size() == 0 {
			return errors.New("nothing in it")
		}
		return nil
	}}})
	defer u.Close()
	err := u.Commit(context.Background(), fsys, "/upload", nil)
	fmt.Println(errors.Is(err, staging.ErrRejected), err)
	// Output: true commit upload: upload rejected: nothing in it
}

func ExampleUpload_Flush() {
	u, _ := staging.New(afero.NewMemMapFs(), nil)
	defer u.Close()
	fmt.Println(u.Flush())
	// Output: <nil>
}

func ExampleUpload_Close() {
	fsys := afero.NewMemMapFs()
	u, _ := staging.New(fsys, nil)
	err := u.Commit(context.Background(), fsys, "/empty", nil)
	fmt.Println(err, u.Close())
	there, _ := afero.Exists(fsys, "/empty")
	fmt.Println(there)
	// Output:
	// <nil> <nil>
	// true
}

// options returns options whose temporary files are in k.Dir.
func options(k testfs.Kind) *staging.Options {
	return &staging.Options{Spool: spool.Options{Temp: tmpfs.Options{Dir: k.Dir}}, Hash: sha256.New}
}

func left(t testing.TB, k testfs.Kind) []string {
	t.Helper()
	return testfs.Leftovers(t, k.Fs, k.Dir)
}

func data(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 / 3)
	}
	return b
}

func sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }

// tiers are sizes of memory that make an upload stay there, spill, or begin on
// the disk side.
var tiers = map[string]int64{"memory": 1 << 20, "spills": 100, "disk": -1}

func eachTier(t *testing.T, body func(t *testing.T, k testfs.Kind, o *staging.Options)) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		for name, memory := range tiers {
			t.Run(name, func(t *testing.T) {
				k := k.Fresh(t)
				o := options(k)
				o.Spool.MaxMemory = memory
				body(t, k, o)
			})
		}
	})
}

func TestUpload(t *testing.T) {
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		content := data(300 << 10)
		var told []int64
		o.Progress = func(written, declared int64) {
			assert.Equal(t, int64(len(content)), declared)
			told = append(told, written)
		}
		o.Size, o.Digest = int64(len(content)), sum(content)
		u, err := staging.New(k.Fs, o)
		require.NoError(t, err)
		assert.Equal(t, "", u.ID())
		n, err := u.Write(content[:1000])
		require.NoError(t, err)
		assert.Equal(t, 1000, n)
		n64, err := u.ReadFrom(iotest.HalfReader(bytes.NewReader(content[1000:])))
		require.NoError(t, err)
		assert.Equal(t, int64(len(content)-1000), n64)
		assert.Equal(t, int64(len(content)), u.Size())
		assert.Equal(t, sum(content), u.Sum())
		require.NoError(t, u.Flush())
		assert.Equal(t, "", u.FinalPath())
		_, err = k.Fs.Stat(k.Join("dest"))
		require.ErrorIs(t, err, fs.ErrNotExist, "there before it was committed")

		r := u.NewReader()
		require.NoError(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil))
		assert.Equal(t, k.Join("dest"), u.FinalPath())
		assert.Equal(t, string(content), k.ReadFile(t, k.Join("dest")))
		all, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, content, all, "a reader reads on")
		require.NoError(t, r.Close())
		assert.Equal(t, int64(len(content)), told[len(told)-1])

		_, err = u.Write([]byte("x"))
		require.ErrorIs(t, err, fs.ErrClosed)
		require.ErrorIs(t, u.Commit(t.Context(), k.Fs, k.Join("again"), nil), fs.ErrClosed)
		require.NoError(t, u.Close())
		require.NoError(t, u.Close())
		assert.Equal(t, string(content), k.ReadFile(t, k.Join("dest")))
		assert.Equal(t, []string{"dest"}, left(t, k))
		assert.Equal(t, sum(content), u.Sum())
	})
}

func TestLimits(t *testing.T) {
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		o.Spool.MaxSize = 200
		u, err := staging.New(k.Fs, o)
		require.NoError(t, err)
		_, err = u.Write(data(150))
		require.NoError(t, err)
		n, err := u.Write(data(51))
		require.ErrorIs(t, err, spool.ErrTooLarge)
		assert.Zero(t, n)
		assert.Equal(t, int64(150), u.Size())
		assert.Equal(t, sum(data(150)), u.Sum())
		require.ErrorIs(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil), spool.ErrTooLarge, "what was refused is missing")
		n, err = u.WriteChunk(150, data(200)[150:])
		require.NoError(t, err, "exactly the limit")
		assert.Equal(t, 50, n)
		require.NoError(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil))
		assert.Equal(t, string(data(200)), k.ReadFile(t, k.Join("dest")))

		o.Size = 201
		_, err = staging.New(k.Fs, o)
		require.ErrorIs(t, err, spool.ErrTooLarge, "declared")
		assert.Equal(t, []string{"dest"}, left(t, k))
	})
}

func TestDefaultLimit(t *testing.T) {
	assert.Equal(t, 100<<20, staging.DefaultMaxSize)
	_, err := staging.New(afero.NewMemMapFs(), &staging.Options{Size: staging.DefaultMaxSize + 1})
	require.ErrorIs(t, err, spool.ErrTooLarge)
	for _, o := range []*staging.Options{nil, {Size: staging.DefaultMaxSize}, {Size: -1}, {Size: 1 << 40, Spool: spool.Options{MaxSize: -1}}} {
		u, err := staging.New(afero.NewMemMapFs(), o)
		require.NoError(t, err)
		require.NoError(t, u.Close())
	}
}

func TestDeclaredSize(t *testing.T) {
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		o.Size = 200
		u, err := staging.New(k.Fs, o)
		require.NoError(t, err)
		defer u.Close()
		_, err = u.Write(data(199))
		require.NoError(t, err)
		require.ErrorIs(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil), staging.ErrRejected, "fewer")
		n, err := u.Write(data(2))
		require.ErrorIs(t, err, staging.ErrRejected, "more")
		assert.Zero(t, n)
		require.ErrorIs(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil), staging.ErrRejected)
		_, err = u.WriteChunk(199, data(200)[199:])
		require.NoError(t, err)
		require.NoError(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil))
		assert.Equal(t, string(data(200)), k.ReadFile(t, k.Join("dest")))
	})
}

func TestOffsets(t *testing.T) {
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		u, err := staging.New(k.Fs, o)
		require.NoError(t, err)
		_, err = u.WriteChunk(0, data(150))
		require.NoError(t, err)
		for _, off := range []int64{0, 149, 151, -1, 1 << 60} {
			n, err := u.WriteChunk(off, data(10))
			require.ErrorIs(t, err, staging.ErrOffset)
			assert.Zero(t, n)
		}
		require.NoError(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil), "nothing is missing")
		assert.Equal(t, string(data(150)), k.ReadFile(t, k.Join("dest")))
	})
}

// A reader that fails leaves what it gave, and an upload that is not committed by
// mistake: io.ErrUnexpectedEOF is what a client that hangs up looks like.
func TestReaderThatFails(t *testing.T) {
	errReader := errors.New("reader")
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		for _, want := range []error{errReader, io.ErrUnexpectedEOF} {
			u, err := staging.New(k.Fs, o)
			require.NoError(t, err)
			n, err := u.ReadFrom(io.MultiReader(bytes.NewReader(data(150)), iotest.ErrReader(want)))
			require.ErrorIs(t, err, want)
			assert.Equal(t, int64(150), n)
			require.ErrorIs(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil), want)
			n, err = u.ReadFrom(bytes.NewReader(data(151)[150:]))
			require.NoError(t, err)
			assert.Equal(t, int64(1), n)
			assert.Equal(t, sum(data(151)), u.Sum())
			require.NoError(t, u.Close())
		}
		assert.Empty(t, left(t, k))
	})
}

func TestReaderThatGivesNothing(t *testing.T) {
	u, err := staging.New(afero.NewMemMapFs(), nil)
	require.NoError(t, err)
	defer u.Close()
	_, err = u.ReadFrom(readerFunc(func([]byte) (int, error) { return 0, nil }))
	require.ErrorIs(t, err, io.ErrNoProgress)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestDigest(t *testing.T) {
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		o.Digest = sum(data(150))
		for _, size := range []int{149, 150} {
			u, err := staging.New(k.Fs, o)
			require.NoError(t, err)
			_, err = u.Write(data(size))
			require.NoError(t, err)
			err = u.Commit(t.Context(), k.Fs, k.Join("dest"), nil)
			if size == 150 {
				require.NoError(t, err)
				continue
			}
			require.ErrorIs(t, err, staging.ErrRejected)
			require.ErrorIs(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil), fs.ErrClosed, "it is gone")
			assert.Empty(t, left(t, k))
		}
	})
	_, err := staging.New(afero.NewMemMapFs(), &staging.Options{Digest: []byte("x")})
	require.ErrorIs(t, err, fs.ErrInvalid, "a digest of what?")
}

func TestChecks(t *testing.T) {
	errCheck := errors.New("check")
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		var ran []string
		check := func(name string, err error) staging.Check {
			return func(u *staging.Upload) error {
				ran = append(ran, name)
				assert.Equal(t, int64(150), u.Size())
				assert.Equal(t, sum(data(150)), u.Sum())
				r := u.NewReader()
				all, rerr := io.ReadAll(r)
				assert.NoError(t, rerr)
				assert.NoError(t, r.Close())
				assert.Equal(t, data(150), all)
				_, werr := u.Write([]byte("more"))
				assert.ErrorIs(t, werr, fs.ErrClosed)
				_, serr := k.Fs.Stat(k.Join("dest"))
				assert.ErrorIs(t, serr, fs.ErrNotExist)
				return err
			}
		}
		o.Checks = []staging.Check{check("a", nil), check("b", errCheck), check("c", nil)}
		u, err := staging.New(k.Fs, o)
		require.NoError(t, err)
		_, err = u.Write(data(150))
		require.NoError(t, err)
		err = u.Commit(t.Context(), k.Fs, k.Join("dest"), nil)
		require.ErrorIs(t, err, errCheck)
		require.ErrorIs(t, err, staging.ErrRejected)
		assert.Equal(t, []string{"a", "b"}, ran)
		assert.Empty(t, left(t, k), "before Close")
		require.NoError(t, u.Close())
	})
}

// A check that panics or closes the upload does no harm.
func TestChecksThatMisbehave(t *testing.T) {
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		o.Checks = []staging.Check{func(*staging.Upload) error { panic("bug") }}
		assert.PanicsWithValue(t, "bug", func() {
			_ = staging.With(k.Fs, o, func(u *staging.Upload) error {
				_, err := u.Write(data(150))
				require.NoError(t, err)
				return u.Commit(t.Context(), k.Fs, k.Join("dest"), nil)
			})
		})
		assert.Empty(t, left(t, k))
		o.Checks = []staging.Check{func(u *staging.Upload) error { return u.Close() }}
		u, err := staging.New(k.Fs, o)
		require.NoError(t, err)
		require.ErrorIs(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil), fs.ErrClosed)
		assert.Empty(t, left(t, k))
	})
}

func TestCommitWithADoneContext(t *testing.T) {
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		ctx, cancel := context.WithCancel(t.Context())
		o.Checks = []staging.Check{func(*staging.Upload) error { cancel(); return nil }}
		u, err := staging.New(k.Fs, o)
		require.NoError(t, err)
		_, err = u.Write(data(150))
		require.NoError(t, err)
		require.ErrorIs(t, u.Commit(ctx, k.Fs, k.Join("dest"), nil), context.Canceled, "while it was checked")
		require.ErrorIs(t, u.Commit(ctx, k.Fs, k.Join("dest"), nil), context.Canceled, "before")
		_, err = k.Fs.Stat(k.Join("dest"))
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.NoError(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil))
		assert.Equal(t, []string{"dest"}, left(t, k))
	})
}

// A publishing that fails leaves the upload as it was, to be published elsewhere.
func TestCommitAgain(t *testing.T) {
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
		u, err := staging.New(k.Fs, o)
		require.NoError(t, err)
		_, err = u.Write(data(150))
		require.NoError(t, err)
		require.Error(t, u.Commit(t.Context(), k.Fs, k.Join("dir"), nil))
		require.Error(t, u.Commit(t.Context(), k.Fs, "", nil))
		assert.Equal(t, "", u.FinalPath())
		_, err = u.Write(data(200)[150:])
		require.NoError(t, err, "still open")
		other := afero.NewMemMapFs()
		require.NoError(t, u.Commit(t.Context(), other, "/made/dest", nil), "another Fs")
		got, err := afero.ReadFile(other, "/made/dest")
		require.NoError(t, err)
		assert.Equal(t, data(200), got)
		assert.Equal(t, []string{"dir"}, left(t, k))
	})
}

func TestWithDiscards(t *testing.T) {
	errJob := errors.New("job")
	eachTier(t, func(t *testing.T, k testfs.Kind, o *staging.Options) {
		write := func(u *staging.Upload) {
			_, err := u.Write(data(150))
			require.NoError(t, err)
		}
		require.ErrorIs(t, staging.With(k.Fs, o, func(u *staging.Upload) error { write(u); return errJob }), errJob)
		assert.Empty(t, left(t, k))
		assert.PanicsWithValue(t, "bug", func() {
			_ = staging.With(k.Fs, o, func(u *staging.Upload) error { write(u); panic("bug") })
		})
		assert.Empty(t, left(t, k))
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = staging.With(k.Fs, o, func(u *staging.Upload) error { write(u); runtime.Goexit(); return nil })
		})
		wg.Wait()
		assert.Empty(t, left(t, k))
		o.Size = 1 << 40
		require.ErrorIs(t, staging.With(k.Fs, o, func(*staging.Upload) error { t.Error("called"); return nil }), spool.ErrTooLarge)
	})
}

// On a disk that is full the chunk may be sent again, and the sum is right.
func TestFullDisk(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		s := testfs.NewSpy(k.Fs)
		o := options(k)
		o.Spool.MaxMemory = 100
		u, err := staging.New(s, o)
		require.NoError(t, err)
		_, err = u.Write(data(90))
		require.NoError(t, err)
		s.Fail(testfs.Calls("write"), testfs.Fault{Err: syscall.ENOSPC, Short: true})
		n, err := u.Write(data(200)[90:])
		require.ErrorIs(t, err, syscall.ENOSPC)
		assert.Zero(t, n)
		require.ErrorIs(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil), syscall.ENOSPC, "it is not whole")
		s.Reset()
		_, err = u.WriteChunk(u.Size(), data(200)[u.Size():])
		require.NoError(t, err)
		assert.Equal(t, sum(data(200)), u.Sum())
		require.NoError(t, u.Commit(t.Context(), k.Fs, k.Join("dest"), nil))
		assert.Equal(t, string(data(200)), k.ReadFile(t, k.Join("dest")))
		assert.Equal(t, []string{"dest"}, left(t, k))
		assert.Empty(t, s.OpenFiles())
	})
}

// Whatever fails, the destination is the old contents or the new, and nothing is
// left but what could not be removed.
func TestErrorsOfUpload(t *testing.T) {
	eachFault(t, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
		k.WriteFile(t, k.Join("dest"), "old")
		o := options(k)
		o.Spool.MaxMemory = 100
		o.Digest = sum(data(200))
		err := staging.With(s, o, func(u *staging.Upload) error {
			for off := 0; off < 200; off += 50 {
				if _, err := u.Write(data(200)[off : off+50]); err != nil {
					return err
				}
			}
			return u.Commit(t.Context(), s, k.Join("dest"), nil)
		})
		there := k.ReadFile(t, k.Join("dest"))
		if err == nil {
			assert.Equal(t, string(data(200)), there)
		} else {
			require.NotEmpty(t, s.Met(), err)
			assert.Contains(t, []string{"old", string(data(200))}, there)
		}
		assert.Empty(t, s.OpenFiles())
	})
}

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

// Many may write, ask and read at once; the upload is what one of them wrote
// after the other.
func TestConcurrentUse(t *testing.T) {
	u, err := staging.New(afero.NewMemMapFs(), &staging.Options{Hash: func() hash.Hash { return sha256.New() }, Spool: spool.Options{MaxMemory: 1000}})
	require.NoError(t, err)
	defer u.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				_, err := u.Write(data(10))
				assert.NoError(t, err)
				_ = u.Size()
				_ = u.Sum()
			}
		})
	}
	wg.Wait()
	assert.Equal(t, int64(4000), u.Size())
	assert.Equal(t, sum(bytes.Repeat(data(10), 400)), u.Sum())
}

// Data that could not be removed keeps its description: a sweep knows it by that.
func TestCommitThatLeavesItsData(t *testing.T) {
	mem := afero.NewMemMapFs()
	s := testfs.NewSpy(mem)
	area, err := staging.Open(s, "/area", nil)
	require.NoError(t, err)
	u, err := area.Begin(t.Context(), nil)
	require.NoError(t, err)
	_, err = u.WriteChunk(0, []byte("text"))
	require.NoError(t, err)
	s.Fail(func(_ int, call string) bool {
		return strings.HasPrefix(call, "remove /area/") && strings.HasSuffix(call, ".part")
	}, testfs.Fault{Err: testfs.ErrFault})
	require.NoError(t, u.Commit(t.Context(), mem, "/dest", nil)) // another Fs: it is copied
	both := []string{u.ID() + ".json", u.ID() + ".part"}
	assert.Equal(t, both, testfs.Leftovers(t, mem, "/area"))
	s.Reset()
	require.NoError(t, u.Close())
	assert.Empty(t, testfs.Leftovers(t, mem, "/area"))
}
