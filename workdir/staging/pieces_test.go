package staging_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/workdir/staging"
)

// morsels gives at most 4 KiB at a time, as a multipart.Part does, and takes a pause
// before each 64 KiB from the last of the first 4 MiB on.
type morsels struct {
	r     io.Reader
	pause time.Duration
	given int
}

func (m *morsels) Read(p []byte) (int, error) {
	if m.given >= 4<<20-64<<10 && m.given%(64<<10) == 0 {
		time.Sleep(m.pause)
	}
	n, err := m.r.Read(p[:min(len(p), 4<<10)])
	m.given += n
	return n, err
}

// A large upload is stored in large pieces, unless that would be more memory than it
// may have, or make a slow sender's wait. In memory alone: no Fs has a say in it.
func TestPieces(t *testing.T) {
	const small, large = 64 << 10, 1 << 20
	content := bytes.Repeat([]byte("0123456789abcdef"), (8<<20)/16)
	for _, test := range []struct {
		name  string
		spool spool.Options
		size  int
		pause time.Duration
		want  int64 // the largest piece
	}{
		{name: "large", size: 8 << 20, want: large},
		{name: "little has arrived", size: 2 << 20, want: small},
		{name: "slow", size: 4<<20 + 512<<10, pause: 8 * time.Millisecond, want: small},
		{name: "little memory", size: 8 << 20, spool: spool.Options{MaxMemory: 1000}, want: small},
		{name: "no memory", size: 8 << 20, spool: spool.Options{MaxMemory: -1}, want: small},
		{name: "a budget", size: 8 << 20, spool: spool.Options{Budget: spool.NewBudget(1 << 30)}, want: small},
	} {
		t.Run(test.name, func(t *testing.T) {
			var before, most int64
			opts := &staging.Options{Spool: test.spool, Progress: func(written, _ int64) {
				most = max(most, written-before)
				before = written
			}}
			u, err := staging.New(afero.NewMemMapFs(), opts)
			require.NoError(t, err)
			defer u.Close()
			n, err := u.ReadFrom(&morsels{r: bytes.NewReader(content[:test.size]), pause: test.pause})
			require.NoError(t, err)
			assert.EqualValues(t, test.size, n)
			assert.Equal(t, test.want, most)
			got := make([]byte, test.size)
			r := u.NewReader()
			defer r.Close()
			_, err = io.ReadFull(r, got)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(content[:test.size], got))
		})
	}
}
