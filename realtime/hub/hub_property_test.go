package hub

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"im/domain"
	"im/realtime/realtimetest"
	"im/realtime/wire"
	"im/test/eventually"
)

// TestHubProperty runs a hub over an arbitrary history that reaches it in an
// arbitrary way: commits come late, twice, in another order or never; sessions
// join and leave at any moment; readers stop reading; the store is unavailable for
// a while. In the end each session must have received, of each conversation that
// its user was in, everything since its welcome or the joining: ascending and
// without a hole but for gaps (I4), up to the head (I6), and nothing from before
// the joining or after the removal (I8). Where members may not read what is older
// than their joining, they must not have received the content of edits of it.
func TestHubProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newScenario(t, rt)
		defer p.stop()
		if rapid.Bool().Draw(rt, "group with a floor") {
			p.addGroupWithFloor()
		}
		for range rapid.IntRange(5, 60).Draw(rt, "steps") {
			p.step()
		}
		p.end()
		for _, g := range p.participants {
			if err := p.check(g); err != nil {
				rt.Fatalf("%s/%s: %v\nreceived %v", g.r.s.User, g.r.s.Device, err, describe(g.r.received()))
			}
		}
	})
}

// scenario is one run of TestHubProperty.
type scenario struct {
	rt     *rapid.T
	store  *realtimetest.Store
	hub    *Hub
	wg     sync.WaitGroup
	cancel context.CancelFunc

	ids          []domain.ConversationID
	inTransit    []domain.Committed // on its way to the hub
	participants []*participant
	device       int
}

// participant is a session of a scenario.
type participant struct {
	r      *recorder
	after  map[domain.ConversationID]int64 // the heads when its welcome was sent
	joined chan struct{}
	hold   map[string]chan struct{} // the steps at which its join waits, until release
	err    error
	left   bool
}

type participantKey struct{}

var userIDs = []domain.UserID{"a", "b", "c"}

func newScenario(t *testing.T, rt *rapid.T) *scenario {
	p := &scenario{rt: rt, store: realtimetest.NewStore()}
	p.store.SetRangeLimit(rapid.IntRange(0, 3).Draw(rt, "range"))
	p.store.OnCommit(func(c domain.Committed) { p.inTransit = append(p.inTransit, c) })
	p.store.OnList(func(ctx context.Context) { ctx.Value(participantKey{}).(*participant).wait("list") })
	p.hub = New(Options{Directory: p.store, Log: p.store, Tail: time.Millisecond, Readers: 2})
	ctx, cancel := context.WithCancel(t.Context())
	p.cancel = cancel
	p.wg.Go(func() { _ = p.hub.Run(ctx) })
	p.await("epoch", func() bool { return p.hub.currentEpoch() != "" })
	return p
}

func (p *scenario) stop() {
	for _, g := range p.participants {
		g.release()
		g.r.resume()
	}
	for _, g := range p.participants {
		<-g.joined
	}
	p.cancel()
	p.wg.Wait()
}

// addGroupWithFloor adds a group whose new members may not read its history.
func (p *scenario) addGroupWithFloor() {
	id := p.store.NewGroup("a")
	p.ids = append(p.ids, id)
	p.store.Post(id, "a", "m")
	p.store.SetHistory(id, domain.HistorySinceJoin)
	p.connect("b")
	p.connect("c")
	p.store.AddMember(id, "b")
	p.store.EditSecret(id, 2)
}

func (p *scenario) step() {
	rt := p.rt
	user := rapid.SampledFrom(userIDs).Draw(rt, "user")
	action := rapid.SampledFrom([]string{
		"create", "post", "post", "edit", "edit", "edit", "edit", "history", "add", "add", "remove", "deliver", "deliver", "deliver", "drop", "repeat",
		"connect", "connect", "release", "disconnect", "pause", "resume", "unavailable", "available", "wait",
	}).Draw(rt, "action")
	switch action {
	case "create":
		p.ids = append(p.ids, p.store.NewGroup(rapid.SliceOfNDistinct(rapid.SampledFrom(userIDs), 0, 3, rapid.ID).Draw(rt, "members")...))
	case "connect":
		p.connect(user)
	case "unavailable", "available":
		p.store.SetUnavailable(action == "unavailable")
	case "wait":
		time.Sleep(time.Duration(rapid.IntRange(0, 2).Draw(rt, "ms")) * time.Millisecond) // lets the tail run; no assertion depends on it
	case "deliver", "drop", "repeat":
		p.transport(action)
	case "release", "disconnect", "pause", "resume":
		if len(p.participants) > 0 {
			p.actOn(p.participants[rapid.IntRange(0, len(p.participants)-1).Draw(rt, "participant")], action)
		}
	default:
		if len(p.ids) > 0 {
			p.change(action, rapid.SampledFrom(p.ids).Draw(rt, "conversation"), user)
		}
	}
}

func (p *scenario) change(action string, id domain.ConversationID, user domain.UserID) {
	switch member := p.store.IsMember(id, user); {
	case action == "add" && !member:
		p.store.AddMember(id, user)
	case action == "remove" && member:
		p.store.RemoveMember(id, user)
	case action == "post":
		p.store.Post(id, user, "m")
	case action == "edit":
		p.store.EditSecret(id, rapid.Int64Range(1, p.store.Head(id)).Draw(p.rt, "target"))
	case action == "history":
		p.store.SetHistory(id, rapid.SampledFrom([]string{domain.HistoryAll, domain.HistorySinceJoin}).Draw(p.rt, "history"))
	}
}

// transport delivers or drops one of the commits in transit.
func (p *scenario) transport(action string) {
	if len(p.inTransit) == 0 {
		return
	}
	i := rapid.IntRange(0, len(p.inTransit)-1).Draw(p.rt, "commit")
	if action != "drop" {
		p.hub.Push(p.inTransit[i])
	}
	if action != "repeat" {
		p.inTransit = slices.Delete(p.inTransit, i, i+1)
	}
}

func (p *scenario) connect(user domain.UserID) {
	p.device++
	limit := rapid.SampledFrom([]int{600, 1 << 20}).Draw(p.rt, "limit")
	g := &participant{
		r:      newRecorder(user, domain.DeviceID(fmt.Sprint(p.device)), limit, &p.wg),
		joined: make(chan struct{}), hold: make(map[string]chan struct{}),
	}
	for _, at := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"register", "list"}), rapid.ID).Draw(p.rt, "hold") {
		g.hold[at] = make(chan struct{})
	}
	p.participants = append(p.participants, g)
	go func() {
		defer close(g.joined)
		g.err = p.hub.Join(context.WithValue(context.Background(), participantKey{}, g), g.r.s, JoinSteps{
			CheckStanding: g.r.checkStanding,
			Register:      func(context.Context, domain.SessionEntry) error { g.wait("register"); return nil },
			Welcome:       func(string) wire.Frame { return wire.Text([]byte(`{"type":"welcome"}`)) },
		})
		g.after = p.store.Heads()
		if g.err != nil {
			p.hub.Leave(g.r.s)
		}
	}()
	if !slices.ContainsFunc(p.participants, (*participant).held) {
		<-g.joined
	}
}

// held reports whether the joining of the session waits. Then joins of other
// sessions of its user may wait for it.
func (g *participant) held() bool {
	for _, hold := range g.hold {
		select {
		case <-hold:
		default:
			return true
		}
	}
	return false
}

func (g *participant) wait(at string) {
	if hold := g.hold[at]; hold != nil {
		<-hold
	}
}

func (g *participant) release() {
	for _, hold := range g.hold {
		select {
		case <-hold:
		default:
			close(hold)
		}
	}
}

func (p *scenario) actOn(g *participant, action string) {
	switch action {
	case "release":
		g.release()
	case "pause":
		g.r.pause()
	case "resume":
		g.r.resume()
	case "disconnect":
		for _, other := range p.participants {
			other.release()
		}
		<-g.joined
		g.left = true
		p.hub.Leave(g.r.s)
	}
}

// end lets all readers go on and waits until every session has everything.
func (p *scenario) end() {
	p.store.SetUnavailable(false)
	for _, g := range p.participants {
		g.release()
		g.r.resume()
	}
	for _, g := range p.participants {
		<-g.joined
	}
	p.await("complete sessions", func() bool {
		return !slices.ContainsFunc(p.participants, func(g *participant) bool { return p.complete(g) != nil })
	})
}

// complete returns an error unless the session has left, or has received the heads
// of all conversations that its user is in, and the removals from those that its user
// was in since the welcome (I6).
func (p *scenario) complete(g *participant) error {
	if gone := g.left || g.err != nil; gone {
		return nil
	}
	reached := make(map[domain.ConversationID]int64)
	for _, f := range g.r.received() {
		if f.Type == "event" {
			reached[f.Event.ConversationID] = f.Event.Seq
		}
		for id, head := range f.Conversations {
			reached[id] = head
		}
	}
	for _, id := range p.ids {
		head := p.store.Head(id)
		if !p.store.IsMember(id, g.r.s.User) {
			head = p.lastRemoval(id, g.r.s.User)
		}
		if head > g.after[id] && reached[id] < head {
			return fmt.Errorf("%v: at %d of %d", id, reached[id], head)
		}
	}
	return nil
}

// await is eventually.True with a report of all sessions.
func (p *scenario) await(what string, ok func() bool) {
	for deadline := time.Now().Add(eventually.Deadline); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			report := ""
			for _, g := range p.participants {
				report += fmt.Sprintf("\n%s/%s: %v %v", g.r.s.User, g.r.s.Device, p.complete(g), describe(g.r.received()))
			}
			p.rt.Fatalf("no %s within %s%s", what, eventually.Deadline, report)
		}
	}
}

// check checks the order of all frames that a session received, and that its user
// was allowed to receive them.
func (p *scenario) check(g *participant) error {
	frames := g.r.received()
	if len(frames) == 0 {
		return nil // it never joined, or was cut off before it read
	}
	if frames[0].Type != "welcome" {
		return fmt.Errorf("the first frame is %s", frames[0].Type)
	}
	at := make(map[domain.ConversationID]int64)
	announced := make(map[domain.ConversationID]bool)
	for _, f := range frames[1:] {
		switch f.Type {
		case "conversation":
			announced[f.Conversation.ConversationID] = true
		case "event":
			if err := p.checkEvent(g, f.Event, at, announced); err != nil {
				return err
			}
			at[f.Event.ConversationID] = f.Event.Seq
		case "gap":
			for id, head := range f.Conversations {
				if head <= at[id] {
					return fmt.Errorf("a gap to %d after %d", head, at[id])
				}
				at[id] = head
				announced[id] = false
			}
		}
	}
	return nil
}

func (p *scenario) checkEvent(g *participant, e *domain.Event, at map[domain.ConversationID]int64, announced map[domain.ConversationID]bool) error {
	id, last := e.ConversationID, at[e.ConversationID]
	joined, member := p.memberAt(id, g.r.s.User, e.Seq)
	switch {
	case !member:
		return fmt.Errorf("event %d of a conversation that the user is not in", e.Seq)
	case announced[id]:
		announced[id] = false
		if e.Seq <= last {
			return fmt.Errorf("announced again with %d after %d", e.Seq, last)
		}
		if early := last == 0 && e.Seq <= g.after[id]; e.Seq != joined && !early {
			return fmt.Errorf("announced with %d, joined at %d", e.Seq, joined)
		}
	case last == 0 && e.Seq > g.after[id]+1:
		return fmt.Errorf("begins with %d; the head was %d", e.Seq, g.after[id])
	case last != 0 && e.Seq != last+1:
		return fmt.Errorf("%d after %d", e.Seq, last)
	}
	return p.checkContent(e, joined)
}

// checkContent checks whether an edit was redacted. A node may know a setting
// before it comes to the event that set it. So if the setting changed after the
// edit, both are right.
func (p *scenario) checkContent(e *domain.Event, joined int64) error {
	if e.EditOf() == 0 {
		return nil
	}
	full := bytes.Contains(e.Body, []byte("secret"))
	mayBeFull, mayBeRedacted := p.contents(e, joined)
	if full && !mayBeFull || !full && !mayBeRedacted {
		return fmt.Errorf("%d, edit of %d, joined at %d: %s", e.Seq, e.EditOf(), joined, e.Body)
	}
	return nil
}

func (p *scenario) contents(e *domain.Event, joined int64) (mayBeFull, mayBeRedacted bool) {
	settings := domain.DefaultSettings()
	for s := int64(1); s <= p.store.Head(e.ConversationID); s++ {
		if ev := p.store.EventAt(e.ConversationID, s); ev.Type == domain.ConversationUpdated {
			var body domain.UpdatedBody
			decodeBody(nil, &ev, &body)
			settings = *body.Settings
		}
		if s >= e.Seq {
			hidden := e.EditOf() < settings.Floor(joined)
			mayBeFull, mayBeRedacted = mayBeFull || !hidden, mayBeRedacted || hidden
		}
	}
	return mayBeFull, mayBeRedacted
}

// memberAt reports whether a user may receive an event, and when the user joined.
func (p *scenario) memberAt(id domain.ConversationID, user domain.UserID, seq int64) (joined int64, member bool) {
	for s := int64(1); s <= seq; s++ {
		e := p.store.EventAt(id, s)
		for who, enters := range membershipChanges(nil, &e) {
			if who == user && enters {
				joined, member = s, true
			} else if who == user {
				member = s == seq // the removal itself is received
			}
		}
	}
	return joined, member
}

// lastRemoval returns the seq at which a user was removed last; 0 for never.
func (p *scenario) lastRemoval(id domain.ConversationID, user domain.UserID) (seq int64) {
	for s := int64(1); s <= p.store.Head(id); s++ {
		e := p.store.EventAt(id, s)
		for who, enters := range membershipChanges(nil, &e) {
			if who == user && !enters {
				seq = s
			}
		}
	}
	return seq
}

func describe(frames []received) []string {
	var out []string
	for _, f := range frames {
		switch f.Type {
		case "event":
			out = append(out, fmt.Sprintf("%s %d %s", f.Event.ConversationID.String()[30:], f.Event.Seq, f.Event.Type))
		case "gap":
			out = append(out, fmt.Sprintf("gap %v", f.Conversations))
		case "conversation":
			out = append(out, fmt.Sprintf("conversation %s at %d", f.Conversation.ConversationID.String()[30:], f.Conversation.HeadSeq))
		default:
			out = append(out, f.Type)
		}
	}
	return out
}
