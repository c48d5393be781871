package imtest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"im/domain"
)

// Server is an in-memory server. All of its methods may be called concurrently,
// but not from the functions of a Behavior: those run while the server is locked.
type Server struct {
	URL string // of the server, as a client wants it

	http    *httptest.Server
	sockets sync.WaitGroup

	mu       sync.Mutex
	behavior Behavior
	epoch    string
	convs    map[domain.ConversationID]*conversation
	order    []domain.ConversationID // as they were created
	conns    map[*Conn]bool          // those that were welcomed
	acked    map[ackKey]int64
	blocks   map[domain.UserID][]domain.Block
	changes  int // counts changes; the cursor of a sync
	hellos   int
}

// Behavior is how a server behaves. The zero value of a field is the default.
type Behavior struct {
	Heartbeat     time.Duration // named in welcome; 25 s by default
	TokenLifetime time.Duration // named in welcome; 1 h by default
	PageEvents    int           // the most events of one page; 1,000 by default
	// HideNew leaves out the conversation frame that introduces a new conversation.
	HideNew bool
	// Upgrade returns an HTTP status to refuse a socket with, or 0.
	Upgrade func() int
	// Frame is called for each frame of a client. It returns true for a frame that it
	// has dealt with itself.
	Frame func(c *Conn, f *Frame) bool
	// Push returns what happens to an event that is due on a connection.
	Push func(c *Conn, e domain.Event) Delivery
}

// Delivery is what happens to a push.
type Delivery int

// The deliveries.
const (
	Delivered Delivery = iota
	LeftOut            // and announced by a gap before the next push
	Repeated           // delivered twice
	Cut                // the connection ends before the push
)

// ackKey is one user in one conversation. The server knows one device of a user.
type ackKey struct {
	user domain.UserID
	id   domain.ConversationID
}

// New starts a server. The caller closes it.
func New() *Server {
	s := &Server{
		epoch: "e1", convs: map[domain.ConversationID]*conversation{}, conns: map[*Conn]bool{},
		acked: map[ackKey]int64{}, blocks: map[domain.UserID][]domain.Block{},
	}
	s.http = httptest.NewServer(s.routes())
	s.URL = s.http.URL
	return s
}

// NewServer starts a server that is closed at the end of the test.
func NewServer(t testing.TB) *Server {
	s := New()
	t.Cleanup(s.Close)
	return s
}

// Close ends all connections and stops the server.
func (s *Server) Close() {
	s.HangUp(websocket.CloseGoingAway)
	s.http.Close()
	s.sockets.Wait()
}

// Set changes the behaviour from now on.
func (s *Server) Set(change func(*Behavior)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.behavior)
}

// NewConversation creates a conversation of the first member: a direct one for two
// members, a group otherwise.
func (s *Server) NewConversation(members ...domain.UserID) domain.ConversationID {
	kind := domain.Group
	if len(members) == 2 {
		kind = domain.Direct
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.create(members[0], creation{Kind: kind, Members: members[1:]})
}

// Post appends a text of sender and returns its seq.
func (s *Server) Post(id domain.ConversationID, sender domain.UserID, text string) int64 {
	return s.Append(id, posting(sender, "m-"+text, domain.PostedBody{Content: textContent(text)})).Seq
}

// Append appends an event, whose id, seq and time the server sets, and pushes it.
func (s *Server) Append(id domain.ConversationID, e domain.Event) domain.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.append(s.convs[id], e)
}

// AddMember adds a member to a conversation.
func (s *Server) AddMember(id domain.ConversationID, user domain.UserID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addMember(s.convs[id], user, domain.RoleMember)
}

// RemoveMember removes a member; member.removed is the last push to that user.
func (s *Server) RemoveMember(id domain.ConversationID, user domain.UserID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeMember(s.convs[id], user, user)
}

// Log returns the events of a conversation.
func (s *Server) Log(id domain.ConversationID) []domain.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.convs[id].events)
}

// View returns a conversation as a sync would show it to a member, without events.
func (s *Server) View(id domain.ConversationID, user domain.UserID) domain.ConversationView {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view(s.convs[id], user, 0)
}

// Message returns a message as it stands, as user sees it; ok is false if there is none.
func (s *Server) Message(id domain.ConversationID, seq int64, user domain.UserID) (m domain.Message, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.convs[id].message(seq, user); found != nil {
		return *found, true
	}
	return m, false
}

// MarkRead moves the read position of a user, as another device would.
func (s *Server) MarkRead(id domain.ConversationID, user domain.UserID, seq int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.markRead(s.convs[id], user, seq, nil)
}

// Members returns the members of a conversation, in the order of their joining.
func (s *Server) Members(id domain.ConversationID) []domain.UserID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.convs[id].users()
}

// Restore brings the log back in an earlier state, of which nothing above the heads
// is left: a new epoch begins. Acknowledgements stay, as they do in a backup.
// Connections stay too, until HangUp(4004).
func (s *Server) Restore(epoch string, heads map[domain.ConversationID]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch = epoch
	for id, head := range heads {
		s.convs[id].cut(head)
		for key := range maps.Keys(s.acked) {
			if key.id == id {
				s.acked[key] = min(s.acked[key], head)
			}
		}
	}
}

// Acked returns how far the device of a user has acknowledged a conversation.
func (s *Server) Acked(user domain.UserID, id domain.ConversationID) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked[ackKey{user, id}]
}

// ForgetAcks drops all acknowledgements, as if every device were a new one.
func (s *Server) ForgetAcks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.acked)
}

// Hellos returns how many hello frames were answered by welcome.
func (s *Server) Hellos() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hellos
}

// Connections returns how many connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// HangUp closes every connection with a code; 0 closes without one.
func (s *Server) HangUp(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close(code)
	}
}

// Send sends a frame to every connection of a user; "" is every user.
func (s *Server) Send(user domain.UserID, frame any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendTo(frame, func(c *Conn) bool { return user == "" || c.user == user })
}

// AnnounceGaps announces what was left out of pushes, as a server does when the
// queue of a slow reader is empty again.
func (s *Server) AnnounceGaps() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		for id := range c.gaps {
			c.announceGap(id, s.convs[id].head())
		}
	}
}

func (s *Server) sendTo(frame any, to func(*Conn) bool) {
	for c := range s.conns {
		if to(c) {
			c.Send(frame)
		}
	}
}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	upgrade := s.behavior.Upgrade
	s.mu.Unlock()
	if upgrade != nil {
		if status := upgrade(); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	upgrader := websocket.Upgrader{Subprotocols: []string{"im.v1"}}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &Conn{
		server: s, ws: ws, out: make(chan []byte, maxQueued), gone: make(chan struct{}),
		gaps: map[domain.ConversationID]bool{},
	}
	s.sockets.Add(2)
	go c.write()
	go c.read()
}
