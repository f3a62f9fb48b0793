package staging

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
)

// A Check looks at an upload before it is put in place. Its error rejects the
// upload.
//
// It may read the upload, by a Reader of its own, and ask for its size and sum;
// writing to it fails with fs.ErrClosed.
type Check func(u *Upload) error

// sniffed is how much of the contents tells their type.
const sniffed = 512

// ContentType is a Check: the type sniffed from the contents must be one of
// types, such as "image/png" or "image/*".
//
// It is what http.DetectContentType makes of the first 512 bytes, without
// parameters: "text/plain" for a text in any encoding, and for no bytes at all;
// "application/octet-stream" for what it does not know. "*/*" is any type. The
// error is ErrContentType, or fs.ErrInvalid if one of types is no type, because
// a pattern that never matches is a mistake of the program's.
func ContentType(types ...string) Check {
	return func(u *Upload) error {
		r := u.NewReader()
		head := make([]byte, sniffed)
		n, err := io.ReadFull(r, head)
		_ = r.Close() // only read
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		found := essence(http.DetectContentType(head[:n]))
		allowed := false
		for _, t := range types {
			if !isPattern(essence(t)) {
				return &refusal{fmt.Sprintf("%q is no content type", t), fs.ErrInvalid}
			}
			allowed = allowed || matches(essence(t), found)
		}
		if !allowed {
			return fmt.Errorf("%w: %s", ErrContentType, found)
		}
		return nil
	}
}

// essence returns a content type without its parameters, in lower case.
func essence(contentType string) string {
	contentType, _, _ = strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(contentType))
}

// isPattern reports whether a pattern is type/subtype, type/* or */*.
func isPattern(pattern string) bool {
	major, minor, ok := strings.Cut(pattern, "/")
	if !ok || major == "*" && minor != "*" {
		return false
	}
	return (major == "*" || isToken(major)) && (minor == "*" || isToken(minor))
}

// isToken reports whether s is a token as HTTP has it, without the "*" that means
// something here.
func isToken(s string) bool {
	const others = "!#$%&'+-.^_`|~"
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(others, r) {
			return false
		}
	}
	return s != ""
}

func matches(pattern, contentType string) bool {
	if prefix, any := strings.CutSuffix(pattern, "*"); any {
		return pattern == "*/*" || strings.HasPrefix(contentType, prefix)
	}
	return pattern == contentType
}
