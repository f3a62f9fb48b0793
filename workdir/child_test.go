package workdir_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// childEnv makes the test binary a child process, of the part that it names.
const childEnv = "WORKDIR_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		goleak.VerifyTestMain(m)
	case "temporary": // makes a file where its environment says
		f, err := os.CreateTemp("", "child-*")
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(f.Name())
	case "renderer":
		if err := renderer(); err != nil {
			fmt.Print(err)
			os.Exit(1)
		}
	case "owner":
		fmt.Println("begun")
		owner()
	case "sweeper":
		fmt.Println("begun")
		sweeper()
	}
}

// renderer is the other program of an example. It dies without clearing up.
func renderer() error {
	document, err := os.ReadFile("in/document.txt")
	if err != nil {
		return err
	}
	if _, err := os.MkdirTemp("", "cache-*"); err != nil {
		return err
	}
	if len(document) == 0 {
		return fmt.Errorf("nothing to render")
	}
	if err := os.Mkdir("out", 0o700); err != nil {
		return err
	}
	return os.WriteFile("out/document.txt", []byte(strings.ToUpper(string(document))), 0o600)
}
