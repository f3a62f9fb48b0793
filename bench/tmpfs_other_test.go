//go:build !linux

package main

// Elsewhere the calls have other names, or none.
var rawNamed, rawAnonymous []temporary
