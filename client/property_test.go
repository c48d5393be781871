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
)

// chaos is a server that does, by the dice of a seed, everything that the
// contract lets a server or a network do.
func chaos(f *fakeServer, seed uint64, percent int) {
	dice := rand.New(rand.NewPCG(seed, 0))
	bad := func() bool { return dice.IntN(100) < percent }
	var upgrades sync.Mutex
	door := rand.New(rand.NewPCG(seed, 1))
	f.upgrade = func() int {
		upgrades.Lock()
		defer upgrades.Unlock()
		if door.IntN(100) < percent {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	f.fate = func(*fakeSocket, Event) fate {
		if bad() {
			return []fate{leftOut, twice, cut}[dice.IntN(3)]
		}
		return pushed
	}
	f.pageLimit = 1 + dice.IntN(20)
	f.before = func(s *fakeSocket, kind string, frame map[string]any) bool {
		if !bad() {
			return false
		}
		id, _ := frame["id"].(string)
		switch what := dice.IntN(6); {
		case what == 0:
			s.close([]int{0, 1006, 4000, 4003, 1012}[dice.IntN(5)])
		case what == 1 && kind == "send":
			s.commit(frame) // the answer is lost
			s.close(0)
		case what == 2 && kind == "send":
			s.commit(frame)
			s.refuse(id, domain.CodeUnavailable, domain.RetryAgain)
		case what == 3 && id != "":
			s.refuse(id, domain.CodeUnavailable, domain.RetryAgain)
		case what == 4 && kind == "sync":
			s.refuse(id, domain.CodeCursorInvalid, domain.RetryNever)
		case what == 5 && kind == "hello":
			s.close(4003)
		default:
			return false
		}
		return true
	}
}

func calm(f *fakeServer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.upgrade, f.fate, f.before, f.pageLimit = nil, nil, nil, 1000
	for s := range f.sockets { // what was left out last is announced when the queue empties
		for id := range s.gaps {
			s.queue(map[string]any{"type": "gap", "reason": "slow", "conversations": map[string]int64{
				id.String(): int64(len(f.convs[id].events)),
			}})
		}
		clear(s.gaps)
	}
}

// Whatever happens on the way, every client is handed every event once and in
// order, and every send is in the log once, in the order of sending.
func TestProperty_each_event_once_and_in_order(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := newFake(t)
		chaos(f, rapid.Uint64().Draw(r, "seed"), rapid.IntRange(0, 25).Draw(r, "percent"))
		users := []UserID{"alice", "bob", "carol"}
		rooms := []ConversationID{f.conversation(users...), f.conversation(users...), f.conversation("alice", "bob")}
		each := rapid.IntRange(1, 15).Draw(r, "sends")

		peers := map[UserID]*peer{}
		for _, u := range users {
			peers[u] = start(t, u, Options{History: Everything}, f.http.URL)
		}
		var senders sync.WaitGroup
		for _, u := range users {
			for i, room := range rooms {
				if i == 2 && u == "carol" {
					continue
				}
				senders.Go(func() {
					for n := range each {
						peers[u].send(t, Post{ConversationID: room, Content: Text(strconv.Itoa(n))})
					}
				})
			}
		}
		senders.Wait()
		late := f.conversation(users...) // somebody is added at the end, too
		f.post(late, "bob", "0")
		calm(f)

		for _, room := range append(rooms, late) {
			log := f.log(room)
			require.NoError(t, inOrderOfSending(log))
			for _, u := range users {
				if slices.Contains(f.members(room), u) {
					peers[u].has(t, room, 1, int64(len(log)))
					require.Equal(t, log, peers[u].got(room))
				}
			}
		}
		for _, p := range peers {
			p.close()
		}
	})
}

func (f *fakeServer) log(id ConversationID) []Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.convs[id].events)
}

func (f *fakeServer) members(id ConversationID) []UserID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.convs[id].members
}

func inOrderOfSending(log []Event) error {
	next := map[UserID]int{}
	for _, e := range log {
		if e.Type != domain.MessagePosted {
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
