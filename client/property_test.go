package client

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
	"im/test/imtest"
)

// injectFaults lets a server do, at random from a seed, everything that the contract
// lets a server or a network do.
func injectFaults(s *imtest.Server, seed uint64, percent int) {
	random := rand.New(rand.NewPCG(seed, 0))
	isFaulty := func() bool { return random.IntN(100) < percent }
	var upgrades sync.Mutex
	upgradeRandom := rand.New(rand.NewPCG(seed, 1))
	s.Set(func(b *imtest.Behavior) {
		b.Upgrade = func() int {
			upgrades.Lock()
			defer upgrades.Unlock()
			if upgradeRandom.IntN(100) < percent {
				return http.StatusServiceUnavailable
			}
			return 0
		}
		b.Push = func(*imtest.Conn, Event) imtest.Delivery {
			if isFaulty() {
				return []imtest.Delivery{imtest.LeftOut, imtest.Repeated, imtest.Cut}[random.IntN(3)]
			}
			return imtest.Delivered
		}
		b.PageEvents = 1 + random.IntN(20)
		b.Frame = func(c *imtest.Conn, f *imtest.Frame) bool { return isFaulty() && fault(random, c, f) }
	})
}

// fault does one of several things to a frame; false if that does not fit the frame.
func fault(random *rand.Rand, c *imtest.Conn, f *imtest.Frame) bool {
	switch what := random.IntN(6); {
	case what == 0:
		c.Close([]int{0, 1006, 4000, 4003, 1012}[random.IntN(5)])
	case what == 1 && f.Type == "send":
		_, _, _ = c.Commit(f) // without an answer
		c.Close(0)
	case what == 2 && f.Type == "send":
		_, _, _ = c.Commit(f)
		c.Refuse(f.ID, domain.CodeUnavailable, domain.RetryAgain)
	case what == 3 && f.ID != "":
		c.Refuse(f.ID, domain.CodeUnavailable, domain.RetryAgain)
	case what == 4 && f.Type == "sync":
		c.Refuse(f.ID, domain.CodeCursorInvalid, domain.RetryNever)
	case what == 5 && f.Type == "hello":
		c.Close(4003)
	default:
		return false
	}
	return true
}

// Each client receives every event once and in order, and every send is in the log once,
// in the order of the calls, whatever the server and the network do.
func TestEachEventOnceAndInOrderProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := imtest.NewServer(t)
		injectFaults(s, rapid.Uint64().Draw(r, "seed"), rapid.IntRange(0, 25).Draw(r, "percent"))
		users := []UserID{"alice", "bob", "carol"}
		ids := []ConversationID{s.NewConversation(users...), s.NewConversation(users...), s.NewConversation("alice", "bob")}
		each := rapid.IntRange(1, 15).Draw(r, "sends")

		clients := map[UserID]*testClient{}
		for _, u := range users {
			clients[u] = start(t, u, Options{History: Everything}, s.URL)
		}
		var senders sync.WaitGroup
		for _, u := range users {
			for _, id := range ids {
				if !slices.Contains(s.Members(id), u) {
					continue
				}
				senders.Go(func() {
					for n := range each {
						clients[u].mustSend(t, Post{ConversationID: id, Content: Text(strconv.Itoa(n))})
					}
				})
			}
		}
		senders.Wait()
		last := s.NewConversation(users...) // also a conversation that is created at the end
		s.Post(last, "bob", "0")
		s.Set(func(b *imtest.Behavior) { *b = imtest.Behavior{} })
		s.AnnounceGaps()

		for _, id := range append(ids, last) {
			log := s.Log(id)
			require.NoError(t, inOrderOfSending(log))
			for _, u := range s.Members(id) {
				clients[u].waitFor(t, id, 1, int64(len(log)))
				require.Equal(t, log, clients[u].received(id))
			}
		}
		for _, c := range clients {
			c.close()
		}
	})
}

// inOrderOfSending checks that each sender's texts are 0, 1, 2 and so on.
func inOrderOfSending(log []Event) error {
	next := map[UserID]int{}
	for _, e := range log {
		if e.Type != MessagePosted {
			continue
		}
		m, _ := MessageOf(e)
		if text := TextOf(m.Content); text != strconv.Itoa(next[e.Sender]) {
			return fmt.Errorf("%s: %q at seq %d instead of %d", e.Sender, text, e.Seq, next[e.Sender])
		}
		next[e.Sender]++
	}
	return nil
}
