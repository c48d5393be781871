package routing

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/redistest"
)

// TestNode runs the suite on the services of production and on those of im dev.
func TestNode(t *testing.T) {
	suite := map[string]func(*testing.T, *cluster){
		"commits reach exactly the nodes with members, unchanged":        testRecipients,
		"a large conversation goes to all nodes, to each once":           testLargeConversation,
		"the order of each conversation is kept under load":              testOrder,
		"signals reach the nodes of the user, and no others":             testUserSignals,
		"signals to a conversation or to all users reach every node":     testSignalsToAllNodes,
		"signals reach a session that was registered just before":        testSignalAfterRegistration,
		"a session that another node replaces ends":                      testReplacedSession,
		"a node that lost its lease is still reached":                    testLeaseLost,
		"an event larger than a message travels":                         testLargeEvents,
		"a panic in the hub costs one message":                           testPanic,
		"malformed and empty messages are counted and dropped":           testMalformed,
		"I9: what does not fit is dropped, and a slow hub delays no one": testSlowHub,
	}
	for services, newCluster := range map[string]func(*testing.T) *cluster{
		"Redis and RabbitMQ": realCluster, "miniredis and in process": embeddedCluster,
	} {
		t.Run(services, func(t *testing.T) {
			for name, test := range suite {
				t.Run(name, func(t *testing.T) { test(t, newCluster(t)) })
			}
		})
	}
}

// testRecipients holds up the dispatch of a first commit, so that the others are one
// batch.
func testRecipients(t *testing.T, cl *cluster) {
	a, b, c := cl.startThree(t)
	b.connect(t, "bob", 1)
	c.connect(t, "carol", 2)
	first, forBob, forBoth, forNeither := newConversation(), newConversation(), newConversation(), newConversation()
	want := committed(forBob, 1, "alice", "bob")

	a.broker.pause.Lock()
	a.commit(committed(first, 1, "bob"))
	eventually.True(t, "the dispatch hangs", func() bool { return a.broker.publishing.Load() == 1 })
	a.commit(want, committed(forBoth, 1, "bob", "carol"), committed(forNeither, 1, "dave"))
	a.broker.pause.Unlock()

	eventually.True(t, "all arrived", func() bool {
		return b.hub.got(forBob, 1) && b.hub.got(forBoth, 1) && c.hub.got(forBoth, 1) && a.hub.got(forNeither, 1)
	})
	require.Equal(t, want.Events, b.hub.commits(forBob)[0].Events)
	require.Nil(t, b.hub.commits(forBob)[0].Audience)
	require.Empty(t, c.hub.seqs(forBob))
	require.Empty(t, b.hub.seqs(forNeither))
	eventually.True(t, "it is counted", func() bool { s := a.Stats(); return s.Dispatched == 4 && s.Sent >= 3 })
	require.EqualValues(t, 1+2, a.Stats().Sent, "one message for each node and batch")
	require.Zero(t, a.Stats().Broadcast)
	require.Equal(t, []int64{1}, a.hub.seqs(forBob), "once on the node itself")
}

func testLargeConversation(t *testing.T, cl *cluster) {
	a, b, c := cl.startThree(t)
	id := newConversation()
	a.commit(committed(id, 1))
	eventually.True(t, "it arrived", func() bool { return b.hub.got(id, 1) && c.hub.got(id, 1) })
	after := newConversation()
	a.commit(committed(after, 1)) // the own broadcast of the first would have come before
	eventually.True(t, "the next arrived", func() bool { return b.hub.got(after, 1) && a.hub.got(after, 1) })
	require.Equal(t, []int64{1}, a.hub.seqs(id))
	require.Zero(t, a.Stats().Delivered)
}

func testOrder(t *testing.T, cl *cluster) {
	a, b, _ := cl.startThree(t)
	b.connect(t, "bob", 1)
	const conversations, events = 8, 250
	ids := make([]domain.ConversationID, conversations)
	var load sync.WaitGroup
	for i := range ids {
		ids[i] = newConversation()
		load.Go(func() {
			for seq := int64(1); seq <= events; seq++ {
				audience := []domain.UserID{"bob"}
				switch {
				case i == 0:
					audience = nil // broadcast
				case i == 1 && seq%10 == 0:
					audience = slices.Repeat(audience, domain.MaxAudience)
				}
				a.commit(committed(ids[i], seq, audience...))
			}
		})
	}
	load.Wait()
	for _, id := range ids {
		eventually.True(t, "all arrived", func() bool { return b.hub.got(id, events) && a.hub.got(id, events) })
		for _, n := range []*node{a, b} {
			for i, seq := range n.hub.seqs(id) {
				require.EqualValues(t, i+1, seq)
			}
		}
	}
	require.Zero(t, a.Stats().Dropped)
}

func testUserSignals(t *testing.T, cl *cluster) {
	a, b, c := cl.startThree(t)
	a.connect(t, "bob", 1)
	b.connect(t, "bob", 2)
	frame := domain.UserFrame{User: "bob", Frame: json.RawMessage(`{"type":"notice"}`)}
	end := domain.EndSessions{User: "bob", Below: 7, Code: 4401}
	a.Signal(frame)
	eventually.True(t, "the frame arrived", func() bool { return len(a.hub.signalled()) == 1 && len(b.hub.signalled()) == 1 })
	c.Signal(end)
	eventually.True(t, "the end arrived", func() bool { return len(a.hub.signalled()) == 2 && len(b.hub.signalled()) == 2 })
	require.Equal(t, []domain.Signal{frame, end}, a.hub.signalled())
	require.Equal(t, []domain.Signal{frame, end}, b.hub.signalled())
	require.NotContains(t, c.hub.signalled(), frame)
}

func testSignalsToAllNodes(t *testing.T, cl *cluster) {
	a, b, c := cl.startThree(t)
	want := []domain.Signal{
		domain.ConversationFrame{Conversation: newConversation(), From: "alice", Frame: json.RawMessage(`{"type":"typing"}`)},
		domain.Broadcast{Frame: json.RawMessage(`{"type":"notice"}`)},
		domain.PresenceChanged{User: "alice"},
	}
	for _, s := range want {
		a.Signal(s)
	}
	for _, n := range []*node{a, b, c} {
		eventually.True(t, "they arrived", func() bool { return len(n.hub.signalled()) >= len(want) })
		require.Equal(t, want, n.hub.signalled())
	}
}

func testSignalAfterRegistration(t *testing.T, cl *cluster) {
	a, b, _ := cl.startThree(t)
	for range 20 {
		_, err := a.NodesOf(t.Context(), setOf("bob")) // the absence is remembered
		require.NoError(t, err)
		e := b.connect(t, "bob", 1)
		before := len(b.hub.signalled())
		a.Signal(domain.UserFrame{User: "bob", Frame: json.RawMessage(`{"type":"notice"}`)})
		eventually.True(t, "the signal arrived", func() bool { return len(b.hub.signalled()) > before })
		require.NoError(t, b.Unregister(t.Context(), e))
	}
}

func testReplacedSession(t *testing.T, cl *cluster) {
	a, b, _ := cl.startThree(t)
	older := a.connect(t, "bob", 1)
	newer := older
	newer.Session, newer.Number = "s-newer", 2
	b.hub.add(newer)
	require.NoError(t, b.Register(t.Context(), newer, false))
	want := domain.EndSessions{User: "bob", Session: older.Session, Code: domain.CloseReplaced}
	eventually.True(t, "the older session ends", func() bool { return slices.Contains(a.hub.signalled(), domain.Signal(want)) })
}

func testLeaseLost(t *testing.T, cl *cluster) {
	a, b, _ := cl.startThree(t)
	b.connect(t, "bob", 1)
	before := b.ID()
	require.NoError(t, cl.client.Del(t.Context(), cl.prefix+":node:"+string(before)).Err())
	eventually.True(t, "the node has a new id", func() bool { return b.ID() != before })
	id, seq := newConversation(), int64(0)
	eventually.True(t, "a commit arrived", func() bool {
		seq++
		a.commit(committed(id, seq, "bob"))
		return len(b.hub.seqs(id)) > 0
	})
	require.Zero(t, a.Stats().Broadcast)
	require.Empty(t, b.hub.signalled())
}

func testLargeEvents(t *testing.T, cl *cluster) {
	a, b, _ := cl.startThree(t)
	b.connect(t, "bob", 1)
	id := newConversation()
	var batch []domain.Committed
	for seq := range int64(5) {
		c := committed(id, seq+1, "bob")
		c.Events[0].Body = json.RawMessage(`"` + strings.Repeat("x", batchBytes/2+int(seq)*batchBytes/4) + `"`)
		batch = append(batch, c)
	}
	a.commit(batch...)
	eventually.True(t, "all arrived", func() bool { return len(b.hub.seqs(id)) == 5 })
	require.Equal(t, []int64{1, 2, 3, 4, 5}, b.hub.seqs(id))
	require.Equal(t, batch[4].Events[0].Body, b.hub.commits(id)[4].Events[0].Body)
}

func testPanic(t *testing.T, cl *cluster) {
	a, b, _ := cl.startThree(t)
	b.connect(t, "bob", 1)
	bad, good := newConversation(), newConversation()
	for _, n := range []*node{a, b} {
		n.hub.whenPushed(func(c domain.Committed) {
			if c.ConversationID == bad {
				panic("hub")
			}
		})
	}
	a.commit(committed(bad, 1, "bob"))
	eventually.True(t, "the panics are counted", func() bool { return a.Stats().Panics == 1 && b.Stats().Panics == 1 })
	a.commit(committed(good, 1, "bob"))
	eventually.True(t, "the next arrived", func() bool { return a.hub.got(good, 1) && b.hub.got(good, 1) })
	require.Equal(t, []int64{1}, b.hub.seqs(bad), "it is not repeated")
}

func testMalformed(t *testing.T, cl *cluster) {
	a, b, _ := cl.startThree(t)
	b.connect(t, "bob", 1)
	for _, payload := range []string{"", "{}", "\x01", "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff"} {
		require.NoError(t, a.broker.Publish(b.ID(), message.NewMessage("", []byte(payload))))
	}
	id := newConversation()
	a.commit(committed(id, 1, "bob"))
	eventually.True(t, "the good one arrived", func() bool { return b.hub.got(id, 1) })
	eventually.True(t, "the bad ones are counted", func() bool { return b.Stats().Malformed == 4 })
}

func testSlowHub(t *testing.T, cl *cluster) {
	a, b, _ := cl.startThree(t)
	b.connect(t, "bob", 1)
	hold := make(chan struct{})
	a.hub.whenPushed(func(domain.Committed) { <-hold })
	id := newConversation()
	for range 2 * commitBytes >> 20 {
		a.commit(megabyte(id))
	}
	require.GreaterOrEqual(t, a.Stats().Dropped, uint64(commitBytes>>20-2))
	eventually.True(t, "other nodes do not wait for the slow hub", func() bool { return b.hub.got(id, 1) })
	close(hold)
}

// megabyte returns a commit of one MiB for all nodes.
func megabyte(id domain.ConversationID) domain.Committed {
	c := committed(id, 1)
	c.Events[0].Body = json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)
	return c
}

// TestStuckBroker: a broker that hangs delays neither the own sessions nor a committer
// (I9).
func TestStuckBroker(t *testing.T) {
	a := inProcessCluster(t, redistest.Shared(t)).start(t, "a")
	a.broker.pause.Lock()
	defer a.broker.pause.Unlock()
	id := newConversation()
	for n := 1; n <= 2*commitBytes>>20; n++ {
		a.commit(megabyte(id))
		eventually.True(t, "the own node is served", func() bool { return len(a.hub.seqs(id)) == n })
	}
	require.GreaterOrEqual(t, a.Stats().Dropped, uint64(commitBytes>>20-2), "the rest is left to the tail")
	a.Signal(domain.UserFrame{User: "alice", Frame: json.RawMessage(`{}`)})
	eventually.True(t, "so are signals", func() bool { return len(a.hub.signalled()) == 1 })
}

func TestNewNodeRequiresItsParts(t *testing.T) {
	_, err := NewNode(Options{})
	require.Error(t, err)
	_, err = NewNode(Options{Broker: &pausableBroker{}, Hub: newHub()})
	require.Error(t, err, "without Redis")
}
