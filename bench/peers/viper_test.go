package peers_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"
	"github.com/spf13/viper"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
)

// viper truncates its configuration before it knows what to write. Without NewFs
// a value that cannot be encoded leaves nothing of the file; with it the old one
// survives, on every Fs and with SyncOnly too, because viper syncs.
func TestViper(t *testing.T) {
	const old = "{\n  \"greeting\": \"hello\"\n}"
	for name, fsys := range map[string]afero.Fs{"OsFs": afero.NewOsFs(), "MemMapFs": afero.NewMemMapFs()} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, fsys.MkdirAll(dir, 0o755))
			config := filepath.Join(dir, "config.json")
			write := func(on afero.Fs, value any) error {
				require.NoError(t, afero.WriteFile(fsys, config, []byte(old), 0o640))
				require.NoError(t, fsys.Chmod(config, 0o640))
				v := viper.New()
				v.SetFs(on)
				v.SetConfigFile(config)
				require.NoError(t, v.ReadInConfig())
				v.Set("more", value)
				return v.WriteConfig()
			}
			content := func() string {
				data, err := afero.ReadFile(fsys, config)
				require.NoError(t, err)
				return string(data)
			}
			require.Error(t, write(fsys, func() {}))
			assert.Empty(t, content(), "this is why")

			for _, opts := range []*atomicfs.FsOptions{nil, {SyncOnly: true}} {
				aside := atomicfs.NewFs(fsys, opts)
				require.Error(t, write(aside, func() {}))
				assert.Equal(t, old, content())

				require.NoError(t, write(aside, "text"))
				assert.JSONEq(t, `{"greeting": "hello", "more": "text"}`, content())
				info, err := fsys.Stat(config)
				require.NoError(t, err)
				assert.Equal(t, os.FileMode(0o640), info.Mode().Perm())

				v := viper.New()
				v.SetFs(aside)
				v.SetConfigFile(filepath.Join(dir, "new.json"))
				v.Set("a", 1)
				require.NoError(t, v.WriteConfig())
				require.NoError(t, fsys.Remove(filepath.Join(dir, "new.json")))
				require.NoError(t, v.SafeWriteConfigAs(filepath.Join(dir, "new.json")))
				require.Error(t, v.SafeWriteConfigAs(filepath.Join(dir, "new.json")))
				require.NoError(t, fsys.Remove(filepath.Join(dir, "new.json")))
			}
			entries, err := afero.ReadDir(fsys, dir)
			require.NoError(t, err)
			assert.Len(t, entries, 1)
		})
	}
}
