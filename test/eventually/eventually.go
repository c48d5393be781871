// Package eventually waits in tests for what another goroutine, process or node
// does. Every test of this module that polls does it here, with one deadline that is
// generous enough for a busy machine: a test that passes never waits for it.
package eventually

import (
	"testing"
	"time"
)

// Deadline is how long True and NoError wait before they fail the test.
const Deadline = 60 * time.Second

const interval = 5 * time.Millisecond

// True calls condition until it returns true, in the goroutine of the test. It ends
// the test if that takes longer than Deadline; what names the expectation.
func True(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Deadline); !condition(); time.Sleep(interval) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", Deadline, what)
		}
	}
}

// NoError calls try until it returns nil. It ends the test with the last error if
// that takes longer than Deadline; what names the expectation.
func NoError(t testing.TB, what string, try func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(Deadline); ; time.Sleep(interval) {
		if err = try(); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s: %v", Deadline, what, err)
		}
	}
}
