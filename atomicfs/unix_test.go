//go:build unix

package atomicfs_test

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
)

// eachOnOS is testfs.Each for what only the operating system has. The path is that
// of k.Dir there.
func eachOnOS(t *testing.T, body func(t *testing.T, k testfs.Kind, dir string)) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if !k.OS {
			t.Skip("no files of the operating system here")
		}
		body(t, k, k.Real(k.Dir))
	})
}

func unprivileged(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Skip("root may do everything: see TestAsNobody, which runs this as another user")
	}
}

// What is no regular file is refused before a byte is written and again before
// the rename, and nothing waits for the other end of a FIFO.
func TestIrregularFiles(t *testing.T) {
	makers := map[string]func(path string) error{
		"FIFO": func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"socket": func(path string) error {
			// The name of a socket must be short.
			t.Chdir(filepath.Dir(path))
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Base(path)})
			if err == nil {
				l.SetUnlinkOnClose(false)
				err = l.Close()
			}
			return err
		},
	}
	eachOnOS(t, func(t *testing.T, k testfs.Kind, dir string) {
		for kind, mk := range makers {
			require.NoError(t, mk(filepath.Join(dir, kind)), kind)
			before, err := os.Lstat(filepath.Join(dir, kind))
			require.NoError(t, err)
			for way, write := range writers {
				if way == "NewFs" {
					continue // passes it through
				}
				err := write(k.Fs, k.Join(kind), "text")
				require.ErrorIs(t, err, fs.ErrInvalid, "%s %s", way, kind)
				require.ErrorContains(t, err, "not a regular file")
				requirePathError(t, err, k.Join(kind))
			}
			after, err := os.Lstat(filepath.Join(dir, kind))
			require.NoError(t, err)
			assert.True(t, os.SameFile(before, after))

			f := create(t, k.Fs, k.Join("late"), nil)
			put(t, f, "text")
			require.NoError(t, mk(filepath.Join(dir, "late")))
			require.ErrorContains(t, f.Commit(), "not a regular file")
			require.NoError(t, f.Close())
			info, err := os.Lstat(filepath.Join(dir, "late"))
			require.NoError(t, err)
			assert.False(t, info.Mode().IsRegular())
			require.NoError(t, os.Remove(filepath.Join(dir, "late")))
		}
		for _, left := range testfs.Leftovers(t, k.Fs, k.Dir) {
			assert.Contains(t, makers, left)
		}
	})
}

// So it is if it comes while the file is being synced.
func TestIrregularFileDuringSync(t *testing.T) {
	k := testfs.Kinds(t)[0]
	spy := testfs.NewSpy(k.Fs)
	fifo := k.Join("file")
	spy.Fail(func(_ int, call string) bool {
		if strings.HasPrefix(call, "sync ") {
			assert.NoError(t, syscall.Mkfifo(fifo, 0o600))
		}
		return false
	}, testfs.Fault{})
	require.ErrorContains(t, atomicfs.WriteFile(spy, fifo, []byte("text"), 0o644), "not a regular file")
	assert.Equal(t, []string{"file"}, testfs.Leftovers(t, k.Fs, k.Dir))
}

func umask(t *testing.T, mask int) {
	t.Helper()
	old := syscall.Umask(mask)
	t.Cleanup(func() { syscall.Umask(old) })
}

// The mode is what os.WriteFile would have left, for every umask, mode of an
// existing file and perm, and the temporary never has more.
func TestModeAndOwnerMatrix(t *testing.T) {
	inMemory(t)
	missing := fs.FileMode(0xffff)
	modes := []fs.FileMode{missing, 0o644, 0o600, 0o666, 0o777, 0o400, 0o440, 0o200, 0o000, 0o755 | fs.ModeSetuid, 0o755 | fs.ModeSetgid}
	perms := []fs.FileMode{0o644, 0o600, 0o666, 0o777, 0o400, 0o200, 0o000}
	eachOnOS(t, func(t *testing.T, k testfs.Kind, dir string) {
		for _, mask := range []int{0o000, 0o011, 0o007, 0o022, 0o027, 0o077, 0o777} {
			umask(t, mask)
			for _, perm := range perms {
				for _, mode := range modes {
					if mode != missing && mode&0o200 == 0 && os.Geteuid() != 0 {
						continue // os.WriteFile may not write to it
					}
					what := fmt.Sprintf("umask %03o, mode %v, perm %03o", mask, mode, perm)
					theirs, ours := filepath.Join(dir, "theirs"), filepath.Join(dir, "ours")
					for _, name := range []string{theirs, ours} {
						require.NoError(t, os.RemoveAll(name))
						if mode != missing {
							require.NoError(t, os.WriteFile(name, []byte("old"), 0o600))
							require.NoError(t, os.Chmod(name, mode))
						}
					}
					require.NoError(t, os.WriteFile(theirs, []byte("new"), perm))
					want, err := os.Stat(theirs)
					require.NoError(t, err)

					var during fs.FileMode
					require.NoError(t, atomicfs.WriteFunc(k.Fs, k.Join("ours"), perm, func(w io.Writer) error {
						during = temporaryMode(t, dir)
						_, err := io.WriteString(w, "new")
						return err
					}), what)
					got, err := os.Stat(ours)
					require.NoError(t, err)
					require.Equal(t, want.Mode().Perm(), got.Mode(), what)
					if got.Mode() != 0 { // it is the owner's until nobody may read it
						require.Zero(t, during&^got.Mode(), "%s: the temporary has %v", what, during)
					}
				}
			}
		}
	})
}

// temporaryMode returns the mode of the one temporary that is being written to in
// dir, with a name or without.
func temporaryMode(t *testing.T, dir string) fs.FileMode {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, ".tmp-*"))
	require.NoError(t, err)
	fds, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && strings.HasPrefix(target, dir+"/#") {
			found = append(found, fd)
		}
	}
	require.NotEmpty(t, found)
	info, err := os.Stat(found[0])
	require.NoError(t, err)
	return info.Mode()
}

// Owner and group are kept where the process may.
func TestModeAndOwnerIsKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	eachOnOS(t, func(t *testing.T, k testfs.Kind, dir string) {
		path := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(path, []byte("old"), 0o640))
		require.NoError(t, os.Chown(path, 1234, 5678))
		for way, write := range writers {
			require.NoError(t, write(k.Fs, k.Join("file"), "new"), way)
			info, err := os.Stat(path)
			require.NoError(t, err)
			st := info.Sys().(*syscall.Stat_t)
			assert.Equal(t, []uint32{1234, 5678}, []uint32{st.Uid, st.Gid}, way)
			assert.Equal(t, fs.FileMode(0o640), info.Mode(), way)
		}
	})
}

// In a set-gid directory a new file has the directory's group.
func TestSetGidDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give directories away")
	}
	eachOnOS(t, func(t *testing.T, k testfs.Kind, dir string) {
		require.NoError(t, os.Chown(dir, -1, 5678))
		require.NoError(t, os.Chmod(dir, 0o755|fs.ModeSetgid))
		require.NoError(t, atomicfs.WriteFile(k.Fs, k.Join("sub", "file"), nil, 0o644))
		for _, name := range []string{"sub", "sub/file"} {
			info, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err)
			assert.Equal(t, uint32(5678), info.Sys().(*syscall.Stat_t).Gid)
		}
	})
}

// nobody is the user as whom TestAsNobody runs tests.
const nobody = 65534

// TestAsNobody runs the tests that root cannot fail, as another user.
func TestAsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the tests run as they are")
	}
	// A binary, and a directory, that another user can reach.
	dir, err := os.MkdirTemp("", "nobody-*")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chown(dir, nobody, nobody))
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip("no binary to run: ", err)
	}
	binary := filepath.Join(dir, "atomicfs.test")
	require.NoError(t, os.WriteFile(binary, self, 0o755))
	// Somebody else's file in a directory of nobody's.
	theirs := filepath.Join(dir, "theirs")
	require.NoError(t, os.WriteFile(theirs, []byte("old"), 0o644))

	cmd := exec.Command(binary, "-test.run=^(TestReadOnly|TestModeAndOwnerMatrix|TestOthersFile|TestUnreadable|TestNoReplaceB|TestDurableOrder|TestSweep$|TestSweepOfOthers)", "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, theirsEnv+"="+theirs)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	failures := slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool {
		line = strings.TrimSpace(line)
		return strings.HasPrefix(line, "===") || strings.HasPrefix(line, "--- PASS") || strings.HasPrefix(line, "--- SKIP")
	})
	require.NoError(t, err, "%s", strings.Join(failures, "\n"))
	for _, name := range []string{"TestReadOnlyDirectory", "TestReadOnlyFile", "TestOthersFile", "TestUnreadable", "TestModeAndOwnerMatrix"} {
		assert.Contains(t, string(out), "--- PASS: "+name)
	}
}

const theirsEnv = "ATOMICFS_TEST_THEIRS"

// Root sweeps what it had given to another user when it was killed; another user
// leaves alone what is not his.
func TestSweepOfOthers(t *testing.T) {
	eachOnOS(t, func(t *testing.T, k testfs.Kind, dir string) {
		if os.Geteuid() == 0 {
			k.WriteFile(t, k.Join(abandoned), "part")
			require.NoError(t, os.Chown(filepath.Join(dir, abandoned), nobody, nobody))
			assert.Equal(t, []string{abandoned}, sweep(t, k, 0))
			return
		}
		theirs := os.Getenv(theirsEnv)
		if theirs == "" {
			t.Skip("nothing here is another's")
		}
		// A second name of it: to make one takes no right to it.
		if err := os.Link(theirs, filepath.Join(dir, abandoned)); err != nil {
			t.Skip(err)
		}
		assert.Empty(t, sweep(t, k, time.Nanosecond))
	})
}

// In a directory that may not be written to nothing changes.
func TestReadOnlyDirectory(t *testing.T) {
	unprivileged(t)
	eachOnOS(t, func(t *testing.T, k testfs.Kind, dir string) {
		sub := filepath.Join(dir, "sub")
		require.NoError(t, os.Mkdir(sub, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(sub, "file"), []byte("old"), 0o644))
		require.NoError(t, os.Chmod(sub, 0o555))
		t.Cleanup(func() { _ = os.Chmod(sub, 0o755) })
		for way, write := range writers {
			for _, name := range []string{"file", "new"} {
				err := write(k.Fs, k.Join("sub", name), "new")
				require.ErrorIs(t, err, fs.ErrPermission, way)
			}
		}
		assert.Equal(t, "old", k.ReadFile(t, k.Join("sub", "file")))
		assert.Equal(t, []string{"sub", "sub/file"}, testfs.Leftovers(t, k.Fs, k.Dir))

		// One that may be written to but not read cannot be synced.
		require.NoError(t, os.Chmod(sub, 0o333))
		if k.Name == "OsFs" {
			err := atomicfs.WriteFile(k.Fs, k.Join("sub", "file"), []byte("new"), 0o644)
			require.ErrorIs(t, err, atomicfs.ErrNotDurable)
			require.ErrorIs(t, err, fs.ErrPermission)
			assert.Equal(t, "new", k.ReadFile(t, k.Join("sub", "file")))
		}
	})
}

// A file that may not be written to is replaced, and stays so.
func TestReadOnlyFile(t *testing.T) {
	unprivileged(t)
	eachOnOS(t, func(t *testing.T, k testfs.Kind, dir string) {
		for way, write := range writers {
			path := filepath.Join(dir, way)
			require.NoError(t, os.WriteFile(path, []byte("old"), 0o444))
			if way == "Update" {
				require.NoError(t, os.Chmod(path, 0o400))
			}
			require.NoError(t, write(k.Fs, k.Join(way), "new"), way)
			info, err := os.Stat(path)
			require.NoError(t, err)
			assert.Zero(t, info.Mode()&0o222, way)
			assert.Equal(t, "new", k.ReadFile(t, k.Join(way)), way)
		}
	})
}

// Somebody else's file is replaced by one's own, with its mode.
func TestOthersFile(t *testing.T) {
	theirs := os.Getenv(theirsEnv)
	if theirs == "" {
		t.Skip("run by TestAsNobody")
	}
	require.NoError(t, atomicfs.WriteFile(afero.NewOsFs(), theirs, []byte("new"), 0o600))
	info, err := os.Stat(theirs)
	require.NoError(t, err)
	assert.Equal(t, uint32(nobody), info.Sys().(*syscall.Stat_t).Uid)
	assert.Equal(t, fs.FileMode(0o644), info.Mode())
}

// A batch of files that their own writer may not read.
func TestUnreadable(t *testing.T) {
	unprivileged(t)
	eachOnOS(t, func(t *testing.T, k testfs.Kind, dir string) {
		b := atomicfs.NewBatch(k.Fs, nil)
		perms := []fs.FileMode{0, 0o200, 0o044, 0o111}
		for i := range 200 {
			require.NoError(t, b.WriteFile(k.Join(fmt.Sprint(i)), []byte("text"), perms[i%len(perms)]))
		}
		require.NoError(t, b.Commit())
		for i := range 200 {
			info, err := os.Stat(filepath.Join(dir, fmt.Sprint(i)))
			require.NoError(t, err)
			assert.Equal(t, perms[i%len(perms)]&^0o022, info.Mode())
		}
	})
}

// Between processes too one of many wins.
func TestNoReplaceBetweenProcesses(t *testing.T) {
	dir := t.TempDir()
	const rounds, racers = 50, 8
	// All of them wait for the other end of a pipe to be closed.
	start, ready, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = start.Close() }()
	var cmds []*exec.Cmd
	for i := range racers {
		cmd := exec.Command(os.Args[0], dir, fmt.Sprint(i), fmt.Sprint(rounds))
		cmd.Env = append(os.Environ(), childEnv+"=racer")
		cmd.Stdin, cmd.Stderr = start, os.Stderr
		require.NoError(t, cmd.Start())
		cmds = append(cmds, cmd)
	}
	require.NoError(t, ready.Close())
	winners := map[string]int{}
	for _, cmd := range cmds {
		require.NoError(t, cmd.Wait())
	}
	for i := range racers {
		won, err := os.ReadFile(filepath.Join(dir, fmt.Sprint("won", i)))
		require.NoError(t, err)
		for _, name := range strings.Fields(string(won)) {
			winners[name]++
			data, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprint("racer ", i), string(data))
		}
	}
	assert.Len(t, winners, rounds)
	for name, n := range winners {
		assert.Equal(t, 1, n, name)
	}
	assert.Len(t, testfs.Leftovers(t, afero.NewOsFs(), dir), rounds+racers)
}

func init() { children["racer"] = racer } //nolint:gochecknoinits // of a test

// racer tries to be the one that writes each of some files.
func racer(args []string) error {
	dir, me, rounds := args[0], args[1], args[2]
	_, _ = io.Copy(io.Discard, os.Stdin)
	var n int
	if _, err := fmt.Sscan(rounds, &n); err != nil {
		return err
	}
	var won []string
	for i := range n {
		name := fmt.Sprint("file", i)
		f, err := atomicfs.Create(afero.NewOsFs(), filepath.Join(dir, name), &atomicfs.Options{NoReplace: true, NoSync: true})
		if err != nil {
			continue
		}
		if _, err := f.WriteString("racer " + me); err != nil {
			return err
		}
		if f.Commit() == nil {
			won = append(won, name)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "won"+me), []byte(strings.Join(won, "\n")), 0o600)
}
