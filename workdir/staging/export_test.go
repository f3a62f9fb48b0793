package staging

import "path/filepath"

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
