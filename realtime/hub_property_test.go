package realtime

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
)

// TestHubProperty lets a hub see an arbitrary history in an arbitrary way: what
// is committed reaches it late, twice, in another order or never, sessions come
// and go at any moment of that, readers stop reading, the log goes away for a
// while. In the end each session must have had, of each conversation that its
// user was in: everything since its welcome or its joining, ascending and
// without a hole but for gaps (I4), up to the head (I6), and nothing of the
// time before the joining or after the removal (I8): of messages from before it
// not even what edits say, where members have a floor.
func TestHubProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newPlay(t, rt)
		defer p.stop()
		if rapid.Bool().Draw(rt, "club") {
			p.club()
		}
		for range rapid.IntRange(5, 60).Draw(rt, "steps") {
			p.step()
		}
		p.end()
		for _, g := range p.guests {
			if err := p.judge(g); err != nil {
				rt.Fatalf("%s/%s: %v\nheard %v", g.l.s.user, g.l.s.device, err, describe(g.l.heard()))
			}
		}
	})
}

// play is one run of the property.
type play struct {
	rt     *rapid.T
	w      *world
	hub    *Hub
	wg     sync.WaitGroup
	cancel context.CancelFunc

	ids    []domain.ConversationID
	mail   []domain.Committed // on its way to the hub
	guests []*guest
	device int
}

// guest is a session, and what was known when it came.
type guest struct {
	l      *listener
	after  map[domain.ConversationID]int64 // heads once it was welcome
	joined chan struct{}
	hold   map[string]chan struct{} // where its joining waits
	err    error
	left   bool
}

type guestKey struct{}

// rest is how long everything may take to come to rest.
const rest = patience

var players = []domain.UserID{"a", "b", "c"}

func newPlay(t *testing.T, rt *rapid.T) *play {
	p := &play{rt: rt, w: newWorld()}
	p.w.rangeLimit = rapid.IntRange(0, 3).Draw(rt, "range")
	p.w.committed = func(c domain.Committed) { p.mail = append(p.mail, c) }
	p.w.read = func(ctx context.Context) { ctx.Value(guestKey{}).(*guest).wait("list") }
	p.hub = NewHub(HubOptions{Directory: p.w, Log: p.w, Tail: time.Millisecond, Workers: 2})
	ctx, cancel := context.WithCancel(t.Context())
	p.cancel = cancel
	p.wg.Add(1)
	go func() { defer p.wg.Done(); _ = p.hub.Run(ctx) }()
	p.eventually("an epoch", func() bool { return p.hub.currentEpoch() != "" })
	return p
}

func (p *play) stop() {
	for _, g := range p.guests {
		g.release()
		g.l.resume()
	}
	for _, g := range p.guests {
		<-g.joined
	}
	p.cancel()
	p.wg.Wait()
}

// club is a conversation with a past that those do not know who come now.
func (p *play) club() {
	id := p.w.create("a")
	p.ids = append(p.ids, id)
	p.w.post(id, "a", "m")
	p.w.show(id, domain.HistorySinceJoin)
	p.connect("b")
	p.connect("c")
	p.w.add(id, "b")
	p.w.edit(id, 2)
}

func (p *play) step() {
	rt := p.rt
	user := rapid.SampledFrom(players).Draw(rt, "user")
	action := rapid.SampledFrom([]string{
		"create", "post", "post", "edit", "edit", "edit", "edit", "show", "add", "add", "remove", "deliver", "deliver", "deliver", "drop", "repeat",
		"connect", "connect", "release", "disconnect", "pause", "resume", "away", "back", "wait",
	}).Draw(rt, "action")
	switch action {
	case "create":
		p.ids = append(p.ids, p.w.create(rapid.SliceOfNDistinct(rapid.SampledFrom(players), 0, 3, rapid.ID).Draw(rt, "members")...))
	case "connect":
		p.connect(user)
	case "away", "back":
		p.w.setAway(action == "away")
	case "wait":
		time.Sleep(time.Duration(rapid.IntRange(0, 2).Draw(rt, "ms")) * time.Millisecond) // lets the tail run, proves nothing
	case "deliver", "drop", "repeat":
		p.post(action)
	case "release", "disconnect", "pause", "resume":
		if len(p.guests) > 0 {
			p.visit(p.guests[rapid.IntRange(0, len(p.guests)-1).Draw(rt, "guest")], action)
		}
	default:
		if len(p.ids) > 0 {
			p.change(action, rapid.SampledFrom(p.ids).Draw(rt, "conversation"), user)
		}
	}
}

func (p *play) change(action string, id domain.ConversationID, user domain.UserID) {
	switch member := p.w.isMember(id, user); {
	case action == "add" && !member:
		p.w.add(id, user)
	case action == "remove" && member:
		p.w.remove(id, user)
	case action == "post":
		p.w.post(id, user, "m")
	case action == "edit":
		p.w.edit(id, rapid.Int64Range(1, p.w.head(id)).Draw(p.rt, "target"))
	case action == "show":
		p.w.show(id, rapid.SampledFrom([]string{domain.HistoryAll, domain.HistorySinceJoin}).Draw(p.rt, "history"))
	}
}

// post does something with one letter of the mail.
func (p *play) post(action string) {
	if len(p.mail) == 0 {
		return
	}
	i := rapid.IntRange(0, len(p.mail)-1).Draw(p.rt, "letter")
	if action != "drop" {
		p.hub.Push(p.mail[i])
	}
	if action != "repeat" {
		p.mail = slices.Delete(p.mail, i, i+1)
	}
}

func (p *play) connect(user domain.UserID) {
	p.device++
	limit := rapid.SampledFrom([]int{600, 1 << 20}).Draw(p.rt, "limit")
	g := &guest{
		l:      newListener(user, domain.DeviceID(fmt.Sprint(p.device)), limit, &p.wg),
		joined: make(chan struct{}), hold: make(map[string]chan struct{}),
	}
	for _, at := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"register", "list"}), rapid.ID).Draw(p.rt, "hold") {
		g.hold[at] = make(chan struct{})
	}
	p.guests = append(p.guests, g)
	go func() {
		defer close(g.joined)
		g.err = p.hub.join(context.WithValue(context.Background(), guestKey{}, g), g.l.s, admission{
			judge:    g.l.judge,
			register: func(context.Context, domain.SessionEntry) error { g.wait("register"); return nil },
			welcome:  func(string) wire { return textFrame([]byte(`{"type":"welcome"}`)) },
		})
		g.after = p.w.heads()
		if g.err != nil {
			p.hub.leave(g.l.s)
		}
	}()
	if !slices.ContainsFunc(p.guests, (*guest).held) {
		<-g.joined
	}
}

// held tells whether the joining of a session waits, and with it perhaps that
// of others of its user.
func (g *guest) held() bool {
	for _, hold := range g.hold {
		select {
		case <-hold:
		default:
			return true
		}
	}
	return false
}

func (g *guest) wait(at string) {
	if hold := g.hold[at]; hold != nil {
		<-hold
	}
}

func (g *guest) release() {
	for _, hold := range g.hold {
		select {
		case <-hold:
		default:
			close(hold)
		}
	}
}

func (p *play) visit(g *guest, action string) {
	switch action {
	case "release":
		g.release()
	case "pause":
		g.l.pause()
	case "resume":
		g.l.resume()
	case "disconnect":
		for _, other := range p.guests {
			other.release()
		}
		<-g.joined
		g.left = true
		p.hub.leave(g.l.s)
	}
}

// end lets everything come to rest.
func (p *play) end() {
	p.w.setAway(false)
	for _, g := range p.guests {
		g.release()
		g.l.resume()
	}
	for _, g := range p.guests {
		<-g.joined
	}
	p.eventually("rest", func() bool {
		return !slices.ContainsFunc(p.guests, func(g *guest) bool { return p.complete(g) != nil })
	})
}

// complete tells whether a session that is still there has come to the heads of
// all conversations that its user is in (I6).
func (p *play) complete(g *guest) error {
	if gone := g.left || g.err != nil; gone {
		return nil
	}
	reached := make(map[domain.ConversationID]int64)
	for _, f := range g.l.heard() {
		if f.Type == "event" {
			reached[f.Event.ConversationID] = f.Event.Seq
		}
		for id, head := range f.Conversations {
			reached[id] = head
		}
	}
	for _, id := range p.ids {
		if head := p.w.head(id); p.w.isMember(id, g.l.s.user) && head > g.after[id] && reached[id] < head {
			return fmt.Errorf("%v: at %d of %d", id, reached[id], head)
		}
	}
	return nil
}

func (p *play) eventually(what string, ok func() bool) {
	for deadline := time.Now().Add(rest); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			report := ""
			for _, g := range p.guests {
				report += fmt.Sprintf("\n%s/%s: %v %v", g.l.s.user, g.l.s.device, p.complete(g), describe(g.l.heard()))
			}
			p.rt.Fatalf("no %s in time%s", what, report)
		}
	}
}

// judge checks the order and the right of everything that a session was sent.
func (p *play) judge(g *guest) error {
	frames := g.l.heard()
	if len(frames) == 0 {
		return nil // never let in, or cut off before it read
	}
	if frames[0].Type != "welcome" {
		return fmt.Errorf("the first frame is %s", frames[0].Type)
	}
	at := make(map[domain.ConversationID]int64)
	introduced := make(map[domain.ConversationID]bool)
	for _, f := range frames[1:] {
		switch f.Type {
		case "conversation":
			introduced[f.Conversation.ConversationID] = true
		case "event":
			if err := p.judgeEvent(g, f.Event, at, introduced); err != nil {
				return err
			}
			at[f.Event.ConversationID] = f.Event.Seq
		case "gap":
			for id, head := range f.Conversations {
				if head <= at[id] {
					return fmt.Errorf("a gap to %d after %d", head, at[id])
				}
				at[id] = head
				introduced[id] = false
			}
		}
	}
	return nil
}

func (p *play) judgeEvent(g *guest, e *domain.Event, at map[domain.ConversationID]int64, introduced map[domain.ConversationID]bool) error {
	id, last := e.ConversationID, at[e.ConversationID]
	joined, member := p.memberAt(id, g.l.s.user, e.Seq)
	switch {
	case !member:
		return fmt.Errorf("%d of a conversation that the user is not in", e.Seq)
	case introduced[id]:
		introduced[id] = false
		if e.Seq <= last {
			return fmt.Errorf("introduced again with %d after %d", e.Seq, last)
		}
		if early := last == 0 && e.Seq <= g.after[id]; e.Seq != joined && !early {
			return fmt.Errorf("introduced with %d, joined at %d", e.Seq, joined)
		}
	case last == 0 && e.Seq > g.after[id]+1:
		return fmt.Errorf("begins with %d; the head was %d", e.Seq, g.after[id])
	case last != 0 && e.Seq != last+1:
		return fmt.Errorf("%d after %d", e.Seq, last)
	}
	return p.judgeContent(e, joined)
}

// judgeContent checks what an edit says. A node may know a setting before it comes
// to the event that made it, so where that changed later both are right.
func (p *play) judgeContent(e *domain.Event, joined int64) error {
	if e.EditOf() == 0 {
		return nil
	}
	whole := bytes.Contains(e.Body, []byte("secret"))
	mayBeWhole, mayBeBare := p.contents(e, joined)
	if whole && !mayBeWhole || !whole && !mayBeBare {
		return fmt.Errorf("%d, edit of %d, joined at %d: %s", e.Seq, e.EditOf(), joined, e.Body)
	}
	return nil
}

func (p *play) contents(e *domain.Event, joined int64) (mayBeWhole, mayBeBare bool) {
	settings := domain.DefaultSettings()
	for s := int64(1); s <= p.w.head(e.ConversationID); s++ {
		if ev := p.w.event(e.ConversationID, s); ev.Type == domain.ConversationUpdated {
			var body domain.UpdatedBody
			readBody(nil, &ev, &body)
			settings = *body.Settings
		}
		if s >= e.Seq {
			hidden := e.EditOf() < settings.Floor(joined)
			mayBeWhole, mayBeBare = mayBeWhole || !hidden, mayBeBare || hidden
		}
	}
	return mayBeWhole, mayBeBare
}

// memberAt tells whether an event may be seen by the user, and since when.
func (p *play) memberAt(id domain.ConversationID, user domain.UserID, seq int64) (joined int64, member bool) {
	for s := int64(1); s <= seq; s++ {
		e := p.w.event(id, s)
		for who, enters := range affected(nil, &e) {
			if who == user && enters {
				joined, member = s, true
			} else if who == user {
				member = s == seq // the removal itself is seen
			}
		}
	}
	return joined, member
}

func describe(frames []heard) []string {
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
