package peers_test

import (
	"slices"
	"time"
)

// median returns the middle one of times, which it sorts.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}
