package remote_test

// What the tests of the rooms import, so that this module knows its sums.
import (
	_ "go.uber.org/goleak"
	_ "pgregory.net/rapid"
)
