package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// listed is a message as lists show it.
type listed struct {
	Seq      int64           `json:"seq"`
	Sender   string          `json:"sender"`
	Content  json.RawMessage `json:"content"`
	Recalled bool            `json:"recalled"`
}

// list is the answer of message lists and of search.
type list struct {
	Messages     []listed `json:"messages"`
	Items        []listed `json:"items"` // of search
	HeadSeq      int64    `json:"head_seq"`
	FloorSeq     int64    `json:"floor_seq"`
	HasMoreAfter bool     `json:"has_more_after"`
}

// probe requests, in one of several ways, what lies below the floor of a
// conversation that the device knows.
func (d *device) probe(ctx context.Context, s *session) {
	id, floor := d.floored()
	if id == "" {
		return
	}
	below, base := strconv.FormatInt(1+d.rng.Int64N(floor-1), 10), "/v1/conversations/"+id
	lists := []string{
		base + "/messages?limit=10", base + "/messages?limit=10&before_seq=" + strconv.FormatInt(floor+3, 10),
		base + "/messages?limit=10&after_seq=" + below, base + "/messages?limit=10&around_seq=" + below,
		base + "/messages?seq=" + below, base + "/messages?limit=10&as_of_seq=" + below,
		"/v1/search/messages?conversation_id=" + id + "&q=" + s.r.o.Prefix, "/v1/search/messages?conversation_id=" + id + "&q=edited",
	}
	single := []string{base + "/messages/" + below, base + "/messages/" + below + "/reactions"}
	n, url, behalf := d.rng.IntN(len(lists)+len(single)), d.user.node(d.rng), d.rng.IntN(4) == 0
	if n >= len(lists) {
		path := single[n-len(lists)]
		if reply := s.r.api.call(ctx, url, d.user.name, behalf, http.MethodGet, path, nil); reply.ok() && s.r.isCurrent(s.epoch) {
			s.r.below(s.reader(), id, floor, "%s is answered, although the floor is %d", path, floor)
		}
		return
	}
	var l list
	if reply := s.r.api.call(ctx, url, d.user.name, behalf, http.MethodGet, lists[n], nil); reply.into(&l) {
		s.r.showsList(s.reader(), id, max(floor, l.FloorSeq), &l)
	}
}

// showsList checks that a list shows nothing below its floor.
func (r *runner) showsList(by reader, id string, floor int64, l *list) {
	if !r.isCurrent(by.epoch) {
		return
	}
	if l.FloorSeq > 0 { // a search names none
		r.floors.add(by, id, l.FloorSeq, max(l.HeadSeq, l.FloorSeq)) // a past below the floor ends there
	}
	for _, m := range append(l.Messages, l.Items...) {
		if m.Seq < floor {
			r.below(by, id, m.Seq, "listed, although it lies below the floor, which is %d", floor)
		}
	}
}

// floored chooses a conversation that the device may not read in full, or "".
func (d *device) floored() (id string, floor int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	least := ""
	for name, s := range d.holdings { // map order is random: take the smallest
		if s.floor > 1 && (least == "" || hash(name, strconv.Itoa(d.serial)) < hash(least, strconv.Itoa(d.serial))) {
			least, floor = name, s.floor
		}
	}
	return least, floor
}

// maxListers bounds how many members list a whole conversation at the end.
const maxListers = 5

// checkFloors checks the floors that readers were given. Some members of each
// conversation with a floor list all messages: exactly those from the floor on.
func (r *runner) checkFloors(ctx context.Context, h *history, memberships map[string][]membership) {
	floors, answers, found := r.floors.check(h, memberships)
	r.report(found)
	r.tally.count(func(p *Report) { p.Floors, p.FloorAnswers = p.Floors+floors, p.FloorAnswers+answers })
	if !h.groupKind.sinceJoin {
		return
	}
	r.tally.count(func(p *Report) { p.SinceJoin++ })
	listers := 0
	for _, u := range r.users {
		if floor := h.floor(memberships[u.name], h.head()); floor > 0 && listers < maxListers {
			listers++
			r.checkList(ctx, h, u, floor)
		}
	}
}

// checkList lists all messages as a member and compares them with the log.
func (r *runner) checkList(ctx context.Context, h *history, u *user, floor int64) {
	by := reader{u.name, u.name + " over REST", r.epochNow()}
	var all []listed
	for after := int64(0); ; {
		var l list
		path := fmt.Sprintf("/v1/conversations/%s/messages?limit=500&after_seq=%d", h.id, after)
		if reply := r.retryCall(ctx, u.name, http.MethodGet, path, nil); !reply.into(&l) {
			r.unfinished(fmt.Sprintf("%s could not list the messages of %s: %s", u.name, h.id, reply.code))
			return
		}
		r.showsList(by, h.id, floor, &l)
		all = append(all, l.Messages...)
		if !l.HasMoreAfter || len(l.Messages) == 0 {
			break
		}
		after = l.Messages[len(l.Messages)-1].Seq
	}
	r.report(h.compareList(by.client, floor, all))
}

// compareList compares the messages that a member saw with the log from the
// floor on.
func (h *history) compareList(client string, floor int64, all []listed) []Breach {
	var found []Breach
	say := func(invariant string, seq int64, text string) {
		found = append(found, Breach{Invariant: invariant, ConversationID: h.id, Seq: seq, Client: client, Text: text})
	}
	seen := map[int64]*listed{}
	for i := range all {
		if i > 0 && all[i].Seq <= all[i-1].Seq {
			say("I2", all[i].Seq, fmt.Sprintf("listed after %d", all[i-1].Seq))
		}
		seen[all[i].Seq] = &all[i]
	}
	for _, want := range h.messages(h.head()) {
		got := seen[want.seq]
		delete(seen, want.seq)
		switch {
		case want.seq < floor: // reported where it was shown
		case got == nil:
			say("I2", want.seq, fmt.Sprintf("missing in the list of all messages from %d on", floor))
		case got.Sender != want.sender || got.Recalled != want.recalled || !want.recalled && contentHash(got.Content) != want.content:
			say("I5", want.seq, "listed otherwise than the log has it")
		}
	}
	for seq := range seen {
		if seq >= floor {
			say("I5", seq, "listed, but no message in the log")
		}
	}
	return found
}
