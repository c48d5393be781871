package environments

import (
	"fmt"
	"os"
	"testing"

	"im/test/improcess"
)

// binary is the path of im, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "im-environments-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	_ = os.Setenv("CGO_ENABLED", "0") // a static program, as in the image
	if binary, err = improcess.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer sharedBroker.stop()
	return m.Run()
}
