package testfs

import "testing"

// eachOf is what [Each] runs its bodies on.
var eachOf = makers

// Only makes [Each] run its bodies on one kind alone: one that this module cannot
// make, because it takes what is in another. It is called while a test binary is
// being initialized, by a package that is put into it for that.
//
// make sets Fs, and Dir if that is not "/scratch".
func Only(name string, make func(t testing.TB) Kind) { eachOf = []maker{{name, make}} }
