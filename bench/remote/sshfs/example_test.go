package sshfs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"github.com/pkg/sftp"
	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/bench/remote/jail"
	"github.com/tempkit/tempkit/bench/remote/sshfs"
	"github.com/tempkit/tempkit/workdir/staging"
)

// dial is sftp.NewClient(conn), where conn is of golang.org/x/crypto/ssh, for a server
// that the example starts. home is a directory of its own there.
func dial() (client *sftp.Client, home string, end func()) {
	tmp, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	host, err := jail.NewHost(filepath.Join(tmp, "host"))
	if err != nil {
		log.Fatal(err)
	}
	link, err := host.Connect(nil)
	if err != nil {
		log.Fatal(err)
	}
	return link.Client, host.Dir, func() {
		link.End()
		_ = os.RemoveAll(tmp)
	}
}

func Example() {
	client, home, end := dial()
	defer end()

	// The same calls as on a disk, and the same promises.
	fsys := sshfs.New(client)
	fmt.Println(atomicfs.WriteFile(fsys, home+"/app.json", []byte("{}"), 0o644))
	err := staging.With(afero.NewOsFs(), nil, func(u *staging.Upload) error {
		if _, err := u.Write([]byte("hello")); err != nil {
			return err
		}
		return u.Commit(context.Background(), fsys, home+"/app.json", &atomicfs.Options{NoReplace: true})
	})
	fmt.Println(errors.Is(err, fs.ErrExist))
	text, err := afero.ReadFile(fsys, home+"/app.json")
	fmt.Printf("%s %v\n", text, err)
	// Output:
	// <nil>
	// true
	// {} <nil>
}

func ExampleNew() {
	client, home, end := dial()
	defer end()
	fsys := sshfs.New(client)
	f, err := fsys.Create(home + "/log")
	if err != nil {
		log.Fatal(err)
	}
	_, err = f.WriteString("begun\n")
	fmt.Println(err, f.Sync(), f.Close())
	// Output: <nil> <nil> <nil>
}

// The one of the README.
func Example_readme() {
	client, _, end := dial()
	defer end()
	data := []byte("{}")

	err := atomicfs.WriteFile(sshfs.New(client), "app.json", data, 0o644) // client is github.com/pkg/sftp's
	fmt.Println("error:", err)                                            // prints error: <nil>

	// Output: error: <nil>
}
