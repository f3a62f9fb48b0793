package staging_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/workdir/staging"
)

// A gallery receives pictures by multipart/form-data. All uploads at once hold no
// more memory than the budget; what does not fit goes to the disk.
type gallery struct {
	fsys afero.Fs
	opts staging.Options
}

func newGallery(fsys afero.Fs) *gallery {
	return &gallery{fsys, staging.Options{
		Spool:  spool.Options{MaxSize: 1 << 20, Budget: spool.NewBudget(4 << 20)},
		Hash:   sha256.New,
		Checks: []staging.Check{staging.ContentType("image/*")},
	}}
}

func (g *gallery) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts, err := r.MultipartReader()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = g.receive(w, r, part)
		}
		if err != nil {
			http.Error(w, err.Error(), g.status(err))
			return
		}
	}
}

// receive puts one picture in place, under a name of its own: that of the client
// is for showing only.
func (g *gallery) receive(w io.Writer, r *http.Request, part *multipart.Part) error {
	return staging.With(g.fsys, &g.opts, func(u *staging.Upload) error {
		if _, err := u.ReadFrom(part); err != nil {
			return err
		}
		name := fmt.Sprintf("/pictures/%x", u.Sum()[:4])
		if err := u.Commit(r.Context(), g.fsys, name, nil); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "%q is %s", part.FileName(), name)
		return err
	})
}

func (g *gallery) status(err error) int {
	switch {
	case errors.Is(err, spool.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, staging.ErrContentType):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, staging.ErrRejected):
		return http.StatusUnprocessableEntity
	case errors.Is(err, io.ErrUnexpectedEOF): // the client has hung up
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func Example_multipart() {
	fsys := afero.NewMemMapFs()
	server := httptest.NewServer(newGallery(fsys))
	defer server.Close()
	const picture = "\x89PNG\r\n\x1a\n"
	for _, content := range []string{picture, "<html>", picture + strings.Repeat("x", 1<<20)} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		file, _ := form.CreateFormFile("picture", "../../me.png")
		_, _ = io.WriteString(file, content)
		_ = form.Close()
		resp, err := http.Post(server.URL, form.FormDataContentType(), &body)
		if err != nil {
			fmt.Println(err)
			continue
		}
		said, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		fmt.Println(resp.StatusCode, strings.TrimSpace(string(said)))
	}
	pictures, _ := afero.ReadDir(fsys, "/pictures")
	temporary, _ := afero.ReadDir(fsys, "/tmp")
	fmt.Println(len(pictures), "picture,", len(temporary), "temporary files")
	// Output:
	// 200 "me.png" is /pictures/4c4b6a3b
	// 415 commit upload: upload rejected: content type not allowed: text/html
	// 413 write upload: too large
	// 1 picture, 0 temporary files
}
