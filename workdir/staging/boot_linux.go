package staging

import (
	"os"
	"strings"
	"sync"
)

// bootID names this run of the system, or is "" if it is not known.
var bootID = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
})
