package atomicfs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// TestConformance answers to the cases of other people's test suites, under their
// names. What is tested more widely elsewhere in this package is here in the
// shape that the source gives it.
func TestConformance(t *testing.T) {
	for source, cases := range conformance {
		t.Run(source, func(t *testing.T) {
			for name, body := range cases {
				t.Run(name, func(t *testing.T) { testfs.Each(t, body) })
			}
		})
	}
}

type conformanceCase = func(t *testing.T, k testfs.Kind)

// notHere is a case that asks for what this package does not do, or that another
// answers to.
func notHere(why string) conformanceCase {
	return func(t *testing.T, _ testfs.Kind) { t.Skip(why) }
}

const (
	namesAreTmpfs  = "names are invented in package tmpfs, and tested there"
	testfsAnswers  = "it tests the test bench of its source; ours is tested in internal/testfs"
	noMarkers      = "there are no marker files here: a rename is what is atomic"
	keepsAreTmpfs  = "keeping without a commit is package tmpfs's"
	noETags        = "there are no version tags here: Update is the compare and swap"
	payloadOfKube  = "there is no layer of links to visible files here: CommitDir exchanges the directory itself"
	noTempDirsHere = "the temporary is always beside the file, so that no other directory is chosen"
)

func mustBe(t *testing.T, k testfs.Kind, name, want string) {
	t.Helper()
	assert.Equal(t, want, k.ReadFile(t, name))
}

func noLeftovers(t *testing.T, k testfs.Kind, want ...string) {
	t.Helper()
	assert.ElementsMatch(t, want, testfs.Leftovers(t, k.Fs, k.Dir))
}

func writeFile(t *testing.T, k testfs.Kind, name, text string) {
	t.Helper()
	require.NoError(t, atomicfs.WriteFile(k.Fs, k.Join(name), []byte(text), 0o644))
}

var conformance = map[string]map[string]conformanceCase{
	"renameio": {
		"TestOpenTempFile":         notHere(namesAreTmpfs + "; modes under every umask: TestModeAndOwnerMatrix"),
		"TestOpenTempFileConflict": notHere(namesAreTmpfs),
		"TestPendingFileCreation":  pendingFileCreation,
		"TestPendingFileClosing": func(t *testing.T, k testfs.Kind) {
			f := create(t, k.Fs, k.Join("file"), nil)
			put(t, f, "text")
			require.NoError(t, f.Close())
			require.ErrorIs(t, f.Commit(), fs.ErrClosed)
			noLeftovers(t, k)
		},
		"TestTempFileNoCommit": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "file", "old")
			f := create(t, k.Fs, k.Join("file"), nil)
			put(t, f, "new")
			require.NoError(t, f.Close())
			mustBe(t, k, k.Join("file"), "old")
			noLeftovers(t, k, "file")
		},
		"TestWriteFile": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "foo", "Hello world\n")
			mustBe(t, k, k.Join("foo"), "Hello world\n")
		},
		"TestWriteFileIgnoreUmask": func(t *testing.T, k testfs.Kind) {
			f := create(t, k.Fs, k.Join("file"), &atomicfs.Options{Perm: 0o777, ExactPerm: true})
			require.NoError(t, f.Commit())
			assert.Equal(t, fs.FileMode(0o777), mode(k.Fs, k.Join("file")))
		},
		"TestWriteFileEquivalence": func(t *testing.T, k testfs.Kind) {
			if !k.OS {
				t.Skip("os.WriteFile writes nowhere but on the operating system")
			}
			for _, perm := range []fs.FileMode{0o755, 0o644, 0o400, 0o777} {
				theirs := filepath.Join(t.TempDir(), "file")
				require.NoError(t, os.WriteFile(theirs, []byte("text"), perm))
				name := k.Join(perm.String())
				require.NoError(t, atomicfs.WriteFile(k.Fs, name, []byte("text"), perm))
				assert.Equal(t, mode(afero.NewOsFs(), theirs), mode(k.Fs, name))
			}
		},
		"TestSymlink": writesThroughLink,
	},
	"safefile": {
		"TestMakeTempName": notHere(namesAreTmpfs),
		"TestFile": func(t *testing.T, k testfs.Kind) {
			f := create(t, k.Fs, k.Join("foo"), nil)
			assert.Equal(t, k.Join("foo"), f.Name())
			put(t, f, "Hello World!")
			require.NoError(t, f.Commit())
			require.NoError(t, f.Close())
			mustBe(t, k, k.Join("foo"), "Hello World!")
			noLeftovers(t, k, "foo")
		},
		"TestAbandon": func(t *testing.T, k testfs.Kind) {
			f := create(t, k.Fs, k.Join("foo"), nil)
			require.NoError(t, f.Close())
			require.ErrorIs(t, f.Commit(), fs.ErrClosed)
			noLeftovers(t, k)
		},
		"TestDoubleCommit": func(t *testing.T, k testfs.Kind) {
			f := create(t, k.Fs, k.Join("foo"), nil)
			require.NoError(t, f.Commit())
			require.ErrorIs(t, f.Commit(), fs.ErrClosed)
			noLeftovers(t, k, "foo")
		},
		"TestOverwriting": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "foo", "old")
			f := create(t, k.Fs, k.Join("foo"), nil)
			put(t, f, "Hello")
			mustBe(t, k, k.Join("foo"), "old")
			require.NoError(t, f.Commit())
			mustBe(t, k, k.Join("foo"), "Hello")
		},
	},
	"facebook-atomicfile": {
		"TestCurrentDir": func(t *testing.T, k testfs.Kind) {
			if k.Name != "OsFs" {
				t.Skip("there is no current directory here")
			}
			t.Chdir(k.Dir)
			require.NoError(t, atomicfs.WriteFile(k.Fs, "file", []byte("text"), 0o644))
			mustBe(t, k, k.Join("file"), "text")
			noLeftovers(t, k, "file")
		},
		"TestRootTmpDir": notHere(noTempDirsHere),
		"TestAbort": func(t *testing.T, k testfs.Kind) {
			f := create(t, k.Fs, k.Join("file"), nil)
			put(t, f, "text")
			require.NoError(t, f.Close())
			noLeftovers(t, k)
		},
	},
	"moby": {
		"TestNew": func(t *testing.T, k testfs.Kind) {
			f := create(t, k.Fs, k.Join("foo.txt"), &atomicfs.Options{Perm: 0o660, ExactPerm: true})
			put(t, f, "barbaz")
			noLeftoversNamed(t, k)
			require.NoError(t, f.Commit())
			mustBe(t, k, k.Join("foo.txt"), "barbaz")
			assert.Equal(t, fs.FileMode(0o660), mode(k.Fs, k.Join("foo.txt")))
		},
		"TestNewInvalid": func(t *testing.T, k testfs.Kind) {
			k.WriteFile(t, k.Join("file"), "")
			require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
			for name, reason := range map[string]error{
				"": fs.ErrInvalid, k.Join("file", "child"): enotdir, k.Join("dir"): eisdir,
			} {
				_, err := atomicfs.Create(k.Fs, name, nil)
				require.ErrorIs(t, err, reason, "%q", name)
			}
			// A directory that is missing is made, and a link followed: see TestLinksAreFollowed.
			noLeftovers(t, k, "file", "dir")
		},
		"TestWriteFile": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "foo.txt", "barbaz")
			writeFile(t, k, "foo.txt", "again")
			mustBe(t, k, k.Join("foo.txt"), "again")
			if k.Links {
				require.NoError(t, k.Fs.Mkdir(k.Join("real"), 0o755))
				link(t, k, "real", k.Join("linked"))
				require.NoError(t, atomicfs.WriteFile(k.Fs, k.Join("linked", "file"), []byte("text"), 0o644))
				mustBe(t, k, k.Join("real", "file"), "text")
			}
		},
		"TestWriteSetCommit": func(t *testing.T, k testfs.Kind) {
			b := atomicfs.NewBatch(k.Fs, nil)
			require.NoError(t, b.WriteFile(k.Join("set", "foo"), []byte("bar"), 0o644))
			_, err := k.Fs.Stat(k.Join("set", "foo"))
			require.ErrorIs(t, err, fs.ErrNotExist)
			require.NoError(t, b.Commit())
			mustBe(t, k, k.Join("set", "foo"), "bar")
		},
		"TestWriteSetCancel": func(t *testing.T, k testfs.Kind) {
			b := atomicfs.NewBatch(k.Fs, nil)
			require.NoError(t, b.WriteFile(k.Join("foo"), []byte("bar"), 0o644))
			require.NoError(t, b.Close())
			noLeftovers(t, k)
		},
	},
	"tailscale": {
		"TestDoesNotOverwriteIrregularFiles": notHere("TestIrregularFiles: FIFOs, sockets and devices, early and late"),
		"TestPreserveSecurityInfo":           notHere("access control lists of Windows are not kept: see the package doc"),
	},
	"syncthing": {
		"TestCreateAtomicCreate": func(t *testing.T, k testfs.Kind) {
			f := create(t, k.Fs, k.Join("file"), nil)
			n, err := f.Write([]byte("hello"))
			require.NoError(t, err)
			require.Equal(t, 5, n)
			_, err = k.Fs.Stat(k.Join("file"))
			require.ErrorIs(t, err, fs.ErrNotExist)
			require.NoError(t, f.Commit())
			mustBe(t, k, k.Join("file"), "hello")
		},
		"TestCreateAtomicReplace": replaces(0o644),
		// As root and in memory nothing is read-only; TestAsNobody runs TestReadOnlyFile.
		"TestCreateAtomicReplaceReadOnly": replaces(0o400),
		"TestTempFilePermissions":         notHere("TestModeAndOwnerMatrix looks at the temporary's mode in every case"),
	},
	"containers-storage": {
		"TestAtomicCommitAndRollbackFile": func(t *testing.T, k testfs.Kind) {
			for i, committed := range []bool{true, true, false, false} {
				closed := i%2 == 0
				name := k.Join(fmt.Sprint("file", i))
				f := create(t, k.Fs, name, nil)
				put(t, f, "text")
				if committed {
					require.NoError(t, f.Commit())
				}
				if closed || !committed {
					require.NoError(t, f.Close())
				}
				_, err := k.Fs.Stat(name)
				assert.Equal(t, committed, err == nil)
			}
			noLeftovers(t, k, "file0", "file1")
		},
		"TestAtomicWriteToFile": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "file", "one")
			writeFile(t, k, "file", "two")
			mustBe(t, k, k.Join("file"), "two")
			noLeftovers(t, k, "file")
		},
	},
	"containerd": {
		"TestFile": func(t *testing.T, k testfs.Kind) {
			f := create(t, k.Fs, k.Join("test"), nil)
			put(t, f, "this is a test")
			require.NoError(t, f.Commit())
			mustBe(t, k, k.Join("test"), "this is a test")
		},
		"TestConcurrentWrites": concurrentWrites,
	},
	"packer": {
		"TestAtomicWriteFileReplacesExistingWithoutLeftovers": replaces(0o644),
	},
	"pebble": {
		"TestMarker":                   notHere(noMarkers),
		"TestMarker_FilenameRoundtrip": notHere(noMarkers),
		"TestMarker_Parsefilename":     notHere(noMarkers),
		"TestMarker_StrictSync":        notHere("TestCrash: every state that a power cut may leave, at every moment"),
		"TestMarker_FaultTolerance":    faultTolerance,
		"TestMemFSCrashable":           notHere(testfsAnswers),
		"TestErrorFS":                  notHere(testfsAnswers),
		"TestVFSCreateLinkSemantics": func(t *testing.T, k testfs.Kind) {
			if !k.Links {
				t.Skip("no hard links here")
			}
			writeFile(t, k, "a", "a")
			require.NoError(t, os.Link(k.Real(k.Join("a")), k.Real(k.Join("b"))))
			writeFile(t, k, "b", "b")
			mustBe(t, k, k.Join("a"), "a")
			mustBe(t, k, k.Join("b"), "b")
		},
	},
	"kubernetes": {
		"TestValidatePath": func(t *testing.T, k testfs.Kind) {
			d, err := tmpfs.Mkdir(k.Fs, &tmpfs.Options{Dir: k.Dir})
			require.NoError(t, err)
			defer d.Close()
			require.Error(t, atomicfs.WriteFile(d, "../out", nil, 0o644))
			require.Error(t, atomicfs.WriteFile(d, "a/../../out", nil, 0o644))
			require.Error(t, atomicfs.WriteFile(d, "", nil, 0o644))
			require.NoError(t, atomicfs.WriteFile(d, "a/b/c", nil, 0o644))
		},
		"TestPathsToRemove":          notHere(payloadOfKube),
		"TestCreateUserVisibleFiles": notHere(payloadOfKube),
		"TestWriteOnce":              publishes("one"),
		"TestUpdate":                 publishes("one", "two"),
		"TestMultipleUpdates":        publishes("one", "two", "three", "two", ""),
		"TestSetPerms":               publishedModes,
		"TestWriteAgainAfterUnexpectedExit": func(t *testing.T, k testfs.Kind) {
			left := tree(t, k.Fs, k.Dir, "half") // by one that died before its commit
			publishes("one", "two")(t, k)
			require.NoError(t, left.Close())
		},
	},
	"python-atomicwrites": {
		"test_atomic_write": func(t *testing.T, k testfs.Kind) {
			for i := range 2 {
				require.NoError(t, atomicfs.WriteFunc(k.Fs, k.Join("ha"), 0o644, func(w io.Writer) error {
					_, err := io.WriteString(w, fmt.Sprint("hoho", i))
					return err
				}))
				mustBe(t, k, k.Join("ha"), fmt.Sprint("hoho", i))
			}
			noLeftovers(t, k, "ha")
		},
		"test_teardown": func(t *testing.T, k testfs.Kind) {
			assert.Panics(t, func() {
				_ = atomicfs.WriteFunc(k.Fs, k.Join("ha"), 0o644, func(io.Writer) error { panic("assertion") })
			})
			noLeftovers(t, k)
		},
		"test_replace_simultaneously_created_file": func(t *testing.T, k testfs.Kind) {
			require.NoError(t, atomicfs.WriteFunc(k.Fs, k.Join("ha"), 0o644, func(w io.Writer) error {
				k.WriteFile(t, k.Join("ha"), "harhar")
				_, err := io.WriteString(w, "hoho")
				return err
			}))
			mustBe(t, k, k.Join("ha"), "hoho")
			noLeftovers(t, k, "ha")
		},
		"test_dont_remove_simultaneously_created_file": func(t *testing.T, k testfs.Kind) {
			f := create(t, k.Fs, k.Join("ha"), &atomicfs.Options{NoReplace: true})
			put(t, f, "hoho")
			k.WriteFile(t, k.Join("ha"), "harhar")
			require.ErrorIs(t, f.Commit(), fs.ErrExist)
			require.NoError(t, f.Close())
			mustBe(t, k, k.Join("ha"), "harhar")
			noLeftovers(t, k, "ha")
		},
		"test_open_reraise": func(t *testing.T, k testfs.Kind) {
			err := atomicfs.WriteFunc(k.Fs, k.Join("ha"), 0o644, func(io.Writer) error { return errFn })
			assert.Equal(t, errFn, err)
			noLeftovers(t, k)
		},
		"test_atomic_write_in_pwd": func(t *testing.T, k testfs.Kind) {
			if k.Name != "OsFs" {
				t.Skip("there is no current directory here")
			}
			t.Chdir(k.Dir)
			require.NoError(t, atomicfs.WriteFile(k.Fs, "ha", []byte("hoho"), 0o644))
			mustBe(t, k, "ha", "hoho")
			noLeftovers(t, k, "ha")
		},
	},
	"rust-atomicwrites": {
		"test_simple_allow_override": replaces(0o644),
		"test_simple_disallow_override": func(t *testing.T, k testfs.Kind) {
			opts := &atomicfs.Options{NoReplace: true}
			f := create(t, k.Fs, k.Join("haha"), opts)
			put(t, f, "HELLO")
			require.NoError(t, f.Commit())
			mustBe(t, k, k.Join("haha"), "HELLO")
			_, err := atomicfs.Create(k.Fs, k.Join("haha"), opts)
			require.ErrorIs(t, err, fs.ErrExist)
		},
		"disallow_overwrite_error": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "haha", "HELLO")
			_, err := atomicfs.Create(k.Fs, k.Join("haha"), &atomicfs.Options{NoReplace: true})
			require.ErrorIs(t, err, fs.ErrExist)
		},
		"test_unicode": func(t *testing.T, k testfs.Kind) {
			name := "grüße 漢字 \U0001f980"
			writeFile(t, k, name, "HELLO")
			mustBe(t, k, k.Join(name), "HELLO")
			noLeftovers(t, k, name)
		},
		"test_weird_paths": func(t *testing.T, k testfs.Kind) {
			require.NoError(t, k.Fs.Mkdir(k.Join("dir"), 0o755))
			for i, name := range []string{k.Dir + "//haha", k.Join("dir") + "/../haha", k.Dir + "/./haha"} {
				require.NoError(t, atomicfs.WriteFile(k.Fs, name, []byte(fmt.Sprint(i)), 0o644))
				mustBe(t, k, k.Join("haha"), fmt.Sprint(i))
			}
			noLeftovers(t, k, "dir", "haha")
		},
	},
	"tempfile": {
		"test_persist": func(t *testing.T, k testfs.Kind) {
			f := temporary(t, k, "abcde")
			old := f.Name()
			require.NoError(t, atomicfs.Commit(f, k.Join("persisted")))
			_, err := k.Fs.Stat(old)
			require.ErrorIs(t, err, fs.ErrNotExist)
			mustBe(t, k, k.Join("persisted"), "abcde")
		},
		"test_persist_noclobber": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "there", "old")
			f := temporary(t, k, "abcde")
			require.ErrorIs(t, atomicfs.CommitNew(f, k.Join("there")), fs.ErrExist)
			put(t, f, "fgh") // it is usable still
			require.NoError(t, atomicfs.CommitNew(f, k.Join("free")))
			mustBe(t, k, k.Join("there"), "old")
			mustBe(t, k, k.Join("free"), "abcdefgh")
		},
		"test_temppath_persist": func(t *testing.T, k testfs.Kind) {
			f := temporary(t, k, "abcde")
			require.NoError(t, f.CloseHandle())
			require.NoError(t, atomicfs.Commit(f, k.Join("persisted")))
			mustBe(t, k, k.Join("persisted"), "abcde")
		},
		"test_temppath_persist_noclobber": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "there", "old")
			f := temporary(t, k, "abcde")
			require.NoError(t, f.CloseHandle())
			require.ErrorIs(t, atomicfs.CommitNew(f, k.Join("there")), fs.ErrExist)
			require.NoError(t, f.Close())
			noLeftovers(t, k, "there")
		},
		"test_change_dir": notHere("TestChdirMeanwhile"),
		"test_write_after_close": func(t *testing.T, k testfs.Kind) {
			f := temporary(t, k, "abc")
			require.NoError(t, f.CloseHandle())
			_, err := f.WriteString("def")
			require.ErrorIs(t, err, fs.ErrClosed)
			require.NoError(t, f.Close())
		},
		"test_keep":            notHere(keepsAreTmpfs),
		"test_disable_cleanup": notHere(keepsAreTmpfs),
	},
	"rust-atomic-write-file": {
		"create_new": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "file", "hello")
			mustBe(t, k, k.Join("file"), "hello")
		},
		"overwrite_existing": replaces(0o644),
		"concurrency":        concurrentWrites,
		"no_change_on_panic": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "file", "old")
			assert.Panics(t, func() {
				_ = atomicfs.WriteFunc(k.Fs, k.Join("file"), 0o644, func(w io.Writer) error {
					_, _ = io.WriteString(w, "new")
					panic("stop")
				})
			})
			mustBe(t, k, k.Join("file"), "old")
			noLeftovers(t, k, "file")
		},
		"verify_no_leftovers": func(t *testing.T, k testfs.Kind) {
			for way, write := range writers {
				require.NoError(t, write(k.Fs, k.Join("file"), way))
			}
			noLeftovers(t, k, "file")
		},
		"supports_directory_fd": notHere("the directory is always held by a descriptor: TestParentMovesMeanwhile"),
		"crash-tests":           notHere("internal/powercut cuts the power of real file systems"),
	},
	"write-file-atomic": {
		"writes to symlinks without clobbering": writesThroughLink,
		"chown and chmod":                       notHere("TestModeAndOwnerIsKept, TestModeAndOwnerRefused, TestModeAndOwnerMatrix"),
		"does not change chmod by default": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "file", "42")
			require.NoError(t, k.Fs.Chmod(k.Join("file"), 0o741))
			writeFile(t, k, "file", "43")
			assert.Equal(t, fs.FileMode(0o741), mode(k.Fs, k.Join("file")))
		},
		"cleanup": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "file", "42")
			noLeftovers(t, k, "file")
		},
		"ensure writes to the same file are serial":                                    concurrentWrites,
		"allow write to multiple files in parallel, but same file writes are serial":   concurrentWrites,
		"noopen/nowrite/nofsync/nochown/enosys/einval/eperm/nochmod/norename/nounlink": notHere("TestErrorsOfWriteFile: every call, alone and with all that follow; TestModeAndOwnerRefused"),
	},
	"glib": {
		"/fileutils/set-contents-full":                     pendingFileCreation,
		"/fileutils/set-contents-full/read-only-file":      replaces(0o400),
		"/fileutils/set-contents-full/read-only-directory": notHere("TestReadOnlyDirectory, run by TestAsNobody"),
		"/file/replace": pendingFileCreation,
		"/file/replace-symlink": func(t *testing.T, k testfs.Kind) {
			writesThroughLink(t, k)
			if k.Links {
				f := create(t, k.Fs, k.Join("link"), &atomicfs.Options{NoFollow: true})
				require.NoError(t, f.Commit())
				info, err := os.Lstat(k.Real(k.Join("link")))
				require.NoError(t, err)
				assert.True(t, info.Mode().IsRegular())
			}
		},
		"/file/replace-symlink/using-etag": notHere(noETags),
		"/file/replace-cancel": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "file", "old")
			f := create(t, k.Fs, k.Join("file"), nil)
			put(t, f, "new")
			require.NoError(t, f.Close())
			mustBe(t, k, k.Join("file"), "old")
			noLeftovers(t, k, "file")
		},
	},
	"chromium": {
		"ImportantFileWriterCleaner": func(t *testing.T, k testfs.Kind) {
			young, old := ".tmp-"+strings.Repeat("y", 26), ".tmp-"+strings.Repeat("o", 26)
			for _, name := range []string{young, old, "other.tmp"} {
				k.WriteFile(t, k.Join(name), "part")
			}
			long := time.Now().Add(-time.Hour)
			require.NoError(t, k.Fs.Chtimes(k.Join(old), long, long))
			require.NoError(t, k.Fs.Chtimes(k.Join("other.tmp"), long, long))
			removed, err := atomicfs.Sweep(context.Background(), k.Fs, k.Dir, time.Minute)
			require.NoError(t, err)
			assert.Contains(t, removed, old)
			assert.NotContains(t, removed, "other.tmp")
			if strings.HasPrefix(k.Name, "C") {
				assert.NotContains(t, removed, young, "age is all that is known here")
			}
		},
	},
	"cmd-go": {
		"TestTransform": func(t *testing.T, k testfs.Kind) {
			writeFile(t, k, "blob", "0")
			race(16, func(int) { assert.NoError(t, atomicfs.Update(k.Fs, k.Join("blob"), 0o644, increment)) })
			mustBe(t, k, k.Join("blob"), "16")
		},
		"TestMutexExcludes": notHere("there are no locks for callers here"),
	},
	"boltons": {
		"test_fileperms": func(t *testing.T, k testfs.Kind) {
			for _, perm := range []fs.FileMode{0o600, 0o640, 0o755} {
				f := create(t, k.Fs, k.Join("file"), &atomicfs.Options{Perm: perm, ExactPerm: true})
				require.NoError(t, f.Commit())
				assert.Equal(t, perm, mode(k.Fs, k.Join("file")))
				writeFile(t, k, "file", "kept")
				assert.Equal(t, perm, mode(k.Fs, k.Join("file")))
			}
		},
	},
}

// pendingFileCreation is the table of options, what is there, and what becomes of
// it.
func pendingFileCreation(t *testing.T, k testfs.Kind) {
	for _, exists := range []bool{false, true} {
		for _, exact := range []bool{false, true} {
			for _, perm := range []fs.FileMode{0, 0o600, 0o644, 0o755} {
				name := k.Join(fmt.Sprint(exists, exact, perm))
				want := perm
				if perm == 0 {
					want = 0o644
				}
				if exists {
					k.WriteFile(t, name, "old")
					require.NoError(t, k.Fs.Chmod(name, 0o604))
					if !exact {
						want = 0o604
					}
				}
				f := create(t, k.Fs, name, &atomicfs.Options{Perm: perm, ExactPerm: exact})
				put(t, f, "new")
				require.NoError(t, f.Commit())
				mustBe(t, k, name, "new")
				assert.Equal(t, want, mode(k.Fs, name), name)
			}
		}
	}
	assert.Len(t, testfs.Leftovers(t, k.Fs, k.Dir), 16)
}

func writesThroughLink(t *testing.T, k testfs.Kind) {
	if !k.Links {
		t.Skip("no links here")
	}
	writeFile(t, k, "target", "old")
	link(t, k, "target", k.Join("link"))
	writeFile(t, k, "link", "new")
	mustBe(t, k, k.Join("target"), "new")
	info, err := os.Lstat(k.Real(k.Join("link")))
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&fs.ModeSymlink)
}

// noLeftoversNamed asserts that nothing has its final name yet.
func noLeftoversNamed(t *testing.T, k testfs.Kind) {
	t.Helper()
	for _, left := range testfs.Leftovers(t, k.Fs, k.Dir) {
		assert.True(t, strings.HasPrefix(left, ".tmp-"), left)
	}
}

func replaces(perm fs.FileMode) conformanceCase {
	return func(t *testing.T, k testfs.Kind) {
		writeFile(t, k, "file", "old")
		require.NoError(t, k.Fs.Chmod(k.Join("file"), perm))
		writeFile(t, k, "file", "new")
		assert.Equal(t, perm, mode(k.Fs, k.Join("file")))
		mustBe(t, k, k.Join("file"), "new")
		noLeftovers(t, k, "file")
	}
}

// concurrentWrites: the last wins, and nobody reads a torn file.
func concurrentWrites(t *testing.T, k testfs.Kind) {
	name := k.Join("file")
	text := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 1<<14+i) }
	writeFile(t, k, "file", string(text(0)))
	race(8, func(i int) {
		f, err := atomicfs.Create(k.Fs, name, &atomicfs.Options{NoSync: true})
		if assert.NoError(t, err) {
			_, err = f.Write(text(i))
			assert.NoError(t, errors.Join(err, f.Commit(), f.Close()))
		}
		data, err := afero.ReadFile(k.Fs, name)
		if assert.NoError(t, err) && assert.NotEmpty(t, data) {
			assert.Equal(t, text(int(data[0]-'a')), data)
		}
	})
	noLeftovers(t, k, "file")
}

// faultTolerance: after a fault one more attempt succeeds.
func faultTolerance(t *testing.T, k testfs.Kind) {
	for n := 1; ; n++ {
		spy := testfs.NewSpy(k.Fs)
		spy.Fail(testfs.Nth(n), testfs.Fault{Err: testfs.ErrFault})
		first := atomicfs.WriteFile(spy, k.Join("file"), []byte(fmt.Sprint(n)), 0o644)
		if len(spy.Met()) == 0 {
			require.NoError(t, first)
			break
		}
		require.NoError(t, atomicfs.WriteFile(spy, k.Join("file"), []byte(fmt.Sprint(n)), 0o644), "after %v", first)
		mustBe(t, k, k.Join("file"), fmt.Sprint(n))
	}
}

// publishes puts one tree after the other in the same place, where that can be.
func publishes(texts ...string) conformanceCase {
	return func(t *testing.T, k testfs.Kind) {
		for i, text := range texts {
			d := tree(t, k.Fs, k.Dir, text)
			err := atomicfs.CommitDir(d, k.Join("site"))
			require.NoError(t, d.Close())
			if i > 0 && errors.Is(err, errors.ErrUnsupported) {
				mustBe(t, k, k.Join("site", "a"), texts[0])
				return
			}
			require.NoError(t, err)
			assert.Equal(t, treeNames, testfs.Leftovers(t, k.Fs, k.Join("site")))
			mustBe(t, k, k.Join("site", "b", "d", "e"), text)
		}
	}
}

func publishedModes(t *testing.T, k testfs.Kind) {
	d := tree(t, k.Fs, k.Dir, "text")
	require.NoError(t, d.Chmod("a", 0o640))
	require.NoError(t, d.Chmod("b", 0o750))
	require.NoError(t, atomicfs.CommitDir(d, k.Join("site")))
	assert.Equal(t, fs.FileMode(0o640), mode(k.Fs, k.Join("site", "a")))
	assert.Equal(t, fs.FileMode(0o750), mode(k.Fs, k.Join("site", "b")))
}
