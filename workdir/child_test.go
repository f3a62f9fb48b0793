package workdir_test

import (
	"fmt"
	"os"
	"testing"
)

// childEnv makes the test binary a child process, of the part that it names.
const childEnv = "WORKDIR_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
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
