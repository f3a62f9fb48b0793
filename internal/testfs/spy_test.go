package testfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
)

// everyCall makes each call that a spy has a line for, on names in dir, and
// returns the errors.
func everyCall(s *testfs.Spy, dir string) (errs []error) {
	note := func(err error) { errs = append(errs, err) }
	note(s.Mkdir(dir+"/d", 0o700))
	note(s.MkdirAll(dir+"/d/e", 0o755|fs.ModeSticky))
	f, err := s.OpenFile(dir+"/d/f", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	note(err)
	if err == nil {
		_, err = f.Write([]byte("hello"))
		note(err)
		_, err = f.WriteString(" world")
		note(err)
		_, err = f.WriteAt([]byte("J"), 0)
		note(err)
		_, err = f.Seek(0, io.SeekStart)
		note(err)
		_, err = f.Read(make([]byte, 4))
		note(err)
		_, err = f.ReadAt(make([]byte, 3), 1)
		note(err)
		_, err = f.Stat()
		note(err)
		note(f.Truncate(2))
		note(f.Sync())
		note(f.Close())
	}
	d, err := s.Open(dir + "/d")
	note(err)
	if err == nil {
		_, err = d.Readdirnames(-1)
		note(err)
		_, err = d.Seek(0, io.SeekStart)
		note(err)
		_, err = d.Readdir(-1)
		note(err)
		note(d.Sync())
		note(d.Close())
	}
	c, err := s.Create(dir + "/c")
	note(err)
	if err == nil {
		note(c.Close())
	}
	note(s.Chmod(dir+"/c", 0o644))
	note(s.Chown(dir+"/c", os.Getuid(), os.Getgid()))
	note(s.Chtimes(dir+"/c", time.Unix(1, 0), time.Unix(2, 0)))
	note(s.Rename(dir+"/c", dir+"/g"))
	_, err = s.Stat(dir + "/g")
	note(err)
	_, _, err = s.LstatIfPossible(dir + "/g")
	note(err)
	note(s.SymlinkIfPossible("g", dir+"/l"))
	_, err = s.ReadlinkIfPossible(dir + "/l")
	note(err)
	note(s.Remove(dir + "/g"))
	note(s.RemoveAll(dir + "/d"))
	return errs
}

const script = `mkdir 0700 d
mkdirall 1755 d/e
openfile rdwr|create|excl 0600 d/f
write 5 d/f
write 6 d/f
writeat 1@0 d/f
seek 0 from start d/f
read 4 d/f
readat 3@1 d/f
fstat d/f
truncate 2 d/f
sync d/f
close d/f
open d
readdirnames -1 d
seek 0 from start d
readdir -1 d
sync d
close d
create c
close c
chmod 0644 c
chown %u c
chtimes c
rename c g
stat g
lstat g
symlink g l
readlink l
remove g
removeall d
`

func TestSpyRecordsEveryCall(t *testing.T) {
	k := testfs.Kinds(t)[0]
	s := testfs.NewSpy(k.Fs)
	for _, err := range everyCall(s, k.Dir) {
		assert.NoError(t, err)
	}
	got := s.Script(k.Dir)
	got = strings.Replace(got, strings.Fields(got[strings.Index(got, "chown"):])[1], "%u", 1)
	assert.Equal(t, script, got)
	assert.Len(t, s.Calls(), strings.Count(script, "\n"))
	assert.Empty(t, s.Met())
	assert.Empty(t, s.OpenFiles())
	assert.Equal(t, []string{"l"}, testfs.Leftovers(t, k.Fs, k.Dir))
}

func TestSpyFailsEveryCall(t *testing.T) {
	cause := errors.New("cause")
	for n := 1; n <= strings.Count(script, "\n"); n++ {
		k := testfs.Kinds(t)[0]
		s := testfs.NewSpy(k.Fs)
		s.FailNth(n, cause)
		failed := 0
		for _, err := range everyCall(s, k.Dir) {
			if errors.Is(err, cause) {
				failed++
				var p *fs.PathError
				var l *os.LinkError
				assert.True(t, errors.As(err, &p) || errors.As(err, &l), "%T", err)
				assert.Contains(t, err.Error(), k.Dir)
			}
		}
		assert.Equal(t, 1, failed, "call %d", n)
		assert.Equal(t, s.Calls()[n-1:n], s.Met())
		assert.Empty(t, s.OpenFiles())
	}
}

func TestSpyFailsFromTheNthOn(t *testing.T) {
	fsys := afero.NewMemMapFs()
	s := testfs.NewSpy(fsys)
	s.FailFrom(2, syscall.EIO)
	assert.NoError(t, s.Mkdir("/a", 0o700))
	assert.ErrorIs(t, s.Mkdir("/b", 0o700), syscall.EIO)
	assert.ErrorIs(t, s.Remove("/a"), syscall.EIO)
	assert.Equal(t, []string{"a"}, testfs.Leftovers(t, fsys, "/"), "a call that fails does nothing")
	assert.Equal(t, []string{"mkdir 0700 /b", "remove /a"}, s.Met())
	s.Reset()
	assert.Empty(t, s.Calls())
	assert.NoError(t, s.Remove("/a"), "Reset forgets the plan")
	assert.Equal(t, []string{"remove /a"}, s.Calls())
}

func TestSpyDone(t *testing.T) {
	fsys := afero.NewMemMapFs()
	beneath := testfs.NewSpy(fsys)
	s := testfs.NewSpy(beneath)
	done := testfs.Fault{Err: syscall.EIO, Done: true}
	s.Fail(testfs.Nth(1, 2), done)
	s.Fail(testfs.Calls("write"), done)
	assert.ErrorIs(t, s.Mkdir("/d", 0o700), syscall.EIO)
	f, err := s.Create("/f")
	assert.ErrorIs(t, err, syscall.EIO)
	assert.Nil(t, f)
	assert.Empty(t, s.OpenFiles())
	assert.Equal(t, []string{"d", "f"}, testfs.Leftovers(t, fsys, "/"), "both have taken effect")

	f, err = s.Create("/f")
	require.NoError(t, err)
	assert.Equal(t, []string{"create /f"}, s.OpenFiles())
	n, err := f.Write([]byte("all"))
	assert.ErrorIs(t, err, syscall.EIO)
	assert.Zero(t, n)
	s.Fail(testfs.Calls("close"), testfs.Fault{Err: syscall.EIO})
	assert.ErrorIs(t, f.Close(), syscall.EIO)
	assert.Empty(t, s.OpenFiles(), "Close takes effect even when it fails")
	assert.Empty(t, beneath.OpenFiles(), "and so does Open, of which nobody else can close the file")
	b, err := afero.ReadFile(fsys, "/f")
	require.NoError(t, err)
	assert.Equal(t, "all", string(b))
}

func TestSpyShort(t *testing.T) {
	for _, test := range []struct {
		name  string
		write func(f afero.File) (int, error)
	}{
		{"Write", func(f afero.File) (int, error) { return f.Write([]byte("abcde")) }},
		{"WriteString", func(f afero.File) (int, error) { return f.WriteString("abcde") }},
		{"WriteAt", func(f afero.File) (int, error) { return f.WriteAt([]byte("abcde"), 0) }},
	} {
		for _, cause := range []error{nil, syscall.ENOSPC} {
			fsys := afero.NewMemMapFs()
			s := testfs.NewSpy(fsys)
			s.Fail(testfs.From(1), testfs.Fault{Err: cause, Short: true})
			s.Fail(testfs.From(1), testfs.Fault{Err: syscall.EIO}) // the first planned goes first
			f, err := fsys.Create("/f")
			require.NoError(t, err)
			require.NoError(t, f.Close())
			if cause == nil {
				f, err = s.Create("/f")
				require.NoError(t, err, "a short fault without an error leaves other calls alone")
			} else {
				_, err = s.Create("/f")
				require.ErrorIs(t, err, cause)
				s.Reset()
				f, err = s.Create("/f")
				require.NoError(t, err)
				s.Fail(testfs.Calls("write"), testfs.Fault{Err: cause, Short: true})
			}
			n, err := test.write(f)
			assert.Equal(t, 2, n, test.name)
			if cause == nil {
				assert.NoError(t, err)
			} else {
				assert.ErrorIs(t, err, cause)
			}
			b, err := afero.ReadFile(fsys, "/f")
			require.NoError(t, err)
			assert.Equal(t, "ab", string(b))
		}
	}
}

// A spy tells the truth about links and Lstat, and stays in the way: nobody gets
// at the os.File through it.
func TestSpyForwardsTheTruth(t *testing.T) {
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		s := testfs.NewSpy(k.Fs)
		k.WriteFile(t, k.Join("f"), "")
		want := false
		if l, ok := k.Fs.(afero.Lstater); ok {
			_, want, _ = l.LstatIfPossible(k.Join("f"))
		}
		info, lstat, err := s.LstatIfPossible(k.Join("f"))
		require.NoError(t, err)
		assert.Equal(t, "f", info.Name())
		assert.Equal(t, want, lstat)

		err = s.SymlinkIfPossible(k.Join("f"), k.Join("l"))
		_, readErr := s.ReadlinkIfPossible(k.Join("l"))
		if k.Links {
			assert.NoError(t, err)
			assert.NoError(t, readErr)
		} else {
			assert.ErrorIs(t, err, afero.ErrNoSymlink)
			assert.Error(t, readErr)
		}
		f, err := s.Open(k.Join("f"))
		require.NoError(t, err)
		defer func() { assert.NoError(t, f.Close()) }()
		_, isOS := f.(interface{ Fd() uintptr })
		assert.False(t, isOS)
	})
}

func TestSpyScript(t *testing.T) {
	s := testfs.NewSpy(afero.NewMemMapFs())
	_ = s.Mkdir("/base", 0o700)
	_ = s.Mkdir("/baseline", 0o700)
	_ = s.Rename("/base/.tmp-abcdefghijklmnopqrstuvwxyz", "/base/x")
	_, _ = s.OpenFile("/base/x", os.O_WRONLY|os.O_TRUNC|os.O_APPEND|os.O_SYNC|1<<29, 0)
	assert.Equal(t, `mkdir 0700 .
mkdir 0700 /baseline
rename .tmp-* x
openfile wronly|append|sync|trunc|0x20000000 0000 x
`, s.Script("/base"))
}

func TestSpyIsSafeForConcurrentUse(t *testing.T) {
	s := testfs.NewSpy(afero.NewMemMapFs())
	s.Fail(testfs.Nth(100), testfs.Fault{Err: syscall.EIO})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if f, err := s.Create("/f"); err == nil {
					_ = f.Close()
				}
				s.Calls()
				s.OpenFiles()
			}
		})
	}
	wg.Wait()
	assert.Len(t, s.Met(), 1)
	assert.GreaterOrEqual(t, len(s.Calls()), 8*50*2-1)
	assert.Empty(t, s.OpenFiles())
}
