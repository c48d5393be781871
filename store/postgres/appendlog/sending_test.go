package appendlog_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres/appendlog"
	"im/test/storetest"
)

// sending is a posting of alice that has not been accepted yet.
type sending struct {
	n      *storetest.Node
	post   domain.Post
	began  time.Time
	answer <-chan storetest.Answer
}

func send(t *testing.T, n *storetest.Node, id domain.ConversationID, msgID, text string) *sending {
	t.Helper()
	s := &sending{n: n, post: domain.Post{ConversationID: id, ClientMsgID: msgID, Content: storetest.Text(text)}}
	s.again()
	return s
}

func (s *sending) again() {
	s.began, s.answer = time.Now(), s.n.Send(context.Background(), "alice", s.post)
}

// accepted waits until the posting is accepted. A store may give up a command only when
// its time is over, as on a busy machine: then it is sent again, as clients do. Only one
// that was sent again may be a duplicate.
func (s *sending) accepted(t *testing.T) storetest.Answer {
	t.Helper()
	for first := true; ; first = false {
		a := storetest.Wait(t, s.answer)
		if a.Err == nil {
			require.False(t, first && a.Duplicate, "what an attempt of one's own wrote is no duplicate")
			require.Equal(t, s.post.ClientMsgID, a.Event.ClientMsgID)
			return a
		}
		require.ErrorIs(t, a.Err, domain.ErrUnavailable)
		require.Greater(t, time.Since(s.began), appendlog.Patience*3/4, "given up early: %v", a.Err)
		s.again()
	}
}
