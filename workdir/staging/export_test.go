package staging

import (
	"path/filepath"
	"testing"
)

// Forget makes the uploads of those paths ones whose process is dead.
func Forget(paths ...string) {
	for _, path := range paths {
		for _, suffix := range []string{dataSuffix, sidecarSuffix} {
			if id, ok := idOf(filepath.Base(path), suffix); ok {
				writers.Delete(id)
			}
		}
	}
}

// SetBootID gives the run of the system that name until the test ends; "" is what it
// is where runs have none.
func SetBootID(t *testing.T, name string) {
	before := bootID
	bootID = func() string { return name }
	t.Cleanup(func() { bootID = before })
}
