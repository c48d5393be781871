package verify

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// checkTimeout bounds the reading of all logs at the end.
const checkTimeout = 10 * time.Minute

// finish reads every log and checks it. Only the caller of Run waits for it, so
// it may take its time.
func (r *runner) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	r.say("reading the logs")
	claims := r.claims(ctx)
	for id, list := range r.socketClaims {
		claims[id] = append(claims[id], list...)
	}
	for id, list := range r.floors.early {
		claims[id] = append(claims[id], list...)
	}
	for _, id := range r.conversations() {
		h, code := r.readLog(ctx, id)
		switch {
		case h != nil:
			r.check(ctx, h, claims[id])
		case code == "not_found":
			r.checkGone(id)
		default:
			r.unfinished("the log of " + id + " could not be read: " + code)
		}
	}
	epoch := r.epochNow()
	r.report(r.ledger.check(epoch))
	r.report(r.ledger.differing(r.epochSeen))
	r.report(r.hook.doubts(epoch))
	r.tally.count(func(p *Report) {
		p.Epochs = int64(epoch)
		p.Conversations = int64(r.convs.count())
		p.Elapsed = millis(time.Since(p.Started))
	})
}

// checkGone checks a conversation that is not found. If clients saw it only in an
// earlier epoch, the failover in between lost it.
func (r *runner) checkGone(id string) {
	epoch := r.epochNow()
	if r.convs.lastEpoch(id) < epoch && !r.observed.hasAny(id) && !r.heldIn(id, epoch) {
		r.ledger.lose(id)
		return
	}
	r.report(r.observed.check(id, &history{id: id}))
	r.report([]Breach{{Invariant: "I1", ConversationID: id, Client: "the log", Text: "clients know this conversation, but it is not found"}})
}

// heldIn reports whether a device knew a conversation in that epoch.
func (r *runner) heldIn(id string, epoch int) bool {
	for _, u := range r.users {
		for _, d := range u.devices {
			d.mu.Lock()
			heldIn := d.epoch == epoch && d.holdings[id] != nil
			d.mu.Unlock()
			if heldIn {
				return true
			}
		}
	}
	return false
}

func (r *runner) report(list []Breach) {
	for _, b := range list {
		r.tally.breach(b)
	}
}

// conversations returns all conversations that any client knows.
func (r *runner) conversations() []string {
	ids := r.convs.ids()
	for _, id := range r.observed.conversations() {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// check checks one conversation against its log.
func (r *runner) check(ctx context.Context, h *history, claims []claim) {
	r.tally.count(func(p *Report) { p.LogEvents += h.head() })
	r.report(h.check())
	r.hook.check(h, r.epochNow())
	r.report(r.observed.check(h.id, h))
	r.report(r.ledger.checkLog(h, r.epochNow()))
	memberships := h.memberships()
	r.checkFloors(ctx, h, memberships)
	known := func(seq int64) time.Time { return r.observed.known(h.id, seq) }
	for i := range r.records {
		x := &r.records[i]
		if x.epoch != r.epochNow() {
			continue
		}
		checked, found := x.check(h, memberships[x.user], known, r.clock, r.o.CompleteWithin)
		r.tally.count(func(p *Report) { p.Checked += checked })
		r.report(found)
	}
	r.report(checkUnread(h, memberships, claims, r.reads(h.id)))
	for _, u := range r.users {
		for _, d := range u.devices {
			r.report(d.check(h, memberships[u.name]))
		}
		r.checkAccess(ctx, h, u, isMember(memberships[u.name]), memberships[u.name])
	}
}

// isMember reports whether the last membership has not ended.
func isMember(memberships []membership) bool {
	return len(memberships) > 0 && memberships[len(memberships)-1].to == forever
}

// reads returns the read positions that users requested. A position answered in
// an earlier epoch may be lost with it.
func (r *runner) reads(id string) map[string]readMark {
	marks := map[string]readMark{}
	epoch := r.epochNow()
	for _, u := range r.users {
		u.mu.Lock()
		mark := u.reads[id]
		u.mu.Unlock()
		if mark.epoch != epoch {
			mark.answered = 0
		}
		marks[u.name] = mark
	}
	return marks
}

// check checks that a device has converged: it holds everything that its user
// may see, and nothing else.
func (d *device) check(h *history, memberships []membership) []Breach {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := Breach{ConversationID: h.id, Client: d.user.name + "/" + d.id}
	s, in := d.holdings[h.id], isMember(memberships)
	switch {
	case in && s == nil:
		b.Invariant, b.Text = "I6", "the device's last sync did not list this conversation"
	case !in && s != nil:
		b.Invariant, b.Text = "I8", "the device was never notified that its user is no longer a member"
		if len(memberships) > 0 {
			b.Seq = memberships[len(memberships)-1].to
			b.Text += fmt.Sprintf(": %s; it holds up to %d, its last sync was at %s and named head %d", h.describe(b.Seq), s.head, stamp(d.lastSync), s.synced)
		}
	case in:
		x, lacks := s.held.hole(max(s.base, 1), h.head())
		if !lacks {
			return nil
		}
		b.Invariant, b.Seq = "I6", x.from
		b.Text = fmt.Sprintf("the device has not converged: it lacks %d to %d of %d", x.from, x.to, h.head())
	default:
		return nil
	}
	return []Breach{b}
}

// checkAccess checks that members may read, and that the conversation does not
// exist for former members and strangers.
func (r *runner) checkAccess(ctx context.Context, h *history, u *user, in bool, memberships []membership) {
	if len(memberships) == 0 && hash(u.name, h.id)%4 > 0 {
		return // a sample of the strangers
	}
	for _, path := range []string{"", newestEvent} {
		reply := r.retryCall(ctx, u.name, http.MethodGet, "/v1/conversations/"+h.id+path, nil)
		b := Breach{ConversationID: h.id, Client: u.name + " over REST", Seq: h.head()}
		switch {
		case reply.unknown():
			r.unfinished(fmt.Sprintf("%s could not ask for %s: %s", u.name, h.id, reply.code))
		case in && !reply.ok():
			b.Invariant, b.Text = "I6", "a member is answered "+reply.code
			r.tally.breach(b)
		case !in && h.groupKind.open && path == "":
			r.checkOpen(b, reply)
		case !in && reply.status != http.StatusNotFound:
			b.Invariant, b.Text = "I8", fmt.Sprintf("a non-member got %d instead of 404", reply.status)
			r.tally.breach(b)
		case in && path == newestEvent:
			r.checkNewest(b, h, reader{u.name, b.Client, r.epochNow()}, reply, memberships)
		}
	}
}

const newestEvent = "/events?limit=1"

// checkNewest checks that the newest page shows a member nothing below the member's floor.
func (r *runner) checkNewest(b Breach, h *history, by reader, reply *reply, memberships []membership) {
	var p page
	if !reply.into(&p) || p.HeadSeq > h.head() { // it has grown since the log was read
		return
	}
	r.shown(by, h.id, p.FloorSeq, p.HeadSeq, p.Events)
	if b.Invariant, b.Text = h.misplaced(p.FloorSeq, p.HeadSeq, memberships); b.Text != "" {
		r.tally.breach(b)
	}
}

// checkOpen checks that an open group shows non-members what it may, and
// nothing else.
func (r *runner) checkOpen(b Breach, reply *reply) {
	var shown map[string]any
	if !reply.into(&shown) {
		b.Invariant, b.Text = "membership", "an open group is answered "+reply.code+" to a user who may join it"
		r.tally.breach(b)
	}
	for _, name := range []string{"conversation_id", "title", "avatar_url", "member_count"} {
		delete(shown, name)
	}
	if len(shown) > 0 {
		b.Invariant, b.Text = "I8", fmt.Sprintf("an open group also shows to a non-member: %v", slices.Sorted(maps.Keys(shown)))
		r.tally.breach(b)
	}
}
