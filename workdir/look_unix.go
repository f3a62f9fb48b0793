//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package workdir

import "syscall"

// unblocked are the flags with which opening a name neither follows a link nor
// waits for the other end of a FIFO.
const unblocked = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
