package staging_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tempkit/tempkit/workdir/staging"
)

// childEnv makes the test binary a child process that receives an upload: the
// area, the destination and the ID, which is empty for a new one, separated by "|".
const childEnv = "STAGING_TEST_CHILD"

func TestMain(m *testing.M) {
	if args := os.Getenv(childEnv); args != "" {
		if err := receive(strings.Split(args, "|")); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println("done")
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// whole is what the children receive.
var whole = data(1 << 20)

func receive(args []string) error {
	ctx, fsys := context.Background(), afero.NewOsFs()
	area, err := staging.Open(fsys, args[0], nil)
	if err != nil {
		return err
	}
	opts := &staging.Options{Hash: sha256.New, Digest: sum(whole), Size: int64(len(whole))}
	var u *staging.Upload
	if args[2] == "" {
		u, err = area.Begin(ctx, opts)
	} else {
		u, err = area.Resume(ctx, args[2], opts)
	}
	if err != nil {
		return err
	}
	fmt.Println(u.ID())
	for u.Size() < int64(len(whole)) {
		off := u.Size()
		n := min(1+rand.Int64N(64<<10), int64(len(whole))-off)
		if _, err := u.WriteChunk(off, whole[off:off+n]); err != nil {
			return err
		}
		if rand.IntN(4) == 0 {
			if err := u.Flush(); err != nil {
				return err
			}
		}
		time.Sleep(rand.N(2 * time.Millisecond))
	}
	return u.Commit(ctx, fsys, args[1], nil)
}

// TestLitterAfterKill kills processes that receive uploads at random moments, the
// commit among them; others go on where they were. OsFs alone: between processes
// there is nothing else.
func TestLitterAfterKill(t *testing.T) {
	uploads := 12
	if testing.Short() {
		uploads = 3
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	areaDir := filepath.Join(dir, "area")
	area, err := staging.Open(afero.NewOsFs(), areaDir, &staging.AreaOptions{TTL: time.Hour})
	require.NoError(t, err)
	kills := 0
	for i := range uploads {
		dest := filepath.Join(dir, fmt.Sprint("dest", i))
		require.NoError(t, os.WriteFile(dest, []byte("old"), 0o600))
		id, least := "", int64(0)
		for done := false; !done; {
			cmd := exec.Command(exe)
			cmd.Env = append(os.Environ(), childEnv+"="+areaDir+"|"+dest+"|"+id)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			lines := bufio.NewScanner(out)
			require.True(t, lines.Scan())
			require.Regexp(t, "^[a-z2-7]{26}$", lines.Text())
			id = lines.Text()
			_, err = area.Resume(t.Context(), id, nil)
			if !errors.Is(err, fs.ErrNotExist) { // it has committed already
				require.ErrorIs(t, err, fs.ErrExist, "it has a writer")
			}
			time.Sleep(rand.N(40 * time.Millisecond))
			require.NoError(t, cmd.Process.Kill())
			for lines.Scan() {
				require.Equal(t, "done", lines.Text())
				done = true
			}
			_ = cmd.Wait() // it was killed
			kills++

			there, err := os.ReadFile(dest)
			require.NoError(t, err)
			if string(there) != "old" {
				require.True(t, bytes.Equal(whole, there), "neither old nor new")
				break
			}
			arrived, err := os.ReadFile(filepath.Join(areaDir, id+".part"))
			require.NoError(t, err)
			require.True(t, bytes.HasPrefix(whole, arrived), "not what was sent")
			require.GreaterOrEqual(t, int64(len(arrived)), least, "something that had arrived is gone")
			least = int64(len(arrived))
		}
		there, err := os.ReadFile(dest)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(whole, there))
	}
	t.Logf("%d uploads, %d kills", uploads, kills)
	// A writer that was killed between its rename and its last step leaves a sidecar,
	// one that was killed in a rename of that a temporary.
	old := time.Now().Add(-2 * time.Hour)
	left, err := os.ReadDir(areaDir)
	require.NoError(t, err)
	for _, e := range left {
		require.NoError(t, os.Chtimes(filepath.Join(areaDir, e.Name()), old, old))
	}
	removed, err := area.Sweep(t.Context())
	require.NoError(t, err)
	assert.Empty(t, removed, "all have been committed")
	left, err = os.ReadDir(areaDir)
	require.NoError(t, err)
	assert.Empty(t, left)
}
