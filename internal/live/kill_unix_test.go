//go:build unix

package live_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tempkit/tempkit/internal/testfs"
)

func init() { //nolint:gochecknoinits // of a test
	children["over and over"] = overAndOver
	children["sweeper"] = sweepOn
}

// overAndOver does the job args[0] on the ground args[1] in the directory args[2]
// until it is killed.
func overAndOver(args []string) error {
	j, g, err := find(args[0], args[1])
	if err != nil {
		return err
	}
	fsys, at, err := g.open(args[2])
	if err != nil {
		return err
	}
	fmt.Println("at work")
	for {
		_ = j.run(fsys, at) // some succeed but once
	}
}

// sweepOn sweeps the directory args[0] until it is killed.
func sweepOn(args []string) error {
	fmt.Println("at work")
	for {
		if err := sweep(args[0]); err != nil {
			return err
		}
	}
}

// killed runs a child, kills it at a random moment, and reports why it was not at
// work then.
func killed(t *testing.T, name string, args ...string) (bad string) {
	cmd := child(t, name, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err.Error()
	}
	if err := cmd.Start(); err != nil {
		return err.Error()
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		bad = fmt.Sprintf("%q %v", line, err)
	}
	time.Sleep(rand.N(12 * time.Millisecond))
	if err := cmd.Process.Kill(); err != nil {
		bad += err.Error()
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		bad += fmt.Sprintf("it ended by itself: %v", err)
	}
	return bad
}

// temporary matches what a killed process may leave: a name that says whose it is.
var temporary = regexp.MustCompile(`^(p/|p/q/|area/)?(\.?)(tmp-|work-)?([a-z2-7]{26})(\.part|\.json|\.lease|\.claim|\.dead)?(/|$)`)

// abandoned groups litter by what was being written: a directory with its lease,
// an upload with its description. strange is what nobody would know for litter.
func abandoned(litter []string) (things, strange []string) {
	for _, name := range litter {
		m := temporary.FindStringSubmatch(name)
		switch {
		case m == nil:
			strange = append(strange, name)
		case !slices.Contains(things, m[4]):
			things = append(things, m[4])
		}
	}
	return things, strange
}

// A process that is killed at a random moment leaves the old or the new, whole,
// and at most one thing for each write that was in flight, which a sweep takes.
func TestKilled(t *testing.T) {
	inMemory(t)
	base := t.TempDir()
	kills := testfs.Size(320, 10_000)
	var bad, left atomic.Int64
	workers := errgroup.Group{}
	workers.SetLimit(2)
	for n := range kills {
		workers.Go(func() error {
			j := jobs[n%len(jobs)]
			dir := filepath.Join(base, fmt.Sprint(n))
			things, wrong := j.killed(t, grounds[n/len(jobs)%len(grounds)], dir)
			left.Add(int64(len(things)))
			if wrong != "" {
				bad.Add(1)
				t.Errorf("%s: %s", j.name, wrong)
			}
			return os.RemoveAll(dir)
		})
	}
	require.NoError(t, workers.Wait())
	t.Logf("%d things were left by %d kills", left.Load(), kills)
	testfs.Figure(t, "kills (SIGKILL): all rooms", kills, kills, int(bad.Load()))
}

// killed kills the job and judges what it has left.
func (j job) killed(t *testing.T, g ground, dir string) (things []string, wrong string) {
	if err := j.prepare(dir); err != nil {
		return nil, err.Error()
	}
	if bad := killed(t, "over and over", j.name, g.name, dir); bad != "" {
		return nil, bad
	}
	bad, litter := j.judge(dir, outcome{died: true})
	if len(bad) > 0 {
		return nil, fmt.Sprint(bad)
	}
	things, strange := abandoned(litter)
	if len(strange) > 0 {
		return things, fmt.Sprintf("nobody knows for litter %q", strange)
	}
	// An upload in an area is what a client comes back to, and no litter; its
	// description may be one that is being written.
	most := max(j.writes, 1)
	if j.name == "area" {
		most++
	}
	if len(things) > most {
		return things, fmt.Sprintf("left %q", litter)
	}
	if err := sweep(dir); err != nil {
		return things, err.Error()
	}
	bad, litter = j.judge(dir, outcome{died: true})
	// Those of package tmpfs alone are for their maker to remove, or for the system.
	litter = slices.DeleteFunc(litter, func(name string) bool { return strings.HasPrefix(name, "tmp-") })
	if len(bad)+len(litter) > 0 {
		return things, fmt.Sprintf("after a sweep: %q, and left %q", bad, litter)
	}
	return things, ""
}

// A sweeper that is killed leaves what the next one finishes with, and has taken
// nothing but litter.
func TestKilledSweepers(t *testing.T) {
	inMemory(t)
	kills := testfs.Size(60, 2000)
	base := t.TempDir()
	bad := 0
	for n := range kills {
		dir := filepath.Join(base, fmt.Sprint(n))
		keep := litterIn(t, dir)
		wrong := killed(t, "sweeper", dir)
		require.NoError(t, sweep(dir))
		files, err := read(dir)
		require.NoError(t, err)
		if wrong != "" || !slices.Equal(keep, keys(files)) {
			bad++
			t.Errorf("%s, there is %q, to be %q", wrong, keys(files), keep)
		}
		require.NoError(t, os.RemoveAll(dir))
	}
	testfs.Figure(t, "kills (SIGKILL): sweepers", kills, kills, bad)
}

// litterIn makes in dir what killed writers leave, and things of other people that
// look alike, whose names it returns.
func litterIn(t *testing.T, dir string) (keep []string) {
	t.Helper()
	random := func(i int) string { return strings.Repeat("k", 24) + string(rune('a'+i/26)) + string(rune('a'+i%26)) }
	files := map[string]string{}
	for i := range 20 {
		name := "work-" + random(i)
		files[".tmp-"+random(i)] = "half"
		files["area/.tmp-"+random(i)] = "half"
		files["."+name+".lease"] = name
		files[name+"/file"] = "text"
		files[name+"/sub/file"] = "text"
		files["area/"+random(i)+".json"] = fmt.Sprintf(`{"id":%q,"started":"2020-01-01T00:00:00Z"}`, random(i))
		if i%2 == 0 {
			files["area/"+random(i)+".part"] = "half an upload"
		}
	}
	for i, name := range []string{
		".tmp-short", "tmp-" + random(1), "file", "area/file", "work-" + random(100), "area/" + random(101) + ".part", "." + random(102) + ".other",
	} {
		files[name] = fmt.Sprint("somebody's ", i)
		keep = append(keep, name)
	}
	for name, text := range files {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	keep = append(keep, "area/")
	slices.Sort(keep)
	return keep
}
