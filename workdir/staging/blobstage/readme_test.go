package blobstage_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the README shows of this package is in an example, which is run.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	examples, err := os.ReadFile("blobstage_test.go")
	require.NoError(t, err)
	found := 0
	for _, block := range regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllSubmatch(text, -1) {
		if !strings.Contains(string(block[1]), "blobstage.") {
			continue
		}
		found++
		assert.Contains(t, string(examples), "\n\t"+strings.ReplaceAll(strings.TrimSpace(string(block[1])), "\n", "\n\t")+"\n")
		said := regexp.MustCompile(`// prints (.*)`).FindSubmatch(block[1])
		require.NotNil(t, said)
		assert.Contains(t, string(examples), "// Output: "+string(said[1])+"\n")
	}
	assert.Equal(t, 1, found)
}
