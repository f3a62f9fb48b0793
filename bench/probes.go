package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

var errNotAsked = errors.New("asked on Linux only")

var probes = []probe{
	{"kept on a disk", askDisk,
		"What is here is gone after a restart. Durable files belong elsewhere; as $TMPDIR it is as good as any."},
	{"atomic replace", askReplace,
		"A reader may see half a file, whatever writes it. Keep files that are replaced elsewhere."},
	{"file sync", askSync,
		"A power cut may take back what atomicfs has acknowledged. Keep files that must last elsewhere."},
	{"directory sync", askDirSync,
		"A power cut may take a new name back after atomicfs has acknowledged it. Nothing can be done from here."},
	{"file without a name (O_TMPFILE)", askUnnamed,
		"Anonymous temporaries have a name for a moment, and a writer that is killed leaves one more often: run atomicfs.Sweep."},
	{"rename without replacing (RENAME_NOREPLACE)", askNoReplace,
		"KeepNew and CommitNew use a hard link instead, which is as exclusive where there are hard links."},
	{"hard links", askLink,
		"Without RENAME_NOREPLACE too, KeepNew and CommitNew exclude each other within one process only."},
	{"exchange of two names (RENAME_EXCHANGE)", askExchange,
		"CommitDir cannot replace a directory that exists: commit under a new name each time, and lead a link there."},
	{"clones of files (reflink)", askClone,
		"A copy takes as long as its bytes. Commit from the same volume is a rename and copies nothing."},
	{"locks (flock)", askLock,
		"Nobody can tell whether an owner lives: Sweep goes by age (MinAge), so keep that longer than the longest job."},
	{"modes (0600)", askModes,
		"Others may read temporaries here. Set $TMPDIR to a directory of the user's own."},
	{"nobody else can remove a temporary", askSticky,
		"tmpfs.TempDir passes this directory over. Set the sticky bit (chmod +t), or name a directory of the user's own."},
	{"names differ by case", askCase,
		"\"A\" and \"a\" are one file: a map from names to contents may lose one of them."},
	{"names of 255 bytes", askLongest,
		"Names that are made elsewhere may not fit. Temporaries take 31 bytes at least, and the pattern's."},
	{"symbolic links", askSymlink,
		"What relies on links, such as a \"current\" that leads to the newest version, cannot live here."},
}

func askDisk(dir string, sys *system) (string, error) {
	memory, err := sys.inMemory(dir)
	switch {
	case err != nil:
		return "", err
	case memory:
		return "", errors.New("a file system in memory")
	}
	return "the type of the file system", nil
}

// askReplace replaces a file over and over beside a reader, to whom it must be
// there and whole each time.
func askReplace(dir string, sys *system) (string, error) {
	const replacements, size = 300, 64 << 10
	name, other := filepath.Join(dir, "file"), filepath.Join(dir, "new")
	write := func(name string, i int) error {
		return os.WriteFile(name, bytes.Repeat([]byte{byte(i)}, size), 0o600)
	}
	if err := write(name, 0); err != nil {
		return "", err
	}
	reads, bad := 0, error(nil)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for last := false; bad == nil && !last; reads++ {
			select {
			case <-stop:
				last = true // one more, of what is there in the end
			default:
			}
			data, err := os.ReadFile(name)
			switch {
			case err != nil:
				bad = fmt.Errorf("a reader found %w", err)
			case len(data) != size || bytes.Count(data, data[:1]) != size:
				bad = fmt.Errorf("a reader found %d bytes, not all of one version", len(data))
			}
		}
	})
	var err error
	for i := range replacements {
		if err = errors.Join(write(other, i+1), sys.rename(other, name)); err != nil {
			break
		}
	}
	close(stop)
	wg.Wait()
	return fmt.Sprintf("%d replacements, %d reads meanwhile: each whole", replacements, reads), errors.Join(err, bad)
}

func askSync(dir string, _ *system) (string, error) {
	f, err := os.Create(filepath.Join(dir, "file"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.WriteString("text"); err != nil {
		return "", err
	}
	return "fsync of a file said nothing against it", f.Sync()
}

func askDirSync(dir string, _ *system) (string, error) {
	if runtime.GOOS == "windows" {
		return "", errors.New("there is no such call on Windows; NTFS journals names itself")
	}
	return "fsync of a directory said nothing against it", syncDir(dir)
}

func askUnnamed(dir string, sys *system) (string, error) {
	return "made, and given a name by linkat", sys.unnamed(dir)
}

// two makes the files a and b, and returns their paths.
func two(dir string) (a, b string, err error) {
	a, b = filepath.Join(dir, "a"), filepath.Join(dir, "b")
	return a, b, errors.Join(os.WriteFile(a, []byte("a"), 0o600), os.WriteFile(b, []byte("b"), 0o600))
}

func askNoReplace(dir string, sys *system) (string, error) {
	a, b, err := two(dir)
	if err != nil {
		return "", err
	}
	if err := sys.renameTo(a, b); err == nil {
		return "", errors.New("it replaced")
	} else if !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return "refused to replace, and renamed to a free name", sys.renameTo(a, filepath.Join(dir, "c"))
}

func askLink(dir string, _ *system) (string, error) {
	a, b, err := two(dir)
	if err != nil {
		return "", err
	}
	if err := os.Link(a, b); !errors.Is(err, fs.ErrExist) {
		return "", errors.Join(errors.New("a link replaced a file"), err)
	}
	return "one was made, and one refused to replace", os.Link(a, filepath.Join(dir, "c"))
}

func askExchange(dir string, sys *system) (string, error) {
	a, b, err := two(dir)
	if err != nil {
		return "", err
	}
	if err := sys.exchange(a, b); err != nil {
		return "", err
	}
	data, err := os.ReadFile(a)
	if err == nil && string(data) != "b" {
		err = errors.New("nothing was exchanged")
	}
	return "two files were", err
}

func askClone(dir string, sys *system) (string, error) {
	src, err := os.Create(filepath.Join(dir, "src"))
	if err != nil {
		return "", err
	}
	defer src.Close()
	if _, err := src.Write(make([]byte, 64<<10)); err != nil {
		return "", err
	}
	dst, err := os.Create(filepath.Join(dir, "dst"))
	if err != nil {
		return "", err
	}
	defer dst.Close()
	return "one was made", sys.clone(dst, src)
}

func askLock(dir string, sys *system) (string, error) {
	name := filepath.Join(dir, "lock")
	first, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer first.Close()
	second, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer second.Close()
	if err := sys.lock(first); err != nil {
		return "", err
	}
	if sys.lock(second) == nil {
		return "", errors.New("two held one lock")
	}
	if err := first.Close(); err != nil {
		return "", err
	}
	return "one held it, another was refused, and then held it", sys.lock(second)
}

func askModes(dir string, _ *system) (string, error) {
	name := filepath.Join(dir, "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		return "", err
	}
	info, err := os.Stat(name)
	if err == nil && info.Mode().Perm() != 0o600 {
		err = fmt.Errorf("a file of mode 0600 has %#o", info.Mode().Perm())
	}
	return "a file has the mode that it was given", err
}

// askSticky looks at the directory that is probed, of which dir is an entry.
func askSticky(dir string, _ *system) (string, error) {
	info, err := os.Stat(filepath.Dir(dir))
	if err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 && runtime.GOOS != "windows" {
		err = fmt.Errorf("mode %v: everybody may write, and there is no sticky bit", info.Mode())
	}
	return "the mode of the directory", err
}

func askCase(dir string, _ *system) (string, error) {
	if err := os.WriteFile(filepath.Join(dir, "name"), nil, 0o600); err != nil {
		return "", err
	}
	_, err := os.Stat(filepath.Join(dir, "NAME"))
	if err == nil {
		return "", errors.New("\"name\" is found as \"NAME\"")
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return "\"name\" is not found as \"NAME\"", err
}

func askLongest(dir string, _ *system) (string, error) {
	const wanted = 255
	fits := func(n int) bool { return os.WriteFile(filepath.Join(dir, strings.Repeat("n", n)), nil, 0o600) == nil }
	if fits(wanted) {
		return "one was made", nil
	}
	low, high := 0, wanted // low fits, high does not
	for high-low > 1 {
		if mid := (low + high) / 2; fits(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return "", fmt.Errorf("the longest that could be made has %d", low)
}

func askSymlink(dir string, _ *system) (string, error) {
	name := filepath.Join(dir, "link")
	if err := os.Symlink("target", name); err != nil {
		return "", err
	}
	target, err := os.Readlink(name)
	if err == nil && target != "target" {
		err = fmt.Errorf("one to \"target\" leads to %q", target)
	}
	return "one was made and read", err
}
