//go:build !linux

package staging

// bootID is "": this system does not name its runs.
func bootID() string { return "" }
