package live_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tempkit/tempkit/internal/testfs"
)

// A copyFault is what the kernel says to a copy, from some call on.
type copyFault struct {
	j      job
	faults []string
	// whole tells that the copy can be made in another way, and is to be.
	whole bool
	// says is what the error tells.
	says string
}

func (c copyFault) String() string { return fmt.Sprint(c.j.name, " with ", c.faults) }

// The kernel's copy fails, or stops early, at any of its calls and at all that
// follow; and so does the source itself. What the kernel does not copy is read and
// written. Where the source cannot be read, that is what the error tells, the old
// is there, and nothing else is left.
func TestCopiesThatFail(t *testing.T) {
	if !testfs.RootTests() {
		t.Skip("needs strace, and TEMPKIT_ROOT_TESTS=1")
	}
	_, err := exec.LookPath("strace")
	require.NoError(t, err, "apt-get install strace")
	inMemory(t)
	var list []copyFault
	for _, j := range copies {
		list = append(list, copyFaults(t, j)...)
	}
	bad := make([]string, len(list))
	met := make([]bool, len(list))
	base := t.TempDir()
	var workers errgroup.Group
	workers.SetLimit(2)
	for n, c := range list {
		workers.Go(func() error {
			dir := filepath.Join(base, fmt.Sprint(n))
			met[n], bad[n] = c.run(t, dir)
			return os.RemoveAll(dir)
		})
	}
	require.NoError(t, workers.Wait())
	cases, wrong := 0, 0
	for n, c := range list {
		if met[n] {
			cases++
		}
		if bad[n] != "" {
			wrong++
			t.Errorf("%v: %s", c, bad[n])
		}
	}
	testfs.Figure(t, "copies that the kernel gives up (strace)", cases, 100, wrong)
}

// copyFaults returns what may happen to the copies of j.
func copyFaults(t *testing.T, j job) (list []copyFault) {
	t.Helper()
	numbers := map[string][]int{}
	for _, i := range injections(t, j, grounds[0]) {
		if !slices.Contains(numbers[i.call], i.nth) {
			numbers[i.call] = append(numbers[i.call], i.nth)
		}
	}
	copied := numbers["copy_file_range"]
	require.NotEmpty(t, copied, "%s has the kernel copy nothing", j.name)
	for _, n := range copied {
		for _, when := range []string{"", "+"} {
			for _, how := range []string{"error=EIO", "error=EXDEV", "error=EPERM", "retval=0", "error=ENOSPC"} {
				list = append(list, copyFault{j: j, whole: how != "error=ENOSPC",
					faults: []string{fmt.Sprintf("copy_file_range:%s:when=%d%s", how, n, when)}})
			}
		}
		// What is copied has a bad page: the first that is read once the kernel has given up.
		bad := copyFault{j: j, faults: []string{
			fmt.Sprintf("copy_file_range:error=EIO:when=%d+", n), fmt.Sprintf("read:error=EIO:when=%d", slices.Max(numbers["read"])),
		}}
		if !j.spools {
			bad.says = "/source: input/output error"
		}
		list = append(list, bad)
	}
	return list
}

// run does it, and reports whether the kernel did as it was told, and what was wrong.
func (c copyFault) run(t *testing.T, dir string) (met bool, bad string) {
	o, during, err := meet(t, c.j, grounds[0], dir, c.faults...)
	if err != nil {
		return false, err.Error()
	}
	met = strings.Contains(during, "(INJECTED)")
	wrong, litter := c.j.judge(dir, o)
	switch {
	case o.died:
		wrong = append(wrong, "died")
	case !strings.Contains(o.err, c.says):
		wrong = append(wrong, "said nothing of the source")
	case c.whole && o.err+o.left != "":
		wrong = append(wrong, "it could have been read and written")
	case strings.Contains(o.err, errMiscounted.Error()):
		wrong = append(wrong, "miscounted")
	}
	wrong = append(wrong, litter...)
	if len(wrong) > 0 {
		return met, fmt.Sprintf("%q\nsaid %q %q\n%s", wrong, o.err, o.left, during)
	}
	return met, ""
}
