package blobstage_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A wire is a connection to a server through which a test reaches: what passes it
// can be cut off or damaged.
type wire struct {
	addr   string
	server string

	mu    sync.Mutex
	left  int64 // bytes to the server until the cut; less than 0 means no cut
	flips bool  // the next byte at left is damaged instead
	cuts  int
	conns map[net.Conn]bool
}

// newWire returns a wire to the server at that address, whole at first.
func newWire(t testing.TB, server string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{addr: l.Addr().String(), server: server, left: -1, conns: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { w.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.closeAll()
		all.Wait()
	})
	return w
}

// cutAfter lets n more bytes reach the server, and then cuts all connections, also
// those that are made later, until heal.
func (w *wire) cutAfter(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left, w.flips, w.cuts = n, false, 0
}

// flipAfter damages one byte after n more of them.
func (w *wire) flipAfter(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left, w.flips, w.cuts = n, true, 0
}

// heal makes the wire whole, and returns how often it was cut or damaged.
func (w *wire) heal() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = -1
	return w.cuts
}

func (w *wire) closeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
	}
}

// admit decides what becomes of p: how many bytes of it pass, and whether the wire
// holds.
func (w *wire) admit(p []byte) (int, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.left < 0:
		return len(p), true
	case w.left >= int64(len(p)):
		w.left -= int64(len(p))
		return len(p), true
	}
	w.cuts++
	at := w.left
	w.left = 0
	if w.flips {
		p[at] ^= 1
		w.left = -1
		return len(p), true
	}
	return int(at), false
}

func (w *wire) serve(conn net.Conn) {
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		_ = conn.Close()
		return
	}
	w.mu.Lock()
	w.conns[conn], w.conns[server] = true, true
	w.mu.Unlock()
	end := func() {
		_ = conn.Close()
		_ = server.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.conns, conn)
		delete(w.conns, server)
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(conn, server)
		end()
	})
	defer back.Wait()
	defer end()
	buf := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buf)
		pass, holds := w.admit(buf[:n])
		if _, werr := server.Write(buf[:pass]); err != nil || werr != nil || !holds {
			return
		}
	}
}
