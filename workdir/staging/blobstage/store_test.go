package blobstage_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/blob/s3blob"

	"github.com/tempkit/tempkit/workdir/staging"
)

const (
	accessKey = "tempkit"
	secretKey = "tempkit-secret"
	region    = "us-east-1"
)

// A store is one kind of bucket.
type store struct {
	name     string
	verified bool // NoReplace has one winner, wherever the writers are
	inParts  bool // and so it has for a large object, at least within this process
	open     func(t testing.TB) *blob.Bucket
}

var stores = []store{
	{name: "memblob", verified: true, inParts: true, open: func(t testing.TB) *blob.Bucket { return closed(t, memblob.OpenBucket(nil)) }},
	{name: "fileblob", inParts: true, open: func(t testing.TB) *blob.Bucket {
		b, err := fileblob.OpenBucket(t.TempDir(), &fileblob.Options{NoTempDir: true})
		require.NoError(t, err)
		return closed(t, b)
	}},
	// It ignores the condition where an object comes in parts.
	{name: "gofakes3", open: func(t testing.TB) *blob.Bucket { return s3Bucket(t, fake(t, nil)) }},
	{name: "versitygw", verified: true, inParts: true, open: func(t testing.TB) *blob.Bucket { return s3Bucket(t, versitygw(t)) }},
}

// each runs body as a subtest on a bucket of each kind.
func each(t *testing.T, body func(t *testing.T, s store, bucket *blob.Bucket)) {
	t.Helper()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) { body(t, s, s.open(t)) })
	}
}

func closed(t testing.TB, b *blob.Bucket) *blob.Bucket {
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// fake returns the address of a gofakes3 of its own, in this process, whose requests
// go through wrap first.
func fake(t testing.TB, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	handler := gofakes3.New(s3mem.New()).Server()
	if wrap != nil {
		handler = wrap(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// s3Bucket returns a new bucket of the server at addr.
func s3Bucket(t testing.TB, addr string, opts ...func(*s3.Options)) *blob.Bucket {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + addr),
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		UsePathStyle: true,
		HTTPClient:   &http.Client{Transport: transport},
	}, opts...)
	name := "test-" + strings.ToLower(rand.Text())
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)})
	require.NoError(t, err)
	b, err := s3blob.OpenBucket(t.Context(), client, name, nil)
	require.NoError(t, err)
	return closed(t, b)
}

// upload returns an upload of content, on a disk that is memory.
func upload(t testing.TB, content []byte) *staging.Upload {
	t.Helper()
	u, err := staging.New(afero.NewMemMapFs(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = u.Close() })
	_, err = u.Write(content)
	require.NoError(t, err)
	return u
}

// names lists the objects in a bucket.
func names(t testing.TB, b *blob.Bucket) (all []string) {
	t.Helper()
	for it := b.List(nil); ; {
		o, err := it.Next(context.Background())
		if err != nil {
			require.ErrorContains(t, err, "EOF")
			return all
		}
		all = append(all, o.Key)
	}
}

// contents returns an object's.
func contents(t testing.TB, b *blob.Bucket, name string) string {
	t.Helper()
	got, err := b.ReadAll(t.Context(), name)
	require.NoError(t, err)
	return string(got)
}

// data returns n bytes that do not repeat themselves in parts.
func data(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16*31)
	}
	return b
}
