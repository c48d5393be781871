package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// sync updates the list of conversations. The error says why it could not.
func (d *device) sync(ctx context.Context, s *session) error {
	cursor := d.cursor
	whole := cursor == ""
	rest := s.ws == nil || d.rng.IntN(4) == 0
	timeline := []int{0, 5, 20}[d.rng.IntN(3)]
	listed := map[string]bool{}
	for range 1000 {
		p, code := d.syncPage(ctx, s, rest, cursor, timeline)
		if code == "cursor_invalid" {
			s.r.tally.fault("error " + code)
			cursor, whole, listed = "", true, map[string]bool{}
			continue
		}
		if p == nil {
			return fmt.Errorf("a sync was answered with %s", code)
		}
		if !d.inEpoch(s, p.Epoch) {
			return errEpoch
		}
		d.takeSync(s, p, listed)
		if p.Done {
			d.synced(s, listed, whole)
			d.cursor = p.Cursor
			return nil
		}
		cursor = p.Cursor
	}
	return errors.New("a sync of 1000 pages did not end")
}

// syncPage requests one page of a sync. Without a page it returns the error code.
func (d *device) syncPage(ctx context.Context, s *session, rest bool, cursor string, timeline int) (*syncPage, string) {
	p := new(syncPage)
	if rest {
		query := url.Values{"device_id": {d.id}, "limit": {"200"}, "timeline_limit": {strconv.Itoa(timeline)}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		reply := s.r.api.call(ctx, s.url, d.user.name, false, "GET", "/v1/sync?"+query.Encode(), nil)
		if !reply.into(p) {
			return nil, reply.code
		}
		return p, ""
	}
	fields := map[string]any{"type": "sync", "limit": 200, "timeline_limit": timeline}
	if cursor != "" {
		fields["cursor"] = cursor
	}
	f := s.request(ctx, fields)
	if f == nil {
		return nil, lost
	}
	if f.Type != "sync_page" || json.Unmarshal(f.raw, p) != nil {
		return nil, f.Code
	}
	return p, ""
}

// takeSync checks a page of a sync and stores it. It adds its conversations to listed.
func (d *device) takeSync(s *session, p *syncPage, listed map[string]bool) {
	for i := range p.Conversations {
		v := &p.Conversations[i]
		listed[v.ConversationID] = true
		s.r.showsView(s.reader(), v)
		if s.r.isCurrent(s.epoch) {
			s.r.floors.claims(s.reader(), v)
		}
		s.baseline(v.ConversationID, v.HeadSeq)
		if n := len(v.Events); n > 0 && v.Events[n-1].Seq != v.HeadSeq {
			s.breach(violation{"I2", fmt.Sprintf("the newest events of a sync end at %d, although the head is %d", v.Events[n-1].Seq, v.HeadSeq)}, v.ConversationID, v.HeadSeq, "")
		}
		d.mu.Lock()
		d.holding(v.ConversationID)
		d.mu.Unlock()
		d.store(s, v.Events)
		d.mu.Lock()
		holding := d.holding(v.ConversationID)
		holding.head, holding.synced = max(holding.head, v.HeadSeq), v.HeadSeq
		if holding.base == 0 {
			holding.base = max(1, v.HeadSeq-maxBackfill)
		}
		holding.raiseFloor(v.FloorSeq)
		d.mu.Unlock()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range p.Removed {
		delete(d.holdings, id)
	}
}

// synced ends a sync. If it was whole (without a cursor), a conversation that was not
// listed is gone, unless it was pushed to this session, perhaps after its page. If it
// had a cursor, a conversation that was not listed is unchanged since the last sync.
func (d *device) synced(s *session, listed map[string]bool, whole bool) {
	d.mu.Lock()
	d.lastSync = time.Now()
	unchanged := map[string]int64{}
	for id, holding := range d.holdings {
		switch {
		case listed[id]:
		case whole && (holding.synced > 0 || holding.since < d.serial):
			delete(d.holdings, id)
		case holding.synced > 0:
			unchanged[id] = holding.synced
		}
	}
	d.mu.Unlock()
	for id, head := range unchanged {
		s.baseline(id, head)
	}
}

// baseline passes a conversation's head in a sync on to the checks of the pushes.
func (s *session) baseline(id string, head int64) {
	s.mu.Lock()
	found := s.stream.synced(id, head)
	s.mu.Unlock()
	for _, w := range found {
		s.breach(w, id, head, "")
	}
}

// store keeps the events of a page.
func (d *device) store(s *session, events []event) {
	now := time.Now()
	for i := range events {
		e := &events[i]
		if s.r.isCurrent(s.epoch) {
			s.r.observed.add(e, s.number, byPull, now)
		}
		b := e.parsed()
		s.r.convs.observe(e, &b, s.epoch)
		d.storeEvent(e)
	}
	s.r.tally.count(func(r *Report) { r.Pulled += int64(len(events)) })
}

// missing is a range that the device lacks.
type missing struct {
	id string
	interval
}

// lacks returns the first missing range of each conversation, ordered by conversation.
func (d *device) lacks() []missing {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []missing
	for id, s := range d.holdings {
		if x, ok := s.held.hole(max(s.base, 1), s.head); ok {
			list = append(list, missing{id, x})
		}
	}
	slices.SortFunc(list, func(a, b missing) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return list
}

// errEpoch reports an answer of another epoch than that of the session.
var errEpoch = errors.New("an answer was of another epoch")

// catchUp pulls what is missing. The error says why the last missing part could
// not be read.
func (d *device) catchUp(ctx context.Context, s *session) error {
	var failed error
	for _, m := range d.lacks() {
		if err := d.fill(ctx, s, m); err != nil {
			failed = fmt.Errorf("%d to %d of %s are missing: %w", m.from, m.to, m.id, err)
		}
	}
	return failed
}

// fill pulls pages until a conversation has no hole.
func (d *device) fill(ctx context.Context, s *session, m missing) error {
	for range 100 {
		if err := d.pull(ctx, s, m); err != nil {
			return err
		}
		d.mu.Lock()
		holding := d.holdings[m.id]
		more := false
		if holding != nil {
			m.interval, more = holding.held.hole(max(holding.base, 1), holding.head)
		}
		d.mu.Unlock()
		if !more {
			return nil
		}
	}
	return nil // new events kept arriving: continue the next time
}

// pull reads one page of a missing range, from its start or from its end.
func (d *device) pull(ctx context.Context, s *session, m missing) error {
	limit, after, before := 50+d.rng.IntN(451), m.from-1, int64(0)
	if d.rng.IntN(5) == 0 {
		after, before = 0, m.to+1
	}
	p, code := d.page(ctx, s, m.id, after, before, limit)
	switch {
	case code == "not_found":
		d.mu.Lock()
		delete(d.holdings, m.id)
		d.mu.Unlock()
		return nil
	case p == nil:
		return fmt.Errorf("a pull was answered with %s", code)
	case s.r.epoch(p.Epoch) != s.epoch:
		return errEpoch
	}
	for _, text := range p.violations(m.id, after, before) {
		s.breach(violation{"I2", text}, m.id, p.FromSeq, "")
	}
	s.r.shown(s.reader(), m.id, p.FloorSeq, p.HeadSeq, p.Events)
	d.floor(m.id, p.FloorSeq)
	d.store(s, p.Events)
	if len(p.Events) == 0 {
		return errors.New("a pull brought no events")
	}
	return nil
}

// page requests the events after or before a seq. Without a page it returns the error
// code.
func (d *device) page(ctx context.Context, s *session, id string, after, before int64, limit int) (*page, string) {
	p := new(page)
	if s.ws == nil || d.rng.IntN(4) == 0 {
		query := url.Values{"limit": {strconv.Itoa(limit)}, "after_seq": {strconv.FormatInt(after, 10)}}
		if before > 0 {
			query.Del("after_seq")
			query.Set("before_seq", strconv.FormatInt(before, 10))
		}
		reply := s.r.api.call(ctx, d.user.node(d.rng), d.user.name, d.rng.IntN(2) == 0, "GET", "/v1/conversations/"+id+"/events?"+query.Encode(), nil)
		if !reply.into(p) {
			return nil, reply.code
		}
		return p, ""
	}
	fields := map[string]any{"type": "pull", "conversation_id": id, "limit": limit, "after_seq": after}
	if before > 0 {
		delete(fields, "after_seq")
		fields["before_seq"] = before
	}
	f := s.request(ctx, fields)
	if f == nil {
		return nil, lost
	}
	if f.Type != "page" || json.Unmarshal(f.raw, p) != nil {
		return nil, f.Code
	}
	return p, ""
}

// intervals is a set of seqs as ascending, disjoint ranges.
type intervals []interval

type interval struct{ from, to int64 }

// add adds the seqs from from to to, both included.
func (s *intervals) add(from, to int64) {
	list := *s
	at, _ := slices.BinarySearchFunc(list, from, func(x interval, from int64) int {
		if x.to+1 < from {
			return -1
		}
		return 1
	})
	end := at
	for end < len(list) && list[end].from <= to+1 {
		from, to = min(from, list[end].from), max(to, list[end].to)
		end++
	}
	*s = slices.Replace(list, at, end, interval{from, to})
}

// position returns the last seq that is held without a hole from the first one
// on.
func (s intervals) position() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[0].to
}

// hole returns the first missing range between from and to.
func (s intervals) hole(from, to int64) (interval, bool) {
	for _, x := range s {
		if x.to < from {
			continue
		}
		if x.from > from {
			return interval{from, min(to, x.from-1)}, from <= to
		}
		from = x.to + 1
	}
	return interval{from, to}, from <= to
}
