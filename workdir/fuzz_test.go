package workdir_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// FuzzLease sweeps beside a lease that holds anything: only its own name, or
// nothing, gives the directory to the sweep, and nothing else ever goes.
func FuzzLease(f *testing.F) {
	name := "work-" + strings.Repeat("f", 26)
	for _, held := range []string{name, "", "\x00", name + "\n", name[:20], "../../etc", strings.Repeat("\x00", 100), strings.Repeat(name, 1000), "/" + name, "\x00" + name, "-" + name[1:]} {
		f.Add([]byte(held), uint8(0))
		f.Add([]byte(held), uint8(0xff))
	}
	kinds := testfs.Kinds(f)
	f.Fuzz(func(t *testing.T, held []byte, beside uint8) {
		for _, k := range kinds {
			require.NoError(t, k.Fs.MkdirAll(k.Join(name, "sub"), 0o755))
			require.NoError(t, k.Fs.Mkdir(k.Join("work-else"), 0o755))
			files := map[string]string{"." + name + ".lease": string(held), name + "/sub/file": "text", "work-else/file": "text", "." + name + ".leas": "text"}
			for i, also := range []string{"." + name + ".lease.lease", ".work-x.lease", "." + name + "x.dead"} {
				if beside>>i&1 != 0 {
					files[also] = "text"
				}
			}
			if beside>>7 != 0 {
				require.NoError(t, k.Fs.Mkdir(k.Join("."+name+".claim"), 0o700)) // of a sweeper that died
			}
			for at, text := range files {
				k.WriteFile(t, k.Join(strings.Split(at, "/")...), text)
			}
			dead := string(held) == name || len(bytes.Trim(held, "\x00")) == 0 && len(held) <= len(name)+1 ||
				len(held) > len(name) && len(bytes.Trim(held[:len(name)+1], "\x00")) == 0
			report, err := workdir.Sweep(context.Background(), k.Fs, &workdir.SweepOptions{Dir: k.Dir, MinAge: 1})
			require.NoError(t, err)
			_, err = k.Fs.Stat(k.Join(name, "sub", "file"))
			require.Equal(t, dead, errors.Is(err, fs.ErrNotExist), "%s: %v", k.Name, report)
			for _, other := range []string{"work-else/file", "." + name + ".leas"} {
				require.Equal(t, "text", k.ReadFile(t, k.Join(strings.Split(other, "/")...)))
			}
			for _, left := range testfs.Leftovers(t, k.Fs, k.Dir) {
				if !strings.Contains(left, "/") {
					require.NoError(t, tmpfs.RemoveAll(k.Fs, k.Join(left)))
				}
			}
		}
	})
}

// FuzzNames gives any names to a work directory: nothing outside of it changes, and
// the paths that it returns are in it.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"a", "../precious", "/../x", "", ".", "link/precious", "link", "a\x00b", `..\precious`, "sub/../..", "sub//x/", strings.Repeat("../", 50) + "tmp"} {
		f.Add(name)
	}
	kinds := testfs.Kinds(f)
	for _, k := range kinds {
		k.WriteFile(f, k.Join("precious"), "precious")
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, k := range kinds {
			d, err := workdir.New(k.Fs, &workdir.Options{Temp: tmpfs.Options{Dir: k.Dir}})
			require.NoError(t, err)
			if k.Links {
				require.NoError(t, d.SymlinkIfPossible("..", "/link"))
			}
			for _, at := range []func(string) (string, error){
				d.Join, d.Subdir, func(name string) (string, error) { return d.WriteFile(name, []byte("mine")) },
			} {
				if path, err := at(name); err == nil && path != d.Path() {
					require.True(t, strings.HasPrefix(path, k.Join(d.Path()[len(k.Dir):])+string(path[len(d.Path())])), "%s: %q", k.Name, path)
					require.NotContains(t, strings.Split(path, "/"), "..")
				}
			}
			if err := d.Commit(name, k.Join("out")); err == nil {
				require.NoError(t, tmpfs.RemoveAll(k.Fs, k.Join("out")))
			}
			_, _ = fs.ReadFile(d.IOFS(), name)
			require.NoError(t, d.Close())
			require.Equal(t, []string{"precious"}, testfs.Leftovers(t, k.Fs, k.Dir), k.Name)
			require.Equal(t, "precious", k.ReadFile(t, k.Join("precious")), k.Name)
		}
	})
}
