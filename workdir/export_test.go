package workdir

import (
	"regexp"
	"testing"
)

var leasedName = regexp.MustCompile(`/\.?(work-[a-z2-7]{26})`)

// Forget makes Sweep take the directories of those paths for ones whose process is
// dead.
func Forget(paths ...string) {
	for _, path := range paths {
		if m := leasedName.FindStringSubmatch(path); m != nil {
			owners.remove(m[1])
			claims.remove(m[1])
		}
	}
}

// FoldEnv makes the case of a variable's name say nothing, or something, until the
// test ends.
func FoldEnv(t *testing.T, folds bool) {
	before := foldsEnv
	foldsEnv = folds
	t.Cleanup(func() { foldsEnv = before })
}
