//go:build unix

package tmpfs

// systemDirs are where the system keeps temporaries, whatever the environment says.
var systemDirs = []string{"/tmp", "/var/tmp", "/usr/tmp"}

// sticky is whether the sticky bit of a directory means something.
var sticky = true
