package atomicfs_test

import (
	"testing"

	"github.com/tempkit/tempkit/internal/testfs"
)

func TestAtomicAndDurableAfterAnyCut(t *testing.T) {
	testfs.ProveCrashes(t, "atomicfs", 70_000, proofs(testfs.Sizes...))
}

func TestErrorsOfAnyCall(t *testing.T) {
	testfs.ProveFaults(t, "atomicfs", 5_000, 250_000, proofs(5000))
}

func TestTeeth(t *testing.T) {
	testfs.ProveTeeth(t, "atomicfs", proofs(5000))
}

// On demand: three calls fail in one write.
func TestErrorsOfThreeCalls(t *testing.T) {
	if !testfs.Long() {
		t.Skip("$TEMPKIT_LONG asks for it")
	}
	testfs.ProveTriples(t, "atomicfs", 20_000, proofs(5000)[:4])
}
