package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"im/client"
)

const (
	probeEvery   = 200 * time.Millisecond
	probeTimeout = 15 * time.Second // longer than the 10 s that an answer may take
)

// probe sends through one node, without trying again, and listens at others.
type probe struct {
	node         *node
	conversation client.ConversationID
	bearer       string
	http         *http.Client

	mu        sync.Mutex
	sent      []*sample
	delivered map[string]time.Time
}

// sample is what became of one send.
type sample struct {
	key      string
	began    time.Time
	answered time.Time // of a 201; zero: none (yet)
	settled  time.Time // of any answer
}

// probes watch every node.
type probes struct {
	all    []*probe
	cancel context.CancelFunc
	work   sync.WaitGroup
	errs   chan error
}

func (w *world) startProbes() *probes {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ps := &probes{cancel: cancel, errs: make(chan error, len(w.nodes))}
	for i, n := range w.nodes {
		var others []string
		for k := 1; k < len(w.nodes); k++ {
			others = append(others, w.nodes[(i+k)%len(w.nodes)].url())
		}
		sender, receiver := fmt.Sprint("probe-s", i), fmt.Sprint("probe-r", i)
		bearer, err := sign(sender, false)
		require.NoError(w.t, err)
		p := &probe{node: n, bearer: bearer, http: &http.Client{Timeout: probeTimeout}, delivered: map[string]time.Time{}}
		p.conversation = p.converse(w, receiver)
		ps.listen(ctx, w, p, receiver, others)
		ps.all = append(ps.all, p)
	}
	for _, p := range ps.all {
		ps.work.Go(func() { p.run(ctx) })
	}
	w.t.Cleanup(ps.stop)
	return ps
}

// converse makes the conversation of the probe.
func (p *probe) converse(w *world, receiver string) (id client.ConversationID) {
	var body []byte
	require.Eventually(w.t, func() bool {
		var status int
		status, body = p.post(context.Background(), "/v1/conversations", map[string]any{"kind": "direct", "members": []string{receiver}})
		return status == http.StatusCreated || status == http.StatusOK
	}, patience, probeEvery, "%s", body)
	var made struct {
		ID client.ConversationID `json:"conversation_id"`
	}
	require.NoError(w.t, json.Unmarshal(body, &made))
	return made.ID
}

// listen connects the receiver, and waits until it is there.
func (ps *probes) listen(ctx context.Context, w *world, p *probe, receiver string, urls []string) {
	bearer, err := sign(receiver, false)
	require.NoError(w.t, err)
	c, err := client.New(client.Options{
		URLs: urls, Token: client.Token(bearer), Device: "probe",
		OnEvent: func(_ context.Context, _ *client.Client, e client.Event) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			if _, again := p.delivered[e.ClientMsgID]; !again {
				p.delivered[e.ClientMsgID] = time.Now()
			}
			return nil
		},
	})
	require.NoError(w.t, err)
	ps.work.Go(func() { ps.errs <- c.Run(ctx) })
	synced, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	require.NoError(w.t, c.Synced(synced))
}

// run sends again and again; a send that has no answer does not hold up the next.
func (p *probe) run(ctx context.Context) {
	var work sync.WaitGroup
	defer p.http.CloseIdleConnections()
	defer work.Wait()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for i := 0; ; i++ {
		s := &sample{key: fmt.Sprint("p", i), began: time.Now()}
		p.mu.Lock()
		p.sent = append(p.sent, s)
		p.mu.Unlock()
		work.Go(func() { p.send(ctx, s) })
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *probe) send(ctx context.Context, s *sample) {
	status, _ := p.post(ctx, "/v1/conversations/"+p.conversation.String()+"/messages",
		map[string]any{"client_msg_id": s.key, "content": client.Text("probe")})
	p.mu.Lock()
	defer p.mu.Unlock()
	s.settled = time.Now()
	if status == http.StatusCreated {
		s.answered = s.settled
	}
}

// post returns status 0 when there was no answer.
func (p *probe) post(ctx context.Context, path string, body any) (int, []byte) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.node.url()+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil
	}
	req.Header.Set("Authorization", "Bearer "+p.bearer)
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.http.Do(req)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = resp.Body.Close() }()
	var answer bytes.Buffer
	_, _ = answer.ReadFrom(resp.Body)
	return resp.StatusCode, answer.Bytes()
}

func (ps *probes) stop() {
	ps.cancel()
	ps.work.Wait()
}

// recovered tells when the first send that began after t was answered, and when
// one was delivered, at the slowest of the probes; false if not yet.
func (ps *probes) recovered(t time.Time) (sends, deliveries time.Time, ok bool) {
	for _, p := range ps.all {
		sent, delivered := p.recovered(t)
		if sent.IsZero() || delivered.IsZero() {
			return sends, deliveries, false
		}
		sends, deliveries = latest(sends, sent), latest(deliveries, delivered)
	}
	return sends, deliveries, true
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (p *probe) recovered(t time.Time) (sent, delivered time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	earlier := func(a *time.Time, b time.Time) {
		if !b.IsZero() && (a.IsZero() || b.Before(*a)) {
			*a = b
		}
	}
	for _, s := range p.sent {
		if s.began.Before(t) || s.answered.IsZero() {
			continue
		}
		earlier(&sent, s.answered)
		earlier(&delivered, p.delivered[s.key])
	}
	return sent, delivered
}

// slowest returns the longest that a send between two times waited for its
// answer, whatever it was, and that one which was answered took to the other node.
func (ps *probes) slowest(from, to time.Time) (answer, delivery time.Duration) {
	for _, p := range ps.all {
		p.mu.Lock()
		for _, s := range p.sent {
			if s.began.Before(from) || s.began.After(to) {
				continue
			}
			if !s.settled.IsZero() {
				answer = max(answer, s.settled.Sub(s.began))
			}
			if arrived := p.delivered[s.key]; !arrived.IsZero() && !s.answered.IsZero() {
				delivery = max(delivery, arrived.Sub(s.answered))
			}
		}
		p.mu.Unlock()
	}
	return answer, delivery
}

// missing is the number of sends that were answered and have not arrived.
func (ps *probes) missing() (n int) {
	for _, p := range ps.all {
		p.mu.Lock()
		for _, s := range p.sent {
			if _, arrived := p.delivered[s.key]; !s.answered.IsZero() && !arrived {
				n++
			}
		}
		p.mu.Unlock()
	}
	return n
}
