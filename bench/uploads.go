package main

import (
	"bytes"
	"context"
	"hash"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"

	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir/staging"
)

// An uploader stores what r holds as dest, durably.
type uploader struct {
	impl  string
	store func(dir, dest string, r io.Reader) error
}

// uploaders are, at the end, what a program does without this library, io.Copy into
// an os.File, and before it uploads of their own and in an area.
func uploaders(newHash func() hash.Hash) []uploader {
	return []uploader{
		{"staging", func(dir, dest string, r io.Reader) error {
			opts := &staging.Options{Spool: spool.Options{Temp: tmpfs.Options{Dir: dir}}, Hash: newHash}
			return staging.With(osFs, opts, func(u *staging.Upload) error {
				if _, err := u.ReadFrom(r); err != nil {
					return err
				}
				return u.Commit(context.Background(), osFs, dest, nil)
			})
		}},
		{"area", func(dir, dest string, r io.Reader) error {
			area, err := staging.Open(osFs, filepath.Join(dir, "area"), nil)
			if err != nil {
				return err
			}
			u, err := area.Begin(context.Background(), &staging.Options{Hash: newHash})
			if err != nil {
				return err
			}
			defer u.Close()
			if _, err := u.ReadFrom(r); err != nil {
				return err
			}
			return u.Commit(context.Background(), osFs, dest, nil)
		}},
		{"io.Copy", func(_, dest string, r io.Reader) error {
			f, err := os.Create(dest)
			if err != nil {
				return err
			}
			defer f.Close()
			w := io.Writer(f)
			if newHash != nil {
				w = io.MultiWriter(f, newHash())
			}
			if _, err := io.Copy(w, r); err != nil {
				return err
			}
			if err := f.Sync(); err != nil {
				return err
			}
			return f.Close()
		}},
	}
}

// uploads receive n bytes as from a socket.
func uploads(at *site, n int, newHash func() hash.Hash) (ways []way) {
	content := madeBytes(n)
	for _, u := range uploaders(newHash) {
		ways = append(ways, way{impl: u.impl, do: func() error {
			return u.store(at.dir, at.path(u.impl+".dest"), onlyReader{bytes.NewReader(content)})
		}})
	}
	return ways
}

// multiparts receive n bytes from a multipart.Part, which gives at most 4 KiB at a
// time.
func multiparts(at *site, n int) (ways []way, err error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "name")
	if err != nil {
		return nil, err
	}
	if _, err := part.Write(madeBytes(n)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	for _, u := range uploaders(nil) {
		ways = append(ways, way{impl: u.impl, do: func() error {
			part, err := multipart.NewReader(bytes.NewReader(form.Bytes()), w.Boundary()).NextPart()
			if err != nil {
				return err
			}
			return u.store(at.dir, at.path(u.impl+".dest"), onlyReader{part})
		}})
	}
	return ways, nil
}

// arrivals put n bytes that have arrived, and are on the disk, in their place on
// the same volume: a rename and two syncs.
func arrivals(at *site, n int) ([]way, error) {
	ctx := context.Background()
	piece := madeBytes(min(n, 1<<20))
	fill := func(w io.Writer) error { return writePieces(w, piece, n) }
	area, err := staging.Open(osFs, at.path("area"), nil)
	if err != nil {
		return nil, err
	}
	opts := &staging.Options{Spool: spool.Options{MaxSize: int64(n), Temp: tmpfs.Options{Dir: at.dir}}}
	var ways []way
	for _, s := range []struct {
		impl  string
		begin func() (*staging.Upload, error)
	}{
		{"staging", func() (*staging.Upload, error) { return staging.New(osFs, opts) }},
		{"area", func() (*staging.Upload, error) { return area.Begin(ctx, opts) }},
	} {
		var u *staging.Upload
		ways = append(ways, way{
			impl: s.impl,
			ready: func() (err error) {
				if u, err = s.begin(); err != nil {
					return err
				}
				if err := fill(u); err != nil {
					return err
				}
				return u.Flush()
			},
			do: func() error { return u.Commit(ctx, osFs, at.path("dest"), nil) },
		})
	}
	return append(ways, commits(at, n)[1]), nil
}
