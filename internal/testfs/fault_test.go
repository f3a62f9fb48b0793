package testfs_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
)

// twoCalls is an operation of two calls, then one more to undo the first.
func twoCalls(fsys afero.Fs, dir string) error {
	if err := fsys.Mkdir(dir+"/a", 0o700); err != nil {
		return err
	}
	if err := fsys.Mkdir(dir+"/b", 0o700); err != nil {
		return errors.Join(err, fsys.Remove(dir+"/a"))
	}
	return nil
}

func TestEachFaultFailsEachCallInTurn(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		var runs []string
		testfs.EachFault(t, k, func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
			err := twoCalls(s, k.Dir)
			runs = append(runs, fmt.Sprintf("%d calls, %d met, err %t, %v", len(s.Calls()), len(s.Met()), err != nil,
				testfs.Leftovers(t, k.Fs, k.Dir)))
		}, testfs.Fault{Err: syscall.EIO})
		assert.Equal(t, []string{
			"1 calls, 1 met, err true, []",
			"3 calls, 1 met, err true, []",
			"2 calls, 0 met, err false, [a b]",
			"1 calls, 1 met, err true, []",
			"3 calls, 2 met, err true, [a]",
			"2 calls, 0 met, err false, [a b]",
		}, runs)
	})
}

func TestEachFaultTriesEveryFaultByDefault(t *testing.T) {
	runs := 0
	testfs.EachFault(t, testfs.Kinds(t)[2], func(t *testing.T, k testfs.Kind, s *testfs.Spy) {
		runs++
		_ = s.Mkdir(k.Join("a"), 0o700)
	})
	assert.Equal(t, len(testfs.Faults)*2*2, runs)
}

func TestFaultSaysWhatItIs(t *testing.T) {
	for want, f := range map[string]testfs.Fault{
		"injected fault":                   {Err: testfs.ErrFault},
		"done, injected fault":             {Err: testfs.ErrFault, Done: true},
		"short":                            {Short: true},
		"short, " + syscall.ENOSPC.Error(): {Err: syscall.ENOSPC, Short: true},
	} {
		assert.Equal(t, want, fmt.Sprint(f))
	}
	require.NotErrorIs(t, testfs.ErrFault, errors.ErrUnsupported)
}
