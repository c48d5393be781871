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
	"im/test/eventually"
)

const (
	probeEvery   = 200 * time.Millisecond
	probeTimeout = 15 * time.Second // longer than the 10 s that an answer may take
)

// probe sends through one node without retries, and receives at the other nodes.
type probe struct {
	node         *node
	conversation client.ConversationID
	bearer       string
	http         *http.Client

	mu        sync.Mutex
	sent      []*sample
	delivered map[string]time.Time // by client_msg_id
}

// sample is the outcome of one send.
type sample struct {
	key      string
	began    time.Time
	answered time.Time // when 201 arrived; zero: not (yet)
	settled  time.Time // when any answer, or a failure, arrived
}

// probes are one probe for each node.
type probes struct {
	all    []*probe
	cancel context.CancelFunc
	work   sync.WaitGroup
	errs   chan error
}

func (c *cluster) startProbes() *probes {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ps := &probes{cancel: cancel, errs: make(chan error, len(c.nodes))}
	for i, n := range c.nodes {
		var others []string
		for k := 1; k < len(c.nodes); k++ {
			others = append(others, c.nodes[(i+k)%len(c.nodes)].url())
		}
		sender, receiver := fmt.Sprint("probe-s", i), fmt.Sprint("probe-r", i)
		bearer, err := sign(sender, false)
		require.NoError(c.t, err)
		p := &probe{node: n, bearer: bearer, http: &http.Client{Timeout: probeTimeout}, delivered: map[string]time.Time{}}
		p.conversation = p.createConversation(c, receiver)
		ps.startReceiver(ctx, c, p, receiver, others)
		ps.all = append(ps.all, p)
	}
	for _, p := range ps.all {
		ps.work.Go(func() { p.run(ctx) })
	}
	c.t.Cleanup(ps.stop)
	return ps
}

// createConversation creates the direct conversation of the probe and its receiver.
func (p *probe) createConversation(c *cluster, receiver string) (id client.ConversationID) {
	var body []byte
	eventually.True(c.t, "the conversation of a probe is created", func() bool {
		var status int
		status, body = p.post(context.Background(), "/v1/conversations", map[string]any{"kind": "direct", "members": []string{receiver}})
		return status == http.StatusCreated || status == http.StatusOK
	})
	var made struct {
		ID client.ConversationID `json:"conversation_id"`
	}
	require.NoError(c.t, json.Unmarshal(body, &made))
	return made.ID
}

// startReceiver connects the receiver, and waits until it has synced.
func (ps *probes) startReceiver(ctx context.Context, c *cluster, p *probe, receiver string, urls []string) {
	bearer, err := sign(receiver, false)
	require.NoError(c.t, err)
	receiverClient, err := client.New(client.Options{
		URLs: urls, Token: client.Token(bearer), Device: "probe",
		OnEvent: func(_ context.Context, _ *client.Client, e client.Event) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			if _, seen := p.delivered[e.ClientMsgID]; !seen {
				p.delivered[e.ClientMsgID] = time.Now()
			}
			return nil
		},
	})
	require.NoError(c.t, err)
	ps.work.Go(func() { ps.errs <- receiverClient.Run(ctx) })
	synced, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	require.NoError(c.t, receiverClient.Synced(synced))
}

// run sends at each interval. A send without an answer does not delay the next one.
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

// post makes a REST call. The status is 0 if there was no answer.
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

// recovered returns when the first send that began after t was answered, and when the
// first was delivered, for the slowest probe. It returns false until every probe has both.
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

// slowest returns the longest time to an answer of any kind, and the longest time from a
// 201 to the delivery at another node, of the sends that began between two times.
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

// undelivered returns the number of sends that were answered and not delivered.
func (ps *probes) undelivered() (n int) {
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
