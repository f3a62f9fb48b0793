// Package testfs is the test bench of the project: every kind of file system that
// must behave the same ([Each]), a spy that records calls and makes them fail
// ([Spy], [EachFault]), a file system that forgets what was not synced
// ([CrashFs]), and one that does as Windows does ([Windows]).
package testfs
