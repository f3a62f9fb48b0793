// Package powercut cuts the power on real file systems.
//
// A [Bench] is a fresh ext4, xfs or btrfs on a loop device, and that on a file
// which logs each write that it takes and each flush of its cache: a FUSE file
// that a process of its own serves. A [Scenario] is a workload there, in another
// process, which says whenever it was promised that something is durable. From the
// log come crash states: the disk as a cut after the first k events leaves it, with
// the writes that no flush had covered kept, dropped, or each by chance, in sectors
// if asked for. Each is mounted, which has the file system replay its journal, and
// what is found is verified: a promise that had been made must have been kept, and
// whatever else is there must be old or new, and whole.
//
// It needs Linux, root, /dev/fuse, loop devices and the tools of the file systems.
// Nothing is left of it however it ends; see package mount.
package powercut
