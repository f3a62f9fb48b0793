package atomicfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/internal/vfs"
)

// Update replaces the contents of name by fn of the old ones (nil if there is
// no such file). Updates of one file in this process happen one after another.
//
// One file is one file by whatever path, link or base path of the operating
// system it is reached; elsewhere it goes by the Fs and the path. Two processes
// are not kept apart, and neither are an Update and a WriteFile. If fn fails,
// panics or exits, name is untouched; its error is returned as it is. fn must not
// Update the same file.
func Update(fsys afero.Fs, name string, perm fs.FileMode, fn func(old []byte) ([]byte, error)) error {
	t, err := find(vfs.On(fsys), name, Options{Perm: perm}, true)
	if err != nil {
		return err
	}
	inTurn, err := t.turn()
	if err != nil {
		_ = t.Close()
		return fail("update", name, err)
	}
	inTurn.Lock()
	// Also if fn panics, or nobody would ever update the file again.
	defer inTurn.leave()
	old, err := t.read()
	if err != nil {
		_ = t.Close()
		return fail("update", name, err)
	}
	return t.update(old, fn)
}

// update replaces what the target holds, old, by fn of it. The turn must be held.
// It closes the target.
func (t *target) update(old []byte, fn func([]byte) ([]byte, error)) error {
	f, err := t.create()
	if err != nil {
		return err
	}
	// fn is called with the temporary made, so that what cannot be written is
	// known before.
	return f.finish(func(c *contents) error {
		data, err := fn(old)
		if err == nil {
			_, err = c.Write(data)
		}
		return err
	})
}

// read returns the contents of the target, nil if it does not exist. The turn
// must be held. The target is looked at anew, because another Update may have
// replaced it while this one waited.
func (t *target) read() ([]byte, error) {
	if err := t.look(); err != nil {
		return nil, err
	}
	f, err := t.Open(t.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

// A turn is the lock of one file that is being updated. It is known by its
// directory, so that two paths to it find the same.
type turn struct {
	sync.Mutex
	dir   fs.FileInfo // on the operating system
	fsys  afero.Fs    // elsewhere
	name  string      // the last element of it there, the path here
	users int
}

// turns are the turns that somebody has or waits for: a few at a time.
var turns struct {
	sync.Mutex
	list []*turn
}

// turn returns the turn of the target, which must be locked, and left.
func (t *target) turn() (*turn, error) {
	mine := &turn{fsys: t.Fs(), name: t.Name}
	if t.OnDisk() {
		dir, err := t.FS.Stat(t.Dir())
		if err != nil {
			return nil, err
		}
		mine.dir, mine.name = dir, filepath.Base(t.Name)
	}
	turns.Lock()
	defer turns.Unlock()
	for _, other := range turns.list {
		if other.is(mine) {
			mine = other
		}
	}
	// It is not on the list yet, then: one that is has a user.
	if mine.users == 0 {
		turns.list = append(turns.list, mine)
	}
	mine.users++
	return mine, nil
}

// is reports whether both are of one file. A directory of the system is compared
// as a file, so that links and base paths on the way make no difference.
func (t *turn) is(other *turn) bool {
	if t.name != other.name || (t.dir == nil) != (other.dir == nil) {
		return false
	}
	if t.dir != nil {
		return os.SameFile(t.dir, other.dir)
	}
	return vfs.Same(t.fsys, other.fsys)
}

// leave gives the turn to the next. Without users it is forgotten, so that the
// list does not grow with the files that were ever updated.
func (t *turn) leave() {
	t.Unlock()
	turns.Lock()
	defer turns.Unlock()
	if t.users--; t.users == 0 {
		turns.list = slices.DeleteFunc(turns.list, func(other *turn) bool { return other == t })
	}
}
