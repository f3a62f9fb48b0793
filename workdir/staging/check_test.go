package staging_test

import (
	"io/fs"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/workdir/staging"
)

const (
	png  = "\x89PNG\x0D\x0A\x1A\x0A"
	gif  = "GIF89a"
	html = "<!DOCTYPE HTML>"
)

func TestContentType(t *testing.T) {
	for _, c := range []struct {
		content string
		types   []string
		want    error
	}{
		{png, []string{"image/png"}, nil},
		{png, []string{"image/*"}, nil},
		{png, []string{"text/plain", "IMAGE/PNG ; q=1"}, nil},
		{png, []string{"*/*"}, nil},
		{gif, []string{"image/png"}, staging.ErrContentType},
		{html, []string{"image/*"}, staging.ErrContentType},
		{html, []string{"text/html"}, nil},
		{html, []string{"text/plain"}, staging.ErrContentType},
		{"hello", []string{"text/plain"}, nil},
		{"hello", []string{"text/plain; charset=latin-1"}, nil},
		{"\xff\xfea\x00", []string{"text/plain"}, nil},
		{"", []string{"text/plain"}, nil},
		{"\x00\x01\x02", []string{"application/octet-stream"}, nil},
		{png, nil, staging.ErrContentType},
		{png, []string{"image"}, fs.ErrInvalid},
		{png, []string{"image/png", "*/png"}, fs.ErrInvalid},
		{png, []string{"image/p*"}, fs.ErrInvalid},
		{png, []string{""}, fs.ErrInvalid},
		{png, []string{"image/"}, fs.ErrInvalid},
		{png, []string{"ima ge/png"}, fs.ErrInvalid},
		{png, []string{"image/png/x"}, fs.ErrInvalid},
		{png, []string{"[a-z]/*"}, fs.ErrInvalid},
	} {
		fsys := afero.NewMemMapFs()
		err := staging.With(fsys, &staging.Options{Checks: []staging.Check{staging.ContentType(c.types...)}}, func(u *staging.Upload) error {
			_, err := u.Write([]byte(c.content))
			require.NoError(t, err)
			return u.Commit(t.Context(), fsys, "/dest", nil)
		})
		there, _ := afero.Exists(fsys, "/dest")
		assert.Equal(t, c.want == nil, there)
		if c.want == nil {
			assert.NoError(t, err, "%q %q", c.content, c.types)
			continue
		}
		assert.ErrorIs(t, err, c.want, "%q %q", c.content, c.types)
		assert.ErrorIs(t, err, staging.ErrRejected)
	}
}

// Only the first 512 bytes tell.
func TestContentTypeOfALongUpload(t *testing.T) {
	fsys := afero.NewMemMapFs()
	opts := &staging.Options{Checks: []staging.Check{staging.ContentType("image/png")}}
	opts.Spool.MaxMemory = -1
	require.NoError(t, staging.With(fsys, opts, func(u *staging.Upload) error {
		_, err := u.Write(append([]byte(png), data(1<<20)...))
		require.NoError(t, err)
		return u.Commit(t.Context(), fsys, "/dest", nil)
	}))
}
