package read

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres/internal/pg"
)

func TestUnreadRecord(t *testing.T) {
	r := newUnreadRecord("e", pg.Snapshot{}, 9, [][16]byte{{3}, {1}}, []int32{30, 10})
	require.EqualValues(t, 40, r.total)
	r.set([16]byte{2}, 20)
	r.set([16]byte{1}, 0)
	r.set([16]byte{9}, 0)
	require.EqualValues(t, 50, r.total)
	r.set([16]byte{1}, 7)
	require.EqualValues(t, 57, r.total)
	require.Equal(t, []unreadCount{{[16]byte{1}, 7}, {[16]byte{2}, 20}, {[16]byte{3}, 30}}, r.unread)
	require.True(t, r.usable("e"))
	require.False(t, r.usable("f"))
	r.counted = r.counted.Add(-recordAge)
	require.False(t, r.usable("e"), "too old")
}

// Records are bounded (I9): in bytes, and small lists have none.
func TestI9UnreadRecordsAreBounded(t *testing.T) {
	records := newUnreadRecords()
	records.limit = 10_000
	record := func(conversations int) *unreadRecord {
		return newUnreadRecord("e", pg.Snapshot{}, conversations, make([][16]byte, 100), make([]int32, 100))
	}
	records.put("small", record(largeList-1))
	require.Nil(t, records.take("small"))
	for i := range 20 {
		records.put(domain.UserID(fmt.Sprint(i)), record(largeList))
	}
	require.Equal(t, 4, records.users.Len())
	require.LessOrEqual(t, records.size, records.limit)
	require.Nil(t, records.take("0"), "used the longest ago")
	newer := record(largeList)
	newer.at.Xmax = 2
	records.put("19", newer)
	records.put("19", record(largeList))
	require.Same(t, newer, records.take("19"), "an older one does not replace it")
	require.Nil(t, records.take("19"), "one sync has it")
	for i := range 20 {
		records.take(domain.UserID(fmt.Sprint(i)))
	}
	require.Zero(t, records.size)
}
