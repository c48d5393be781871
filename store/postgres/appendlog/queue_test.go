package appendlog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func waiting(ids ...byte) []*entry {
	var list []*entry
	for _, id := range ids {
		list = append(list, &entry{target: domain.ConversationID{id}, due: time.Now().Add(patience), size: 1})
	}
	return list
}

// fresh is waiting of what has not waited for long enough to be helped with, however
// long the test takes.
func fresh(ids ...byte) []*entry {
	list := waiting(ids...)
	for _, e := range list {
		e.due = e.due.Add(time.Hour)
	}
	return list
}

func putAll(t *testing.T, q *queue, list []*entry) {
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
		e.due = e.due.Add(-2 * helpAfter) // they have waited: the other one helps
	}
	require.Equal(t, second[1:], q.take(1, nil, 10), "only what belongs to nobody")

	lost := &batch{works: []*work{{id: domain.ConversationID{2}}}}
	q.keep(0, nil, lost)
	q.keep(1, nil, nil)
	require.Equal(t, []*entry{first[2]}, q.take(1, nil, 10), "2 has a batch whose fate committer 0 does not know")
	require.Equal(t, []*entry{second[0]}, q.take(0, nil, 10))
}

// One committer writes all there is while it keeps up; another helps with a
// backlog, or when something has waited.
func TestQueueAnotherCommitterHelpsWhereItPays(t *testing.T) {
	q := newQueue(1<<20, 2)
	putAll(t, q, waiting(1))
	require.Len(t, q.take(0, nil, 10), 1)
	for n := range backlog {
		putAll(t, q, fresh(byte(2+n%100)))
	}
	require.Empty(t, q.take(1, nil, 10), "the one at work will take them all at once")
	putAll(t, q, fresh(200))
	require.Len(t, q.take(1, nil, 10), 10)
	require.NotEmpty(t, q.wake[1], "it was told")

	q = newQueue(1<<20, 2)
	putAll(t, q, waiting(1))
	require.Len(t, q.take(0, nil, 10), 1)
	late := fresh(2)
	putAll(t, q, late)
	require.Empty(t, q.take(1, nil, 10))
	late[0].due = waiting(2)[0].due.Add(-2 * helpAfter)
	require.Equal(t, late, q.take(1, nil, 10))
}

// Who owns the conversation is woken for it, even when there is no work besides.
func TestQueueOwnerIsWoken(t *testing.T) {
	q := newQueue(1<<20, 2)
	putAll(t, q, waiting(7))
	q.take(1, nil, 1)
	q.keep(1, nil, &batch{works: []*work{{id: domain.ConversationID{7}}}})
	for len(q.wake[1]) > 0 {
		<-q.wake[1]
	}
	putAll(t, q, waiting(7))
	require.Len(t, q.wake[1], 1)
}

// Where those before it take too long, a command is refused at once, and told for how
// long; not any more when what was known of the pace is old.
func TestQueueRefusesWhoWouldWaitForTooLong(t *testing.T) {
	q := newQueue(1<<20, 2)
	putAll(t, q, waiting(1, 2, 3, 4, 5))
	require.Equal(t, domain.ErrUnavailable, q.late(), "no pace is known")
	q.full(0, 1, time.Second)
	q.full(1, 1, time.Second) // 2 bytes a second, and 5 wait
	var refused *domain.Error
	require.ErrorAs(t, q.put(waiting(6)[0]), &refused)
	require.Equal(t, domain.CodeUnavailable, refused.Code)
	require.GreaterOrEqual(t, refused.After, longestWait/2)
	require.LessOrEqual(t, refused.After, longestWait)
	require.ErrorAs(t, q.late(), &refused)
	require.Positive(t, refused.After)
	q.release(1)
	putAll(t, q, waiting(6)) // 4 take no longer than they may

	q.paces[1].at = time.Now().Add(-2 * paceHolds)
	require.Error(t, q.put(waiting(7)[0]), "one committer alone takes longer")
	q.paces[0].at = time.Now().Add(-2 * paceHolds)
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
	q.keep(1, nil, nil)
	require.True(t, q.busy())
	q.rested = q.rested.Add(-busyFor)
	require.False(t, q.busy())
}
