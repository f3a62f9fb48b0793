package atomicfs

import (
	"errors"
	"io"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// canBeUnnamed is a variable for the tests of what is done elsewhere.
var canBeUnnamed = true

// unnamed returns a file that can be given a name later, or nil where there is no
// such thing.
func (t *target) unnamed() *tmpfs.File {
	if !canBeUnnamed || !t.Unnamed() {
		return nil
	}
	f, err := tmpfs.CreateAnonymous(t.Fs(), t.options(pattern))
	if err != nil {
		return nil // what is wrong the next attempt will say
	}
	if f.File.(*vfs.File).Name() != "" { // it had a name once, and cannot have one again
		_ = f.Close()
		return nil
	}
	return f
}

// cannotBeNamed reports whether err says that a file without a name cannot be given
// one: that there are such files says nothing of it. A sandbox may forbid to link, and
// older kernels do so by /proc, which may not be there.
func (p *pending) cannotBeNamed(err error) bool {
	return err != nil && p.own && p.file.Name() == "" && errors.Is(err, errors.ErrUnsupported)
}

// copyNamed is rename by a temporary that has a name, which is a copy. It takes the
// place of the one that has none, also if it fails.
func (p *pending) copyNamed() error {
	from := p.file
	named, err := p.claimed()
	if err != nil {
		return err
	}
	p.file = named.file
	_, err = from.Seek(0, io.SeekStart)
	if err == nil {
		_, err = p.file.ReadFrom(from)
	}
	_ = from.Close() // it was synced, and is nowhere
	if err == nil {
		err = p.settle()
	}
	if err != nil {
		return err
	}
	return p.rename()
}
