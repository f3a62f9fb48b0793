package staging

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"github.com/tempkit/tempkit/atomicfs"
)

// A sidecar describes an upload to whoever resumes it. It lies beside the data as
// JSON, and is replaced as a whole. Nothing in it is a path, and nothing in it is
// believed further than it can do harm: the data is looked at too.
type sidecar struct {
	ID       string    `json:"id"`
	Declared int64     `json:"declared,omitempty"`
	Started  time.Time `json:"started"`
	Updated  time.Time `json:"updated"`
	// Flushed is how many bytes are known to be on the disk: they survive a power
	// cut. More may have arrived.
	Flushed int64 `json:"flushed"`
	// Boot tells this run of the system from the next, where it can be told.
	Boot string `json:"boot,omitempty"`
	// State is that of the hash of that kind after the flushed bytes.
	Hash  string `json:"hash,omitempty"`
	State []byte `json:"state,omitempty"`
}

const (
	sidecarSuffix = ".json"
	maxSidecar    = 64 << 10 // the state of a hash is some hundred bytes
)

var id = regexp.MustCompile(`^[a-z2-7]{26}$`)

// isID reports whether s is a name that package tmpfs makes up, and so one that
// leads nowhere but into the area.
func isID(s string) bool { return id.MatchString(s) }

// idOf returns the ID of the upload that a file of that name belongs to.
func idOf(name, suffix string) (string, bool) {
	s, ok := strings.CutSuffix(name, suffix)
	return s, ok && isID(s)
}

// kindOf names a hash, so that its state is given to no other. The type is part of
// the name, because many hashes have their sizes in common.
func kindOf(h hash.Hash) string { return fmt.Sprintf("%T/%d/%d", h, h.Size(), h.BlockSize()) }

// rebooted reports whether the system has been started anew since the sidecar was
// written, as far as it can tell.
func (s *sidecar) rebooted() bool {
	boot := bootID()
	return boot != "" && s.Boot != "" && s.Boot != boot
}

// remember puts the state of h, which may be nil, after size bytes. A hash that
// cannot say what its state is costs a Resume the reading of all bytes, and nothing
// else.
func (s *sidecar) remember(h hash.Hash, size int64) {
	s.Flushed, s.Hash, s.State = size, "", nil
	if m, ok := h.(encoding.BinaryMarshaler); ok {
		if state, err := m.MarshalBinary(); err == nil {
			s.Hash, s.State = kindOf(h), state
		}
	}
}

// restore gives h the state that it had after the flushed bytes, and returns how
// many those are: 0, with h as new, if there is none that fits.
func (s *sidecar) restore(h hash.Hash) int64 {
	m, ok := h.(encoding.BinaryUnmarshaler)
	if !ok || s.Hash != kindOf(h) || m.UnmarshalBinary(s.State) != nil {
		h.Reset()
		return 0
	}
	return s.Flushed
}

// load reads the sidecar of an upload. One that is missing, or is not what was
// written, tells nothing: it is the zero sidecar.
func (a *Area) load(id string) (sidecar, error) {
	path := a.path(id, sidecarSuffix)
	info, err := a.v.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxSidecar {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return sidecar{}, err
	}
	f, err := a.v.Open(path)
	if err != nil {
		return sidecar{}, err
	}
	defer func() { _ = f.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(f, maxSidecar))
	if err != nil {
		return sidecar{}, err
	}
	var s sidecar
	if json.Unmarshal(text, &s) != nil || s.ID != id || s.Declared < 0 || s.Flushed < 0 {
		return sidecar{}, nil
	}
	return s, nil
}

// store writes the sidecar, atomically and durably. If it fails, the one before is
// there still, which is about fewer bytes and as true.
func (a *Area) store(s *sidecar) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return atomicfs.WriteFile(a.fsys, a.path(s.ID, sidecarSuffix), text, 0o600)
}
