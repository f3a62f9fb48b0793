//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package workdir

// unblocked is nothing: the system has no such flags.
const unblocked = 0
