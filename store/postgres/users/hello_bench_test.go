package users_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// BenchmarkHello runs the reads with which a session begins, for a number of sessions at a
// time. Each user has 20 conversations.
func BenchmarkHello(b *testing.B) {
	for _, atOnce := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("at_once=%d", atOnce), func(b *testing.B) {
			n := storetest.Start(b, pgtest.New(b))
			storetest.Seed(b, n, storetest.SeedDirectsSQL, 20)
			storetest.Seed(b, n, `
INSERT INTO members (conversation_id, joined_seq, read_seq, read_message_no, changed, role, user_id)
SELECT conversation_id, 1, 1, 0, changed, role, 'u' || i FROM members, generate_series(1, 1000) i WHERE user_id = 'me'`)
			storetest.Seed(b, n, `ANALYZE`)
			b.ReportAllocs()
			b.ResetTimer()
			var begun atomic.Int64
			var all errgroup.Group
			for range atOnce {
				all.Go(func() error {
					for {
						i := begun.Add(1)
						if i > int64(b.N) {
							return nil
						}
						if err := hello(n, domain.UserID(fmt.Sprint("u", 1+i%1000)), 20); err != nil {
							return err
						}
					}
				})
			}
			require.NoError(b, all.Wait())
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hellos/s")
		})
	}
}

// hello runs the reads with which a session of the user begins.
func hello(n *storetest.Node, user domain.UserID, conversations int) error {
	ctx := context.Background()
	if _, err := n.Admit(ctx, user); err != nil {
		return err
	}
	m, err := n.Memberships(ctx, user)
	if err == nil && len(m.List) != conversations {
		err = fmt.Errorf("%d conversations", len(m.List))
	}
	return err
}
