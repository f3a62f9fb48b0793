package blobstage

import (
	"os"
	"sync"

	"gocloud.dev/blob"
)

// onFiles reports whether a bucket is a directory, of fileblob: it looks whether an
// object exists and renames then, which is two steps.
func onFiles(bucket *blob.Bucket) bool {
	var info os.FileInfo
	return bucket.As(&info)
}

// ending keeps those of this process apart that create one object in such a bucket:
// by the name alone, because nothing tells two buckets of one directory.
var ending = struct {
	sync.Mutex
	names map[string]*turn
}{names: map[string]*turn{}}

type turn struct {
	sync.Mutex
	users int
}

// acquire waits until nobody else creates name, and returns what lets the next one.
func acquire(name string) (release func()) {
	ending.Lock()
	t := ending.names[name]
	if t == nil {
		t = &turn{}
		ending.names[name] = t
	}
	t.users++
	ending.Unlock()
	t.Lock()
	return func() {
		t.Unlock()
		ending.Lock()
		defer ending.Unlock()
		if t.users--; t.users == 0 {
			delete(ending.names, name)
		}
	}
}
