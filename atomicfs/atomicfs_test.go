package atomicfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

func ExampleWriteFile() {
	fsys := afero.NewMemMapFs()
	if err := atomicfs.WriteFile(fsys, "/etc/app/app.json", []byte(`{"debug": true}`), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	data, err := afero.ReadFile(fsys, "/etc/app/app.json")
	fmt.Println(string(data), err)
	// Output: {"debug": true} <nil>
}

func ExampleWriteReader() {
	fsys := afero.NewMemMapFs()
	n, err := atomicfs.WriteReader(fsys, "/greeting", strings.NewReader("hello"), 0o644)
	fmt.Println(n, err)
	// Output: 5 <nil>
}

func ExampleWriteFunc() {
	fsys := afero.NewMemMapFs()
	write := func(last string) error {
		return atomicfs.WriteFunc(fsys, "/list", 0o644, func(w io.Writer) error {
			fmt.Fprintln(w, "first")
			if last == "" {
				return errors.New("there is no last line")
			}
			_, err := fmt.Fprintln(w, last)
			return err
		})
	}
	fmt.Println(write("last"))
	fmt.Println(write(""))
	data, err := afero.ReadFile(fsys, "/list")
	fmt.Printf("%q %v\n", data, err)
	// Output:
	// <nil>
	// there is no last line
	// "first\nlast\n" <nil>
}

func ExampleSyncDir() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// A rename of one's own is durable once the directory is synced.
	fmt.Println(atomicfs.SyncDir(afero.NewOsFs(), dir))
	// Output: <nil>
}

// children are what this test binary does instead of testing when a test starts
// it as another process.
var children = map[string]func(args []string) error{}

const childEnv = "ATOMICFS_TEST_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := children[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var errFn = errors.New("the writer gave up")

// writers are the ways to write a whole file.
var writers = map[string]func(fsys afero.Fs, name, text string) error{
	"WriteFile": func(fsys afero.Fs, name, text string) error {
		return atomicfs.WriteFile(fsys, name, []byte(text), 0o644)
	},
	"WriteReader": func(fsys afero.Fs, name, text string) error {
		n, err := atomicfs.WriteReader(fsys, name, strings.NewReader(text), 0o644)
		if err == nil && n != int64(len(text)) {
			err = fmt.Errorf("%d bytes of %d", n, len(text))
		}
		return err
	},
	"WriteFunc": func(fsys afero.Fs, name, text string) error {
		return atomicfs.WriteFunc(fsys, name, 0o644, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		})
	},
	"Update": func(fsys afero.Fs, name, text string) error {
		return atomicfs.Update(fsys, name, 0o644, func([]byte) ([]byte, error) { return []byte(text), nil })
	},
	"Create": func(fsys afero.Fs, name, text string) error {
		f, err := atomicfs.Create(fsys, name, nil)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		if err == nil {
			err = f.Commit()
		}
		return errors.Join(err, f.Close())
	},
	"Batch": func(fsys afero.Fs, name, text string) error {
		b := atomicfs.NewBatch(fsys, nil)
		err := b.WriteFile(name, []byte(text), 0o644)
		if err == nil {
			err = b.Commit()
		}
		return errors.Join(err, b.Close())
	},
	"NewFs": func(fsys afero.Fs, name, text string) error {
		if err := fsys.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		return afero.WriteFile(atomicfs.NewFs(fsys, nil), name, []byte(text), 0o644)
	},
}

func TestWriters(t *testing.T) {
	for way, write := range writers {
		t.Run(way, func(t *testing.T) {
			testfs.Each(t, func(t *testing.T, k testfs.Kind) {
				name := k.Join("missing", "parents", "file")
				for _, text := range []string{"one", "", "a longer one than before", strings.Repeat("0123456789abcdef", 1<<16)} {
					require.NoError(t, write(k.Fs, name, text))
					require.Equal(t, text, k.ReadFile(t, name))
					info, err := k.Fs.Stat(name)
					require.NoError(t, err)
					require.Equal(t, fs.FileMode(0o644), info.Mode().Perm())
				}
				assert.Equal(t, []string{"missing", "missing/parents", "missing/parents/file"}, testfs.Leftovers(t, k.Fs, k.Dir))
			})
			testfs.EachRefuser(t, func(t *testing.T, k testfs.Kind) {
				err := write(k.Fs, k.Join("file"), "text")
				require.ErrorIs(t, err, fs.ErrPermission)
				assert.Empty(t, testfs.Leftovers(t, k.Fs, k.Dir))
			})
		})
	}
}

// An *fs.PathError with the name that the caller used, whatever the reason.
func requirePathError(t *testing.T, err error, name string) {
	t.Helper()
	var p *fs.PathError
	require.ErrorAs(t, err, &p)
	require.Equal(t, name, p.Path)
	require.NotContains(t, err.Error(), ".tmp-")
}

func TestNamesThatAreRefused(t *testing.T) {
	for way, write := range writers {
		if way == "NewFs" {
			continue // MkdirAll and the errors of OpenFile are the Fs's own there
		}
		t.Run(way, func(t *testing.T) {
			testfs.Each(t, func(t *testing.T, k testfs.Kind) {
				k.WriteFile(t, k.Join("file"), "")
				for name, reason := range map[string]error{
					"":                       fs.ErrInvalid,
					k.Join("a\x00b"):         fs.ErrInvalid,
					k.Join("file", "child"):  enotdir,
					k.Join("file", "a", "b"): enotdir,
					k.Dir:                    eisdir,
				} {
					err := write(k.Fs, name, "text")
					require.ErrorIs(t, err, reason, "%q", name)
					requirePathError(t, err, name)
				}
				assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
			})
		})
	}
}

func TestWriteFuncFails(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		k.WriteFile(t, name, "old")
		fails := map[string]func(){
			"error": func() {
				err := atomicfs.WriteFunc(k.Fs, name, 0o644, func(w io.Writer) error {
					_, _ = io.WriteString(w, "part")
					return errFn
				})
				assert.Equal(t, errFn, err)
			},
			"panic": func() {
				assert.PanicsWithValue(t, "stop", func() {
					_ = atomicfs.WriteFunc(k.Fs, name, 0o644, func(w io.Writer) error {
						_, _ = io.WriteString(w, "part")
						panic("stop")
					})
				})
			},
			"Goexit": func() {
				done := make(chan struct{})
				go func() {
					defer close(done)
					_ = atomicfs.WriteFunc(k.Fs, name, 0o644, func(w io.Writer) error {
						_, _ = io.WriteString(w, "part")
						runtime.Goexit()
						return nil
					})
				}()
				<-done
			},
			"Update panics": func() {
				assert.PanicsWithValue(t, "stop", func() {
					_ = atomicfs.Update(k.Fs, name, 0o644, func([]byte) ([]byte, error) { panic("stop") })
				})
			},
			"Update fails": func() {
				err := atomicfs.Update(k.Fs, name, 0o644, func([]byte) ([]byte, error) { return []byte("new"), errFn })
				assert.Equal(t, errFn, err)
			},
		}
		for way, fail := range fails {
			fail()
			assert.Equal(t, "old", k.ReadFile(t, name), way)
			assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir), way)
		}
	})
}

func TestWriteFuncWriter(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		var late io.Writer
		require.NoError(t, atomicfs.WriteFunc(k.Fs, name, 0o644, func(w io.Writer) error {
			late = w
			_, closes := w.(io.Closer)
			assert.False(t, closes, "what an encoder can close it may close")
			_, err := io.Copy(w, strings.NewReader("text"))
			return err
		}))
		_, err := late.Write([]byte("more"))
		require.ErrorIs(t, err, fs.ErrClosed)
		assert.Equal(t, "text", k.ReadFile(t, name))
	})
}

func TestWriteReaderFails(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		name := k.Join("file")
		k.WriteFile(t, name, "old")
		long := strings.Repeat("x", 1<<20)
		for _, reason := range []error{io.ErrUnexpectedEOF, errFn} {
			n, err := atomicfs.WriteReader(k.Fs, name, io.MultiReader(strings.NewReader(long), iotest.ErrReader(reason)), 0o644)
			assert.Equal(t, reason, err, "the error of the reader is not masked")
			assert.Equal(t, int64(len(long)), n)
			assert.Equal(t, "old", k.ReadFile(t, name))
			assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
		}
	})
}

// Readers in all their manners give the same file.
func TestWriteReaderReaders(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		text := strings.Repeat("0123456789", 100_000)
		source := k.Join("source")
		k.WriteFile(t, source, text)
		open := func() afero.File {
			f, err := k.Fs.Open(source)
			require.NoError(t, err)
			t.Cleanup(func() { _ = f.Close() })
			return f
		}
		for way, r := range map[string]io.Reader{
			"one byte":         iotest.OneByteReader(strings.NewReader(text)),
			"data with EOF":    iotest.DataErrReader(strings.NewReader(text)),
			"file":             open(),
			"limited file":     io.LimitReader(open(), int64(len(text))),
			"limited past end": io.LimitReader(open(), int64(2*len(text))),
		} {
			n, err := atomicfs.WriteReader(k.Fs, k.Join("file"), r, 0o644)
			require.NoError(t, err, way)
			require.Equal(t, int64(len(text)), n, way)
			require.True(t, text == k.ReadFile(t, k.Join("file")), way)
		}
		n, err := atomicfs.WriteReader(k.Fs, k.Join("file"), io.LimitReader(open(), 15), 0o644)
		require.NoError(t, err)
		require.Equal(t, int64(15), n)
		require.Equal(t, "012345678901234", k.ReadFile(t, k.Join("file")))
	})
}

// A shouting reader embeds a file and changes what it reads.
type shouting struct{ *tmpfs.File }

func (s shouting) Read(p []byte) (int, error) {
	n, err := s.File.Read(p)
	copy(p, bytes.ToUpper(p[:n]))
	return n, err
}

// The kernel copies only where that is what the reader would have given. The unknown
// Fs and the union give out an os.File whose offset is not that of the File.
func TestWriteReaderOfATemporary(t *testing.T) {
	disk := afero.NewOsFs()
	name := filepath.Join(t.TempDir(), "file")
	union := afero.NewCopyOnWriteFs(afero.NewReadOnlyFs(disk), disk)
	for _, fsys := range []afero.Fs{disk, union, struct{ afero.Fs }{disk}} {
		f, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: t.TempDir()})
		require.NoError(t, err)
		defer f.Close()
		put(t, f, "some text")
		for want, r := range map[string]io.Reader{"text": f, "TEXT": shouting{f}, "te": io.LimitReader(f, 2)} {
			_, err = f.Seek(5, io.SeekStart)
			require.NoError(t, err)
			_, err := atomicfs.WriteReader(disk, name, r, 0o644)
			require.NoError(t, err)
			got, err := os.ReadFile(name)
			require.NoError(t, err)
			assert.Equal(t, want, string(got), fsys.Name())
		}
	}
}

func TestSyncDir(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		require.NoError(t, atomicfs.SyncDir(k.Fs, k.Dir))
		err := atomicfs.SyncDir(k.Fs, k.Join("missing"))
		require.ErrorIs(t, err, fs.ErrNotExist)
		requirePathError(t, err, k.Join("missing"))
		require.ErrorIs(t, atomicfs.SyncDir(k.Fs, ""), fs.ErrInvalid)
	})
}
