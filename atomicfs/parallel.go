package atomicfs

import (
	"golang.org/x/sync/errgroup"

	"github.com/tempkit/tempkit/internal/vfs"
)

// syncers is how many syncs there are at a time: the file system makes one commit of
// those that wait for one. Each may have a file open.
func syncers() int { return max(1, min(64, vfs.MaxOpen()/8)) }

// inParallel calls fn for each of list, a few at a time. It returns when all
// have. fn must keep its errors itself.
func inParallel[T any](list []T, fn func(T)) {
	var g errgroup.Group
	g.SetLimit(syncers())
	for _, item := range list {
		g.Go(func() error {
			fn(item)
			return nil
		})
	}
	_ = g.Wait() // fn has nothing to return
}
