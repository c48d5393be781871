package appendlog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres/appendlog"
	"im/test/pgtest"
	"im/test/proxytest"
	"im/test/storetest"
)

// PostgreSQL is behind a line that takes 64 KiB in 200 ms, and more is asked of it
// than it takes, for as long as it goes on: some get a delay to retry after, and the
// others are accepted all the time. Batches that are too large for the line would
// all be given up, and nothing be written ever.
func TestSlowServerIsGivenWhatItTakes(t *testing.T) {
	t.Parallel()
	via, proxy := proxytest.Before(t, pgtest.New(t))
	n := storetest.Start(t, via, storetest.OneCommitter, storetest.OwnTimeout)
	id := n.Group(t, "alice", "bob")
	n.Post(t, "alice", id, "warm", "x")
	proxy.Slow(200 * time.Millisecond)

	const senders, enough = 700, 1000 // nothing is refused among the first
	content := storetest.Text(strings.Repeat("x", 4_000))
	ctx, stop := context.WithCancel(context.Background())
	var accepted, refused, delayed atomic.Int64
	var mu sync.Mutex
	var waits []time.Duration // of what was accepted after the first was refused
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				began := time.Now()
				a := <-n.Send(context.Background(), "alice", domain.Post{
					ConversationID: id, ClientMsgID: fmt.Sprint(i, "-", k), Content: content,
				})
				if a.Err != nil {
					refused.Add(1)
					var why *domain.Error
					if errors.As(a.Err, &why) && why.After > 0 {
						delayed.Add(1)
						select {
						case <-time.After(why.After):
						case <-ctx.Done():
						}
					}
					continue
				}
				accepted.Add(1)
				if refused.Load() > 0 {
					mu.Lock()
					waits = append(waits, time.Since(began))
					mu.Unlock()
				}
			}
		})
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(waits) >= enough
	}, 6*storetest.Deadline, 10*time.Millisecond, "enough is accepted though some are refused")
	stop()
	proxy.Mend()
	all.Wait()
	require.GreaterOrEqual(t, int64(len(n.Log(t, id))), 2+accepted.Load())
	require.Positive(t, delayed.Load(), "refusals name a delay")
	late := waits[enough-300 : enough]
	slices.Sort(late)
	t.Logf("%d accepted, %d refused, %d of them with a delay; waits: median %s, most %s", accepted.Load(), refused.Load(), delayed.Load(), late[len(late)/2], late[len(late)-1])
	require.Less(t, late[len(late)/2], appendlog.Patience/2, "accepted is what need not wait for long")
}
