// Package peers measures this library against what a user would take instead, and
// tries it with programs that it is meant to help. It is a module of its own, so
// that none of them is a dependency of the library.
package peers
