package push

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
	"strings"
	"time"

	"im/domain"
)

// Sender brings notifications to the devices of one provider. It is safe for concurrent
// use.
type Sender interface {
	Send(ctx context.Context, to domain.PushAddress, n Notification) Result
	// Silent reports whether the provider permits notifications that show nothing.
	Silent() bool
	// Close closes idle connections.
	Close()
}

// Outcome is what became of a notification.
type Outcome int

// The outcomes.
const (
	Taken   Outcome = iota // by the provider; whether the device gets it is not known
	Again                  // not taken now
	Refused                // it would be refused again
	Gone                   // the provider does not know the address any more
)

// Result is the answer of a provider.
type Result struct {
	Outcome Outcome
	Status  int           // of HTTP; 0: no answer
	After   time.Duration // when to try again, if the provider says so
	Answer  string        // its own words, cut off; "" if it is in a network that is not public
	Reason  string        // why it was not taken, without the address
}

// Notification is what a device is told.
type Notification struct {
	Kind           Kind
	ConversationID domain.ConversationID // zero: of a test
	Seq            int64
	Title, Body    string
	Sender         domain.UserID // "": not to be shown
	Mentioned      bool
	Badge          int64
}

// Kind says what a notification is for.
type Kind string

// The kinds.
const (
	KindMessage Kind = "message" // there is a message
	KindClear   Kind = "clear"   // it was read elsewhere; shows nothing
	KindTest    Kind = "test"
)

// keep is how long providers keep a notification for a device that is away.
const keep = 24 * time.Hour

// collapse is the key of what replaces one another.
func (n *Notification) collapse() string {
	if n.Kind == KindTest {
		return string(KindTest)
	}
	return n.ConversationID.String()
}

// facts are the fields for the app, in the payloads of all providers.
type facts struct {
	Type           Kind          `json:"type"`
	ConversationID string        `json:"conversation_id,omitempty"`
	Seq            int64         `json:"seq,omitempty"`
	Sender         domain.UserID `json:"sender,omitempty"`
	Mentioned      bool          `json:"mentioned,omitempty"`
	UnreadTotal    int64         `json:"unread_total"`
}

func (n *Notification) facts() facts {
	f := facts{Type: n.Kind, Seq: n.Seq, Sender: n.Sender, Mentioned: n.Mentioned, UnreadTotal: n.Badge}
	if !n.ConversationID.IsZero() {
		f.ConversationID = n.ConversationID.String()
	}
	return f
}

// marshal is json.Marshal without the escapes for HTML, which would cost room.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

const (
	callTimeout  = 10 * time.Second
	answerBytes  = 2 << 10
	reasonBytes  = 200
	longestAfter = 10 * time.Minute
)

// newTransport returns a transport for calls of a provider.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: callTimeout, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: callTimeout,
		MaxIdleConns: 256, MaxIdleConnsPerHost: slots, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
	}
}

// newClient returns a client that follows no redirects.
func newClient(t *http.Transport) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is what a provider has answered.
type answer struct {
	status int
	header http.Header
	body   []byte // cut off
}

// call makes a request. A nil answer means that there was none; the result says why.
func call(client *http.Client, r *http.Request) (*answer, Result) {
	response, err := client.Do(r)
	if err != nil {
		return nil, Result{Outcome: Again, Reason: reasonOf(err)}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerBytes))
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // so that the connection is used again
	if err != nil {
		return nil, Result{Outcome: Again, Status: response.StatusCode, Reason: reasonOf(err)}
	}
	a := &answer{response.StatusCode, response.Header, body}
	return a, Result{Status: a.status, Answer: strings.ToValidUTF8(strings.ReplaceAll(string(body), "\x00", ""), "\uFFFD")}
}

// judge sets the outcome by the status alone. gone are the statuses of addresses that the
// provider does not know.
func judge(a *answer, r Result, gone ...int) Result {
	switch {
	case a.status >= 200 && a.status < 300:
		return r
	case a.status == http.StatusTooManyRequests, a.status >= 500, a.status == http.StatusRequestTimeout:
		r.Outcome, r.After = Again, retryAfter(a.header.Get("Retry-After"), time.Now())
	default:
		r.Outcome = Refused
		for _, status := range gone {
			if a.status == status {
				r.Outcome = Gone
			}
		}
	}
	r.Reason = "the answer was " + strconv.Itoa(a.status)
	return r
}

// retryAfter returns the time that a header asks for: seconds, or a date.
func retryAfter(header string, now time.Time) time.Duration {
	after := time.Duration(0)
	if seconds, err := strconv.Atoi(header); err == nil {
		after = time.Duration(min(seconds, int(longestAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		after = at.Sub(now)
	}
	return max(0, min(after, longestAfter))
}

// reasonOf returns the text of an error without the URL, which may hold an address.
func reasonOf(err error) string {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	text := err.Error()
	switch timeout, ok := errors.AsType[net.Error](err); {
	case errors.Is(err, context.DeadlineExceeded), ok && timeout.Timeout():
		text = fmt.Sprintf("no answer within %d s", int(callTimeout.Seconds()))
	}
	return strings.ToValidUTF8(strings.ReplaceAll(text[:min(len(text), reasonBytes)], "\x00", ""), "")
}
