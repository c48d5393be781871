package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// claim is what a sync said about a user's unread messages in a conversation.
type claim struct {
	user    string
	client  string
	head    int64
	read    int64
	unread  int64
	mention int64
	early   bool // from a sync during the run, when reads were still in flight
}

// converge waits until every session has received everything, then brings every
// store up to date.
func (r *runner) converge(ctx context.Context, deadline time.Time) {
	heads := r.heads(ctx)
	waited := time.Now().Add(r.o.CompleteWithin)
	r.await(waited, func() bool { return r.reached(heads) })
	within := latest(deadline, time.Now().Add(r.o.CompleteWithin))
	for _, u := range r.users {
		for _, d := range u.devices {
			var err error
			if !r.await(within, func() bool { err = d.complete(ctx); return err == nil }) {
				r.unfinished(fmt.Sprintf("%s/%s could not bring its store up to date: %v", u.name, d.id, err))
			}
			if s := d.live(); s != nil && s.ws != nil {
				s.socketClaims(ctx, r.socketClaims)
				s.mu.Lock()
				s.settled = s.welcomed.Before(waited.Add(-r.o.CompleteWithin))
				s.mu.Unlock()
			}
		}
	}
}

// unfinished records that something could not be checked.
func (r *runner) unfinished(what string) {
	r.tally.count(func(p *Report) { p.Unfinished = append(p.Unfinished, what) })
}

// complete syncs and pulls until the store holds everything that it knows of.
// The error says what is missing, or why that is unknown.
func (d *device) complete(ctx context.Context) error {
	s := d.live()
	if s == nil || !s.alive() {
		return errors.New("it is not connected")
	}
	d.syncing.Lock()
	defer d.syncing.Unlock()
	if err := d.sync(ctx, s); err != nil {
		return err
	}
	return d.catchUp(ctx, s)
}

// heads fetches the head of each conversation.
func (r *runner) heads(ctx context.Context) map[string]int64 {
	heads := map[string]int64{}
	for _, id := range r.convs.ids() {
		if p, _ := r.logPage(ctx, id, 0, 1, true); p != nil {
			heads[id] = p.HeadSeq
		}
	}
	return heads
}

// reached reports whether every live session received everything in the
// conversations that it knows.
func (r *runner) reached(heads map[string]int64) bool {
	for _, u := range r.users {
		for _, d := range u.devices {
			if s := d.live(); s != nil && s.ws != nil && !s.reached(heads) {
				return false
			}
		}
	}
	return true
}

// reached reports whether the session received everything in the conversations that
// its device holds.
func (s *session) reached(heads map[string]int64) bool {
	for _, id := range s.lagging(heads) {
		if s.d.holds(id) {
			return false
		}
	}
	return true
}

// lagging returns the conversations that have more events than were pushed. The user
// may have been removed from one of them, with the removal inside a gap.
func (s *session) lagging(heads map[string]int64) (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, spans := range s.stream.spans {
		t := spans[len(spans)-1]
		if head := heads[id]; !t.over && max(t.reached(), t.base) < head {
			list = append(list, id)
		}
	}
	return list
}

// holds reports whether the device knows a conversation.
func (d *device) holds(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.holdings[id] != nil
}

// logPage reads a page of a log as the backend, or as one of the members. Without a
// page it returns the error code.
func (r *runner) logPage(ctx context.Context, id string, after int64, limit int, newest bool) (*page, string) {
	path := "/v1/conversations/" + id + "/events?limit=" + strconv.Itoa(limit)
	if !newest {
		path += "&after_seq=" + strconv.FormatInt(after, 10)
	}
	p, code := new(page), ""
	for _, reader := range r.readers(id) {
		for i := range 2 * len(r.o.URLs) {
			reply := r.api.call(ctx, r.o.URLs[i%len(r.o.URLs)], reader, reader == "", http.MethodGet, path, nil)
			if reply.into(p) {
				return p, ""
			}
			if code = reply.code; !reply.unknown() {
				break
			}
			sleep(ctx, 300*time.Millisecond)
		}
	}
	return nil, code
}

// readers returns the users who may read the whole log.
func (r *runner) readers(id string) []string {
	if r.o.ServerToken != nil {
		return []string{""}
	}
	r.convs.mu.Lock()
	defer r.convs.mu.Unlock()
	c := r.convs.byID[id]
	switch {
	case c == nil:
		return nil
	case c.groupKind.sinceJoin:
		return []string{c.founder} // the others have a floor
	}
	var names []string
	for name, p := range c.members {
		if p.role != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// readLog reads a whole log. If it cannot, it returns the error code.
func (r *runner) readLog(ctx context.Context, id string) (*history, string) {
	h := &history{id: id}
	for last := int64(0); ; {
		p, code := r.logPage(ctx, id, last, 1000, false)
		if p == nil {
			return nil, code
		}
		for i := range p.Events {
			h.add(&p.Events[i])
		}
		h.claimed = p.HeadSeq
		if !p.HasMore || len(p.Events) == 0 {
			return h, ""
		}
		last = p.Events[len(p.Events)-1].Seq
	}
}

// claims returns the unread counts of each user over REST, by conversation.
func (r *runner) claims(ctx context.Context) map[string][]claim {
	all := map[string][]claim{}
	for _, u := range r.users {
		r.claimsOf(ctx, u, all)
	}
	return all
}

// claimsOf adds the unread counts of one user, by a whole sync over REST, and checks
// unread_total.
func (r *runner) claimsOf(ctx context.Context, u *user, all map[string][]claim) {
	var sum int64
	client := u.name + " over REST"
	for cursor := ""; ; {
		p := new(syncPage)
		path := "/v1/sync?limit=500"
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		reply := r.retryCall(ctx, u.name, http.MethodGet, path, nil)
		if !reply.into(p) {
			r.unfinished(client + " could not sync: " + reply.code)
			return
		}
		for i := range p.Conversations {
			v := &p.Conversations[i]
			sum += v.UnreadCount
			r.showsView(reader{u.name, client, r.epochNow()}, v)
			all[v.ConversationID] = append(all[v.ConversationID], claim{u.name, client, v.HeadSeq, v.ReadSeq, v.UnreadCount, v.MentionCount, false})
		}
		if !p.Done {
			cursor = p.Cursor
			continue
		}
		if p.UnreadTotal == nil || *p.UnreadTotal != sum {
			r.tally.breach(Breach{Invariant: "unread", Client: client, Text: fmt.Sprintf("unread_total is %s, the sum of the conversations %d", orMissing(p.UnreadTotal), sum)})
		}
		return
	}
}

func orMissing(n *int64) string {
	if n == nil {
		return "missing"
	}
	return strconv.FormatInt(*n, 10)
}

// retryCall repeats a call at one node after the other until it is answered.
func (r *runner) retryCall(ctx context.Context, user, method, path string, fields any) *reply {
	reply := new(reply)
	for i := range 4 * len(r.o.URLs) {
		reply = r.api.call(ctx, r.o.URLs[i%len(r.o.URLs)], user, false, method, path, fields)
		if !reply.unknown() {
			return reply
		}
		sleep(ctx, 300*time.Millisecond)
	}
	return reply
}

// socketClaims collects the counts of a sync over a socket.
func (s *session) socketClaims(ctx context.Context, all map[string][]claim) {
	fields := map[string]any{"type": "sync", "limit": 500}
	f := s.request(ctx, fields)
	var p syncPage
	if f == nil || f.Type != "sync_page" || json.Unmarshal(f.raw, &p) != nil {
		return
	}
	for i := range p.Conversations {
		v := &p.Conversations[i]
		s.r.showsView(s.reader(), v)
		all[v.ConversationID] = append(all[v.ConversationID], claim{s.d.user.name, s.name, v.HeadSeq, v.ReadSeq, v.UnreadCount, v.MentionCount, false})
	}
}
