package testfs

import (
	"fmt"
	"io/fs"

	"github.com/spf13/afero"
)

// A spyFile is a file of a Spy: afero.File and nothing more.
type spyFile struct {
	spy  *Spy
	file afero.File
	name string // by which it was opened
}

var _ afero.File = (*spyFile)(nil)

// Name returns the name that the Fs beneath gives the file. It is not a call that
// is recorded.
func (f *spyFile) Name() string { return f.file.Name() }

func (f *spyFile) Close() error {
	line := "close " + f.name
	fault, met := f.spy.note(line)
	fault.Done = true
	f.spy.closed(f)
	_, err := obey(fault, met, about("close", f.name), func() (struct{}, error) { return struct{}{}, f.file.Close() })
	return err
}

func (f *spyFile) Read(p []byte) (int, error) {
	return call(f.spy, fmt.Sprintf("read %d %s", len(p), f.name), about("read", f.name),
		func() (int, error) { return f.file.Read(p) })
}

func (f *spyFile) ReadAt(p []byte, off int64) (int, error) {
	return call(f.spy, fmt.Sprintf("readat %d@%d %s", len(p), off, f.name), about("read", f.name),
		func() (int, error) { return f.file.ReadAt(p, off) })
}

func (f *spyFile) Write(p []byte) (int, error) {
	return f.write(fmt.Sprintf("write %d %s", len(p), f.name), p, f.file.Write)
}

func (f *spyFile) WriteAt(p []byte, off int64) (int, error) {
	return f.write(fmt.Sprintf("writeat %d@%d %s", len(p), off, f.name), p,
		func(p []byte) (int, error) { return f.file.WriteAt(p, off) })
}

func (f *spyFile) WriteString(s string) (int, error) {
	return f.write(fmt.Sprintf("write %d %s", len(s), f.name), []byte(s),
		func(p []byte) (int, error) { return f.file.WriteString(string(p)) })
}

// write is call for what may be short.
func (f *spyFile) write(line string, p []byte, act func(p []byte) (int, error)) (int, error) {
	shape := about("write", f.name)
	fault, met := f.spy.note(line)
	if !met || !fault.Short {
		return obey(fault, met, shape, func() (int, error) { return act(p) })
	}
	n, err := act(p[:len(p)/2])
	if err == nil && fault.Err != nil {
		err = shape(fault.Err)
	}
	return n, err
}

func (f *spyFile) Seek(offset int64, whence int) (int64, error) {
	from := [...]string{"start", "current", "end"}
	line := fmt.Sprintf("seek %d whence %d %s", offset, whence, f.name)
	if whence >= 0 && whence < len(from) {
		line = fmt.Sprintf("seek %d from %s %s", offset, from[whence], f.name)
	}
	return call(f.spy, line, about("seek", f.name), func() (int64, error) { return f.file.Seek(offset, whence) })
}

func (f *spyFile) Readdir(n int) ([]fs.FileInfo, error) {
	return call(f.spy, fmt.Sprintf("readdir %d %s", n, f.name), about("readdirent", f.name),
		func() ([]fs.FileInfo, error) { return f.file.Readdir(n) })
}

func (f *spyFile) Readdirnames(n int) ([]string, error) {
	return call(f.spy, fmt.Sprintf("readdirnames %d %s", n, f.name), about("readdirent", f.name),
		func() ([]string, error) { return f.file.Readdirnames(n) })
}

func (f *spyFile) Stat() (fs.FileInfo, error) {
	return call(f.spy, "fstat "+f.name, about("stat", f.name), f.file.Stat)
}

func (f *spyFile) Sync() error {
	fault, met := f.spy.note("sync " + f.name)
	if c, ok := f.file.(interface{ syncFailed() }); ok && met && fault.Err != nil && !fault.Done {
		c.syncFailed()
	}
	_, err := obey(fault, met, about("sync", f.name), func() (struct{}, error) { return struct{}{}, f.file.Sync() })
	return err
}

func (f *spyFile) Truncate(size int64) error {
	return f.spy.do(fmt.Sprintf("truncate %d %s", size, f.name), about("truncate", f.name),
		func() error { return f.file.Truncate(size) })
}
