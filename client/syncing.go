package client

import (
	"encoding/json"
	"errors"
	"time"

	"im/domain"
)

var errEpoch = errors.New("the epoch has changed")

// syncing is the one sync that may be under way, and why another may follow.
//
//	state    active  again  changes
//	idle     no      no     sync: to running
//	running  yes     no     last page: to idle; a call of sync: to repeat
//	repeat   yes     yes    last page: to running if unknown conversations are left
//	                        and no sync was made for them, else to idle
//
// The end of the session leads to idle.
type syncing struct {
	cursor string // of the last complete sync; "" lists everything
	active bool
	again  bool
	// full: the sync under way lists everything; seen is what it has listed.
	full bool
	seen map[ConversationID]bool
	// unknown are conversations of which events came before their state. The state may
	// be older than the events, so the highest seq is remembered too.
	unknown map[ConversationID]span
	// asked: a sync was made for the unknown ones already.
	asked bool
}

// span are the lowest and the highest seq of events.
type span struct{ first, last int64 }

func (s *syncing) disconnected() {
	s.active, s.again, s.full, s.seen, s.asked = false, false, false, nil, false
}

func (s *syncing) listed(id ConversationID) {
	if s.full {
		s.seen[id] = true
	}
}

// unknown records an event of a conversation without a state, and syncs.
func (e *engine) unknown(id ConversationID, seq int64) {
	s, ok := e.syncs.unknown[id]
	if !ok {
		s = span{seq, seq}
	}
	e.syncs.unknown[id] = span{min(s.first, seq), max(s.last, seq)}
	e.sync()
}

// sync requests what has changed since the last sync; everything at first.
func (e *engine) sync() {
	if e.syncs.active {
		e.syncs.again = true
		return
	}
	e.syncs.active = true
	e.syncs.full = e.syncs.cursor == ""
	e.syncs.seen = map[ConversationID]bool{}
	e.syncFrom(e.syncs.cursor)
}

func (e *engine) syncFrom(cursor string) {
	events := syncEvents
	if e.isNew && e.history != Everything {
		events = min(e.history, maxSyncEvents)
	}
	c := &call{ofSession: true, answer: e.syncAnswered}
	e.call(c, func(id string) any {
		return syncFrame{Type: "sync", ID: id, Cursor: cursor, TimelineLimit: events}
	})
}

func (e *engine) syncAnswered(frame json.RawMessage, err error) {
	var page domain.SyncPage
	if err == nil {
		err = json.Unmarshal(frame, &page)
	}
	switch {
	case errors.Is(err, ErrCursorInvalid) && !e.syncs.full:
		e.syncs.cursor, e.syncs.active = "", false
		e.sync()
	case err != nil:
		e.fault = err
	case page.Epoch != e.epoch:
		e.fault = errEpoch
	default:
		e.syncPage(&page)
	}
}

func (e *engine) syncPage(page *domain.SyncPage) {
	for _, v := range page.Conversations {
		e.view(v)
	}
	for _, id := range page.Removed {
		e.drop(id)
	}
	if !page.Done {
		e.syncFrom(page.Cursor)
		return
	}
	e.syncs.cursor = page.Cursor
	e.synced()
}

// repair syncs again after a while if the mirror has doubts: their conversations have
// changed, so they are listed.
func (e *engine) repair() {
	switch {
	case len(e.mirror.doubts) == 0:
		e.repairs.reset()
		e.repairAt = time.Time{}
	case e.repairAt.IsZero():
		e.repairAt = e.now().Add(e.repairs.next())
	case !e.syncs.active && !e.now().Before(e.repairAt):
		e.repairAt = e.now().Add(e.repairs.next())
		e.sync()
	}
}

// synced ends a sync. Conversations that a full one did not list are gone.
func (e *engine) synced() {
	if e.syncs.full {
		for id := range e.streams {
			if !e.syncs.seen[id] {
				e.drop(id)
			}
		}
	}
	again := e.syncs.again && len(e.syncs.unknown) > 0 && !e.syncs.asked
	e.syncs.active, e.syncs.again, e.syncs.full, e.syncs.seen = false, false, false, nil
	e.isNew = false
	e.inbox.save = true // the epoch, also for a user without conversations
	if again {
		e.syncs.asked = true
		e.sync()
		return
	}
	e.syncs.asked = false
	clear(e.syncs.unknown) // the user is not in them
	e.online = true
	e.inbox.status = &Status{State: Online}
}
