//go:build unix

package live_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
)

const (
	processes = 8
	together  = 8 // goroutines in each process: one writes, the others read
)

func init() { children["readers"] = readAndWrite } //nolint:gochecknoinits // of a test

// readAndWrite reads the file args[0] until it has been read args[1] times, while
// one goroutine writes it anew all the time, and prints how many reads were torn,
// and how many times it was written.
func readAndWrite(args []string) error {
	reads, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	var left, torn, written atomic.Int64
	left.Store(reads)
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() {
		for left.Load() > 0 && failed == nil {
			failed = writeSummed(args[0])
			written.Add(1)
		}
	})
	for range together - 1 {
		wg.Go(func() {
			buf := make([]byte, 1<<16)
			for left.Add(-1) >= 0 {
				if !wholeNow(args[0], buf) {
					torn.Add(1)
				}
			}
		})
	}
	wg.Wait()
	fmt.Println(torn.Load(), written.Load())
	return failed
}

// writeSummed writes name with random contents and the sum of them.
func writeSummed(name string) error {
	data := make([]byte, 8+rand.IntN(3*4096))
	for i := range data[8:] {
		data[8+i] = byte(rand.Uint32())
	}
	binary.BigEndian.PutUint32(data, uint32(len(data)))
	binary.BigEndian.PutUint32(data[4:], crc32.ChecksumIEEE(data[8:]))
	f, err := atomicfs.Create(afero.NewOsFs(), name, &atomicfs.Options{NoSync: true})
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Commit()
	}
	return errors.Join(err, f.Close())
}

// wholeNow reports whether name, as it is now, is what one write has made of it.
func wholeNow(name string, buf []byte) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // only read
	n, err := f.Read(buf)
	if err != nil || n < 8 {
		return false
	}
	return binary.BigEndian.Uint32(buf) == uint32(n) && binary.BigEndian.Uint32(buf[4:]) == crc32.ChecksumIEEE(buf[8:n])
}

// Processes and goroutines read and write one name: no reader sees a part, or that
// there is no file, and a temporary is nobody's business but its writer's. There
// are 100,000 reads, and a million where there is time.
func TestReaders(t *testing.T) {
	inMemory(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	require.NoError(t, writeSummed(name))
	reads := testfs.Size(100_000, 5_000_000)
	if testfs.RootTests() && !testfs.Long() {
		reads = testfs.Size(1_000_000, 0)
	}
	each := (reads + processes - 1) / processes
	var cmds []*exec.Cmd
	var outs []*bufio.Reader
	for range processes {
		cmd := child(t, "readers", name, strconv.Itoa(each))
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		cmds, outs = append(cmds, cmd), append(outs, bufio.NewReader(out))
	}
	bad, written := 0, 0
	for i, cmd := range cmds {
		line, err := outs[i].ReadString('\n')
		require.NoError(t, err)
		var torn, wrote int
		_, err = fmt.Sscan(strings.TrimSpace(line), &torn, &wrote)
		require.NoError(t, err)
		require.NoError(t, cmd.Wait())
		bad, written = bad+torn, written+wrote
	}
	t.Logf("%d writes", written)
	testfs.Figure(t, "readers of one name, 8 processes x 8 goroutines", each*processes, reads, bad)
	files, err := read(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"file"}, keys(files))
}
