//go:build race

package testfs

const raceDetector = true
