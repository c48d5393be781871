package bench

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/domain"
)

const (
	testSecret = "0123456789abcdef0123456789abcdef"
	testKey    = "a key"
)

// peerServer is a server of another project. Its sessions are guarded by mu.
type peerServer struct {
	mu       sync.Mutex
	sessions []*peerSession
	refuse   int // the number of the message to refuse; 0: none
	sent     int
}

// peerSession is a session of a peerServer.
type peerSession struct {
	ws     *websocket.Conn
	user   string
	topics map[string]bool
}

func (s *peerSession) write(text string) { _ = s.ws.WriteMessage(websocket.TextMessage, []byte(text)) }

// start serves sessions at a path. handle handles one frame, with mu held.
func (p *peerServer) start(t *testing.T, path string, handle func(*peerSession, map[string]json.RawMessage)) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != path {
			http.NotFound(w, r)
			return
		}
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		s := &peerSession{ws: ws, topics: map[string]bool{}}
		p.mu.Lock()
		p.sessions = append(p.sessions, s)
		p.mu.Unlock()
		for {
			var frame map[string]json.RawMessage
			if ws.ReadJSON(&frame) != nil {
				return
			}
			p.mu.Lock()
			handle(s, frame)
			p.mu.Unlock()
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// refused counts a message and reports whether it is the one to refuse.
func (p *peerServer) refused() bool {
	p.sent++
	return p.sent == p.refuse
}

// tinodeServer speaks the part of Tinode's protocol that the workload uses, with the
// frames of a server of version 0.25.
type tinodeServer struct {
	peerServer
	users int
}

func (p *tinodeServer) handle(s *peerSession, frame map[string]json.RawMessage) {
	const ts = `"ts":"2026-01-02T03:04:05.678Z"`
	for kind, raw := range frame {
		var f struct {
			ID, Topic, User, Scheme, Secret, Ver string
			Login                                bool
			Content                              json.RawMessage
		}
		if json.Unmarshal(raw, &f) != nil {
			return
		}
		secret, _ := base64.StdEncoding.DecodeString(f.Secret)
		switch {
		case kind == "hi" && f.Ver != "":
			s.write(`{"ctrl":{"id":"` + f.ID + `","params":{"build":"postgres:undef","ver":"0.25"},"code":201,"text":"created",` + ts + `}}`)
		case kind == "acc" && f.User == "new" && f.Scheme == "basic" && f.Login && strings.Contains(string(secret), ":"):
			p.users++
			s.user = fmt.Sprintf("usr%d", p.users)
			s.write(`{"ctrl":{"id":"` + f.ID + `","params":{"authlvl":"auth","token":"t","user":"` + s.user + `"},"code":201,"text":"created",` + ts + `}}`)
		case kind == "sub" && s.user != "":
			if f.Topic == "new" {
				f.Topic = "grp1"
			}
			s.topics[f.Topic] = true
			s.write(`{"pres":{"topic":"me","src":"` + f.Topic + `","what":"acs"}}`)
			s.write(`{"ctrl":{"id":"` + f.ID + `","topic":"` + f.Topic + `","code":200,"text":"ok",` + ts + `}}`)
		case kind == "pub" && s.topics[f.Topic] && p.refused():
			s.write(`{"ctrl":{"id":"` + f.ID + `","topic":"` + f.Topic + `","code":503,"text":"service unavailable",` + ts + `}}`)
		case kind == "pub" && s.topics[f.Topic]:
			s.write(`{"ctrl":{"id":"` + f.ID + `","topic":"` + f.Topic + `","params":{"seq":1},"code":202,"text":"accepted",` + ts + `}}`)
			p.publish(s, f.Topic, f.Content)
		default:
			s.write(`{"ctrl":{"id":"` + f.ID + `","code":400,"text":"malformed",` + ts + `}}`)
		}
	}
}

// publish sends a message to both users of a pair, each of which names it after the other
// one, or to all who joined a group.
func (p *tinodeServer) publish(from *peerSession, topic string, content json.RawMessage) {
	for _, s := range p.sessions {
		name := topic
		if s != from && strings.HasPrefix(topic, "usr") {
			if name = from.user; s.user != topic {
				continue
			}
		}
		if s.topics[name] {
			s.write(`{"data":{"topic":"` + name + `","from":"` + from.user + `","ts":"2026-01-02T03:04:05.678Z","seq":1,"content":` + string(content) + `}}`)
		}
	}
}

// centrifugoServer does the same for Centrifugo, with the frames of version 6.
type centrifugoServer struct{ peerServer }

func (p *centrifugoServer) handle(s *peerSession, frame map[string]json.RawMessage) {
	id := string(frame["id"])
	var f struct {
		Token, Channel string
		Data           json.RawMessage
	}
	for _, kind := range []string{"connect", "subscribe", "publish"} {
		_ = json.Unmarshal(frame[kind], &f)
	}
	switch {
	case len(frame) == 0: // a pong
		s.topics["pong"] = true
	case frame["connect"] != nil:
		var claims jwt.RegisteredClaims
		if _, err := jwt.ParseWithClaims(f.Token, &claims, func(*jwt.Token) (any, error) { return []byte(testSecret), nil }); err != nil {
			s.write(`{"id":` + id + `,"error":{"code":109,"message":"token expired"}}`)
			return
		}
		s.user = claims.Subject
		s.write(`{"id":` + id + `,"connect":{"client":"c","version":"6","ping":25,"pong":true}}`)
	case frame["subscribe"] != nil:
		s.topics[f.Channel] = true
		s.write("{}\n" + `{"id":` + id + `,"subscribe":{}}`)
	case frame["publish"] != nil && p.refused():
		s.write(`{"id":` + id + `,"error":{"code":111,"message":"too many requests"}}`)
	case frame["publish"] != nil:
		for _, other := range p.sessions {
			reply := ""
			if other == s {
				reply = `{"id":` + id + `,"publish":{}}` + "\n" + "{}\n"
			}
			if other.topics[f.Channel] {
				other.write(reply + `{"push":{"channel":"` + f.Channel + `","pub":{"data":` + string(f.Data) +
					`,"info":{"user":"` + s.user + `","client":"c"}}}}`)
			}
		}
	}
}

// newPeers starts both servers. They refuse the message with this number.
func newPeers(t *testing.T, refuse int) (Peers, *tinodeServer, *centrifugoServer) {
	one, two := &tinodeServer{peerServer: peerServer{refuse: refuse}}, &centrifugoServer{peerServer{refuse: refuse}}
	return Peers{
		TinodeURL: one.start(t, "/v0/channels?apikey=a+key", one.handle), TinodeKey: testKey,
		CentrifugoURL: two.start(t, "/connection/websocket", two.handle), CentrifugoSecret: testSecret,
	}, one, two
}

// peerRun returns a run against a peer.
func peerRun(t *testing.T) *run {
	c := &cluster{parts: processes{}, token: func(context.Context, domain.UserID) (string, error) { return "", nil }}
	r := &run{Options: Options{Warmup: short / 3, Duration: short, Progress: io.Discard}, cluster: c, tag: "abcdef"}
	r.fixture = newFixture(c, r.tag)
	t.Cleanup(r.fixture.close)
	return r
}

// TestPeers: every message to a peer is answered and received, once, by pairs and by a
// group. A refused one is counted as refused.
func TestPeers(t *testing.T) {
	peers, one, two := newPeers(t, 7)
	for i, p := range peers.list() {
		server := []*peerServer{&one.peerServer, &two.peerServer}[i]
		t.Run(p.name(), func(t *testing.T) {
			for work, drive := range map[string]func(context.Context, *run, peer) ([]Metric, error){
				"pairs": func(ctx context.Context, r *run, p peer) ([]Metric, error) { return runPeerPairs(ctx, r, p, 3, 4) },
				"group": func(ctx context.Context, r *run, p peer) ([]Metric, error) { return runPeerGroup(ctx, r, p, 5, 4) },
			} {
				t.Run(work, func(t *testing.T) {
					server.mu.Lock()
					server.sessions, server.sent = nil, 0
					server.mu.Unlock()
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					metrics, err := drive(ctx, peerRun(t), p)
					require.NoError(t, err)
					for name, want := range map[string]float64{"refused": 1, "lost": 0} {
						got, ok := find(metrics, name)
						require.True(t, ok)
						require.Equal(t, want, got, name)
					}
					acked, _ := find(metrics, "acked")
					require.Positive(t, acked)
					p50, ok := find(metrics, "end_p50")
					require.True(t, ok)
					require.Less(t, p50, 60_000.0)
				})
			}
		})
	}
}

// TestPeerRefuses: an error of the setup names the peer and what it said.
func TestPeerRefuses(t *testing.T) {
	peers, _, _ := newPeers(t, 0)
	peers.TinodeKey, peers.CentrifugoSecret = "another key", strings.Repeat("x", 32)
	list := peers.list()
	_, err := runPeerPairs(t.Context(), peerRun(t), list[0], 1, 1)
	require.ErrorContains(t, err, "Tinode: websocket: bad handshake: 404")
	_, err = runPeerPairs(t.Context(), peerRun(t), list[1], 1, 1)
	require.ErrorContains(t, err, "Centrifugo: connect: 109 token expired")
	_, err = runPeerPairs(t.Context(), peerRun(t), centrifugo{peers.CentrifugoURL, "short"}, 1, 1)
	require.ErrorContains(t, err, "the secret of Centrifugo")

	_, err = Measure(t.Context(), Options{Workloads: []string{"compare"}, Peers: peers, Progress: io.Discard})
	require.ErrorContains(t, err, "Tinode: websocket: bad handshake", "before a node is started")
}

// TestShortID: the time at which a message was due is found from its short id, also when
// the ids begin again.
func TestShortID(t *testing.T) {
	for _, due := range []int64{0, 1_234_000, shortRange*1000 - 1000, shortRange * 1000, 5*shortRange*1000 + 7000} {
		for _, later := range []int64{0, 999_000, int64(10 * time.Minute)} {
			require.Equal(t, due, dueOfShort(shortID(due), due+later))
		}
		require.Len(t, fmt.Sprint(shortID(due)), shortChars)
	}
}

// TestRatios: the row of a peer has our medians as ratios to its own.
func TestRatios(t *testing.T) {
	theirs := Result{Median: []Metric{{"acked", "msg/s", 200}, {"end_p50", "ms", 4}, {"refused", "", 0}}}
	ratios(&theirs, Result{Median: []Metric{{"acked", "msg/s", 100}, {"end_p50", "ms", 2}, {"end_p99", "ms", 2}, {"refused", "", 0}}})
	require.Equal(t, []Metric{{"im/peer_acked", "", 0.5}, {"im/peer_end_p50", "", 0.5}}, theirs.Median[3:])
	require.Len(t, compareCases(Options{Peers: Peers{TinodeURL: "http://t"}}), 2*(3+1))
}
