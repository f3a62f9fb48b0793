package vfs_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/vfs"
)

// What Clean takes for clean at a glance is what filepath.Clean makes of it: every
// absolute name of up to seven characters that matter.
func TestCleanAgreesWithFilepath(t *testing.T) {
	const alphabet = "/.a"
	names := []string{"/"}
	tried := 0
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		for _, fsys := range []afero.Fs{afero.NewOsFs(), afero.NewMemMapFs()} {
			clean, err := vfs.On(fsys).Clean("open", filepath.FromSlash(name))
			if err != nil { // above the root of what is not the operating system
				require.NotEqual(t, "OsFs", fsys.Name())
				require.Contains(t, name, "..")
				continue
			}
			want, err := filepath.Abs(name)
			require.NoError(t, err)
			if fsys.Name() != "OsFs" {
				want = strings.TrimPrefix(want, filepath.VolumeName(want))
			}
			require.Equal(t, want, clean, "%q on %s", name, fsys.Name())
			tried++
		}
		if len(name) < 7 {
			for _, c := range alphabet {
				names = append(names, name+string(c))
			}
		}
	}
	require.Greater(t, tried, 1000)
}

// Where names of an Fs that is not known start is for that to know.
func TestCleanOfNothing(t *testing.T) {
	mem := afero.NewMemMapFs()
	for fsys, here := range map[afero.Fs]string{
		mem:                               "/",
		afero.NewBasePathFs(mem, "/base"): "/",
		afero.NewCopyOnWriteFs(mem, mem):  "/",
		&struct{ afero.Fs }{mem}:          ".",
	} {
		for name, want := range map[string]string{".": here, "./": here, "a/..": here, "/": "/", "/.": "/", "/a/..": "/"} {
			clean, err := vfs.On(fsys).Clean("open", filepath.FromSlash(name))
			require.NoError(t, err)
			require.Equal(t, filepath.FromSlash(want), clean, "%q on %T", name, fsys)
		}
	}
}
