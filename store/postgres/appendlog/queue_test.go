package appendlog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func waiting(ids ...byte) []*request {
	var list []*request
	for _, id := range ids {
		list = append(list, &request{target: domain.ConversationID{id}, at: time.Now(), due: time.Now().Add(commandTimeout), size: 1})
	}
	return list
}

// fresh is waiting of what has not waited for long enough to be helped with, however
// long the test takes.
func fresh(ids ...byte) []*request {
	list := waiting(ids...)
	for _, e := range list {
		e.due = e.due.Add(time.Hour)
	}
	return list
}

func putAll(t *testing.T, q *queue, list []*request) {
	t.Helper()
	for _, e := range list {
		require.NoError(t, q.put(e))
	}
}

// A conversation stays with the committer that has commands of it, and with one
// that does not know what became of some; the order is that of putting.
func TestQueueConversationBelongsToOneCommitter(t *testing.T) {
	q := newQueue(1<<20, 2)
	first := waiting(1, 2, 1)
	putAll(t, q, first)
	held := q.take(0, nil, 2)
	require.Equal(t, first[:2], held)

	second := waiting(2, 3)
	putAll(t, q, second)
	for _, e := range append(first, second...) {
		e.at = e.at.Add(-2 * helpAfter) // they have waited: the other one helps
	}
	require.Equal(t, second[1:], q.take(1, nil, 10), "only conversations without an owner")

	lost := &batch{groups: []*group{{id: domain.ConversationID{2}}}}
	q.release(0, nil, lost)
	q.release(1, nil, nil)
	require.Equal(t, []*request{first[2]}, q.take(1, nil, 10), "2 has a batch whose fate committer 0 does not know")
	require.Equal(t, []*request{second[0]}, q.take(0, nil, 10))
}

// One committer writes all there is while it keeps up; another helps with a
// helpBacklog, or when something has waited.
func TestQueueAnotherCommitterHelpsWhereItPays(t *testing.T) {
	q := newQueue(1<<20, 2)
	putAll(t, q, waiting(1))
	require.Len(t, q.take(0, nil, 10), 1)
	for n := range helpBacklog {
		putAll(t, q, fresh(byte(2+n%100)))
	}
	require.Empty(t, q.take(1, nil, 10), "the one at work will take them all at once")
	putAll(t, q, fresh(200))
	require.Len(t, q.take(1, nil, 10), 10)
	require.NotEmpty(t, q.wake[1], "it was signaled")

	q = newQueue(1<<20, 2)
	putAll(t, q, waiting(1))
	require.Len(t, q.take(0, nil, 10), 1)
	late := fresh(2)
	putAll(t, q, late)
	require.Empty(t, q.take(1, nil, 10))
	late[0].at = waiting(2)[0].at.Add(-2 * helpAfter)
	require.Equal(t, late, q.take(1, nil, 10))
}

// Who owns the conversation is woken for it, even when there is no work besides.
func TestQueueOwnerIsWoken(t *testing.T) {
	q := newQueue(1<<20, 2)
	putAll(t, q, waiting(7))
	q.take(1, nil, 1)
	q.release(1, nil, &batch{groups: []*group{{id: domain.ConversationID{7}}}})
	for len(q.wake[1]) > 0 {
		<-q.wake[1]
	}
	putAll(t, q, waiting(7))
	require.Len(t, q.wake[1], 1)
}

// If the queue takes too long to drain, a command is refused at once, with a delay for how
// long; not any more when what was known of the pace is old.
func TestQueueRefusesWhoWouldWaitForTooLong(t *testing.T) {
	q := newQueue(1<<20, 2)
	putAll(t, q, waiting(1, 2, 3, 4, 5))
	require.Equal(t, domain.ErrUnavailable, q.timeoutError(), "no throughput is known")
	q.observe(0, 1, time.Second)
	q.observe(1, 1, time.Second) // 2 bytes a second, and 5 wait
	var refused *domain.Error
	require.ErrorAs(t, q.put(waiting(6)[0]), &refused)
	require.Equal(t, domain.CodeUnavailable, refused.Code)
	require.GreaterOrEqual(t, refused.After, maxQueueTime/2)
	require.LessOrEqual(t, refused.After, maxQueueTime)
	require.ErrorAs(t, q.timeoutError(), &refused)
	require.Positive(t, refused.After)
	q.free(1)
	putAll(t, q, waiting(6)) // 4 take no longer than they may

	q.throughputs[1].at = time.Now().Add(-2 * throughputHolds)
	require.Error(t, q.put(waiting(7)[0]), "one committer alone takes longer")
	q.throughputs[0].at = time.Now().Add(-2 * throughputHolds)
	putAll(t, q, waiting(7))
}

// A node appends while a committer is at work, and for a moment longer.
func TestQueueIsBusyForAMomentAfterAnAppend(t *testing.T) {
	q := newQueue(1<<20, 2)
	require.False(t, q.busy())
	putAll(t, q, waiting(1))
	require.False(t, q.busy())
	require.Len(t, q.take(1, nil, 9), 1)
	require.True(t, q.busy())
	q.release(1, nil, nil)
	require.True(t, q.busy())
	q.rested = q.rested.Add(-busyFor)
	require.False(t, q.busy())
}
