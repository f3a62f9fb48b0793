// Package remote runs the suites of the rooms on file systems of other machines. It is
// a module of its own, so that the clients which that takes are no dependencies of the
// library.
package remote
