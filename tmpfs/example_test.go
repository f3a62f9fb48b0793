package tmpfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/tmpfs"
)

// A report that is there whole or not at all, as far as the program is concerned.
func Example() {
	fsys := afero.NewMemMapFs()
	write := func(name string) error {
		f, err := tmpfs.Create(fsys, nil)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := fmt.Fprintln(f, "all is well"); err != nil {
			return err
		}
		return f.Keep(name)
	}
	fmt.Println(write("/report.txt"))
	b, err := afero.ReadFile(fsys, "/report.txt")
	fmt.Printf("%s%v\n", b, err)
	// Output:
	// <nil>
	// all is well
	// <nil>
}

func ExampleAdopt() {
	fsys := afero.NewMemMapFs()
	_ = afero.WriteFile(fsys, "/download.part", []byte("half of "), 0o600) // of another program
	f, err := tmpfs.Adopt(fsys, "/download.part")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close() // removes it, unless it was kept

	_, _ = f.Seek(0, io.SeekEnd)
	_, _ = f.WriteString("it")
	fmt.Println(f.Keep("/download"))
	b, err := afero.ReadFile(fsys, "/download")
	fmt.Println(string(b), err)
	// Output:
	// <nil>
	// half of it <nil>
}

func ExampleAdoptDir() {
	fsys := afero.NewMemMapFs()
	_ = fsys.MkdirAll("/left/by/somebody", 0o700)
	d, err := tmpfs.AdoptDir(fsys, "/left")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Close())
	_, err = fsys.Stat("/left")
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// <nil>
	// true
}

func ExampleCreateTemp() {
	fsys := afero.NewMemMapFs()
	f, name, err := tmpfs.CreateTemp(fsys, "", "report-*.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = fsys.Remove(name) }()
	defer f.Close()

	base := filepath.Base(name)
	fmt.Println(filepath.ToSlash(filepath.Dir(name)), strings.HasPrefix(base, "report-"), filepath.Ext(base))
	// Output: /tmp true .txt
}

func ExampleMkdirTemp() {
	fsys := afero.NewMemMapFs()
	dir, err := tmpfs.MkdirTemp(fsys, "/", "build-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = tmpfs.RemoveAll(fsys, dir) }()

	info, err := fsys.Stat(dir)
	fmt.Println(info.Mode(), err)
	// Output: drwx------ <nil>
}

func ExampleRemoveAll() {
	fsys := afero.NewMemMapFs()
	_ = fsys.MkdirAll("/cache/a/b", 0o700)
	fmt.Println(tmpfs.RemoveAll(fsys, "/cache"))
	fmt.Println(tmpfs.RemoveAll(fsys, "/cache")) // it is not there: that is what was asked for

	for _, name := range []string{"", ".", "/", "/tmp"} {
		fmt.Println(errors.Is(tmpfs.RemoveAll(fsys, name), fs.ErrInvalid))
	}
	// Output:
	// <nil>
	// <nil>
	// true
	// true
	// true
	// true
}

func ExampleTempDir() {
	fmt.Println(tmpfs.TempDir(afero.NewMemMapFs()))
	// Output: /tmp <nil>
}

func ExampleWithTempDir() {
	fsys := tmpfs.WithTempDir(afero.NewMemMapFs(), "/var/spool/app")
	f, err := tmpfs.Create(fsys, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	fmt.Println(filepath.ToSlash(filepath.Dir(f.Name())))
	// Output: /var/spool/app
}

func ExampleOptions() {
	fsys := afero.NewMemMapFs()
	_ = fsys.Mkdir("/home", 0o755)
	f, err := tmpfs.Create(fsys, &tmpfs.Options{Dir: "/home", Pattern: ".draft-*.md", Perm: 0o640})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		fmt.Println(err)
		return
	}
	matched, _ := filepath.Match(".draft-*.md", info.Name())
	fmt.Println(info.Mode(), matched)
	// Output: -rw-r----- true
}

func ExampleWithFile() {
	fsys := afero.NewMemMapFs()
	var name string
	err := tmpfs.WithFile(fsys, nil, func(f *tmpfs.File) error {
		name = f.Name()
		return errors.New("out of ideas")
	})
	fmt.Println(err)
	_, err = fsys.Stat(name)
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// out of ideas
	// true
}

func ExampleWithDir() {
	fsys := afero.NewMemMapFs()
	err := tmpfs.WithDir(fsys, nil, func(d *tmpfs.Dir) error {
		if err := afero.WriteFile(d, "/notes/one.txt", nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
			return errors.New("made a directory that nobody asked for")
		}
		if err := d.MkdirAll("/notes", 0o700); err != nil {
			return err
		}
		return afero.WriteFile(d, "/notes/one.txt", nil, 0o600)
	})
	left, _ := afero.ReadDir(fsys, "/tmp")
	fmt.Println(err, len(left))
	// Output: <nil> 0
}

func ExampleMkdir() {
	fsys := afero.NewMemMapFs()
	d, err := tmpfs.Mkdir(fsys, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()

	fmt.Println(afero.WriteFile(d, "a.txt", []byte("hello"), 0o600)) // d is an Fs
	b, err := afero.ReadFile(fsys, filepath.Join(d.Path(), "a.txt")) // and a directory of fsys
	fmt.Println(string(b), err)
	_, err = d.Open("../../etc/passwd")
	fmt.Println(err)
	// Output:
	// <nil>
	// hello <nil>
	// open ../../etc/passwd: path escapes from its base
}

func ExampleDir_Path() {
	d, err := tmpfs.Mkdir(afero.NewMemMapFs(), &tmpfs.Options{Pattern: "job-*"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	fmt.Println(strings.HasPrefix(filepath.ToSlash(d.Path()), "/tmp/job-"))
	// Output: true
}

func ExampleDir_Keep() {
	fsys := afero.NewMemMapFs()
	d, err := tmpfs.Mkdir(fsys, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close() // lets go of the directory, which stays

	fmt.Println(afero.WriteFile(d, "index.html", []byte("<p>"), 0o644))
	fmt.Println(d.Keep("/site"))
	b, err := afero.ReadFile(fsys, "/site/index.html")
	fmt.Println(string(b), err)
	// Output:
	// <nil>
	// <nil>
	// <p> <nil>
}

func ExampleDir_Close() {
	fsys := afero.NewMemMapFs()
	d, err := tmpfs.Mkdir(fsys, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(afero.WriteFile(d, "a.txt", nil, 0o400))
	fmt.Println(d.Close())
	_, err = fsys.Stat(d.Path())
	fmt.Println(errors.Is(err, fs.ErrNotExist), d.Close())
	// Output:
	// <nil>
	// <nil>
	// true <nil>
}

func ExampleDir_LstatIfPossible() {
	d, err := tmpfs.Mkdir(afero.NewMemMapFs(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	_, links, err := d.LstatIfPossible("/")
	fmt.Println(links, err) // memory has no links
	// Output: false <nil>
}

func ExampleDir_SymlinkIfPossible() {
	d, err := tmpfs.Mkdir(afero.NewMemMapFs(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	fmt.Println(errors.Is(d.SymlinkIfPossible("a", "b"), errors.ErrUnsupported))
	// Output: true
}

func ExampleDir_ReadlinkIfPossible() {
	d, err := tmpfs.Mkdir(afero.NewMemMapFs(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	_, err = d.ReadlinkIfPossible("/a")
	fmt.Println(errors.Is(err, errors.ErrUnsupported))
	// Output: true
}

func ExampleCreate() {
	fsys := afero.NewMemMapFs()
	f, err := tmpfs.Create(fsys, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close() // removes the file

	_, _ = f.WriteString("hello")
	_, _ = f.Seek(0, io.SeekStart)
	b, err := io.ReadAll(f)
	fmt.Println(string(b), err)
	// Output: hello <nil>
}

func ExampleCreateAnonymous() {
	fsys := afero.NewMemMapFs()
	f, err := tmpfs.CreateAnonymous(fsys, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()

	_, _ = f.WriteString("for nobody else")
	left, _ := afero.ReadDir(fsys, "/tmp")
	fmt.Printf("%q %d\n", f.Name(), len(left))
	// Output: "" 0
}

func ExampleFile_Close() {
	fsys := afero.NewMemMapFs()
	f, err := tmpfs.Create(fsys, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	name := f.Name()
	fmt.Println(f.Close(), f.Close())
	_, err = fsys.Stat(name)
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// <nil> <nil>
	// true
}

// Another program is to read the file by its name, which on Windows it cannot
// while the handle is open.
func ExampleFile_CloseHandle() {
	fsys := afero.NewMemMapFs()
	f, err := tmpfs.Create(fsys, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()

	_, _ = f.WriteString("hello")
	fmt.Println(f.CloseHandle())
	b, err := afero.ReadFile(fsys, f.Name())
	fmt.Println(string(b), err)
	// Output:
	// <nil>
	// hello <nil>
}

func ExampleFile_Fs() {
	fsys := afero.NewMemMapFs()
	f, err := tmpfs.Create(fsys, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	fmt.Println(f.Fs() == fsys)
	// Output: true
}

func ExampleFile_Keep() {
	fsys := afero.NewMemMapFs()
	_ = afero.WriteFile(fsys, "/config", []byte("old"), 0o644)
	f, err := tmpfs.Create(fsys, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close() // does nothing any more

	_, _ = f.WriteString("new")
	fmt.Println(f.Keep("/config"))
	b, err := afero.ReadFile(fsys, "/config")
	fmt.Println(string(b), err)
	// Output:
	// <nil>
	// new <nil>
}

func ExampleFile_KeepNew() {
	fsys := afero.NewMemMapFs()
	for _, text := range []string{"first", "second"} {
		err := tmpfs.WithFile(fsys, nil, func(f *tmpfs.File) error {
			if _, err := f.WriteString(text); err != nil {
				return err
			}
			return f.KeepNew("/id")
		})
		fmt.Println(err)
	}
	b, err := afero.ReadFile(fsys, "/id")
	fmt.Println(string(b), err)
	// Output:
	// <nil>
	// keep /id: file already exists
	// first <nil>
}

func ExampleFile_Name() {
	f, err := tmpfs.Create(afero.NewMemMapFs(), &tmpfs.Options{Pattern: "*.log"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	matched, _ := filepath.Match("/tmp/*.log", filepath.ToSlash(f.Name()))
	fmt.Println(matched)
	// Output: true
}

func ExampleFile_OSFile() {
	for _, fsys := range []afero.Fs{afero.NewOsFs(), afero.NewMemMapFs()} {
		err := tmpfs.WithFile(fsys, nil, func(f *tmpfs.File) error {
			_, ok := f.OSFile()
			fmt.Println(fsys.Name(), ok)
			return nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// OsFs true
	// MemMapFS false
}

func ExampleFile_ReadFrom() {
	f, err := tmpfs.Create(afero.NewMemMapFs(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	fmt.Println(f.ReadFrom(strings.NewReader("from elsewhere")))
	// Output: 14 <nil>
}

func ExampleFile_WriteTo() {
	f, err := tmpfs.Create(afero.NewMemMapFs(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	_, _ = f.WriteString("to elsewhere")
	_, _ = f.Seek(3, io.SeekStart)
	var b strings.Builder
	n, err := f.WriteTo(&b)
	fmt.Println(n, b.String(), err)
	// Output: 9 elsewhere <nil>
}
