package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/atomicfs"
)

// overwrites is how often the configuration is replaced under its reader.
const overwrites = 10

func (d *demo) configuration(_ context.Context, s *section) error {
	first := d.in.config
	var compact bytes.Buffer
	if err := json.Compact(&compact, first); err != nil {
		return err
	}
	second := append(compact.Bytes(), '\n')
	name := d.put("etc/app.json")
	if err := atomicfs.WriteFile(d.fsys, name, first, 0o644); err != nil {
		return err
	}
	if err := d.fsys.Chmod(name, 0o600); err != nil {
		return err
	}
	before, err := d.fsys.Stat(name)
	if err != nil {
		return err
	}
	mode := before.Mode()
	s.say("%s written, %s; overwritten %d times", d.show(name), byteSize(int64(len(first))), overwrites)

	whole := [][]byte{first, second}
	reads, err := readWhile(d.fsys, name, whole, func() error {
		for i := range overwrites {
			next := whole[(i+1)%2]
			if err := atomicfs.WriteFile(d.fsys, name, next, 0o644); err != nil {
				return err
			}
			if err := holds(d.fsys, name, string(next)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.say("whoever read it meanwhile saw an old version or a new one, whole")
	s.detail("it was read %d times meanwhile", reads)

	refusal := errors.New("the writer gave up")
	err = atomicfs.WriteFunc(d.fsys, name, 0o644, func(w io.Writer) error {
		_, err := w.Write(second[:len(second)/2])
		return errors.Join(err, refusal)
	})
	if !errors.Is(err, refusal) {
		return errors.Join(errors.New("the error of a writer that gave up was lost"), err)
	}
	s.detail("%v", err)
	after, err := d.fsys.Stat(name)
	if err != nil {
		return err
	}
	if after.Mode() != mode {
		return fmt.Errorf("the mode was %v and is %v", mode, after.Mode())
	}
	s.say("a writer that gave up half way changed nothing; the mode was kept")
	return holds(d.fsys, name, string(whole[overwrites%2]))
}

// readWhile reads name over and over while work runs. Each time it must hold one
// of the contents allowed.
func readWhile(fsys afero.Fs, name string, allowed [][]byte, work func() error) (reads int, err error) {
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			var data []byte
			data, err = afero.ReadFile(fsys, name)
			if err == nil && !slices.ContainsFunc(allowed, func(a []byte) bool { return bytes.Equal(a, data) }) {
				err = fmt.Errorf("a reader saw %d bytes that nobody wrote", len(data))
			}
			reads++
		}
		done <- err
	}()
	err = work()
	close(stop)
	err = errors.Join(err, <-done)
	return reads, err
}
