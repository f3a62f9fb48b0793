package atomicfs_test

import (
	"testing"

	"github.com/tempkit/tempkit/internal/testfs"
)

func TestProofCrashes(t *testing.T) {
	testfs.ProveCrashes(t, "atomicfs", 70_000, proofs(testfs.Sizes...))
}

func TestProofFaults(t *testing.T) {
	testfs.ProveFaults(t, "atomicfs", 5_000, 250_000, proofs(5000))
}

func TestProofTeeth(t *testing.T) {
	testfs.ProveTeeth(t, "atomicfs", proofs(5000))
}
