//go:build unix

package atomicfs_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// A process is a child that runs until it is stopped or killed.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// start starts the child of that name, and returns when it is at work.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return &process{cmd, stdin}
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait()
	_ = p.stdin.Close()
}

// stop lets the child end by itself.
func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.stdin.Close())
	require.NoError(t, p.cmd.Wait())
}

// abandonedNow reports whether nobody has the file locked, or its directory.
func abandonedNow(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

func init() { children["writer"] = writeOn } //nolint:gochecknoinits // of a test

// writeOn writes files, each of one letter, until its standard input is closed.
func writeOn(args []string) error {
	dir, how := args[0], args[1]
	atomicfs.SetUnnamed(how != "named")
	stopped := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stopped)
	}()
	fsys := afero.NewOsFs()
	name := func(i int) string { return filepath.Join(dir, fmt.Sprint(how, i%3)) }
	for i := 0; ; i++ {
		if i == 1 {
			fmt.Println("at work")
		}
		select {
		case <-stopped:
			return nil
		default:
		}
		if err := writeOnce(fsys, how, name(i), bytes.Repeat([]byte{byte('a' + i%26)}, 1<<16)); err != nil {
			return err
		}
	}
}

func writeOnce(fsys afero.Fs, how, name string, data []byte) error {
	switch how {
	case "batch":
		b := atomicfs.NewBatch(fsys, &atomicfs.Options{NoSync: true})
		err := b.WriteFile(name, data, 0o644)
		if err == nil {
			err = b.Commit()
		}
		return errors.Join(err, b.Close())
	case "commit":
		return tmpfs.WithFile(fsys, &tmpfs.Options{Dir: filepath.Dir(name), Pattern: ".tmp-*"}, func(f *tmpfs.File) error {
			if _, err := f.Write(data); err != nil {
				return err
			}
			return atomicfs.Commit(f, name)
		})
	}
	return atomicfs.WriteFile(fsys, name, data, 0o644)
}

// A file whose writer has been killed is abandoned; one that is being written in
// another process is not.
func TestLitterAfterKill(t *testing.T) {
	dir := t.TempDir()
	k := testfs.Kind{Name: "OsFs", Fs: afero.NewOsFs(), Dir: dir}
	const kills = 200
	litter, swept := 0, 0
	live, liveNamed := start(t, "writer", dir, "live"), start(t, "writer", dir, "named")
	others := map[string]bool{"other": true, ".tmp-short": true}
	for name := range others {
		k.WriteFile(t, k.Join(name), "text")
	}
	for i := range kills {
		how := []string{"named", "unnamed", "batch", "commit"}[i%4]
		c := start(t, "writer", dir, how)
		time.Sleep(time.Duration(i%20) * 200 * time.Microsecond)
		c.kill(t)
		if i%10 == 9 {
			before := temporaries(t, dir)
			removed := sweep(t, k, 0)
			swept += len(removed)
			litter += len(before)
			for _, name := range temporaries(t, dir) {
				assert.NotContains(t, before, name, "abandoned, and left") // what is new is the live one's
			}
		}
	}
	live.stop(t)
	liveNamed.stop(t)
	assert.Empty(t, temporaries(t, dir))
	for name := range others {
		assert.Equal(t, "text", k.ReadFile(t, k.Join(name)))
	}
	assert.NotZero(t, swept, "this test shows something only if there was litter")
	t.Logf("%d temporaries seen after %d kills, %d swept", litter, kills, swept)
	for _, name := range testfs.Leftovers(t, k.Fs, dir) {
		if !others[name] {
			text := k.ReadFile(t, k.Join(name))
			assert.Equal(t, strings.Repeat(text[:1], len(text)), text, "old or new, whole")
			assert.Len(t, text, 1<<16)
		}
	}
}

// temporaries lists those in dir that nobody holds a lock of: the live ones of
// other processes come and go.
func temporaries(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".tmp-") || e.Name() == ".tmp-short" {
			continue
		}
		if abandonedNow(filepath.Join(dir, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names
}

func init() { children["sweeper"] = sweepOn } //nolint:gochecknoinits // of a test

// sweepOn sweeps a directory until its standard input is closed.
func sweepOn(args []string) error {
	stopped := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stopped)
	}()
	fmt.Println("at work")
	for {
		select {
		case <-stopped:
			return nil
		default:
		}
		if _, err := atomicfs.Sweep(context.Background(), afero.NewOsFs(), args[0], 0); err != nil {
			return err
		}
	}
}

func init() { children["batcher"] = batchOn } //nolint:gochecknoinits // of a test

const batchDirs, batchFiles = 100, 300

// batchOn writes a batch into many directories, says so, and commits it when its
// standard input is closed.
func batchOn(args []string) error {
	b := atomicfs.NewBatch(afero.NewOsFs(), &atomicfs.Options{NoSync: true})
	defer b.Close()
	for i := range batchFiles {
		name := filepath.Join(args[0], fmt.Sprint("dir", i%batchDirs), fmt.Sprint(i))
		if err := b.WriteFile(name, []byte("text"), 0o644); err != nil {
			return err
		}
	}
	fmt.Println("written")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return b.Commit()
}

// A sweep of another process takes nothing of a batch that lives, however many
// files it has and in however many directories, and all of one that was killed.
func TestSweepOfABatchByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	sweepAll := func() (removed int) {
		for i := range batchDirs {
			k := testfs.Kind{Name: "OsFs", Fs: afero.NewOsFs(), Dir: filepath.Join(dir, fmt.Sprint("dir", i))}
			removed += len(sweep(t, k, time.Nanosecond))
		}
		return removed
	}
	c := start(t, "batcher", dir)
	assert.Zero(t, sweepAll(), "taken from a writer that lives")
	c.stop(t)
	for i := range batchFiles {
		assert.FileExists(t, filepath.Join(dir, fmt.Sprint("dir", i%batchDirs), fmt.Sprint(i)))
	}
	c = start(t, "batcher", dir)
	c.kill(t)
	assert.Equal(t, batchFiles, sweepAll())
}

// A sweep of another process takes no file of a writer that lives: not before it
// is locked, not while it is written, and not in the moment in which one without a
// name has one.
func TestSweepByAnotherProcess(t *testing.T) {
	inMemory(t)
	for _, unnamed := range []bool{true, false} {
		t.Run(fmt.Sprint("unnamed=", unnamed), func(t *testing.T) {
			atomicfs.SetUnnamed(unnamed)
			defer atomicfs.SetUnnamed(true)
			dir := t.TempDir()
			sweepers := []*process{start(t, "sweeper", dir), start(t, "sweeper", dir)}
			fsys := afero.NewOsFs()
			for i := range 3000 {
				f, err := atomicfs.Create(fsys, filepath.Join(dir, "file"), &atomicfs.Options{NoSync: true})
				require.NoError(t, err)
				_, err = f.WriteString("text")
				require.NoError(t, errors.Join(err, f.Commit(), f.Close()), "write %d", i)
			}
			for _, s := range sweepers {
				s.stop(t)
			}
		})
	}
}
