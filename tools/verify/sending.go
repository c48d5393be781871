package verify

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"
)

// try makes one attempt over either transport, or two at once over both.
func (u *user) try(ctx context.Context, a *attempt) {
	s, roll, base := u.someSession(u.rng), u.rng.IntN(100), u.node(u.rng)
	switch {
	case s != nil && roll < 60:
		u.start(a, 1)
		u.bySocket(s, a)
	case s != nil && roll < 70:
		u.start(a, 2)
		u.r.background(func() { u.byREST(ctx, base, roll%2 == 0, a) })
		u.bySocket(s, a)
	default:
		u.start(a, 1)
		u.r.background(func() { u.byREST(ctx, base, roll%2 == 0, a) })
	}
}

// start counts n attempts before they begin.
func (u *user) start(a *attempt, n int) {
	u.addBusy(n)
	u.r.ledger.attempt(a.send, int16(n))
}

// someSession returns a random live session of the user, or nil.
func (u *user) someSession(rng *rand.Rand) *session {
	from := rng.IntN(len(u.devices))
	for i := range u.devices {
		if s := u.devices[(from+i)%len(u.devices)].live(); s != nil && s.ws != nil && s.alive() {
			return s
		}
	}
	return nil
}

// bySocket makes an attempt over a session. Its answer, or a failure, settles it.
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
		o.paused = s.pausedSince(began)
		u.settle(a, s.name, s.epoch, o)
	})
}

// byREST makes an attempt over REST. With behalf, the backend makes it for the user.
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
		u.observe(&e, epoch)
	}
	u.settle(a, u.name+" over REST", epoch, o)
}

// observe records an event that a call was answered with.
func (u *user) observe(e *event, epoch int) {
	if u.r.isCurrent(epoch) {
		u.r.observed.add(e, u.number, byAnswer, time.Now())
	}
	b := e.parsed()
	u.r.convs.observe(e, &b, epoch)
}

// settle records the end of an attempt, and plans the next one if needed.
func (u *user) settle(a *attempt, client string, epoch int, o *outcome) {
	again := u.r.ledger.settle(a.send, a.id, client, epoch, o)
	if o.seq > 0 && u.r.isCurrent(epoch) {
		u.r.observed.noteExists(o.conversation, o.seq, time.Now())
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

// abandons reports whether a send is one of the few that are never retried. The log
// may have such a send once or not at all.
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
