//go:build !(js || plan9 || wasip1 || windows)

package workdir_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func plantFIFO(t testing.TB, name string) {
	t.Helper()
	require.NoError(t, syscall.Mkfifo(name, 0o600))
}
