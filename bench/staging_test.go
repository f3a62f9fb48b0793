package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"
	"testing"

	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir/staging"
)

const uploadSize = 64 << 20

// uploaded is what all uploads hold.
func uploaded(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

// An uploader stores what r holds as dest, durably.
type uploader struct {
	impl  string
	store func(dir, dest string, r io.Reader) error
}

// bare is what a program does without this library: io.Copy into an os.File, with
// a hash or without.
func bare(newHash func() hash.Hash) uploader {
	return uploader{"io.Copy", func(_, dest string, r io.Reader) error {
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
		return f.Sync()
	}}
}

func staged(newHash func() hash.Hash) uploader {
	return uploader{"staging", func(dir, dest string, r io.Reader) error {
		opts := &staging.Options{Spool: spool.Options{Temp: tmpfs.Options{Dir: dir}}, Hash: newHash}
		return staging.With(osFs, opts, func(u *staging.Upload) error {
			if _, err := u.ReadFrom(r); err != nil {
				return err
			}
			return u.Commit(context.Background(), osFs, dest, nil)
		})
	}}
}

func inArea(newHash func() hash.Hash) uploader {
	return uploader{"area", func(dir, dest string, r io.Reader) error {
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
	}}
}

// onlyReader hides what else a reader could do.
type onlyReader struct{ io.Reader }

// BenchmarkUpload receives 64 MiB with SHA-256, as from a socket.
func BenchmarkUpload(b *testing.B) {
	content := uploaded(uploadSize)
	for _, u := range []uploader{bare(sha256.New), staged(sha256.New), inArea(sha256.New)} {
		b.Run("hash=sha256/impl="+u.impl, func(b *testing.B) {
			dir := b.TempDir()
			b.SetBytes(uploadSize)
			b.ReportAllocs()
			for b.Loop() {
				fails(b, u.store(dir, filepath.Join(dir, "dest"), onlyReader{bytes.NewReader(content)}))
			}
		})
	}
}

// BenchmarkUploadMultipart receives 64 MiB from a multipart.Part, which gives at
// most 4 KiB at a time.
func BenchmarkUploadMultipart(b *testing.B) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "name")
	fails(b, err)
	_, err = part.Write(uploaded(uploadSize))
	fails(b, err)
	fails(b, w.Close())
	for _, u := range []uploader{bare(nil), staged(nil)} {
		b.Run("impl="+u.impl, func(b *testing.B) {
			dir := b.TempDir()
			b.SetBytes(uploadSize)
			for b.Loop() {
				part, err := multipart.NewReader(bytes.NewReader(form.Bytes()), w.Boundary()).NextPart()
				fails(b, err)
				fails(b, u.store(dir, filepath.Join(dir, "dest"), onlyReader{part}))
			}
		})
	}
}

// BenchmarkUploadCommit puts 256 MiB that have arrived in their place, on the
// same volume: a rename and two syncs.
func BenchmarkUploadCommit(b *testing.B) {
	const size = 256 << 20
	piece := uploaded(1 << 20)
	fill := func(b *testing.B, w io.Writer) {
		for range size / len(piece) {
			_, err := w.Write(piece)
			fails(b, err)
		}
	}
	b.Run("size=256MiB/impl=rename", func(b *testing.B) {
		dir := b.TempDir()
		for b.Loop() {
			b.StopTimer()
			f, err := os.CreateTemp(dir, "bare-*")
			fails(b, err)
			fill(b, f)
			fails(b, f.Sync())
			b.StartTimer()
			fails(b, f.Sync())
			fails(b, f.Close())
			fails(b, os.Rename(f.Name(), filepath.Join(dir, "dest")))
			d, err := os.Open(dir)
			fails(b, err)
			fails(b, d.Sync())
			fails(b, d.Close())
		}
	})
	for _, impl := range []string{"staging", "area"} {
		b.Run("size=256MiB/impl="+impl, func(b *testing.B) {
			dir := b.TempDir()
			ctx := context.Background()
			area, err := staging.Open(osFs, filepath.Join(dir, "area"), nil)
			fails(b, err)
			opts := &staging.Options{Spool: spool.Options{MaxSize: size, Temp: tmpfs.Options{Dir: dir}}}
			for b.Loop() {
				b.StopTimer()
				var u *staging.Upload
				if impl == "area" {
					u, err = area.Begin(ctx, opts)
				} else {
					u, err = staging.New(osFs, opts)
				}
				fails(b, err)
				fill(b, u)
				fails(b, u.Flush())
				b.StartTimer()
				fails(b, u.Commit(ctx, osFs, filepath.Join(dir, "dest"), nil))
			}
		})
	}
}
