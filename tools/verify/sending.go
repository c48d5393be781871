package verify

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"
)

// try makes one attempt, or two at once over both transports.
func (u *user) try(ctx context.Context, a *attempt) {
	s, lockedRand, base := u.someSession(u.rng), u.rng.IntN(100), u.node(u.rng)
	switch {
	case s != nil && lockedRand < 60:
		u.start(a, 1)
		u.bySocket(s, a)
	case s != nil && lockedRand < 70:
		u.start(a, 2)
		u.r.background(func() { u.byREST(ctx, base, lockedRand%2 == 0, a) })
		u.bySocket(s, a)
	default:
		u.start(a, 1)
		u.r.background(func() { u.byREST(ctx, base, lockedRand%2 == 0, a) })
	}
}

func (u *user) start(a *attempt, n int) {
	u.addBusy(n)
	u.r.ledger.attempt(a.send, int16(n))
}

// someSession chooses a live session of the user, or nil.
func (u *user) someSession(rng *rand.Rand) *session {
	from := rng.IntN(len(u.devices))
	for i := range u.devices {
		if s := u.devices[(from+i)%len(u.devices)].live(); s != nil && s.ws != nil && s.alive() {
			return s
		}
	}
	return nil
}

func (u *user) bySocket(s *session, a *attempt) {
	fields, began := map[string]any{"type": "send"}, time.Now()
	for name, v := range a.fields {
		fields[name] = v
	}
	s.ask(fields, func(frame uint32) { u.r.ledger.framed(a.send, s.serial, frame) }, func(f *frame) {
		o := &outcome{unknown: true, code: "none"}
		switch {
		case f == nil:
		case f.Type == "sent":
			o = &outcome{conversation: f.ConversationID, clientMsgID: f.ClientMsgID, seq: f.Seq, at: f.At, duplicate: f.Duplicate}
		default:
			o = &outcome{code: f.Code}
		}
		o.rested = s.restedSince(began)
		u.settle(a, s.name, s.epoch, o)
	})
}

func (u *user) byREST(ctx context.Context, base string, behalf bool, a *attempt) {
	fields, path := map[string]any{}, "/v1/messages"
	for name, v := range a.fields {
		fields[name] = v
	}
	if id, ok := fields["conversation_id"].(string); ok {
		delete(fields, "conversation_id")
		path = "/v1/conversations/" + id + "/messages"
	}
	epoch := u.r.epochNow()
	r := u.r.api.call(ctx, base, u.name, behalf, http.MethodPost, path, fields)
	var e event
	o := &outcome{code: r.code, unknown: r.unknown()}
	if r.into(&e) {
		o = &outcome{conversation: e.ConversationID, clientMsgID: e.ClientMsgID, seq: e.Seq, at: e.At, duplicate: r.status == http.StatusOK, byCall: true}
		u.saw(&e, epoch)
	}
	u.settle(a, u.name+" over REST", epoch, o)
}

// saw records an event that came as the answer to a call.
func (u *user) saw(e *event, epoch int) {
	if u.r.present(epoch) {
		u.r.witness.see(e, u.number, byAnswer, time.Now())
	}
	b := e.parsed()
	u.r.rooms.see(e, &b, epoch)
}

// settle takes the end of an attempt and plans the next one if needed.
func (u *user) settle(a *attempt, client string, epoch int, o *outcome) {
	again := u.r.ledger.settle(a.send, a.id, client, epoch, o)
	if o.seq > 0 && u.r.present(epoch) {
		u.r.witness.know(o.conversation, o.seq, time.Now())
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.busy--
	if o.seq > 0 && a.flood > 0 {
		u.r.floods.add(a.flood)
		a.flood = 0
	}
	if again && !u.abandons(a) {
		a.due = time.Now().Add(500 * time.Millisecond)
		u.again = append(u.again, a)
	}
}

// abandons chooses a few sends that are never retried: the log may have them
// once or not at all.
func (u *user) abandons(a *attempt) bool { return hash(a.id)%16 == 0 }

// retry repeats the attempts that are due.
func (u *user) retry(ctx context.Context) {
	u.mu.Lock()
	var due []*attempt
	later := u.again[:0]
	for _, a := range u.again {
		if time.Now().After(a.due) {
			due = append(due, a)
		} else {
			later = append(later, a)
		}
	}
	u.again = later
	u.mu.Unlock()
	for _, a := range due {
		u.r.tally.count(func(r *Report) { r.Retries++ })
		u.try(ctx, a)
	}
}
