package staging_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/workdir/staging"
)

// A store receives one file as the body of a PUT, and checks it against the digest
// that the client sends along.
type store struct {
	fsys   afero.Fs
	budget *spool.Budget
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	digest, err := hex.DecodeString(r.Header.Get("X-Sha256"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	err = staging.With(s.fsys, &staging.Options{
		Spool:  spool.Options{MaxSize: 1 << 20, MaxMemory: 64 << 10, Budget: s.budget},
		Size:   r.ContentLength, // -1 if the client does not say
		Hash:   sha256.New,
		Digest: digest,
		Checks: []staging.Check{staging.ContentType("text/plain", "application/octet-stream")},
	}, func(u *staging.Upload) error {
		if _, err := u.ReadFrom(r.Body); err != nil {
			return err
		}
		// Only the last element: a client names nothing outside.
		return u.Commit(r.Context(), s.fsys, path.Join("/store", path.Base(r.URL.Path)), nil)
	})
	switch {
	case err == nil:
		w.WriteHeader(http.StatusCreated)
	case errors.Is(err, spool.ErrTooLarge):
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	case errors.Is(err, staging.ErrContentType):
		http.Error(w, "not a type that is stored here", http.StatusUnsupportedMediaType)
	case errors.Is(err, staging.ErrRejected):
		http.Error(w, "not what was announced", http.StatusUnprocessableEntity)
	default:
		http.Error(w, "try again", http.StatusInternalServerError)
	}
}

func Example_body() {
	s := &store{afero.NewMemMapFs(), spool.NewBudget(4 << 20)}
	server := httptest.NewServer(s)
	defer server.Close()
	put := func(name string, body io.Reader, digest string) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodPut, server.URL+"/"+name, body)
		req.Header.Set("X-Sha256", digest)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Println(name, "hung up")
			return
		}
		_ = resp.Body.Close()
		fmt.Println(name, resp.StatusCode)
	}
	const hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	put("a.txt", strings.NewReader("hello"), hello)
	put("b.txt", strings.NewReader("hallo"), hello)
	put("c.txt", strings.NewReader("<html>"), "")
	put("d.txt", strings.NewReader(strings.Repeat("x", 1<<20+1)), "")
	put("e.txt", io.MultiReader(strings.NewReader(strings.Repeat("x", 100<<10)), hangUp{}), "")
	server.Close() // waits for the handlers

	for _, dir := range []string{"/store", "/tmp"} {
		files, _ := afero.ReadDir(s.fsys, dir)
		for _, file := range files {
			fmt.Println(dir, file.Name())
		}
	}
	fmt.Println(s.budget.InUse(), "bytes in use")
	// Output:
	// a.txt 201
	// b.txt 422
	// c.txt 415
	// d.txt 413
	// e.txt hung up
	// /store a.txt
	// 0 bytes in use
}

// hangUp is a client that goes away.
type hangUp struct{}

func (hangUp) Read([]byte) (int, error) { return 0, errors.New("gone") }
