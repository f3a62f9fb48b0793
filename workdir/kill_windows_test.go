package workdir_test

import "testing"

func plantFIFO(testing.TB, string) {}

func owner() {}

func sweeper() {}
