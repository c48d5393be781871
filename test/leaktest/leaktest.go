// Package leaktest finds goroutines that outlive the tests of a package.
package leaktest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"im/test/eventually"
)

const interval = 100 * time.Millisecond

// Main runs the tests of a package and exits. It fails if goroutines are left that do
// not end soon. It waits longer than goleak.VerifyTestMain, which gives up after a
// second: go-redis pauses as long between two attempts to connect, also after its client
// was closed.
func Main(m *testing.M, ignored ...goleak.Option) {
	code := m.Run()
	if code == 0 {
		if err := wait(eventually.Deadline, ignored...); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left after the tests:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// wait waits until there are no goroutines but the caller's and those that are ignored.
func wait(patience time.Duration, ignored ...goleak.Option) (err error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(interval) {
		if err = goleak.Find(ignored...); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}
