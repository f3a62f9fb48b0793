package live_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
)

// A shortage is something that a process has not got. It lasts from begin to end;
// how much of it there is says n, from 0 to below levels.
type shortage struct {
	name   string
	levels int
	mount  string // what a file system in memory is mounted with for each job; "" if none is
	// begin makes it short in dir, and returns what ends it.
	begin func(dir string, n int) (end func() error, err error)
	// spares are the jobs that need none of it.
	spares []string
	// holds says that a directory may be left, because to remove what is in one takes
	// it too. The error says what is left then.
	holds bool
}

var shortages = []shortage{
	{name: "a full disk", levels: 9, mount: "size=64k", begin: fullDisk, spares: []string{"MkdirTemp"}},
	{name: "no inodes", levels: 6, mount: "nr_inodes=20", begin: noInodes},
	{name: "no descriptors", levels: 12, begin: noDescriptors, holds: true},
	{name: "no large files", levels: 3, begin: noLargeFiles, spares: []string{"MkdirTemp"}},
	{name: "read-only", levels: 1, mount: "size=1m", begin: readOnly},
	{name: "another user", levels: 1, mount: "size=1m,mode=755", begin: anotherUser},
}

// fullDisk leaves n pages.
func fullDisk(dir string, n int) (func() error, error) {
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	page := make([]byte, 4096)
	size := int64(0)
	for err == nil {
		if _, err = f.Write(page); err == nil {
			size += 4096
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, err
	}
	return func() error { return os.Remove(filler) }, f.Truncate(max(size-int64(n)*4096, 0))
}

// noInodes leaves n of them.
func noInodes(dir string, n int) (func() error, error) {
	filler := filepath.Join(dir, "filler")
	err := os.Mkdir(filler, 0o777)
	var made []string
	for err == nil {
		name := filepath.Join(filler, fmt.Sprint(len(made)))
		if err = os.WriteFile(name, nil, 0o666); err == nil {
			made = append(made, name)
		}
	}
	if !errors.Is(err, syscall.ENOSPC) || len(made) < n {
		return nil, fmt.Errorf("%d files and %w", len(made), err)
	}
	for _, name := range made[:n] {
		if err := os.Remove(name); err != nil {
			return nil, err
		}
	}
	return func() error { return os.RemoveAll(filler) }, nil
}

// noDescriptors leaves n of them.
func noDescriptors(_ string, n int) (func() error, error) {
	free, err := syscall.Dup(0) // the lowest that is
	if err != nil {
		return nil, err
	}
	if err := syscall.Close(free); err != nil {
		return nil, err
	}
	return limit(syscall.RLIMIT_NOFILE, uint64(free+n))
}

// noLargeFiles lets a file have n pages.
func noLargeFiles(_ string, n int) (func() error, error) {
	const fileSize = 1 // RLIMIT_FSIZE
	return limit(fileSize, uint64(n)*4096)
}

// limit sets a limit of this process, and returns what sets it back.
func limit(what int, value uint64) (end func() error, err error) {
	var was syscall.Rlimit
	if err := syscall.Getrlimit(what, &was); err != nil {
		return nil, err
	}
	err = syscall.Setrlimit(what, &syscall.Rlimit{Cur: value, Max: was.Max})
	return func() error { return syscall.Setrlimit(what, &was) }, err
}

func readOnly(dir string, _ int) (func() error, error) {
	again := func(flags uintptr) error {
		return syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, "size=1m")
	}
	return func() error { return again(0) }, again(syscall.MS_RDONLY)
}

func anotherUser(string, int) (func() error, error) {
	const nobody = 65534
	err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(-1, nobody, -1), syscall.Setresuid(-1, nobody, -1))
	return func() error { return errors.Join(syscall.Setresuid(-1, 0, -1), syscall.Setresgid(-1, 0, -1)) }, err
}

// Each entry point that makes something is refused it, for want of room in every
// sense. Nothing is lost, nothing is left, and nil means new.
func TestNoRoom(t *testing.T) {
	testfs.NeedRoot(t)
	for _, s := range shortages {
		t.Run(s.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // another user comes as far as this
			// What it mounts goes with it, however it ends: no other process sees it.
			cmd := child(t, "no room", s.name, dir)
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
			out, err := cmd.Output()
			require.NoError(t, err, "%s", out)
			refused, cases, bad := map[string]bool{}, 0, 0
			for line := range strings.Lines(string(out)) {
				words := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
				require.Len(t, words, 3, line)
				cases++
				refused[words[0]] = refused[words[0]] || words[1] == "refused"
				if words[2] != "" {
					bad++
					t.Errorf("%s: %s", words[0], words[2])
				}
			}
			for _, j := range everyJob() {
				assert.NotEqual(t, slices.Contains(s.spares, j.name), refused[j.name], "whether %s was refused anything", j.name)
			}
			testfs.Figure(t, "no room: "+s.name, cases, s.levels*len(grounds)*len(everyJob()), bad)
		})
	}
}

func everyJob() []job { return append(slices.Clone(jobs), makers...) }

func init() { children["no room"] = noRoom } //nolint:gochecknoinits // of a test

// noRoom does all jobs where args[0] is short, below the directory args[1], which
// nobody else sees, and prints a line for each: its name, whether it was refused
// something, and what was wrong afterwards.
func noRoom(args []string) error {
	i := slices.IndexFunc(shortages, func(s shortage) bool { return s.name == args[0] })
	s, dir := shortages[i], args[1]
	signal.Ignore(syscall.SIGXFSZ) // a file that is too large is an error then
	syscall.Umask(0)
	// Go itself needs descriptors for its first timer, and ends the process if there
	// are none.
	time.Sleep(time.Nanosecond)
	_ = rand.Text()
	for _, j := range everyJob() {
		for _, g := range grounds {
			for n := range s.levels {
				refused, bad, err := s.try(j, g, dir, n)
				if err != nil {
					return fmt.Errorf("%s on %s, %d: %w", j.name, g.name, n, err)
				}
				if bad != "" {
					bad = fmt.Sprintf("on %s, %d left: %s", g.name, n, bad)
				}
				fmt.Printf("%s\t%s\t%s\n", j.name, map[bool]string{true: "refused", false: "done"}[refused], strings.ReplaceAll(bad, "\n", "; "))
			}
		}
	}
	return nil
}

// try does one job once.
func (s shortage) try(j job, g ground, base string, n int) (refused bool, bad string, err error) {
	if s.mount != "" {
		if err := syscall.Mount("live", base, "tmpfs", 0, s.mount); err != nil {
			return false, "", err
		}
		defer func() { err = errors.Join(err, syscall.Unmount(base, syscall.MNT_DETACH)) }()
	}
	dir, err := os.MkdirTemp(base, "job-*")
	if err != nil {
		return false, "", err
	}
	if err := errors.Join(j.prepare(dir), os.Chmod(dir, 0o755)); err != nil {
		return false, "", err
	}
	fsys, at, err := g.open(dir)
	if err != nil {
		return false, "", err
	}
	end, err := s.begin(base, n)
	if err != nil {
		return false, "", err
	}
	jerr := j.run(fsys, at)
	if err := end(); err != nil {
		return false, "", err
	}
	if c, ok := fsys.(interface{ Close() error }); ok {
		err = c.Close()
	}
	var said strings.Builder
	say(&said, jerr)
	wrong, litter := j.judge(dir, understand([]byte(said.String()), dir))
	if len(wrong) > 0 {
		bad = fmt.Sprint(wrong)
	}
	var left suspended
	explained := s.holds && j.trees && strings.Contains(fmt.Sprint(jerr), "remove ") || errors.As(jerr, &left)
	if len(litter) > 0 && !explained {
		bad += fmt.Sprintf("said %q and left %q", fmt.Sprint(jerr), litter)
	}
	return jerr != nil, bad, err
}
