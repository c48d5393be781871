package read

import (
	"bytes"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const (
	// largeList is the number of conversations from which a user gets a record. With fewer,
	// counting all of them is as fast.
	largeList = 200
	// recordAge is the age at which a record is counted again, whatever has changed. The
	// feed goes back for some hours (see the sweep of commits).
	recordAge = time.Hour
	// recordBytes bounds the records of a node.
	recordBytes = 32 << 20
)

// unreadRecord holds what a user had unread as of a snapshot. Only the node that counted it
// has it, in memory. It is never an answer: a sync brings it forward to its own snapshot,
// by the conversations that changed in between, or counts everything.
//
//	state     next
//	none      counted, by a sync that reads all conversations
//	counted   taken, by the next sync of the user
//	taken     counted as of a later snapshot, by a sync that was answered; else none
//
// While one sync has the record, no other finds it.
type unreadRecord struct {
	epoch         string
	at            pg.Snapshot
	counted       time.Time // when all conversations were read last
	conversations int       // of the user, at that time
	total         int64
	unread        []unreadCount // by id; a conversation that is missing has none
}

// unreadCount is the number of unread messages in a conversation.
type unreadCount struct {
	id       [16]byte
	messages int32
}

func compareCounts(c unreadCount, id [16]byte) int { return bytes.Compare(c.id[:], id[:]) }

// newUnreadRecord returns a record that holds the counts, in any order.
func newUnreadRecord(epoch string, at pg.Snapshot, conversations int, ids [][16]byte, counts []int32) *unreadRecord {
	r := &unreadRecord{epoch: epoch, at: at, counted: time.Now(), conversations: conversations, unread: make([]unreadCount, len(ids))}
	for i, id := range ids {
		r.unread[i] = unreadCount{id, counts[i]}
		r.total += int64(counts[i])
	}
	slices.SortFunc(r.unread, func(a, b unreadCount) int { return compareCounts(a, b.id) })
	return r
}

// set replaces the count of a conversation.
func (r *unreadRecord) set(id [16]byte, messages int32) {
	i, found := slices.BinarySearchFunc(r.unread, id, compareCounts)
	switch {
	case found:
		r.total += int64(messages - r.unread[i].messages)
		r.unread[i].messages = messages
	case messages != 0:
		r.total += int64(messages)
		r.unread = slices.Insert(r.unread, i, unreadCount{id, messages})
	}
}

func (r *unreadRecord) size() int { return 256 + 20*cap(r.unread) }

// usable reports whether the record can be brought forward in the epoch, as far as the node
// can tell. The feed has the last word.
func (r *unreadRecord) usable(epoch string) bool {
	return r != nil && r.epoch == epoch && time.Since(r.counted) < recordAge
}

// unreadRecords are the records of a node. Those that were used the longest ago are
// dropped when they become too large together. It is safe for concurrent use.
type unreadRecords struct {
	from  int // conversations that a user has at least
	limit int // bytes

	mu    sync.Mutex
	size  int
	users *simplelru.LRU[domain.UserID, *unreadRecord]
}

func newUnreadRecords() *unreadRecords {
	r := &unreadRecords{from: largeList, limit: recordBytes}
	r.users, _ = simplelru.NewLRU(math.MaxInt, func(_ domain.UserID, old *unreadRecord) { r.size -= old.size() }) // a positive size is no error
	return r
}

// take returns the record of a user, nil if there is none, and removes it. The caller may
// change it and put it back.
func (r *unreadRecords) take(user domain.UserID) *unreadRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	record, _ := r.users.Peek(user)
	r.users.Remove(user)
	return record
}

// put keeps a record, unless there is one of a later snapshot.
func (r *unreadRecords) put(user domain.UserID, record *unreadRecord) {
	if record == nil || record.conversations < r.from {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.users.Peek(user); ok {
		if other.epoch == record.epoch && other.at.Xmax > record.at.Xmax {
			return
		}
		r.users.Remove(user)
	}
	r.users.Add(user, record)
	for r.size += record.size(); r.size > r.limit; {
		r.users.RemoveOldest()
	}
}
