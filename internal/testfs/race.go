//go:build race

package testfs

const underRace = true
