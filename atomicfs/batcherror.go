package atomicfs

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// A BatchError says which files of a batch did not get in place, and why.
//
// A file whose error is ErrNotDurable is in place. The names are those that the
// batch was given.
type BatchError struct {
	Failed map[string]error // by the names that WriteFile and WriteReader were given
	spent  bool             // the batch was committed or closed before
}

// Error names each file that failed, or how many more than ten there are.
func (e *BatchError) Error() string {
	if e.spent {
		return "batch: " + fs.ErrClosed.Error()
	}
	errs := e.Unwrap()
	const most = 10
	var lines []string
	for _, err := range errs[:min(len(errs), most)] {
		lines = append(lines, err.Error())
	}
	if more := len(errs) - most; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("batch: %d failed: %s", len(errs), strings.Join(lines, "; "))
}

// Unwrap returns the errors in the order of the names.
func (e *BatchError) Unwrap() []error {
	if e.spent {
		return []error{fs.ErrClosed}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(e.Failed)) {
		errs = append(errs, e.Failed[name])
	}
	return errs
}
