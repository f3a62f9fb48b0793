package workdir

import "regexp"

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
