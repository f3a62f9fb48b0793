//go:build linux

package powercut

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Load reads an image from a sparse file.
func Load(name string) (Image, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	im := Image{}
	for off := int64(0); ; off += PageSize {
		off, err = f.Seek(off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return im, nil
		}
		if err != nil {
			return nil, err
		}
		p := new(page)
		if _, err := f.ReadAt(p[:], off); err != nil {
			return nil, err
		}
		if *p != (page{}) {
			im[off/PageSize] = p
		}
	}
}

// Store makes the file name, which may be open elsewhere, a sparse one of size
// bytes that holds the image.
func (im Image) Store(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = im.write(f, size)
	return errors.Join(err, f.Close())
}

func (im Image) write(f *os.File, size int64) error {
	if err := f.Truncate(size); err != nil {
		return err
	}
	for n, p := range im {
		if _, err := f.WriteAt(p[:], n*PageSize); err != nil {
			return err
		}
	}
	return nil
}
