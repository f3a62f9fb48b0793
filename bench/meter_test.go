package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestMeterSpeaksOfLongWorkOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		m := &meter{w: &out}
		m.begin("copying")
		m.at(1<<20, 4<<20)
		assert.Empty(t, out.String())
		time.Sleep(meterPatience)
		m.at(2<<20, 4<<20)
		assert.Equal(t, "copying: 2.0 MiB of 4.0 MiB\n", out.String())
		m.at(3<<20, 4<<20)
		assert.Equal(t, 1, strings.Count(out.String(), "\n"), "not at every call")
		time.Sleep(meterRepeat)
		m.at(3<<20, 4<<20)
		assert.Equal(t, 2, strings.Count(out.String(), "\n"))
	})
}

func TestMeterWritesOverItsLineOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		m := &meter{w: &out, rewrites: true}
		m.begin("copying")
		time.Sleep(meterPatience)
		m.at(1, 2)
		m.begin("next")
		assert.NotContains(t, out.String(), "\n")
		assert.Contains(t, out.String(), "\rcopying: 1 B of 2 B")
		assert.True(t, strings.HasSuffix(out.String(), " \r"), "the line is wiped")
	})
}

func TestMeteredReaderEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &meteredReader{ctx: ctx, r: strings.NewReader("abc"), meter: &meter{w: io.Discard}, total: 3}
	n, err := r.Read(make([]byte, 1))
	assert.Equal(t, 1, n)
	assert.NoError(t, err)
	cancel()
	_, err = io.ReadAll(r)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestByteSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 20: "5.0 MiB", 3 << 40: "3.0 TiB", 1<<63 - 1: "8.0 EiB",
	} {
		assert.Equal(t, want, byteSize(n))
	}
}
