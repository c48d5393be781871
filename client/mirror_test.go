package client

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
	"im/test/eventually"
	"im/test/imtest"
)

// Whatever happened, in whatever order events, pages, states and read positions came, the
// mirror is in the end what a sync returns.
func TestMirrorEqualsSyncProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := imtest.NewServer(t)
		ids := []ConversationID{s.NewConversation("bob", "alice", "carol"), s.NewConversation("alice", "bob")}
		h := &history{t: t, s: s, random: rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 0))}
		for range rapid.IntRange(0, 40).Draw(r, "before") {
			h.step(ids[h.random.IntN(2)])
		}
		alice := start(t, "alice", Options{History: rapid.SampledFrom([]int{0, 3, Everything}).Draw(r, "history")}, s.URL)
		alice.waitOnline(t)
		h.device = alice
		for range 3 {
			h.calm = rapid.Bool().Draw(r, "calm") // no sync repairs what the mirror gets wrong
			if !h.calm {
				injectFaults(s, rapid.Uint64().Draw(r, "faults"), rapid.IntRange(0, 20).Draw(r, "percent"))
			}
			for range rapid.IntRange(1, 12).Draw(r, "after") {
				h.step(ids[h.random.IntN(2)])
			}
			s.Set(func(b *imtest.Behavior) { *b = imtest.Behavior{} })
			s.AnnounceGaps()
			for _, id := range ids {
				alice.waitMirror(t, s, id)
			}
		}
		alice.close()
	})
}

// As above, for every order in which a connection may bring events, states and read
// positions: each may come late. States are asked for only where the mirror has a doubt.
func TestMirrorInAnyOrderProperty(t *testing.T) {
	s := imtest.NewServer(t)
	rapid.Check(t, func(r *rapid.T) {
		id := s.NewConversation("bob", "alice", "carol")
		h := &history{t: t, s: s, random: rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 0)), calm: true}
		for range rapid.IntRange(0, 20).Draw(r, "before") {
			h.step(id)
		}
		c := &carrier{s: s, id: id, mirror: newMirror(), random: h.random, pushed: map[int64]Event{}}
		c.mirror.self = "alice"
		c.mirror.put(s.View(id, "alice"))
		c.head = int64(len(s.Log(id)))
		c.next = rapid.Int64Range(1, c.head+1).Draw(r, "from")
		for range rapid.IntRange(1, 150).Draw(r, "steps") {
			if h.random.IntN(3) == 0 {
				before := s.View(id, "alice").ReadSeq
				h.step(id)
				c.committed(before)
			} else {
				c.step()
			}
		}
		c.settle()
		require.Equal(r, mirrorJSON(t, s.View(id, "alice")), mirrorJSON(t, c.mirror.views[id].Conversation))
	})
}

// waitMirror waits until the mirror of a conversation is what the server has.
func (c *testClient) waitMirror(t testing.TB, s *imtest.Server, id ConversationID) {
	t.Helper()
	eventually.NoError(t, "the mirror", func() error {
		v, ok := c.Conversation(id)
		if !ok {
			return fmt.Errorf("no conversation %s", id)
		}
		wanted, got := mirrorJSON(t, s.View(id, c.User())), mirrorJSON(t, v)
		if wanted != got {
			return fmt.Errorf("the mirror has\n%s\ninstead of\n%s", got, wanted)
		}
		return nil
	})
}

// mirrorJSON returns what a mirror has of a conversation: all but its events, and what
// this device has acknowledged.
func mirrorJSON(t testing.TB, v Conversation) string {
	t.Helper()
	v.Events, v.AckedSeq = nil, 0
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// carrier brings a mirror what a server sends about one conversation, each at a time of
// its own.
type carrier struct {
	s      *imtest.Server
	id     ConversationID
	mirror mirror
	random *rand.Rand

	head   int64           // of the log
	next   int64           // the seq of the next event to bring
	pushed map[int64]Event // as they were when they were committed
	views  []Conversation
	reads  []ReadState
}

// committed notes what the server pushes after a change. read was the read position.
func (c *carrier) committed(read int64) {
	log := c.s.Log(c.id)
	last := log[len(log)-1]
	if last.Seq > c.head {
		c.head = last.Seq
		c.pushed[last.Seq] = last
		return // a message of alice moves the read position, without a read_state
	}
	if v := c.s.View(c.id, "alice"); v.ReadSeq > read {
		c.reads = append(c.reads, ReadState{
			ConversationID: c.id, ReadSeq: v.ReadSeq, UnreadCount: v.UnreadCount, MentionCount: v.MentionCount,
		})
	}
}

// step brings one thing, or lets the connection be lost.
func (c *carrier) step() {
	switch c.random.IntN(10) {
	case 0:
		c.views = append(c.views, c.s.View(c.id, "alice"))
	case 1:
		c.bringView()
	case 2, 3:
		c.bringRead()
	case 4:
		if c.random.IntN(10) == 0 { // lost: it syncs again
			c.reads = nil
			c.views = []Conversation{c.s.View(c.id, "alice")}
		}
	default:
		c.bringEvent()
	}
}

func (c *carrier) bringEvent() bool {
	log := c.s.Log(c.id)
	if c.next > int64(len(log)) {
		return false
	}
	e, ok := c.pushed[c.next]
	if !ok || c.random.IntN(3) == 0 {
		e = log[c.next-1] // pulled, as it is now
	}
	c.next++
	c.mirror.apply(&e)
	return true
}

func (c *carrier) bringView() bool {
	if len(c.views) == 0 {
		return false
	}
	v := c.views[0]
	c.views = c.views[1:]
	c.mirror.put(v)
	return true
}

func (c *carrier) bringRead() bool {
	if len(c.reads) == 0 {
		return false
	}
	state := c.reads[0]
	c.reads = c.reads[1:]
	c.mirror.read(&state)
	return true
}

// settle brings everything that is under way, and states as long as there are doubts.
func (c *carrier) settle() {
	for more := true; more; {
		more = false
		for _, i := range c.random.Perm(3) {
			more = []func() bool{c.bringEvent, c.bringView, c.bringRead}[i]() || more
		}
	}
	if len(c.mirror.doubts) > 0 {
		c.mirror.put(c.s.View(c.id, "alice"))
	}
}

// history makes one of the conversations happen.
type history struct {
	t      testing.TB
	s      *imtest.Server
	random *rand.Rand
	device *testClient // of alice; nil before it connects
	calm   bool        // the connection lives on
	texts  int
}

var emojis = []string{"👍", "❤", "🎉"}

// step does one thing in a conversation, as one of its members.
func (h *history) step(id ConversationID) {
	members := h.s.Members(id)
	user := members[h.random.IntN(len(members))]
	if user == "alice" && h.random.IntN(8) > 0 {
		user = "bob" // what alice posts makes everything read
	}
	log := h.s.Log(id)
	switch what := h.random.IntN(20); {
	case what < 7:
		h.post(id, user)
	case what == 7:
		h.s.MarkRead(id, "alice", 1+h.random.Int64N(int64(len(log))))
	case what == 8:
		title := fmt.Sprint("title ", len(log))
		h.append(id, domain.ConversationUpdated, user, domain.UpdatedBody{Title: domain.Field[string]{Set: true, Value: &title}})
	case what == 9 && h.device != nil && !h.calm:
		h.s.HangUp(0)
	default:
		h.change(id, user, log)
	}
}

func (h *history) post(id ConversationID, user UserID) {
	h.texts++
	h.append(id, domain.MessagePosted, user, domain.PostedBody{Content: Text(fmt.Sprint(h.texts)), Mentions: h.mentions()})
}

func (h *history) mentions() []UserID {
	return [][]UserID{nil, nil, {"alice"}, {domain.Everyone}, {"bob"}, {"bob", "alice"}}[h.random.IntN(6)]
}

// change edits, recalls, pins or reacts to a random message, if its state permits it.
func (h *history) change(id ConversationID, user UserID, log []Event) {
	e := log[h.random.IntN(len(log))]
	if h.random.IntN(3) == 0 {
		e = log[len(log)-1] // the newest one is shown in lists
	}
	m, ok := h.s.Message(id, e.Seq, user)
	if !ok {
		return
	}
	switch h.random.IntN(6) {
	case 0:
		if !m.Recalled {
			h.append(id, domain.MessageEdited, m.Sender, domain.EditedBody{TargetSeq: m.Seq, Content: Text(m.ClientMsgID + " edited"), Mentions: h.mentions()})
		}
	case 1:
		if !m.Recalled {
			h.append(id, domain.MessageRecalled, user, domain.RecalledBody{TargetSeq: m.Seq})
		}
	case 2:
		kind := domain.MessagePinned
		if m.Pinned {
			kind = domain.MessageUnpinned
		}
		h.append(id, kind, user, domain.PinBody{TargetSeq: m.Seq})
	default:
		body := domain.ReactionBody{TargetSeq: m.Seq, Emoji: emojis[h.random.IntN(len(emojis))]}
		kind := domain.ReactionAdded
		for _, reaction := range m.Reactions {
			if reaction.Emoji == body.Emoji && reaction.Mine {
				kind = domain.ReactionRemoved
			}
		}
		h.append(id, kind, user, body)
	}
}

func (h *history) append(id ConversationID, kind EventType, user UserID, body any) {
	h.texts++
	text, err := json.Marshal(body)
	require.NoError(h.t, err)
	e := Event{Type: kind, Sender: user, Body: text}
	if kind == domain.MessagePosted {
		e.ClientMsgID = fmt.Sprint("m-", h.texts)
	}
	h.s.Append(id, e)
}
