//go:build !windows

package testfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tempkit/tempkit/internal/testfs"
)

// cause names the errno beneath err, or what else tells it from others.
func cause(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, io.EOF):
		return "EOF"
	case errors.Is(err, fs.ErrClosed):
		return "closed"
	case errors.As(err, &errno):
		return errno.Error()
	case strings.Contains(err.Error(), "negative") || strings.Contains(err.Error(), "O_APPEND"):
		return syscall.EINVAL.Error() // package os has words of its own
	}
	return err.Error()
}

// A twin is CrashFs and OsFs, on which the same is done.
type twin struct {
	fs      [2]afero.Fs
	dir     [2]string
	handles [][2]afero.File
}

// both does one thing on both, and compares what is said of it.
func (w *twin) both(t *rapid.T, what string, do func(fsys afero.Fs, at func(string) string) string) {
	var said [2]string
	for i := range w.fs {
		said[i] = do(w.fs[i], func(name string) string { return w.dir[i] + name })
	}
	require.Equal(t, said[0], said[1], what)
}

// on does one thing on both handles of a pair.
func (w *twin) on(t *rapid.T, what string, do func(f afero.File) string) {
	if len(w.handles) == 0 {
		t.Skip("no handle")
	}
	pair := rapid.SampledFrom(w.handles).Draw(t, "handle")
	require.Equal(t, do(pair[0]), do(pair[1]), what)
}

func (w *twin) check(t *rapid.T) {
	var trees [2]string
	for i, fsys := range w.fs {
		var b strings.Builder
		require.NoError(t, afero.Walk(fsys, w.dir[i]+"/", func(name string, info fs.FileInfo, err error) error {
			if err != nil {
				return err
			}
			fmt.Fprint(&b, strings.TrimPrefix(name, w.dir[i]), info.Mode())
			if !info.IsDir() {
				data, err := afero.ReadFile(fsys, name)
				fmt.Fprintf(&b, " %d %q %v", info.Size(), data, err)
			}
			b.WriteByte('\n')
			return nil
		}))
		trees[i] = b.String()
	}
	require.Equal(t, trees[1], trees[0])
}

// TestCrashFsAsOsFs makes random calls on a CrashFs and on the operating system:
// results, causes of errors and trees agree.
func TestCrashFsAsOsFs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &twin{fs: [2]afero.Fs{testfs.NewCrash(), afero.NewOsFs()}, dir: [2]string{"", t.TempDir()}}
		defer func() {
			for _, pair := range w.handles {
				_, _ = pair[0].Close(), pair[1].Close()
			}
		}()
		require.NoError(rt, os.Chmod(w.dir[1], 0o755))
		names := rapid.SampledFrom([]string{"/a", "/b", "/d", "/d/a", "/d/e", "/d/e/b", "/f/a"})
		perms := rapid.SampledFrom([]fs.FileMode{0o700, 0o750, 0o711 | fs.ModeSticky})
		flags := rapid.SampledFrom([]int{
			os.O_RDONLY, os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_CREATE, os.O_WRONLY | os.O_CREATE | os.O_TRUNC,
			os.O_RDWR | os.O_CREATE | os.O_EXCL, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_TRUNC, os.O_RDONLY | os.O_CREATE,
		})
		offsets := rapid.Int64Range(-1, 2*4096+1)
		data := rapid.Custom(func(t *rapid.T) []byte {
			return []byte(strings.Repeat(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "byte"), rapid.IntRange(1, 5000).Draw(t, "size")))
		})
		named := func(op string, do func(fsys afero.Fs, name string) error) func(*rapid.T) {
			return func(t *rapid.T) {
				name := names.Draw(t, "name")
				w.both(t, op+name, func(fsys afero.Fs, at func(string) string) string { return cause(do(fsys, at(name))) })
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"": w.check,
			"open": func(t *rapid.T) {
				name, flag := names.Draw(t, "name"), flags.Draw(t, "flag")
				var pair []afero.File
				w.both(t, "open", func(fsys afero.Fs, at func(string) string) string {
					f, err := fsys.OpenFile(at(name), flag, 0o600)
					if err == nil {
						pair = append(pair, f)
					}
					return cause(err)
				})
				if len(pair) == 2 {
					w.handles = append(w.handles, [2]afero.File(pair))
				}
			},
			"mkdir": func(t *rapid.T) {
				p := perms.Draw(t, "perm")
				named("mkdir", func(fsys afero.Fs, name string) error { return fsys.Mkdir(name, p) })(t)
			},
			"mkdirall":  named("mkdirall", func(fsys afero.Fs, name string) error { return fsys.MkdirAll(name, 0o700) }),
			"remove":    named("remove", func(fsys afero.Fs, name string) error { return fsys.Remove(name) }),
			"removeall": named("removeall", func(fsys afero.Fs, name string) error { return fsys.RemoveAll(name) }),
			"chmod": func(t *rapid.T) {
				p := perms.Draw(t, "perm")
				named("chmod", func(fsys afero.Fs, name string) error { return fsys.Chmod(name, p) })(t)
			},
			"rename": func(t *rapid.T) {
				from, to := names.Draw(t, "from"), names.Draw(t, "to")
				w.both(t, "rename", func(fsys afero.Fs, at func(string) string) string {
					return cause(fsys.Rename(at(from), at(to)))
				})
			},
			"stat": named("stat", func(fsys afero.Fs, name string) error { _, err := fsys.Stat(name); return err }),
			"write": func(t *rapid.T) {
				p := data.Draw(t, "data")
				w.on(t, "write", func(f afero.File) string { n, err := f.Write(p); return fmt.Sprint(n, cause(err)) })
			},
			"writeat": func(t *rapid.T) {
				p, off := data.Draw(t, "data"), offsets.Draw(t, "off")
				w.on(t, "writeat", func(f afero.File) string { n, err := f.WriteAt(p, off); return fmt.Sprint(n, cause(err)) })
			},
			"read": func(t *rapid.T) {
				size := rapid.IntRange(0, 5000).Draw(t, "size")
				w.on(t, "read", func(f afero.File) string {
					if info, err := f.Stat(); err == nil && info.IsDir() {
						return "" // EISDIR, or EINVAL if some of it has been listed
					}
					p := make([]byte, size)
					n, err := f.Read(p)
					return fmt.Sprint(n, cause(err), string(p[:n]))
				})
			},
			"readat": func(t *rapid.T) {
				size, off := rapid.IntRange(1, 5000).Draw(t, "size"), offsets.Draw(t, "off")
				w.on(t, "readat", func(f afero.File) string {
					p := make([]byte, size)
					n, err := f.ReadAt(p, off)
					return fmt.Sprint(n, cause(err), string(p[:n]))
				})
			},
			"seek": func(t *rapid.T) {
				off, whence := offsets.Draw(t, "off"), rapid.IntRange(0, 2).Draw(t, "whence")
				w.on(t, "seek", func(f afero.File) string {
					if info, err := f.Stat(); err == nil && info.IsDir() {
						return "" // the offset of a directory is the file system's own affair
					}
					n, err := f.Seek(off, whence)
					return fmt.Sprint(n, cause(err))
				})
			},
			"truncate": func(t *rapid.T) {
				size := offsets.Draw(t, "size")
				w.on(t, "truncate", func(f afero.File) string { return cause(f.Truncate(size)) })
			},
			"close": func(t *rapid.T) { w.on(t, "close", func(f afero.File) string { return cause(f.Close()) }) },
			"fstat": func(t *rapid.T) {
				w.on(t, "fstat", func(f afero.File) string {
					info, err := f.Stat()
					if err != nil || info.IsDir() {
						return cause(err)
					}
					return fmt.Sprint(info.Size(), info.Mode())
				})
			},
			"readdirnames": func(t *rapid.T) {
				w.on(t, "readdirnames", func(f afero.File) string {
					if info, err := f.Stat(); err != nil || !info.IsDir() {
						return ""
					}
					names, err := f.Readdirnames(-1)
					return fmt.Sprint(len(names), cause(err))
				})
			},
		})
	})
}
