package verify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// receiver is a webhook of the run: it gets all events, and checks each call when it comes.
// Now and then it takes an event and loses the answer, so that the event has to come again.
// For a while it may be away.
type receiver struct {
	r       *runner
	id      string // of the webhook
	key     []byte
	server  *http.Server
	stopped chan struct{}

	mu     sync.Mutex
	lanes  map[string]*lane
	found  []Breach // that are none if a new epoch began
	losses *rand.Rand
	from   time.Time     // it is away from the first call after this …
	away   time.Duration // … for so long
	until  time.Time     // zero before that call
}

// lane is what came of a conversation: the events from first on, without a hole.
type lane struct {
	first    int64
	taken    []digest
	recalled map[int64]bool // seqs of messages
}

func (l *lane) last() int64 { return l.first + int64(len(l.taken)) - 1 }

const (
	lossOneIn     = 50 // events whose answer is lost
	hookTolerance = 5 * time.Minute
	hookBytes     = 4 << 20
)

// startReceiver listens and creates the webhook; nil without Options.Webhook.
func (r *runner) startReceiver(ctx context.Context) (*receiver, error) {
	if !r.o.Webhook {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", orWord(r.o.WebhookListen, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	h := &receiver{r: r, stopped: make(chan struct{}), lanes: map[string]*lane{}, losses: stream64(r.o.Seed, 1<<21, 0)}
	h.server = &http.Server{Handler: h, ReadHeaderTimeout: requestTimeout}
	go func() {
		defer close(h.stopped)
		_ = h.server.Serve(listener)
	}()
	url := orWord(r.o.WebhookURL, "http://"+listener.Addr().String()+"/")
	h.mu.Lock() // no call is checked before the secret is known
	defer h.mu.Unlock()
	reply := r.retryCall(ctx, "", http.MethodPost, "/v1/webhooks", map[string]any{"url": url, "description": "im verify " + r.o.Prefix})
	var made struct {
		WebhookID string `json:"webhook_id"`
		Secret    string
	}
	if !reply.into(&made) {
		h.close()
		return nil, fmt.Errorf("no webhook can be made for %s: %s %s (IM_WEBHOOK_ALLOW must have its address)", url, reply.code, reply.body)
	}
	h.id = made.WebhookID
	h.key, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret, "whsec_"))
	return h, err
}

// leave lets the receiver be away for a while, beginning with the first call after a time.
func (h *receiver) leave(after, lasting time.Duration) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.from, h.away, h.until = time.Now().Add(after), lasting, time.Time{}
}

// ServeHTTP implements http.Handler.
func (h *receiver) ServeHTTP(w http.ResponseWriter, call *http.Request) {
	text, err := io.ReadAll(io.LimitReader(call.Body, hookBytes))
	if err != nil {
		return // the node has died
	}
	h.r.tally.count(func(p *Report) { p.WebhookCalls++ })
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isAway(time.Now()) {
		h.r.tally.count(func(p *Report) { p.WebhookRefused++ })
		cut(w)
		return
	}
	lost, err := h.take(call.Header, text)
	if err != nil {
		h.breach("", 0, err.Error())
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if lost {
		cut(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// isAway reports whether a call is refused. It requires h.mu.
func (h *receiver) isAway(now time.Time) bool {
	if now.Before(h.from) || h.away == 0 {
		return false
	}
	if h.until.IsZero() {
		h.until = now.Add(h.away)
	}
	return now.Before(h.until)
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func (h *receiver) breach(id string, seq int64, text string) {
	h.r.tally.breach(Breach{Invariant: "webhook", ConversationID: id, Seq: seq, Client: "the webhook", Text: text})
}

// doubt notes a breach, unless a new epoch begins: then the log is another one.
func (h *receiver) doubt(e *event, text string) {
	h.found = append(h.found, Breach{Invariant: "webhook", ConversationID: e.ConversationID, Seq: e.Seq, Client: "the webhook", At: time.Now(), Text: text})
}

// verifySignature checks a call by the specification of Standard Webhooks.
func (h *receiver) verifySignature(header http.Header, text []byte) error {
	stampText := header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stampText, 10, 64)
	if age := time.Since(time.Unix(seconds, 0)); err != nil || age > hookTolerance || age < -hookTolerance {
		return fmt.Errorf("a call has the timestamp %q", stampText)
	}
	mac := hmac.New(sha256.New, h.key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", header.Get("webhook-id"), stampText, text)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for signature := range strings.SplitSeq(header.Get("webhook-signature"), " ") {
		if hmac.Equal([]byte(signature), []byte(want)) {
			return nil
		}
	}
	return fmt.Errorf("a call has a wrong signature: %s", header.Get("webhook-id"))
}

// take checks a call and keeps the event. It reports whether the answer is to be lost.
func (h *receiver) take(header http.Header, text []byte) (lost bool, err error) {
	if err := h.verifySignature(header, text); err != nil {
		return false, err
	}
	var message struct {
		Type      string
		Timestamp time.Time
		Data      event
	}
	if err := json.Unmarshal(text, &message); err != nil {
		return false, fmt.Errorf("a call cannot be read: %w", err)
	}
	e := &message.Data
	if id := e.ConversationID + ":" + strconv.FormatInt(e.Seq, 10); message.Type != e.Type || !message.Timestamp.Equal(e.At) || header.Get("webhook-id") != id || e.Seq < 1 {
		return false, errors.New("the parts of a call differ: " + header.Get("webhook-id"))
	}
	l := h.lanes[e.ConversationID]
	if l == nil {
		l = &lane{first: e.Seq, recalled: map[int64]bool{}}
		h.lanes[e.ConversationID] = l
	}
	d, b := digestOf(e), e.parsed()
	switch {
	case e.Seq > l.last()+1:
		h.doubt(e, fmt.Sprintf("%d came after %d: one is left out, or comes too late", e.Seq, l.last()))
		return false, nil
	case e.Seq >= l.first && e.Seq <= l.last():
		h.r.tally.count(func(p *Report) { p.WebhookRepeated++ })
		if !l.taken[e.Seq-l.first].same(d) {
			h.doubt(e, "it came again with other contents")
		}
	case e.Seq < l.first: // of a conversation that is older than the run
		return false, nil
	default:
		l.taken = append(l.taken, d)
		lost = h.losses.IntN(lossOneIn) == 0
		h.r.tally.hooked(time.Since(e.At))
	}
	switch target := max(b.Target, e.Seq); {
	case e.Type == recall:
		l.recalled[b.Target] = true
	case (e.Type == posted && l.recalled[e.Seq] || e.Type == edited && l.recalled[b.Target]) && !b.withoutContent():
		h.doubt(e, fmt.Sprintf("the text of %d came after its recall", target))
	}
	return lost, nil
}

// await waits until everything up to the heads came, and then deletes the webhook.
func (h *receiver) await(ctx context.Context) {
	if h == nil {
		return
	}
	h.r.say("waiting for the webhook")
	heads := h.r.heads(ctx)
	h.r.await(time.Now().Add(h.r.o.Settle), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for id, head := range heads {
			if l := h.lanes[id]; l == nil || l.last() < head {
				return false
			}
		}
		return true
	})
	h.r.retryCall(ctx, "", http.MethodDelete, "/v1/webhooks/"+h.id, nil)
}

// close ends the receiver.
func (h *receiver) close() {
	if h == nil {
		return
	}
	_ = h.server.Close()
	<-h.stopped
}

// doubts returns the breaches that were found while events came; none after a new epoch.
func (h *receiver) doubts(epoch int) []Breach {
	if h == nil || epoch > 1 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.found
}

// check compares what came of a conversation with its log. After a new epoch, what came
// before may be lost; then only the end is compared.
func (h *receiver) check(log *history, epoch int) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.lanes[log.id]
	if l == nil {
		l = &lane{first: 1}
	}
	if l.last() < log.head() {
		h.breach(log.id, l.last()+1, fmt.Sprintf("it did not come: the webhook got %d of %d events", len(l.taken), log.head()))
	}
	if epoch > 1 {
		return
	}
	if l.first > 1 {
		h.breach(log.id, 1, fmt.Sprintf("the first event that came is %d", l.first))
	}
	for i, d := range l.taken {
		seq := l.first + int64(i)
		if e := log.at(seq); e == nil || !e.digest.same(d) {
			h.breach(log.id, seq, "what came is not in the log: "+log.describe(seq))
		}
	}
	h.r.tally.count(func(p *Report) { p.WebhookEvents += int64(len(l.taken)) })
}
