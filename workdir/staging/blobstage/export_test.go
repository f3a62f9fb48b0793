package blobstage

// Acquire waits for the turn to create name in a bucket of fileblob.
var Acquire = acquire

// Turns returns how many have or await the turn to create name.
func Turns(name string) int {
	ending.Lock()
	defer ending.Unlock()
	if t := ending.names[name]; t != nil {
		return t.users
	}
	return 0
}
