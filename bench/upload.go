package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/workdir/staging"
)

// spoolMemory is what a spool holds in memory unless it is told otherwise.
const spoolMemory = 1 << 20

// memoryMost is the largest upload, and the largest directory, that is put on a
// kind that keeps it in memory.
const memoryMost = 64 << 20

func (d *demo) upload(ctx context.Context, s *section, u upload) error {
	if d.disk == "" && u.size > memoryMost {
		s.omitted = fmt.Sprintf("%s is %s, too much to keep in memory", u.name, byteSize(u.size))
		return nil
	}
	budget := spool.NewBudget(1 << 30)
	var held, peak int64 // bytes of memory, at last and at most
	name := d.put("uploads/" + u.name)
	var sum []byte
	err := staging.With(d.fsys, &staging.Options{
		Spool:    spool.Options{MaxSize: u.size + 1, Budget: budget},
		Size:     u.size,
		Hash:     sha256.New,
		Checks:   []staging.Check{staging.ContentType(u.media)},
		Progress: func(int64, int64) { held = budget.InUse(); peak = max(peak, held) },
	}, func(up *staging.Upload) error {
		if err := d.copyFrom(ctx, up, u); err != nil {
			return err
		}
		sum = up.Sum()
		if err := d.gone(name); err != nil {
			return fmt.Errorf("before it was committed, %w", err)
		}
		return up.Commit(ctx, d.fsys, name, nil)
	})
	switch {
	case err != nil:
		return err
	case hex.EncodeToString(sum) != u.sha256:
		return fmt.Errorf("the upload's digest is %x, the file's is %s", sum, u.sha256)
	case peak > 2*spoolMemory || budget.InUse() != 0:
		return fmt.Errorf("the spool held %s of memory, and holds %s", byteSize(peak), byteSize(budget.InUse()))
	case (held < min(u.size, spoolMemory)) != (u.size > spoolMemory):
		return fmt.Errorf("of %s, the spool held %s in memory", byteSize(u.size), byteSize(held))
	}
	s.say("%s: %s of %s, sha256 %.16s", d.show(name), byteSize(u.size), u.media, u.sha256)
	s.detail("sha256 %x; the spool held at most %s of memory", sum, byteSize(peak))
	if err := d.verify(ctx, name, u); err != nil {
		return err
	}
	way := "stayed in memory"
	if u.size > spoolMemory {
		way = "spilled at " + byteSize(spoolMemory)
	}
	s.say("%s, was hashed and sniffed, committed and read back", way)
	return d.refusals(ctx, s, u)
}

// refusals uploads u where it is too large, where it is of another type and of
// another digest. Nothing may be put in place.
func (d *demo) refusals(ctx context.Context, s *section, u upload) error {
	limit := min(max(u.size/2, 1), 2<<20)
	cases := []struct {
		why  string
		opts staging.Options
		want error
	}{
		{"too large", staging.Options{Spool: spool.Options{MaxSize: limit}}, spool.ErrTooLarge},
		{"of another type", staging.Options{Checks: []staging.Check{staging.ContentType("model/none")}}, staging.ErrRejected},
		{"of another digest", staging.Options{Hash: sha256.New, Digest: make([]byte, sha256.Size)}, staging.ErrRejected},
	}
	small := u
	small.size = min(u.size, 4<<20) // enough to be refused; a large file is not read three times over
	var whys []string
	for _, c := range cases {
		if most := c.opts.Spool.MaxSize; most > 0 && u.size <= most {
			continue // too small to be too large
		}
		name := d.path("refused/" + u.name)
		err := staging.With(d.fsys, &c.opts, func(up *staging.Upload) error {
			if err := d.copyFrom(ctx, up, small); err != nil {
				return err
			}
			return up.Commit(ctx, d.fsys, name, nil)
		})
		s.detail("%v", err)
		if !errors.Is(err, c.want) {
			return errors.Join(fmt.Errorf("an upload %s was not refused as such", c.why), err)
		}
		if err := d.gone(name); err != nil {
			return fmt.Errorf("of an upload %s, %w", c.why, err)
		}
		whys = append(whys, c.why)
	}
	s.say("refused, and not put in place: %s", strings.Join(whys, "; "))
	return nil
}

// copyFrom copies the first u.size bytes of u to w.
func (d *demo) copyFrom(ctx context.Context, w io.Writer, u upload) error {
	f, err := os.Open(u.path)
	if err != nil {
		return err
	}
	defer f.Close()
	d.meter.begin(d.name + ": uploading " + u.name)
	_, err = io.Copy(w, &meteredReader{ctx: ctx, r: io.LimitReader(f, u.size), meter: d.meter, total: u.size})
	return err
}

// verify reads name back and compares its digest with that of u.
func (d *demo) verify(ctx context.Context, name string, u upload) error {
	f, err := d.fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	d.meter.begin(d.name + ": reading back " + u.name)
	sum := sha256.New()
	if _, err := io.Copy(sum, &meteredReader{ctx: ctx, r: f, meter: d.meter, total: u.size}); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != u.sha256 {
		return fmt.Errorf("%s has the digest %s, not %s", d.show(name), got, u.sha256)
	}
	return nil
}
