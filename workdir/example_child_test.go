//go:build !(js || plan9 || wasip1)

package workdir_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

// render runs a program of somebody else's on a document, in a directory where it
// finds its input, leaves its output and makes whatever temporaries it likes, and
// puts the output in place as dest.
func render(ctx context.Context, document []byte, dest string) error {
	fsys := afero.NewOsFs() // a child process knows no other
	return workdir.With(fsys, nil, func(d *workdir.Dir) error {
		if _, err := d.WriteFile("in/document.txt", document); err != nil {
			return err
		}
		env, err := d.Env(os.Environ())
		if err != nil {
			return err
		}
		// This test's own program, which acts as another one here.
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Dir, cmd.Env = d.Path(), append(env, childEnv+"=renderer")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("renderer: %w: %s", err, out)
		}
		return d.Commit("out/document.txt", dest)
	})
}

func Example_childProcess() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := tmpfs.WithDir(afero.NewOsFs(), nil, func(d *tmpfs.Dir) error {
		dest := filepath.Join(d.Path(), "document.txt")
		fmt.Println(render(ctx, []byte("all is well"), dest))
		fmt.Println(render(ctx, nil, dest))
		data, err := os.ReadFile(dest)
		fmt.Printf("%s %v\n", data, err)
		return nil
	})
	fmt.Println(err)
	// Output:
	// <nil>
	// renderer: exit status 1: nothing to render
	// ALL IS WELL <nil>
	// <nil>
}
