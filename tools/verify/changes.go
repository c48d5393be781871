package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// change is a call that changes something and is not a send.
type change struct {
	conversation string
	kind         string // type of the event that it makes
	about        string // subject of the event, as subjectOf returns it
	method, path string
	fields       any
}

// change makes one random change.
func (u *user) change(ctx context.Context) {
	if u.rng.IntN(30) == 0 {
		u.createGroup(ctx, u.r.users, 2+u.rng.IntN(5), append(changingKinds(), groupKind{})[u.rng.IntN(4)])
		return
	}
	c := u.r.convs.choose(u.name, u.rng, u.rng.IntN(2) == 0)
	if c == nil {
		return
	}
	if made := u.plan(c); made != nil {
		u.makeCall(ctx, made)
	}
}

// plan chooses a change of a conversation, or nil for none.
func (u *user) plan(c *knownConversation) *change {
	now := u.r.convs.snapshot(c, u.r.users)
	in, out, roles := now.in, now.out, now.roles
	moderates := roles[u.name] == "owner" || roles[u.name] == "admin"
	base := "/v1/conversations/" + c.id
	switch n := u.rng.IntN(100); {
	case n < 60:
		return u.planMessage(c.id, base, now.recent)
	case now.direct:
		return nil
	case n < 75 && moderates && len(out) > 0:
		who := out[u.rng.IntN(len(out))]
		return joins(c.id, who)
	case n < 83 && moderates && len(in) > 3:
		return now.leaves(c.id, in[u.rng.IntN(len(in))])
	case n < 87 && len(in) > 3:
		return now.leaves(c.id, u.name)
	case n < 93 && roles[u.name] == "owner":
		who := in[u.rng.IntN(len(in))]
		role := []string{"admin", "member", "admin", "owner"}[u.rng.IntN(4)]
		// If the member left concurrently, the call adds them.
		return &change{c.id, added, who, http.MethodPut, base + "/members/" + who, map[string]any{"role": role}}
	case moderates:
		title := fmt.Sprintf("Group %d", u.rng.IntN(1000))
		return &change{c.id, updated, "", http.MethodPatch, base, map[string]any{"title": title}}
	}
	return nil
}

// planMessage chooses a change of one of the newest messages.
func (u *user) planMessage(id, base string, recent []target) *change {
	if len(recent) == 0 {
		return nil
	}
	t := recent[u.rng.IntN(len(recent))]
	seq := strconv.FormatInt(t.seq, 10)
	emoji := []string{"👍", "🎉", "❤"}[u.rng.IntN(3)]
	form := emoji + []string{"", "\uFE0F"}[u.rng.IntN(2)] // the same emoji, which events have without U+FE0F
	message := base + "/messages/" + seq
	switch n := u.rng.IntN(100); {
	case n < 35:
		return &change{id, reacted, seq + emoji, http.MethodPut, message + "/reactions/" + form, nil}
	case n < 50:
		return &change{id, undone, seq + emoji, http.MethodDelete, message + "/reactions/" + form, nil}
	case n < 58:
		return &change{id, "message.pinned", seq, http.MethodPut, message + "/pin", nil}
	case n < 66:
		return &change{id, "message.unpinned", seq, http.MethodDelete, message + "/pin", nil}
	}
	var own []target
	for _, one := range recent {
		if one.sender == u.name {
			own = append(own, one)
		}
	}
	if len(own) > 0 {
		t = own[u.rng.IntN(len(own))]
	}
	seq = strconv.FormatInt(t.seq, 10)
	message = base + "/messages/" + seq
	if u.rng.IntN(5) < 3 {
		text := fmt.Sprintf("edited %d", u.rng.IntN(1000000))
		return &change{id, edited, seq, http.MethodPatch, message, map[string]any{"content": map[string]any{"type": "text", "text": text}}}
	}
	return &change{id, recall, seq, http.MethodDelete, message, nil}
}

// subjectOf returns the subject of an event. Together with conversation, type
// and sender it shows whether a user requested the event.
func subjectOf(e *entry) (about string, known bool) {
	switch e.kind {
	case reacted, undone:
		return strconv.FormatInt(e.target, 10) + e.who, true
	case "message.pinned", "message.unpinned", edited, recall:
		return strconv.FormatInt(e.target, 10), true
	case added, removed:
		return e.who, true
	case updated:
		return "", true
	}
	return "", false
}

// makeCall makes the call of a change in the background.
func (u *user) makeCall(ctx context.Context, c *change) {
	base, behalf := u.node(u.rng), u.rng.IntN(4) == 0
	u.r.ledger.change(c.conversation, c.kind, u.name, c.about)
	u.addBusy(1)
	u.r.background(func() {
		defer u.addBusy(-1)
		epoch := u.r.epochNow()
		r := u.r.api.call(ctx, base, u.name, behalf, c.method, c.path, c.fields)
		var e event
		switch {
		case r.into(&e):
			u.observe(&e, epoch)
			u.r.tally.count(func(r *Report) { r.Changes++ })
		case !r.ok():
			u.r.tally.fault("error " + r.code)
		}
	})
}

// createGroup creates a group with n others, or a direct conversation for n =
// 1. It reports whether that succeeded.
func (u *user) createGroup(ctx context.Context, among []*user, n int, as groupKind) bool {
	var others []string
	for _, i := range u.rng.Perm(len(among)) {
		if among[i] != u && len(others) < n {
			others = append(others, among[i].name)
		}
	}
	return u.create(ctx, others, n == 1, as)
}

// create creates a conversation and reports whether that succeeded.
func (u *user) create(ctx context.Context, others []string, direct bool, as groupKind) bool {
	fields := map[string]any{"kind": "group", "members": others, "title": fmt.Sprintf("Group %d", u.rng.IntN(1000)), "settings": as.settings()}
	if direct {
		fields = map[string]any{"kind": "direct", "members": others}
	}
	epoch := u.r.epochNow()
	r := u.r.api.call(ctx, u.node(u.rng), u.name, false, http.MethodPost, "/v1/conversations", fields)
	var v view
	if !r.into(&v) {
		u.r.tally.fault("error " + r.code)
		return false
	}
	members := []member{{u.name, "owner"}}
	for _, o := range others {
		members = append(members, member{o, "member"})
	}
	text, _ := json.Marshal(map[string]any{"kind": v.Kind, "members": members, "settings": fields["settings"]})
	e := &event{ConversationID: v.ConversationID, Seq: 1, Type: created, Body: text}
	b := e.parsed()
	u.r.convs.observe(e, &b, epoch)
	return true
}

// markRead reads up to a random message of one of the user's conversations.
func (u *user) markRead(ctx context.Context) {
	c := u.r.convs.choose(u.name, u.rng, false)
	if c == nil {
		return
	}
	recent := u.r.convs.snapshot(c, u.r.users).recent
	if len(recent) == 0 {
		return
	}
	seq := recent[u.rng.IntN(len(recent))].seq
	u.noteRead(c.id, seq, 0)
	s, base := u.someSession(u.rng), u.node(u.rng)
	u.addBusy(1)
	if s != nil && u.rng.IntN(3) > 0 {
		fields := map[string]any{"type": "read", "conversation_id": c.id, "seq": seq}
		s.ask(fields, func(uint32) {}, func(f *frame) {
			defer u.addBusy(-1)
			if f != nil && f.Type == "read_state" {
				u.noteRead(c.id, accepted(seq, f.ReadSeq, s.epoch), s.epoch)
			}
		})
		return
	}
	u.r.background(func() {
		defer u.addBusy(-1)
		epoch := u.r.epochNow()
		r := u.r.api.call(ctx, base, u.name, false, http.MethodPut, "/v1/conversations/"+c.id+"/read", map[string]any{"seq": seq})
		var f frame
		if r.into(&f) {
			u.noteRead(c.id, accepted(seq, f.ReadSeq, epoch), epoch)
		}
	})
}

// accepted returns the position that the server recorded for a request of seq. In a
// new epoch seq may have been lost, and a seq beyond the head counts as the
// head.
func accepted(seq, answered int64, epoch int) int64 {
	if epoch > 1 {
		return min(seq, answered)
	}
	return seq
}

// noteRead records that a user requested a read position or, with an epoch
// above 0, that the server answered it in that epoch.
func (u *user) noteRead(id string, seq int64, epoch int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.reads[id]
	m.tried = max(m.tried, seq)
	if epoch > m.epoch {
		m.answered, m.epoch = 0, epoch
	}
	if epoch > 0 && epoch == m.epoch {
		m.answered = max(m.answered, seq)
	}
	u.reads[id] = m
}
