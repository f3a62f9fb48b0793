//go:build !unix

package tmpfs

// systemDirs: CPython's list for Windows.
var systemDirs = []string{`C:\TEMP`, `C:\TMP`, `\TEMP`, `\TMP`}

var sticky = false
