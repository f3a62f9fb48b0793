package blobstage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"gocloud.dev/gcerrors"
)

// patiently calls try until it succeeds, fails for good, or has been called often
// enough. It ends with ctx at the latest.
func (p *Publisher) patiently(ctx context.Context, try func() error) error {
	pause := p.opts.Backoff
	for n := 1; ; n++ {
		err := try()
		if err == nil || !passes(err) || ctx.Err() != nil {
			return err
		}
		if n == p.opts.Tries {
			return fmt.Errorf("tried %d times: %w", n, err)
		}
		if werr := wait(ctx, pause); werr != nil {
			return fmt.Errorf("%w: %w", werr, err)
		}
		pause = min(2*pause, maxBackoff)
	}
}

// wait waits for half of pause to all of it, so that those who were refused together
// do not come back together.
func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// passes reports whether err says that the same write may succeed later: the store
// is asked too much, or another write of that name is under way.
func passes(err error) bool {
	if gcerrors.Code(err) == gcerrors.ResourceExhausted {
		return true
	}
	// What the driver of S3 has no code for. Those of Google and Azure try again by themselves.
	var answer interface {
		error
		HTTPStatusCode() int
	}
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.HTTPStatusCode() {
	case http.StatusConflict, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
