package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Inputs are what the pipeline works on: what the user named and, of each sort
// that the user did not name, something made for the purpose.
type inputs struct {
	config  []byte   // a JSON document
	uploads []upload // regular files, small and large
	tree    plainFS  // a directory
	size    int64    // of all files in tree
}

// An upload is a regular file of the operating system.
type upload struct {
	path   string
	name   string // unique among the uploads
	size   int64
	sha256 string
	media  string // the type that its first bytes tell
}

// mostConfig is the size past which a JSON file is data, not a configuration.
const mostConfig = 1 << 20

// gather returns the inputs among the files named, having filled what is missing
// with files made in dir.
func gather(ctx context.Context, named []string, dir string, m *meter) (*inputs, error) {
	in := &inputs{}
	for _, path := range named {
		if err := in.add(ctx, path, m); err != nil {
			return nil, err
		}
	}
	if err := makeInputs(dir); err != nil {
		return nil, err
	}
	var err error
	if in.config == nil {
		in.config, err = os.ReadFile(filepath.Join(dir, "config.json"))
	}
	if in.tree.FS == nil {
		err = errors.Join(err, in.add(ctx, filepath.Join(dir, "tree"), m))
	}
	if len(in.uploads) == 0 {
		err = errors.Join(err, in.add(ctx, filepath.Join(dir, "upload.bin"), m))
	}
	return in, err
}

// add takes path in: a directory as the tree, a file as an upload, and the first
// one that is a JSON document as the configuration as well.
func (in *inputs) add(ctx context.Context, path string, m *meter) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		if in.tree.FS != nil {
			return fmt.Errorf("%s: one directory is enough", path)
		}
		in.tree = plainFS{os.DirFS(path)}
		in.size, err = in.tree.size()
		return err
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	u, err := describe(ctx, path, info.Size(), m)
	if err != nil {
		return err
	}
	for _, other := range in.uploads {
		if other.name == u.name {
			u.name = fmt.Sprintf("%d-%s", len(in.uploads)+1, u.name)
		}
	}
	in.uploads = append(in.uploads, u)
	if in.config == nil && u.size <= mostConfig && strings.EqualFold(filepath.Ext(path), ".json") {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if json.Valid(data) {
			in.config = data
		}
	}
	return nil
}

// describe reads the file once, for its digest and its type.
func describe(ctx context.Context, path string, size int64, m *meter) (upload, error) {
	f, err := os.Open(path)
	if err != nil {
		return upload{}, err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return upload{}, err
	}
	media, _, _ := strings.Cut(http.DetectContentType(head[:n]), ";")
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return upload{}, err
	}
	m.begin("reading " + path)
	sum := sha256.New()
	n64, err := io.Copy(sum, &meteredReader{ctx: ctx, r: f, meter: m, total: size})
	return upload{path, filepath.Base(path), n64, hex.EncodeToString(sum.Sum(nil)), media}, err
}

// A plainFS is a directory without what only the operating system has, such as
// links and devices.
type plainFS struct{ fs.FS }

func (p plainFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(p.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() && !e.Type().IsRegular() }), err
}

// size returns the size of all files.
func (p plainFS) size() (n int64, err error) {
	err = fs.WalkDir(p, ".", func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// madeUpload is the size of the upload that is made when none is named.
const madeUpload = 5 << 20

// makeInputs makes one input of each sort in dir, the same ones every time.
func makeInputs(dir string) error {
	config, err := json.MarshalIndent(map[string]any{
		"name": "demonstration", "listen": "localhost:8080", "retries": 3, "features": []string{"upload", "report"},
	}, "", "  ")
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"config.json":          config,
		"upload.bin":           madeBytes(madeUpload),
		"tree/empty.txt":       nil,
		"tree/readme.txt":      []byte("a small directory tree\n"),
		"tree/src/main.txt":    []byte("first\nsecond\n"),
		"tree/src/lib/lib.txt": []byte("third\n"),
	}
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// madeBytes returns n bytes that do not repeat, and begin as a PNG does.
func madeBytes(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{'t', 'e', 'm', 'p'}).Read(data)
	copy(data, "\x89PNG\r\n\x1a\n")
	return data
}

// writePieces writes n bytes, the same piece again and again.
func writePieces(w io.Writer, piece []byte, n int) error {
	for off := 0; off < n; off += len(piece) {
		if _, err := w.Write(piece[:min(len(piece), n-off)]); err != nil {
			return err
		}
	}
	return nil
}
