package hub

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/leaktest"

	"im/domain"
	"im/realtime/realtimetest"
	"im/realtime/wire"
	"im/realtime/ws"
	"im/test/eventually"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var (
	_ Directory = (*realtimetest.Store)(nil)
	_ Log       = (*realtimetest.Store)(nil)
)

// recorder is a session whose writer records the frames, unless it is paused.
type recorder struct {
	s  *Session
	wg *sync.WaitGroup

	mu     sync.Mutex
	paused chan struct{} // nil while the writer runs
	frames []received
	marks  int // frames that expectTypes sent, which are not recorded
}

// received is a decoded frame.
type received struct {
	Type          string                          `json:"type"`
	Event         *domain.Event                   `json:"event"`
	Conversation  *domain.ConversationView        `json:"conversation"`
	Conversations map[domain.ConversationID]int64 `json:"conversations"`
	Code          int                             `json:"-"` // of a close frame
}

func newRecorder(user domain.UserID, device domain.DeviceID, limit int, wg *sync.WaitGroup) *recorder {
	r := &recorder{wg: wg}
	r.s = &Session{ID: domain.SessionID(user) + "/" + domain.SessionID(device), User: user, Device: device}
	r.s.Queue = ws.NewSendQueue(limit, func() { wg.Add(1); go r.write() }, func() {})
	return r
}

// checkStanding checks a token that does not say when it was issued.
func (r *recorder) checkStanding(s domain.Standing) error {
	return s.Check(domain.Identity{User: r.s.User})
}

func (r *recorder) write() {
	defer r.wg.Done()
	for {
		r.mu.Lock()
		paused := r.paused
		r.mu.Unlock()
		if paused != nil {
			<-paused
			continue
		}
		batch := r.s.Queue.Next()
		if batch == nil {
			return
		}
		r.mu.Lock()
		for _, f := range batch {
			if d := decode(f); d.Type == "mark" {
				r.marks++
			} else {
				r.frames = append(r.frames, d)
			}
		}
		r.mu.Unlock()
	}
}

func (r *recorder) pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paused == nil {
		r.paused = make(chan struct{})
	}
}

func (r *recorder) resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paused != nil {
		close(r.paused)
		r.paused = nil
	}
}

func (r *recorder) received() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.frames)
}

func (r *recorder) marked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.marks
}

// seqs returns the seqs of the events of a conversation that were received.
func (r *recorder) seqs(id domain.ConversationID) []int64 {
	seqs := []int64{}
	for _, f := range r.received() {
		if f.Type == "event" && f.Event.ConversationID == id {
			seqs = append(seqs, f.Event.Seq)
		}
	}
	return seqs
}

// types returns the types of the frames, for events those of the events.
func (r *recorder) types() []string {
	var types []string
	for _, f := range r.received() {
		if f.Type == "event" {
			f.Type = string(f.Event.Type)
		}
		types = append(types, f.Type)
	}
	return types
}

func decode(f wire.Frame) received {
	payload := f.Payload()
	if f.IsClose() {
		return received{Type: "close", Code: int(payload[0])<<8 | int(payload[1])}
	}
	var r received
	if err := json.Unmarshal(payload, &r); err != nil {
		panic(err)
	}
	return r
}

// harness is a running hub over a store in memory.
type harness struct {
	t     testing.TB
	store *realtimetest.Store
	hub   *Hub
	wg    sync.WaitGroup
}

// noTail is an interval of the tail in which it is read only once.
const noTail = time.Hour

func newHarness(t testing.TB, tail time.Duration) *harness {
	s := &harness{t: t, store: realtimetest.NewStore()}
	s.hub = New(Options{Directory: s.store, Log: s.store, Tail: tail, Readers: 4})
	ctx, cancel := context.WithCancel(context.Background())
	s.wg.Go(func() { _ = s.hub.Run(ctx) })
	t.Cleanup(func() { cancel(); s.wg.Wait() })
	eventually.True(t, "the epoch is known", func() bool { return s.hub.currentEpoch() != "" })
	return s
}

func (s *harness) join(r *recorder) error {
	return s.joinWhile(r, func() {})
}

// joinWhile joins, and calls do while the session is being registered.
func (s *harness) joinWhile(r *recorder, do func()) error {
	return s.hub.Join(s.t.Context(), r.s, JoinSteps{
		CheckStanding: r.checkStanding,
		Register:      func(context.Context, domain.SessionEntry) error { do(); return nil },
		Welcome:       func(string) wire.Frame { return wire.Text([]byte(`{"type":"welcome"}`)) },
	})
}

func (s *harness) connect(user domain.UserID, device domain.DeviceID) *recorder {
	s.t.Helper()
	r := newRecorder(user, device, 1<<20, &s.wg)
	require.NoError(s.t, s.join(r))
	return r
}

// expectTypes waits until the recorder has as many frames, and checks that they are
// of these types and that no other frame is queued.
func (s *harness) expectTypes(r *recorder, types ...string) {
	s.t.Helper()
	eventually.True(s.t, "the frames arrive", func() bool { return len(r.received()) >= len(types) })
	marks := r.marked()
	r.s.Queue.TrySend(wire.Text([]byte(`{"type":"mark"}`)))
	eventually.True(s.t, "the mark arrives", func() bool { return r.marked() > marks })
	require.Equal(s.t, types, r.types())
}

func (s *harness) push(events ...domain.Event) {
	s.hub.Push(domain.Committed{ConversationID: events[0].ConversationID, Events: events})
}
