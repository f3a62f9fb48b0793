package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/tempkit/tempkit/tmpfs"
)

// A probe asks one thing of a directory, by doing it there.
type probe struct {
	what   string
	ask    func(dir string, sys *system) (how string, err error) // an error says that it does not hold, and why
	advice string                                                // for a directory where it does not
}

// A system is what only some systems have. It is a table, so that each answer can
// be had everywhere. Where nobody has written the question down for a system, the
// answer is errNotAsked.
type system struct {
	rename   func(from, to string) error // replacing
	exchange func(a, b string) error
	renameTo func(from, to string) error // not replacing
	unnamed  func(dir string) error      // a file without a name, which is then given one
	clone    func(dst, src *os.File) error
	lock     func(f *os.File) error // exclusively, without waiting
	inMemory func(dir string) (bool, error)
}

// probeDir asks all that of dir, where nothing is left, and prints what came out.
func probeDir(ctx context.Context, dir string, probes []probe, sys *system, stdout io.Writer) error {
	p := &printer{w: stdout}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	p.line("%s, %s, %s/%s:", dir, fileSystem(dir), runtime.GOOS, runtime.GOARCH)
	p.line("")
	holds, missing := 0, 0
	for _, pr := range probes {
		if err := ctx.Err(); err != nil {
			return err
		}
		var how string
		var no error
		// The mode of the probed directory itself counts, so that the probes work beside
		// what is there, in a directory of their own.
		err := tmpfs.WithDir(osFs, &tmpfs.Options{Dir: dir, Pattern: "tempkit-probe-*"}, func(d *tmpfs.Dir) error {
			how, no = pr.ask(d.Path(), sys)
			return nil
		})
		switch {
		case err != nil:
			return err
		case no == nil:
			holds++
			p.line("  yes  %-44s %s", pr.what, how)
		case errors.Is(no, errNotAsked):
			p.line("  ?    %-44s %s", pr.what, no)
		default:
			missing++
			p.line("  NO   %-44s %s", pr.what, oneLine(no))
			p.line("       %s", pr.advice)
		}
	}
	p.line("")
	p.line("%d hold, %d do not. Whether the disk does what it is told, only a power cut can tell.", holds, missing)
	return nil
}
