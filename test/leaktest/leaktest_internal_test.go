package leaktest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"im/test/eventually"
)

func TestWait(t *testing.T) {
	others := goleak.IgnoreCurrent()
	end := make(chan struct{})
	go func() { <-end }()
	require.ErrorContains(t, wait(0, others), "TestWait")
	go func() {
		time.Sleep(2 * time.Second)
		close(end)
	}()
	require.NoError(t, wait(eventually.Deadline, others))
}
