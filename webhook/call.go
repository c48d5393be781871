package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"im/domain"
	"im/internal/signedcall"
)

const (
	answerBytes  = 64 << 10 // of an answer that are read, so that the connection is used again
	headerBytes  = 64 << 10
	errorBytes   = 200
	longestAfter = 24 * time.Hour // of Retry-After
)

// message is what a call sends.
type message struct {
	id    string
	body  []byte
	seq   int64     // what is done with it
	since time.Time // when the call was due first

	// Of the event stream only:
	event *domain.Event
	kind  domain.Kind // of its conversation
}

// messageOf returns the call for an event.
func messageOf(e *domain.Event) message {
	body := make([]byte, 0, e.Size()+128)
	body = append(append(append(body, `{"type":"`...), e.Type...), `","timestamp":`...)
	body = append(e.At.AppendJSON(body), `,"data":`...)
	return message{id: eventID(e), body: append(e.AppendJSON(body), '}'), seq: e.Seq, since: e.At.Time}
}

func eventID(e *domain.Event) string {
	return e.ConversationID.String() + ":" + strconv.FormatInt(e.Seq, 10)
}

// messageOfNotification returns the call for a part of a message.notify. Parts after the
// first one have their number in the id.
func messageOfNotification(n *domain.Notification) (message, error) {
	recipients, err := json.Marshal(n.Recipients)
	if err != nil {
		return message{}, err
	}
	body := make([]byte, 0, n.Event.Size()+len(recipients)+128)
	body = n.Event.At.AppendJSON(append(body, `{"type":"message.notify","timestamp":`...))
	body = n.Event.AppendJSON(append(body, `,"data":{"event":`...))
	body = append(append(append(body, `,"recipients":`...), recipients...), "}}"...)
	id := eventID(n.Event) + ":notify"
	if n.Part.Number > 1 {
		id += ":" + strconv.Itoa(n.Part.Number)
	}
	return message{id: id, body: body}, nil
}

// messageOfReport returns the call for a report. Its data is that of GET /v1/reports.
func messageOfReport(r *domain.Report) (message, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return message{}, err
	}
	body := r.CreatedAt.AppendJSON([]byte(`{"type":"report.created","timestamp":`))
	return message{id: r.ReportID + ":report", body: append(append(append(body, `,"data":`...), data...), '}'), since: r.CreatedAt.Time}, nil
}

// result is the outcome of a call.
type result struct {
	status   int // 0: no answer
	duration time.Duration
	err      string        // "": taken
	after    time.Duration // Retry-After; 0: none
	away     bool          // nothing is taken at present, whatever is sent
}

func (r result) taken() bool { return r.err == "" }

// caller makes calls.
type caller struct {
	client  http.Client
	timeout time.Duration // of a call
}

func newCaller(g guard, timeout time.Duration) *caller {
	dialer := &net.Dialer{Timeout: timeout, KeepAlive: 15 * time.Second, Control: g.control}
	return &caller{timeout: timeout, client: http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: timeout,
			MaxIdleConns: 256, MaxIdleConnsPerHost: allInFlight, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: headerBytes, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// most implements sender.
func (*caller) most() int { return 1 }

// send implements sender.
func (c *caller) send(ctx context.Context, t *domain.WebhookTarget, list []message) (taken int, r result) {
	r = c.call(ctx, t, list[0])
	if r.taken() {
		taken = 1
	}
	return taken, r
}

// call sends a message. It does not follow redirects.
func (c *caller) call(ctx context.Context, t *domain.WebhookTarget, m message) result {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	began := time.Now()
	r := c.attempt(ctx, t, m, began)
	r.duration = time.Since(began)
	return r
}

func (c *caller) attempt(ctx context.Context, t *domain.WebhookTarget, m message, now time.Time) result {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(m.body))
	if err != nil {
		return result{err: c.reason(err)}
	}
	if err := signedcall.Sign(r.Header, t.Secrets, m.id, m.body, now); err != nil {
		return result{err: "the call cannot be signed"}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "im-webhook/1")
	answer, err := c.client.Do(r)
	if err != nil {
		return result{err: c.reason(err)}
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.CopyN(io.Discard, answer.Body, answerBytes)
	switch {
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return result{status: answer.StatusCode, err: "the answer was " + answer.Status, after: retryAfter(answer.Header.Get("Retry-After"), now)}
	case err != nil && !errors.Is(err, io.EOF):
		return result{status: answer.StatusCode, err: c.reason(err)}
	}
	return result{status: answer.StatusCode}
}

// retryAfter returns the time that a header asks for: seconds, or a date.
func retryAfter(header string, now time.Time) time.Duration {
	if header == "" {
		return 0
	}
	after := time.Duration(0)
	if seconds, err := strconv.Atoi(header); err == nil {
		after = time.Duration(min(seconds, int(longestAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		after = at.Sub(now)
	}
	return max(0, min(after, longestAfter))
}

// reason returns what the owner of a webhook may know of an error: without the URL, which
// may hold a token.
func (c *caller) reason(err error) string {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	text := err.Error()
	switch timeout, ok := errors.AsType[net.Error](err); {
	case errors.Is(err, errNotPublic):
		text = errNotPublic.Error()
	case errors.Is(err, context.DeadlineExceeded), ok && timeout.Timeout():
		text = fmt.Sprintf("no answer within %d s", int(c.timeout.Seconds()))
	}
	return reasonOf(text)
}
