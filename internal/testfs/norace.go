//go:build !race

package testfs

const raceDetector = false
