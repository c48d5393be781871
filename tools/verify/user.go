package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// user sends and makes changes, over the sessions of its devices and over REST.
type user struct {
	r       *runner
	index   int
	name    string
	number  int32 // of the name, in observed
	rng     *rand.Rand
	devices []*device

	mu    sync.Mutex
	again []*attempt          // to be retried
	busy  int                 // attempts and changes in flight
	reads map[string]readMark // by conversation
}

// readMark is the read position of a user by its own requests.
type readMark struct {
	answered int64 // answered in the newest epoch with an answer
	epoch    int   // of the answer
	tried    int64 // the highest requested, answered or not
}

// attempt is a send with its text, kept until it is answered.
type attempt struct {
	send   *send
	id     string
	fields map[string]any // as in a send frame, without type and id
	due    time.Time
	flood  int // bytes of a text that belongs to a flood
}

// chance is a source of random numbers.
type chance interface{ IntN(n int) int }

// node chooses a node.
func (u *user) node(rng chance) string { return u.r.o.URLs[rng.IntN(len(u.r.o.URLs))] }

// maxBusy bounds what a user has in flight; above it, sends are skipped.
const maxBusy = 24

// run sends and changes until playing ends. Then it retries what has no answer until
// settling ends.
func (u *user) run(playing, settling context.Context) {
	interval := float64(time.Second) * float64(u.r.o.Users) / u.r.o.Rate
	next := time.Now()
	for settling.Err() == nil {
		next = next.Add(time.Duration(u.rng.ExpFloat64() * interval))
		if now := time.Now(); next.Before(now.Add(-time.Second)) {
			next = now
		}
		for playing.Err() == nil && time.Now().Before(next) {
			sleep(playing, min(time.Until(next), 200*time.Millisecond))
			u.retry(settling)
		}
		switch {
		case playing.Err() != nil:
			u.retry(settling)
			sleep(settling, 100*time.Millisecond)
		case u.inFlight() >= maxBusy:
			u.r.tally.count(func(r *Report) { r.HeldBack++ })
		default:
			u.act(settling)
		}
	}
}

// inFlight returns the number of attempts and changes in flight or to be retried.
func (u *user) inFlight() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.busy + len(u.again)
}

// addBusy adds n to the attempts and changes in flight.
func (u *user) addBusy(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.busy += n
}

// idle reports whether nothing is in flight.
func (u *user) idle() bool { return u.inFlight() == 0 }

// act sends a message, and sometimes also makes a change.
func (u *user) act(ctx context.Context) {
	switch n := u.rng.IntN(100); {
	case n < 12:
		u.change(ctx)
	case n < 18:
		u.markRead(ctx)
	case n < 24:
		if c := u.changeMembers(); c != nil {
			u.makeCall(ctx, c)
		}
	}
	u.post(ctx)
}

// post sends one random message.
func (u *user) post(ctx context.Context) {
	c := u.r.convs.choose(u.name, u.rng, false)
	if u.rng.IntN(50) == 0 {
		if former := u.r.convs.chooseFormer(u.name, u.rng); former != nil {
			c = former // must be refused
		}
	}
	size, flood := u.size(), 0
	if flooded := u.r.convs.ifMember(u.name, u.r.floods.now(time.Now())); flooded != nil && u.rng.IntN(4) > 0 {
		c, size, flood = flooded, floodText, floodText
	}
	if c == nil {
		return
	}
	now := u.r.convs.snapshot(c, u.r.users)
	fields := map[string]any{"conversation_id": c.id}
	if peer := other(now.in, u.name); now.direct && peer != "" && u.rng.IntN(3) == 0 {
		delete(fields, "conversation_id")
		fields["to"] = peer
	}
	s, id := u.r.ledger.begin(u, c.id)
	fields["client_msg_id"] = id
	u.compose(fields, id, size, now)
	s.content = contentHash(messageBody(fields))
	u.try(ctx, &attempt{send: s, id: id, fields: fields, flood: flood})
}

// other returns the first member but me.
func other(members []string, me string) string {
	for _, m := range members {
		if m != me {
			return m
		}
	}
	return ""
}

// size chooses the length of a text, without its identifying part.
func (u *user) size() int {
	switch n := u.rng.IntN(100); {
	case n < 3:
		return 2000 + u.rng.IntN(20000)
	case n < 30:
		return u.rng.IntN(400)
	}
	return 0
}

// compose writes the content of a send.
func (u *user) compose(fields map[string]any, id string, size int, now snapshot) {
	fields["content"] = map[string]any{"type": "text", "text": fmt.Sprintf("%s %s", id, strings.Repeat("é", size/2))}
	if u.rng.IntN(6) == 0 && len(now.in) > 0 {
		fields["mentions"] = []string{now.in[u.rng.IntN(len(now.in))]}
		if role := now.roles[u.name]; (role == "owner" || role == "admin") && u.rng.IntN(3) == 0 {
			fields["mentions"] = []string{"*"}
		}
	}
	if u.rng.IntN(8) == 0 && len(now.recent) > 0 {
		fields["reply_to"] = now.recent[u.rng.IntN(len(now.recent))].seq
	}
	if u.rng.IntN(10) == 0 {
		fields["metadata"] = map[string]any{"n": u.rng.IntN(1000), "of": id}
	}
}

// messageBody returns the body that the event of a send must have.
func messageBody(fields map[string]any) []byte {
	b := map[string]any{}
	for _, name := range []string{"content", "reply_to", "mentions", "metadata"} {
		if v, ok := fields[name]; ok {
			b[name] = v
		}
	}
	text, _ := json.Marshal(b)
	return text
}
