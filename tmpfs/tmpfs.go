// Package tmpfs creates temporary files and directories on any afero.Fs.
//
// A temporary thing is a name that is owned. Close removes it; Keep gives it away
// by renaming it.
//
//	f, err := tmpfs.Create(fsys, nil)
//	if err != nil {
//		return err
//	}
//	defer f.Close() // removes it, unless it was kept
//	...
//	return f.Keep("report.txt")
//
// A file from here behaves as an os.File does on every Fs, and a directory from
// here is an Fs that no path leaves.
//
// # What to use first
//
//	a file, with a path for others to open   Create; WithFile for as long as a function runs
//	a file that leaves nothing after a crash CreateAnonymous
//	a directory                              Mkdir; WithDir
//	the name alone, as os.CreateTemp         CreateTemp, MkdirTemp: the caller removes it
//	what another program has made            Adopt, AdoptDir
//	contents that must survive a power cut   package atomicfs
//	data of a size that nobody knows         package spool
//	a job that may crash; an upload          packages workdir and staging
//	fixtures of a test                       package tmpfstest
//
// # Life cycle
//
// Make it, write it, finish it with one verb (Keep, KeepNew), and defer Close.
// Close after that verb does nothing, a second Close returns nil, and Close never
// publishes. A nil *Options asks for the defaults, and so does the zero value.
//
// # Errors
//
// When what makes something fails, nothing has been made. When Keep fails, what
// had the name has it still, and the file is still temporary. When Close fails,
// the file may still be there, and Close may be called again. What an Fs cannot do is
// an error that matches errors.ErrUnsupported. Errors are *fs.PathError or
// *os.LinkError; their paths are those that the caller used.
//
// # Differences between systems
//
// In the order in which they are likely to bite:
//
//   - Where Options.Dir is "", temporaries are in the temporary directory of the
//     Fs: $TMPDIR on the operating system, "/tmp" inside a MemMapFs or a base path.
//   - A process that is killed leaves its temporaries behind, but for anonymous ones
//     on Linux and wherever an open file can be unlinked.
//   - Modes are kept everywhere and enforced by the operating system alone; Windows
//     knows only read-only.
//   - On Windows a file that another process has open can often be neither removed
//     nor replaced. Removal is tried again for two seconds; then the error says so.
//   - A file without a name can be kept on Linux alone.
//   - Several KeepNew of one name have one winner: on the operating system between
//     processes, elsewhere within this one.
//   - MemMapFs has no links. A rootfs.Fs, as a [Dir] is on the operating system,
//     refuses those that are absolute.
//   - On a bare MemMapFs of afero v1.15.0 "a" and "/a" are two files.
//   - macOS and Windows take "A" and "a" for one name.
//
// # Coming from Python
//
//	TemporaryFile                      CreateAnonymous
//	NamedTemporaryFile                 Create
//	  delete=False                     File.Keep(f.Name()), or CreateTemp
//	  delete_on_close=False            File.CloseHandle; Close removes the file
//	SpooledTemporaryFile               package spool
//	TemporaryDirectory                 Mkdir
//	  delete=False                     Dir.Keep(d.Path()), or MkdirTemp
//	  ignore_cleanup_errors=True       _ = d.Close(); it may be tried again
//	with ... as f:                     WithFile, WithDir
//	mkstemp                            CreateTemp
//	mkdtemp                            MkdirTemp
//	mktemp                             none: a name that is not owned is somebody else's by the time it is used
//	gettempdir                         TempDir
//	gettempprefix                      "tmp-", what an empty pattern begins with
//	tempdir = dir                      WithTempDir
//	TMP_MAX                            none: a name has 128 random bits, and 8 collisions are an error
//	dir, prefix, suffix                Options.Dir, Options.Pattern: "prefix*suffix"
//	mode, encoding, newline, errors    none: text belongs to bufio and golang.org/x/text
//	deletion by the collector          none: a path outlives its handle; defer Close
//
// What CPython 3.13's own tests of tempfile assert, and those of the Rust crate
// tempfile, is asserted of this package and of package spool in TestConformance:
// 152 rows passed, 33 skipped (not applicable), 0 failed.
package tmpfs

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/internal/vfs"
)

// Options adjusts a temporary file or directory. A nil *Options asks for the
// defaults, as does the zero value.
type Options struct {
	Dir     string      // parent directory, which must exist; "" means TempDir(fsys)
	Pattern string      // base name, in which random text replaces the last "*", or is appended; "" means "tmp-*"
	Perm    fs.FileMode // mode before the umask; 0 means 0600 for a file, 0700 for a directory
}

// CreateTemp is os.CreateTemp for any Fs. The caller removes the file. The
// returned name, not f.Name(), is the path to use with fsys. (Python: mkstemp)
//
// The name is absolute, but for a relative dir on an Fs to which that is another
// directory. When it returns an error, nothing has been made.
func CreateTemp(fsys afero.Fs, dir, pattern string) (f afero.File, name string, err error) {
	v, opts, err := prepare("createtemp", fsys, &Options{Dir: dir, Pattern: pattern}, 0o600)
	if err != nil {
		return nil, "", err
	}
	h, name, err := create(v, opts)
	if err != nil {
		return nil, "", err
	}
	return h.File, name, nil
}

// MkdirTemp is os.MkdirTemp for any Fs. The caller removes the directory.
// (Python: mkdtemp)
func MkdirTemp(fsys afero.Fs, dir, pattern string) (name string, err error) {
	v, opts, err := prepare("mkdirtemp", fsys, &Options{Dir: dir, Pattern: pattern}, 0o700)
	if err != nil {
		return "", err
	}
	return mkdir(v, opts)
}

// prepare returns fsys as vfs has it, and opts with the defaults put in and the
// directory made absolute.
func prepare(op string, fsys afero.Fs, opts *Options, perm fs.FileMode) (vfs.FS, Options, error) {
	v := vfs.On(fsys)
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Pattern == "" {
		o.Pattern = defaultPattern
	}
	if o.Perm == 0 {
		o.Perm = perm
	}
	if err := checkPattern(o.Pattern); err != nil {
		return v, o, &fs.PathError{Op: op, Path: o.Pattern, Err: err}
	}
	var err error
	if o.Dir == "" {
		o.Dir, err = tempDir(fsys, true)
	} else {
		o.Dir, err = absolute(op, v, o.Dir)
	}
	return v, o, err
}

// absolute returns dir as an absolute name, unless that is another directory, or
// may be: to MemMapFs and to a server "a" and "/a" are two.
func absolute(op string, v vfs.FS, dir string) (string, error) {
	dir, err := v.Clean(op, dir)
	if err != nil || filepath.IsAbs(dir) {
		return dir, err
	}
	abs := filepath.Join(separator, dir)
	there, err := v.Stat(abs)
	if err != nil || !there.IsDir() {
		return dir, nil
	}
	switch v.Fs().(type) {
	case *afero.BasePathFs, *afero.CopyOnWriteFs, *afero.CacheOnReadFs:
		return abs, nil // one directory by either name, as a rule
	}
	if here, err := v.Stat(dir); err != nil || os.SameFile(here, there) {
		return abs, nil
	}
	return dir, nil
}

const separator = string(filepath.Separator)

const (
	defaultPattern = "tmp-*"
	besidePattern  = ".tmp-*" // of a file that is about to get its final name
	maxName        = 255      // bytes, the limit of all file systems in use
	maxTries       = 8        // a second collision of 128 random bits is no accident
)

// A refusal is a reason of our own that is a case of fs.ErrInvalid.
type refusal string

func (r refusal) Error() string        { return string(r) }
func (r refusal) Is(target error) bool { return target == fs.ErrInvalid }

// checkPattern refuses what would not name one entry of the directory on every
// system, so that a program that works on one works on the next.
func checkPattern(pattern string) error {
	switch {
	case strings.ContainsAny(pattern, `/\`):
		return refusal("pattern contains a path separator")
	case strings.ContainsRune(pattern, 0):
		return refusal("pattern contains a NUL byte")
	case len(fill(pattern, ""))+randomLen > maxName:
		return syscall.ENAMETOOLONG
	}
	return nil
}

// randomLen is the length of the text that random returns.
const randomLen = 26

// random returns the random part of a name. It is lower-case, so that names stay
// apart where case does not count. Tests force collisions through it.
var random = func() string { return strings.ToLower(rand.Text()) }

// fill returns pattern with text in the place of its last "*".
func fill(pattern, text string) string {
	if i := strings.LastIndexByte(pattern, '*'); i >= 0 {
		return pattern[:i] + text + pattern[i+1:]
	}
	return pattern + text
}

// invent calls try with new names in dir until one is free: the one place where
// temporary names come from.
func invent(op, dir, pattern string, try func(name string) error) (name string, err error) {
	for range maxTries {
		name = fill(pattern, random())
		if dir != "." {
			name = strings.TrimSuffix(dir, separator) + separator + name
		}
		if err = try(name); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil {
		probed.Store(nil) // it may be that directory, which has become unusable
		return "", &fs.PathError{Op: op, Path: filepath.Join(dir, pattern), Err: vfs.Reason(err)}
	}
	return name, nil
}

// create makes a file by o, which prepare has made.
func create(v vfs.FS, o Options) (h *vfs.File, name string, err error) {
	name, err = invent("createtemp", o.Dir, o.Pattern, func(name string) (err error) {
		h, err = v.Create(name, o.Perm)
		return err
	})
	return h, name, err
}

// mkdir makes a directory by o, which prepare has made.
func mkdir(v vfs.FS, o Options) (name string, err error) {
	return invent("mkdirtemp", o.Dir, o.Pattern, func(name string) error { return v.Mkdir(name, o.Perm) })
}
