package vfs_test

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/internal/vfs"
)

// linked is an Fs of another machine that has hard links, or says that it has.
type linked struct {
	afero.Fs
	link func(oldname, newname string) error
}

func (l *linked) LinkIfPossible(oldname, newname string) error { return l.link(oldname, newname) }

// TestRenameNewByAnotherMachine: the link decides who wins, whatever a look has shown.
func TestRenameNewByAnotherMachine(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer error // of the link, which is made if this is nil
		want   error
	}{
		{"made", nil, nil},
		{"another was faster", &fs.PathError{Op: "link", Path: "/x", Err: fs.ErrExist}, fs.ErrExist},
		{"no links", errors.ErrUnsupported, errors.ErrUnsupported},
		{"none there", fs.ErrPermission, nil}, // a look is all that there is
		{"no more of it", syscall.EMLINK, nil},
		{"the connection is lost", syscall.EPIPE, syscall.EPIPE},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := afero.NewMemMapFs()
			require.NoError(t, afero.WriteFile(mem, "/old", []byte("text"), 0o600))
			asked := 0
			v := vfs.On(&linked{mem, func(oldname, newname string) error {
				asked++
				if c.answer != nil {
					return c.answer
				}
				return afero.WriteFile(mem, newname, []byte("text"), 0o600)
			}})
			err := v.RenameNew("/old", place(t, v, "/new", false))
			require.ErrorIs(t, err, c.want)
			assert.Equal(t, 1, asked)
			left := []string{"new"}
			if c.want != nil {
				left = []string{"old"}
			}
			assert.Equal(t, left, testfs.Leftovers(t, mem, "/"))
		})
	}
}

// TestRenameNewThatCannotEnd: of a file that would keep both names the new one goes
// again.
func TestRenameNewThatCannotEnd(t *testing.T) {
	mem := afero.NewMemMapFs()
	require.NoError(t, afero.WriteFile(mem, "/old", []byte("text"), 0o600))
	v := vfs.On(&stiff{linked{mem, func(_, newname string) error {
		return afero.WriteFile(mem, newname, []byte("text"), 0o600)
	}}})
	require.ErrorIs(t, v.RenameNew("/old", place(t, v, "/new", false)), syscall.EBUSY)
	assert.Equal(t, []string{"old"}, testfs.Leftovers(t, mem, "/"))
}

// stiff removes no file of the name "/old".
type stiff struct{ linked }

func (s *stiff) Remove(name string) error {
	if name == "/old" {
		return syscall.EBUSY
	}
	return s.linked.Remove(name)
}
