//go:build js || plan9 || wasip1 || windows

package workdir_test

import "testing"

func plantFIFO(testing.TB, string) {}

func owner() {}

func sweeper() {}
