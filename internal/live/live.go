// Package live holds tests alone: instruments that run every room on the real
// operating system while that refuses, has no room, or kills the process.
package live
