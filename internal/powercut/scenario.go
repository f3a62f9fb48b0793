//go:build linux

package powercut

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Scenario is a workload and what must be there after a power cut in it.
//
// Setup and Work run in processes of their own, each in a new one, Verify in the
// process of the bench; all get the same directory, which is empty at first.
type Scenario struct {
	Name string

	// Setup makes what the cut cannot touch. It may be nil.
	Setup func(dir string) error

	// Work is what the cut ends. It calls promise whenever it has been told that
	// version, a number of 1 or more, of the thing called name is durable.
	Work func(dir string, promise func(name string, version int)) error

	// Verify returns an error if a promise has not been kept or anything that it
	// finds is not whole. promised has the last version that had been promised of
	// each thing at the moment of the cut. It may clean up and look again.
	Verify func(dir string, promised map[string]int) error
}

const roleVar = "POWERCUT_ROLE" // what this process is, if it is not the first

// Reenter must be called first in a program that uses a Bench. It returns if the
// process is not one that a bench has started.
func Reenter(scenarios ...Scenario) {
	role := os.Getenv(roleVar)
	if role == "" {
		return
	}
	if err := play(role, os.Args[1:], scenarios); err != nil {
		fmt.Fprintf(os.Stderr, "powercut: %s: %v\n", role, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// play is what a process of that role does.
func play(role string, args []string, scenarios []Scenario) error {
	if role == "drive" {
		size, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return err
		}
		return serveDrive(args[0], size)
	}
	if err := os.Unsetenv(roleVar); err != nil { // for the workload's own children
		return err
	}
	for _, s := range scenarios {
		if s.Name != args[0] {
			continue
		}
		dir := args[1]
		if role == "setup" {
			return s.Setup(dir)
		}
		every, err := time.ParseDuration(args[4])
		if err != nil {
			return err
		}
		stop := disturb(args[2], args[3], every)
		err = s.Work(dir, func(name string, version int) {
			fmt.Println(logged(args[5]), version, name)
		})
		stop()
		return err
	}
	return fmt.Errorf("no scenario %q", args[0])
}

// A promise is what a workload had been promised when the log had at bytes.
type promise struct {
	at      int64
	version int
	name    string
}

// parsePromises reads what a workload has printed.
func parsePromises(out []byte) ([]promise, error) {
	var list []promise
	for line := range bytes.Lines(out) {
		var p promise
		if _, err := fmt.Sscan(string(line), &p.at, &p.version, &p.name); err != nil {
			return nil, fmt.Errorf("workload said %q: %w", strings.TrimSpace(string(line)), err)
		}
		list = append(list, p)
	}
	return list, nil
}

// logged is the length of a drive's log. What was durable before the call is in it.
func logged(log string) int64 {
	info, err := os.Stat(log)
	if err != nil {
		panic(err) // nothing that is measured without it is worth anything
	}
	return info.Size()
}
