package spool_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"strings"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

func ExampleNew() {
	f := spool.New(afero.NewMemMapFs(), &spool.Options{MaxMemory: 10})
	defer func() { _ = f.Close() }()

	fmt.Fprint(f, "0123456789")
	fmt.Println(f.Size(), f.Spilled())
	fmt.Fprint(f, "+")
	fmt.Println(f.Size(), f.Spilled())
	// Output:
	// 10 false
	// 11 true
}

func ExampleFromReader() {
	f, err := spool.FromReader(afero.NewMemMapFs(), strings.NewReader("hello"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = f.Close() }()

	b, err := io.ReadAll(f) // it stands at the start
	fmt.Println(string(b), err)
	// Output: hello <nil>
}

func ExampleFromChunks() {
	chunks := func(yield func([]byte, error) bool) {
		for _, word := range []string{"one ", "two ", "three"} {
			if !yield([]byte(word), nil) {
				return
			}
		}
	}
	f, err := spool.FromChunks(afero.NewMemMapFs(), chunks, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = f.Close() }()

	b, err := f.Bytes()
	fmt.Println(string(b), err)
	// Output: one two three <nil>
}

func ExampleFromFile() {
	fsys := afero.NewMemMapFs()
	_ = afero.WriteFile(fsys, "/partial.bin", []byte("the first half"), 0o600)
	part, err := tmpfs.Adopt(fsys, "/partial.bin")
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := spool.FromFile(part, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	_, _ = f.Seek(0, io.SeekEnd)
	_, _ = io.WriteString(f, " and the second")
	b, err := f.Bytes()
	fmt.Println(string(b), f.Spilled(), err)
	// Output: the first half and the second true <nil>
}

func ExampleNewBudget() {
	shared := spool.NewBudget(64 << 10)
	opts := &spool.Options{Budget: shared}
	disk := afero.NewMemMapFs()
	a, b := spool.New(disk, opts), spool.New(disk, opts)

	_, _ = a.Write(make([]byte, 64<<10))
	_, _ = b.Write(make([]byte, 100))
	fmt.Println(a.Spilled(), b.Spilled(), shared.InUse())
	_, _ = a.Close(), b.Close()
	fmt.Println(shared.InUse())
	// Output:
	// false true 65536
	// 0
}

func ExampleBudget_InUse() {
	budget := spool.NewBudget(1 << 20)
	f := spool.New(afero.NewMemMapFs(), &spool.Options{Budget: budget})
	defer func() { _ = f.Close() }()
	fmt.Fprint(f, "x")
	fmt.Println(budget.InUse()) // pages, not bytes
	// Output: 512
}

func ExampleFile_Commit() {
	fsys := afero.NewMemMapFs()
	f := spool.New(fsys, nil)
	defer func() { _ = f.Close() }() // after Commit it does nothing

	fmt.Fprint(f, "the report")
	if err := f.Commit(fsys, "/reports/today.txt", &atomicfs.Options{NoReplace: true}); err != nil {
		log.Fatal(err)
	}
	b, err := afero.ReadFile(fsys, "/reports/today.txt")
	fmt.Println(string(b), err)
	// Output: the report <nil>
}

func ExampleFile_NewReader() {
	f := spool.New(afero.NewMemMapFs(), nil)
	fmt.Fprint(f, "hello")
	r := f.NewReader()
	defer func() { _ = r.Close() }()

	_ = f.Close() // the reader goes on
	b, err := io.ReadAll(r)
	fmt.Println(string(b), err)
	// Output: hello <nil>
}

func ExampleReader() {
	f := spool.New(afero.NewMemMapFs(), nil)
	defer func() { _ = f.Close() }()
	fmt.Fprint(f, "0123456789")
	r := f.NewReader()
	defer func() { _ = r.Close() }()

	p := make([]byte, 2)
	_, _ = r.ReadAt(p, 7)
	fmt.Println(string(p))
	_, _ = r.Seek(-3, io.SeekEnd)
	_, _ = r.Read(p)
	fmt.Println(string(p))
	_, _ = r.WriteTo(os.Stdout)
	// Output:
	// 78
	// 78
	// 9
}

func ExampleFile_OSFile() {
	f := spool.New(afero.NewMemMapFs(), nil) // a file of MemMapFs has no descriptor
	defer func() { _ = f.Close() }()
	_, err := f.OSFile()
	fmt.Println(errors.Is(err, errors.ErrUnsupported))
	// Output: true
}

func ExampleFile_Reset() {
	f := spool.New(afero.NewMemMapFs(), &spool.Options{MaxMemory: -1})
	defer func() { _ = f.Close() }()
	for _, body := range []string{"first", "second"} {
		fmt.Fprint(f, body)
		fmt.Println(f.Size(), f.Spilled())
		if err := f.Reset(); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(f.Size(), f.Spilled())
	// Output:
	// 5 true
	// 6 true
	// 0 false
}

func ExampleFile_ReadFrom() {
	f := spool.New(afero.NewMemMapFs(), &spool.Options{MaxSize: 5})
	defer func() { _ = f.Close() }()
	n, err := f.ReadFrom(strings.NewReader("12345"))
	fmt.Println(n, err)
	n, err = f.ReadFrom(strings.NewReader("6"))
	fmt.Println(n, err, errors.Is(err, spool.ErrTooLarge))
	// Output:
	// 5 <nil>
	// 0 write spool: too large true
}

func ExampleFile_WriteTo() {
	f := spool.New(afero.NewMemMapFs(), nil)
	defer func() { _ = f.Close() }()
	fmt.Fprint(f, "hello\n")
	_, _ = f.Seek(0, io.SeekStart)
	n, err := f.WriteTo(os.Stdout)
	fmt.Println(n, err)
	// Output:
	// hello
	// 6 <nil>
}

func ExampleFile_Spill() {
	readOnly := afero.NewReadOnlyFs(afero.NewMemMapFs())
	f := spool.New(readOnly, nil)
	defer func() { _ = f.Close() }()
	fmt.Fprint(f, "hello")

	err := f.Spill()
	var spill *spool.SpillError
	fmt.Println(errors.As(err, &spill), errors.Is(err, fs.ErrPermission))
	b, err := f.Bytes() // nothing is lost
	fmt.Println(string(b), f.Spilled(), err)
	// Output:
	// true true
	// hello false <nil>
}

func ExampleSpillError() {
	disk := afero.NewMemMapFs()
	f := spool.New(disk, &spool.Options{MaxMemory: 5, Temp: tmpfs.Options{Dir: "/var/spool"}})
	defer func() { _ = f.Close() }()
	fmt.Fprint(f, "12345")

	n, err := f.Write([]byte("6"))
	var spill *spool.SpillError
	fmt.Println(n, errors.As(err, &spill), errors.Is(err, fs.ErrNotExist))
	_ = disk.MkdirAll("/var/spool", 0o700)
	n, err = f.Write([]byte("6")) // the same call again
	fmt.Println(n, err, f.Size())
	// Output:
	// 0 true true
	// 1 <nil> 6
}

func ExampleFile_Spilled() {
	f := spool.New(afero.NewMemMapFs(), &spool.Options{MaxMemory: 3})
	defer func() { _ = f.Close() }()
	_, _ = f.Seek(100, io.SeekStart)
	fmt.Println(f.Spilled()) // a seek stores nothing
	_, _ = f.Write([]byte("x"))
	fmt.Println(f.Spilled())
	// Output:
	// false
	// true
}

func ExampleFile_Size() {
	f := spool.New(afero.NewMemMapFs(), nil)
	defer func() { _ = f.Close() }()
	_, _ = f.WriteAt([]byte("end"), 1000)
	fmt.Println(f.Size())
	// Output: 1003
}

func ExampleFile_Close() {
	f := spool.New(afero.NewMemMapFs(), nil)
	fmt.Fprint(f, "hello")
	fmt.Println(f.Close())
	fmt.Println(f.Close())
	_, err := f.Read(nil)
	fmt.Println(errors.Is(err, fs.ErrClosed))
	// Output:
	// <nil>
	// <nil>
	// true
}

func ExampleFile_Bytes() {
	f := spool.New(afero.NewMemMapFs(), nil)
	defer func() { _ = f.Close() }()
	fmt.Fprint(f, "hello")
	b, err := f.Bytes() // wherever the offset is
	fmt.Printf("%s %v\n", b, err)
	// Output: hello <nil>
}

func ExampleOptions() {
	f := spool.New(afero.NewOsFs(), &spool.Options{
		MaxMemory: 256 << 10,
		MaxSize:   100 << 20,
		Memory:    afero.NewMemMapFs(),
		Temp:      tmpfs.Options{Pattern: "upload-*"},
		Budget:    spool.NewBudget(64 << 20),
	})
	defer func() { _ = f.Close() }()
	fmt.Fprint(f, "hello")
	fmt.Println(f.Size(), f.Spilled())
	// Output: 5 false
}
