//go:build !unix

package tmpfs_test

import (
	"errors"
	"testing"

	"github.com/tempkit/tempkit/internal/testfs"
)

// notInherited: package os opens every file so that no child inherits it.
func notInherited(t *testing.T, _ testfs.Kind) { t.Skip("descriptors have numbers on Unix only") }

func childInherit([]string) error { return errors.ErrUnsupported }
