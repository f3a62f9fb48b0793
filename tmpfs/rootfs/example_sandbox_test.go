package rootfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A shelf lends the files of one customer, whose names and links the customer
// chooses.
type shelf struct{ fsys afero.Fs }

func (s shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, err := s.fsys.Open(r.URL.Query().Get("file"))
	switch {
	case errors.Is(err, fs.ErrInvalid): // it leads out
		http.Error(w, "no such name here", http.StatusForbidden)
		return
	case err != nil:
		http.Error(w, "not there", http.StatusNotFound)
		return
	}
	defer f.Close()
	_, _ = io.Copy(w, f) // a client that has gone hears nothing more
}

func Example_sandbox() {
	home, err := os.MkdirTemp("", "example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(home) }()
	base := filepath.Join(home, "customer")
	_ = os.Mkdir(base, 0o700)
	_ = os.WriteFile(filepath.Join(home, "secret.txt"), []byte("nobody's business"), 0o600)
	_ = os.WriteFile(filepath.Join(base, "hello.txt"), []byte("hello"), 0o600)
	_ = os.Symlink(filepath.Join("..", "secret.txt"), filepath.Join(base, "link.txt")) // where there are links

	fsys, err := rootfs.Open(base)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = fsys.Close() }()
	get := func(name string) {
		w := httptest.NewRecorder()
		shelf{fsys}.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?file="+name, nil))
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	get("hello.txt")
	get("missing.txt")
	get("../secret.txt")
	if w, err := os.Readlink(filepath.Join(base, "link.txt")); err == nil && w != "" {
		_, err = fsys.Open("link.txt")
		fmt.Println(errors.Is(err, fs.ErrInvalid))
	} else {
		fmt.Println(true)
	}
	// Output:
	// 200 hello
	// 404 not there
	// 403 no such name here
	// true
}
