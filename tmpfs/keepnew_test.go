package tmpfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// TestAtomicKeepNewRace: of 64 that want one name, one gets it, and the others lose
// nothing.
func TestAtomicKeepNewRace(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		const racers = 64
		for _, anonymous := range []bool{false, true} {
			files := make([]*tmpfs.File, racers)
			for i := range files {
				make := tmpfs.Create
				if anonymous {
					make = tmpfs.CreateAnonymous
				}
				f, err := make(k.Fs, &tmpfs.Options{Dir: k.Dir})
				require.NoError(t, err)
				defer f.Close()
				_, err = fmt.Fprintf(f, "from %d", i)
				require.NoError(t, err)
				files[i] = f
			}
			if anonymous && files[0].Keep(k.Join("probe")) != nil {
				continue // cannot be kept here
			}
			_ = k.Fs.Remove(k.Join("probe"))
			errs := make([]error, racers)
			gate := make(chan struct{})
			var wg sync.WaitGroup
			for i, f := range files {
				wg.Go(func() {
					<-gate
					errs[i] = f.KeepNew(k.Join("prize"))
				})
			}
			close(gate)
			wg.Wait()
			winner := -1
			for i, f := range files {
				switch {
				case errs[i] == nil:
					require.Equal(t, -1, winner, "two winners")
					winner = i
				case anonymous && i == 0: // kept already
				default:
					require.ErrorIs(t, errs[i], fs.ErrExist)
					_, err := f.WriteString("!")
					require.NoError(t, err, "a loser is open")
					require.Equal(t, fmt.Sprintf("from %d!", i), content(t, f))
				}
			}
			require.GreaterOrEqual(t, winner, 0)
			assert.Equal(t, fmt.Sprintf("from %d", winner), k.ReadFile(t, k.Join("prize")))
			for _, f := range files {
				require.NoError(t, f.Close())
			}
			assert.Equal(t, []string{"prize"}, testfs.Leftovers(t, k.Fs, k.Dir))
			require.NoError(t, k.Fs.Remove(k.Join("prize")))
		}
	})
}

// TestKeepNewRaceOnTwoViews: two base paths over one Fs are one place.
func TestKeepNewRaceOnTwoViews(t *testing.T) {
	for name, ground := range map[string]afero.Fs{
		"MemMapFs": afero.NewMemMapFs(),
		"OsFs":     afero.NewBasePathFs(afero.NewOsFs(), t.TempDir()),
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, ground.MkdirAll("/a/b", 0o755))
			wins := make(chan string, 2)
			for range 200 {
				var wg sync.WaitGroup
				for view, prize := range map[string]string{"/a": "/b/prize", "/a/b": "/prize"} {
					wg.Go(func() {
						f, err := tmpfs.Create(afero.NewBasePathFs(ground, view), &tmpfs.Options{Dir: "/"})
						if !assert.NoError(t, err) {
							return
						}
						defer f.Close()
						if err := f.KeepNew(prize); err == nil {
							wins <- view
						} else {
							assert.ErrorIs(t, err, fs.ErrExist)
						}
					})
				}
				wg.Wait()
				require.Len(t, wins, 1)
				<-wins
				require.NoError(t, ground.Remove("/a/b/prize"))
			}
		})
	}
}

// childKeepNew races for args[1] with a file made in args[0] once args[2] is there,
// args[3] times over, and prints the rounds that it won.
func childKeepNew(args []string) error {
	fsys := afero.NewOsFs()
	for {
		if _, err := os.Stat(args[2]); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	var rounds int
	if _, err := fmt.Sscan(args[3], &rounds); err != nil {
		return err
	}
	for i := range rounds {
		err := tmpfs.WithFile(fsys, &tmpfs.Options{Dir: args[0]}, func(f *tmpfs.File) error {
			return f.KeepNew(fmt.Sprint(args[1], i))
		})
		switch {
		case err == nil:
			fmt.Println(i)
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	return nil
}

// TestKeepNewRaceOfProcesses: between processes there is only the system's OsFs.
func TestKeepNewRaceOfProcesses(t *testing.T) {
	const racers, rounds = 4, 300
	dir, gate := t.TempDir(), filepath.Join(t.TempDir(), "gate")
	all := make([]*process, racers)
	for i := range all {
		all[i] = start(t, "keepnew", dir, filepath.Join(dir, "prize"), gate, fmt.Sprint(rounds))
	}
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	winners := map[string]int{}
	for _, p := range all {
		for _, round := range strings.Fields(p.wait(t)) {
			winners[round]++
		}
	}
	assert.Len(t, winners, rounds)
	for round, n := range winners {
		assert.Equal(t, 1, n, "winners of round %s", round)
	}
	assert.Len(t, testfs.Leftovers(t, afero.NewOsFs(), dir), rounds)
}
