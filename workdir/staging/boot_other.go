//go:build !linux

package staging

// bootID is "": this system does not name its runs.
var bootID = func() string { return "" }
