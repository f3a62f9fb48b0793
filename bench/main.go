// Command bench runs one pipeline on every file system and compares what they
// say. Where tempkit keeps its promises, they say the same.
//
//	go run ./bench [-v] [FILE...]
//
// Regular files are uploaded, the first JSON document among them is the
// configuration, a directory is copied into the work directory. What is not
// named is made. The exit status is 1 if a promise was broken.
//
//	go run ./bench -full [-scale] [-dir DIR] [-only REGEXP] [-loop ext4,xfs,btrfs] [-svg FILE]
//
// measures each room against the bare system calls and against what a user would
// take instead, in DIR or, as root on Linux, on file systems made for the purpose.
//
//	go run ./bench -probe DIR
//
// finds out, by doing it there, which promises a directory lets the library keep.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/internal/mount"
	"github.com/tempkit/tempkit/tmpfs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], makers, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is main with its surroundings as arguments. It returns the exit status.
func run(ctx context.Context, args []string, makers []maker, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	verbose := flags.Bool("v", false, "show what each file system said, and every path and error")
	dir := flags.String("probe", "", "find out instead which promises hold in `DIR`")
	full := flags.Bool("full", false, "measure instead")
	m := &meter{w: stderr, rewrites: isTerminal(stderr)}
	s := surveyFlags(flags, m)
	flags.Usage = func() {
		_, _ = fmt.Fprintln(stderr, usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if *dir != "" {
		if err := probeDir(ctx, *dir, probes, thisSystem, stdout); err != nil {
			_, _ = fmt.Fprintln(stderr, "bench:", err)
			return 1
		}
		return 0
	}
	if *full {
		return fullRun(ctx, s, flags.Args(), stdout, stderr)
	}
	r, err := runAll(ctx, flags.Args(), makers, m)
	if ctx.Err() == nil && len(r) > 0 {
		report(stdout, r, *verbose)
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "bench:", err)
	}
	if err != nil || !r.identical() || !r.kept() {
		return 1
	}
	return 0
}

const usage = `usage: go run ./bench [-v] [FILE...]
       go run ./bench -full [-scale] [-dir DIR] [-only REGEXP] [-loop ext4,xfs,btrfs] [-svg FILE]
       go run ./bench -probe DIR`

// fullRun measures, and returns the exit status.
func fullRun(ctx context.Context, s *survey, named []string, stdout, stderr io.Writer) int {
	if len(named) > 0 {
		_, _ = fmt.Fprintln(stderr, usage)
		return 2
	}
	var err error
	if s.loop != "" {
		if err = mount.Private(); err != nil {
			err = fmt.Errorf("-loop: %w", err)
		}
	}
	if err == nil {
		err = s.run(ctx, stdout)
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// runAll runs the demonstration on one kind after the other, each in a directory
// of its own that is gone before the next begins.
func runAll(ctx context.Context, named []string, makers []maker, m *meter) (r result, err error) {
	err = tmpfs.WithDir(afero.NewOsFs(), &tmpfs.Options{Pattern: "tempkit-bench-*"}, func(scratch *tmpfs.Dir) error {
		made := filepath.Join(scratch.Path(), "input")
		if err := os.Mkdir(made, 0o700); err != nil {
			return err
		}
		in, err := gather(ctx, named, made, m)
		if err != nil {
			return err
		}
		for i, mk := range makers {
			if err := ctx.Err(); err != nil {
				return err
			}
			dir := filepath.Join(scratch.Path(), fmt.Sprint(i+1))
			if err := os.Mkdir(dir, 0o700); err != nil {
				return err
			}
			k, err := mk.make(dir)
			if err != nil {
				return fmt.Errorf("%s: %w", mk.name, err)
			}
			k.name = mk.name
			r = append(r, demonstrate(ctx, k, in, m))
			m.begin("")
			if err := errors.Join(k.close(), stillOpen(dir), tmpfs.RemoveAll(afero.NewOsFs(), dir)); err != nil {
				return fmt.Errorf("%s: %w", mk.name, err)
			}
		}
		return ctx.Err()
	})
	return r, err
}

// stillOpen returns an error that names the open files of this process below
// dir, where the system has a list of them.
func stillOpen(dir string) error {
	const list = "/proc/self/fd"
	entries, err := os.ReadDir(list)
	if err != nil {
		return nil // not Linux
	}
	var open []string
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(list, e.Name())); err == nil && strings.HasPrefix(target, dir) {
			open = append(open, target)
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("still open: %q", open)
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
