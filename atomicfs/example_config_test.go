package atomicfs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
)

// A server reads its configuration again and again, as viper does when told that
// the file has changed, while another part of the program rewrites it: by code that
// knows only afero and truncates the file before it writes.
type server struct{ fsys afero.Fs }

const configFile = "/etc/server/config.json"

func (s server) load() (retries int, err error) {
	data, err := afero.ReadFile(s.fsys, configFile)
	if err != nil {
		return 0, err
	}
	var config struct{ Retries *int }
	if err := json.Unmarshal(data, &config); err != nil {
		return 0, err // half a file
	}
	if config.Retries == nil {
		return 0, errors.New("nothing in it")
	}
	return *config.Retries, nil
}

// save is what a configuration library does.
func (s server) save(fsys afero.Fs, config any) error {
	f, err := fsys.Create(configFile)
	if err != nil {
		return err
	}
	defer f.Close()
	return json.NewEncoder(f).Encode(config)
}

func Example_configuration() {
	s := server{afero.NewMemMapFs()}
	if err := atomicfs.WriteFile(s.fsys, configFile, []byte(`{"retries": 0}`), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for last := 0; ; {
				now, err := s.load()
				if err != nil || now < last {
					fmt.Println("a reader saw", now, "after", last, err)
				}
				last = now
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	writes := atomicfs.NewFs(s.fsys, nil) // the one line
	for i := range 100 {
		if err := s.save(writes, map[string]int{"retries": i + 1}); err != nil {
			fmt.Println(err)
		}
	}
	// A value that cannot be encoded would have left nothing of the file.
	fmt.Println(s.save(writes, map[string]any{"retries": func() {}}))
	close(stop)
	readers.Wait()

	fmt.Println(s.load())
	info, err := s.fsys.Stat(configFile)
	fmt.Println(info.Mode().Perm() == fs.FileMode(0o600), err)
	// Output:
	// json: unsupported type: func()
	// 100 <nil>
	// true <nil>
}
