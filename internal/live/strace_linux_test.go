package live_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tempkit/tempkit/internal/testfs"
)

// refusals are the system calls that are made to fail, and what each fails with:
// what a disk, a network or a signal may answer at any time.
var refusals = map[string][]string{
	"openat":          {"EIO", "ENOSPC", "EACCES", "EINTR", "EMFILE"},
	"write":           {"EIO", "ENOSPC", "EINTR", "EDQUOT"},
	"pwrite64":        {"EIO", "ENOSPC", "EINTR"},
	"read":            {"EIO", "EINTR"},
	"pread64":         {"EIO", "EINTR"},
	"copy_file_range": {"EIO", "ENOSPC", "EXDEV"},
	"fsync":           {"EIO", "ENOSPC", "EINTR", "EDQUOT"},
	"close":           {"EIO", "ENOSPC"},
	"ftruncate":       {"EIO", "ENOSPC", "EINTR"},
	"renameat":        {"EIO", "ENOSPC", "EACCES"},
	"renameat2":       {"EIO", "ENOSPC", "EACCES", "ENOSYS", "EINVAL"},
	"linkat":          {"EIO", "ENOSPC", "EACCES", "EMLINK"},
	"unlinkat":        {"EIO", "EACCES", "EBUSY"},
	"mkdirat":         {"EIO", "ENOSPC", "EACCES"},
	"fchmod":          {"EIO", "EPERM", "EINTR"},
	"fchmodat":        {"EIO", "EPERM"},
	"fchown":          {"EIO", "EPERM"},
	"flock":           {"EIO", "ENOLCK", "EINTR"},
	"newfstatat":      {"EIO", "EACCES"},
	"fstat":           {"EIO"},
	"getdents64":      {"EIO"},
	"lseek":           {"EIO"},
	"readlinkat":      {"EIO"},
	"utimensat":       {"EIO"},
	"sync_file_range": {"EIO", "ENOSPC"},
}

// An injection is one call of one job that fails.
type injection struct {
	j     job
	g     ground
	call  string
	nth   int // of its thread
	errno string
}

func (i injection) String() string {
	return fmt.Sprintf("%s on %s: %s number %d fails with %s", i.j.name, i.g.name, i.call, i.nth, i.errno)
}

// The operating system's own calls fail, one at a time: afterwards the old is
// there or the new, whole, nil means new, and what is left is what could not be
// removed.
func TestInjectedFaults(t *testing.T) {
	if !testfs.RootTests() {
		t.Skip("needs strace, and TEMPKIT_ROOT_TESTS=1")
	}
	_, err := exec.LookPath("strace")
	require.NoError(t, err, "apt-get install strace")
	inMemory(t)
	var all []injection
	for _, j := range jobs {
		for _, g := range grounds {
			all = append(all, injections(t, j, g)...)
		}
	}
	seed := rand.Uint64()
	t.Logf("%d injections, seed %d", len(all), seed)
	// More than are asked for: a call that another thread makes is missed.
	least := testfs.Size(200, 2000)
	if pick := os.Getenv("LIVE_TEST_JOB"); pick != "" { // to look into one
		all = slices.DeleteFunc(all, func(i injection) bool { return i.j.name != pick })
		least = 1
	}
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if least > 1 && !testfs.Long() {
		all = all[:min(len(all), least+least/4)]
	}
	results := make([]struct {
		met bool
		bad string
	}, len(all))
	base := t.TempDir()
	var workers errgroup.Group
	workers.SetLimit(2)
	for n, i := range all {
		workers.Go(func() error {
			dir := filepath.Join(base, fmt.Sprint(n))
			results[n].met, results[n].bad = inject(t, i, dir)
			return os.RemoveAll(dir)
		})
	}
	require.NoError(t, workers.Wait())
	cases, bad := 0, 0
	for n, r := range results {
		if r.met {
			cases++
		}
		if r.bad != "" {
			bad++
			t.Errorf("%v: %s", all[n], r.bad)
		}
	}
	testfs.Figure(t, "system calls that fail (strace)", cases, least, bad)
}

// strace returns cmd under strace, which writes to the file log.
func strace(cmd *exec.Cmd, log string, args ...string) *exec.Cmd {
	args = append([]string{"-f", "-qq", "-o", log}, args...)
	s := exec.Command("strace", append(append(args, cmd.Path), cmd.Args[1:]...)...)
	s.Env, s.Stderr = cmd.Env, cmd.Stderr
	return s
}

var called = regexp.MustCompile(`^(\d+) +([a-z0-9_]+)\(`)

// trace returns how many calls of each sort each thread had made when the job
// began, and when it ended.
func trace(t *testing.T, log string) (before, after map[string]map[string]int) {
	t.Helper()
	f, err := os.Open(log)
	require.NoError(t, err)
	defer f.Close()
	now := map[string]map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		m := called.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		thread, call := m[1], m[2]
		if now[thread] == nil {
			now[thread] = map[string]int{}
		}
		now[thread][call]++
		switch {
		case strings.Contains(lines.Text(), beginMark):
			before = copied(now)
		case strings.Contains(lines.Text(), endMark):
			return before, now
		}
	}
	t.Fatalf("no trace of a job in %s", log)
	return nil, nil
}

func copied(m map[string]map[string]int) map[string]map[string]int {
	c := map[string]map[string]int{}
	for thread, calls := range m {
		c[thread] = map[string]int{}
		for call, n := range calls {
			c[thread][call] = n
		}
	}
	return c
}

// injections returns one injection for each call that the job makes, and each
// way in which that may fail.
func injections(t *testing.T, j job, g ground) (list []injection) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, j.prepare(dir))
	log := filepath.Join(t.TempDir(), "log")
	o := once(t, strace(child(t, "job", j.name, g.name, dir), log), dir)
	require.Equal(t, outcome{}, o, "%s on %s", j.name, g.name)
	before, after := trace(t, log)
	numbers := map[string][]int{}
	for thread, calls := range after {
		for call, n := range calls {
			for i := before[thread][call] + 1; i <= n; i++ {
				if !slices.Contains(numbers[call], i) {
					numbers[call] = append(numbers[call], i)
				}
			}
		}
	}
	for call, ns := range numbers {
		for _, n := range ns {
			for _, errno := range refusals[call] {
				list = append(list, injection{j, g, call, n, errno})
			}
		}
	}
	return list
}

// inject does the job with a call that fails, and reports whether it did while the
// job was being done, and what was wrong afterwards.
func inject(t *testing.T, i injection, dir string) (met bool, bad string) {
	o, during, err := meet(t, i.j, i.g, dir, fmt.Sprintf("%s:error=%s:when=%d", i.call, i.errno, i.nth))
	met = strings.Contains(during, "(INJECTED)")
	switch {
	case err != nil:
		return false, err.Error()
	case !strings.Contains(during, beginMark):
		return false, "" // the call was one of the process's start
	case o.died && met:
		return met, "died: " + o.err
	}
	wrong, litter := i.j.judge(dir, o)
	if len(wrong) > 0 {
		return met, fmt.Sprintf("%q\n%s", wrong, during)
	}
	// Directories take many calls to remove, any of which may be the one that fails.
	explained := i.call == "unlinkat" || i.j.trees && o.err+o.left != ""
	if len(litter) > 0 && !explained {
		return met, fmt.Sprintf("said %q %q and left %q\n%s", o.err, o.left, litter, during)
	}
	return met, ""
}

// meet does the job with calls that fail, each told as strace has it, and returns
// what it said, and the trace of those calls from its beginning to its end: "" if
// it never began.
func meet(t *testing.T, j job, g ground, dir string, faults ...string) (o outcome, during string, err error) {
	if err := j.prepare(dir); err != nil {
		return o, "", err
	}
	log := dir + ".log"
	defer func() { _ = os.Remove(log) }()
	calls, args := "newfstatat,exit_group", []string(nil)
	for _, f := range faults {
		call, _, _ := strings.Cut(f, ":")
		calls += "," + call
		args = append(args, "-e", "inject="+f)
	}
	o = once(t, strace(child(t, "job", j.name, g.name, dir), log, append([]string{"-e", "trace=" + calls}, args...)...), dir)
	text, err := os.ReadFile(log)
	if err != nil {
		return o, "", err
	}
	if begin := strings.Index(string(text), beginMark); begin >= 0 {
		during, _, _ = strings.Cut(string(text[begin:]), endMark)
	}
	return o, during, nil
}
