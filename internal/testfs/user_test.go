package testfs_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tempkit/tempkit/internal/testfs"
)

func TestAsUser(t *testing.T) {
	t.Run("a test", func(t *testing.T) {
		if testfs.AsUser(t) {
			assert.NotZero(t, os.Geteuid())
		}
	})
}
