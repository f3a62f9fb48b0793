package main

import (
	"crypto/sha256"
	"errors"
)

// A row is one work of a user's, done by this library and by what the user would
// take instead.
type row struct {
	work    string
	against string
	most    float64 // times what the rival takes: the figure to reach
	cpu     float64 // the same of processor time; 0 means that it is not looked at
	memory  float64 // the same of memory, as a multiple of data; then time is not looked at
	data    int     // bytes; 0 if there is nothing to say
	onDisk  bool    // the figure depends on the file system

	// open makes the ways. The first is this library's and the last the rival; what
	// is between them is for benchstat. errNotHere says that there is no rival.
	open func(at *site) ([]way, error)
}

// errNotHere says why a work cannot be measured in this place.
var errNotHere = errors.New("not here")

const (
	kib = 1 << 10
	mib = 1 << 20
)

// rows are what is measured. Each figure is what was set out to be reached.
var rows = []row{
	{
		work: "named temporary: create, close, gone", against: "openat + close + unlinkat", most: 1.15, onDisk: true,
		open: func(at *site) ([]way, error) { return named(at.dir), nil },
	},
	{
		work: "anonymous temporary", against: "O_TMPFILE + close", most: 1.2, onDisk: true,
		open: func(at *site) ([]way, error) { return anonymous(at.dir), nil },
	},
	{
		work: "durable WriteFile of 4 KiB, new", against: "create, write, fsync, rename, fsync", most: 1.05, cpu: 1.25, onDisk: true,
		open: func(at *site) ([]way, error) { return durable(at.dir, false), nil },
	},
	{
		work: "durable WriteFile of 4 KiB, replacing", against: "create, write, fsync, rename, fsync", most: 1.05, cpu: 1.25, onDisk: true,
		open: func(at *site) ([]way, error) { return durable(at.dir, true), nil },
	},
	{
		work: "Batch of 1,000 files of 4 KiB, durable", against: "the system calls, one by one", most: 0.10, onDisk: true,
		open: func(at *site) ([]way, error) {
			return batches(at.dir, at.size(1000, 10), nil, func() error { return nil }), nil
		},
	},
	{
		work: "the same beside 256 MiB of dirty pages", against: "the system calls, one by one", most: 0.12, onDisk: true,
		open: func(at *site) ([]way, error) {
			return batches(at.dir, at.size(1000, 10), nil, dirty(at, at.size(256*mib, 1))), nil
		},
	},
	{
		work: "WriteFile without sync, MemMapFs", against: "afero.WriteFile + Rename", most: 1.3,
		open: func(*site) ([]way, error) { return onMemory() },
	},
	{
		work: "spool of 64 KiB, warm", against: "memcpy", most: 1.25, data: 64 * kib,
		open: func(*site) ([]way, error) { return []way{spoolInMemory(64 * kib), memcpy(64 * kib)}, nil },
	},
	{
		work: "spool of 1 MiB, warm", against: "memcpy", most: 1.25, data: mib,
		open: func(*site) ([]way, error) { return []way{spoolInMemory(mib), memcpy(mib)}, nil },
	},
	{
		work: "spool of 64 MiB, warm", against: "memcpy", most: 1.25, data: 64 * mib,
		open: func(at *site) ([]way, error) {
			n := at.size(64*mib, 1)
			return []way{spoolInMemory(n), bytesBuffer(n), memcpy(n)}, nil
		},
	},
	{
		work: "spool of 1 MiB, cold", against: "a fresh slice", most: 1.3, data: mib,
		open: func(*site) ([]way, error) { return cold(spoolInMemory(mib), freshSlice(mib)), nil },
	},
	{
		work: "spool of 64 MiB, cold", against: "a fresh slice", most: 1.3, data: 64 * mib,
		open: func(at *site) ([]way, error) {
			n := at.size(64*mib, 1)
			return cold(spoolInMemory(n), bytesBuffer(n), freshSlice(n)), nil
		},
	},
	{
		work: "spool of 1 KiB", against: "bytes.Buffer", most: 1.2, data: kib,
		open: func(*site) ([]way, error) { return []way{spoolInMemory(kib), bytesBuffer(kib)}, nil },
	},
	{
		work: "memory for a spool of 64 MiB", against: "the data", memory: 1.05 + 1.0/64, data: 64 * mib,
		open: func(*site) ([]way, error) { return cold(spoolInMemory(64*mib), freshSlice(64*mib)), nil },
	},
	{
		work: "spool of 64 MiB past 1 MiB, pieces of 4 KiB", against: "os.File", most: 0.5, data: 64 * mib, onDisk: true,
		open: func(at *site) ([]way, error) { return spilling(at.dir, at.size(64*mib, 2*mib), mib, 4*kib), nil },
	},
	{
		work: "spool of 64 MiB past 1 MiB, pieces of 32 KiB", against: "os.File", most: 1.05, data: 64 * mib, onDisk: true,
		open: func(at *site) ([]way, error) { return spilling(at.dir, at.size(64*mib, 2*mib), mib, 32*kib), nil },
	},
	{
		work: "upload of 64 MiB with SHA-256, durable", against: "io.Copy + SHA-256 + fsync", most: 1.1, data: 64 * mib, onDisk: true,
		open: func(at *site) ([]way, error) { return uploads(at, at.size(64*mib, 1), sha256.New), nil },
	},
	{
		work: "upload of 64 MiB as multipart", against: "io.Copy from the Part + fsync", most: 0.35, data: 64 * mib, onDisk: true,
		open: func(at *site) ([]way, error) { return multiparts(at, at.size(64*mib, 1)) },
	},
	{
		work: "commit of a spilled 256 MiB, same volume", against: "fsync, rename, fsync", most: 1.1, data: 256 * mib, onDisk: true,
		open: func(at *site) ([]way, error) { return commits(at, at.size(256*mib, 2*mib)), nil },
	},
	{
		work: "copy of 256 MiB, one volume, base path", against: "copy_file_range", most: 1.2, data: 256 * mib, onDisk: true,
		open: func(at *site) ([]way, error) { return copies(at, at.size(256*mib, 1)) },
	},
	{
		work: "copy of 256 MiB across volumes", against: "pieces of 1 MiB", most: 1.0, data: 256 * mib, onDisk: true,
		open: func(at *site) ([]way, error) {
			if at.other == "" {
				return nil, errNotHere
			}
			return crossings(at, at.size(256*mib, 1))
		},
	},
	{
		work: "durable WriteReader of 64 MiB", against: "write, fsync, rename, fsync", most: 0.75, data: 64 * mib, onDisk: true,
		open: func(at *site) ([]way, error) { return streamed(at, at.size(64*mib, 1)), nil },
	},
	{
		work: "Sweep, MemMapFs, 100,000 files", against: "Readdirnames", most: 1.2,
		open: func(at *site) ([]way, error) { return memorySweeps(at.size(100_000, 1)) },
	},
	{
		work: "Keep, MemMapFs, 100,000 files", against: "Rename", most: 1.2,
		open: func(at *site) ([]way, error) { return memoryRenames(at.size(100_000, 1)) },
	},
	{
		work: "RemoveAll, MemMapFs, 100,000 files", against: "Fs.RemoveAll", most: 1.2,
		open: func(at *site) ([]way, error) { return memoryRemovals(at.size(100_000, 1)), nil },
	},
	{
		work: "work directory with 10,000 files", against: "os", most: 1.15, onDisk: true,
		open: func(at *site) ([]way, error) { return jobs(at.dir, at.size(10_000, 1)), nil },
	},
	{
		work: "rootfs: open, read, close, depth 1", against: "OsFs", most: 1.8, onDisk: true,
		open: readings,
	},
}
