package push

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// The unread messages of a user are counted once, however many devices and conversations
// there are, and only if the number is sent.
func TestBadgedOnce(t *testing.T) {
	t.Parallel()
	job := func(user domain.UserID, sent int64, message, cleared bool) domain.PushJob {
		j := domain.PushJob{PushClaim: domain.PushClaim{User: user, SentSeq: sent}, Cleared: cleared}
		if message {
			j.Message = &domain.PushMessage{}
		}
		return j
	}
	require.Equal(t, []domain.UserID{"bob", "carol"}, badged([]domain.PushJob{
		job("carol", 1, false, true), job("bob", 0, true, false), job("carol", 0, true, false), job("bob", 0, true, false),
		job("looked", 1, false, false), job("dropped", 0, false, true),
	}))
}
