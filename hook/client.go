package hook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"im/domain"
	"im/internal/signedcall"
	"im/internal/strictjson"
)

const (
	headerBytes = 64 << 10
	otherBytes  = 16 << 10 // of an answer, beside content and metadata
	errorBytes  = 200
	spareBytes  = 64 << 10 // of a failed answer that are read, so that the connection is used again
)

// failure is the error of a failed call.
type failure struct {
	result string // for the metrics
	reason string // for the log: never the URL, which may hold a token
	down   bool   // the endpoint is down or overloaded
}

func (f *failure) Error() string { return f.reason }

// client makes calls.
type client struct {
	http        *http.Client
	url, secret string
	timeout     time.Duration
	limits      domain.Limits
	answerBytes int64
}

func newClient(o *Options) *client {
	dialer := &net.Dialer{Timeout: o.Timeout, KeepAlive: 15 * time.Second}
	return &client{
		url: o.URL, secret: o.Secret, timeout: o.Timeout, limits: o.Limits,
		// Escapes may make a content longer than its bytes as such.
		answerBytes: int64(o.Limits.ContentBytes + o.Limits.MetadataBytes + otherBytes),
		http: &http.Client{
			Transport: &http.Transport{
				DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: o.Timeout,
				MaxIdleConns: o.InFlight, MaxIdleConnsPerHost: o.InFlight, IdleConnTimeout: time.Minute,
				MaxResponseHeaderBytes: headerBytes, DisableCompression: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// question is the data of a call.
type question struct {
	ConversationID string          `json:"conversation_id,omitempty"`
	To             domain.UserID   `json:"to,omitempty"`
	TargetSeq      int64           `json:"target_seq,omitempty"`
	Sender         domain.UserID   `json:"sender"`
	ClientMsgID    string          `json:"client_msg_id"`
	Content        json.RawMessage `json:"content"`
	Mentions       []domain.UserID `json:"mentions,omitempty"`
	Metadata       json.RawMessage `json:"metadata,omitempty"`
}

// ask asks about a proposal.
func (c *client) ask(ctx context.Context, p *domain.Proposal) (domain.Verdict, error) {
	kind := "message.posting"
	if p.TargetSeq != 0 {
		kind = "message.editing"
	}
	q := question{
		To: p.To, TargetSeq: p.TargetSeq, Sender: p.Sender, ClientMsgID: p.ClientMsgID,
		Content: p.Content, Mentions: p.Mentions, Metadata: p.Metadata,
	}
	if p.To == "" {
		q.ConversationID = p.ConversationID.String()
	}
	return c.call(ctx, kind, q, p.TargetSeq != 0)
}

// call makes one call. All its errors are *failure.
func (c *client) call(ctx context.Context, kind string, data any, edit bool) (domain.Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	now := time.Now()
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(map[string]any{"type": kind, "timestamp": domain.TimeOf(now), "data": data}); err != nil {
		return domain.Verdict{}, &failure{result: resultInvalid, reason: "the call cannot be encoded"}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body.Bytes()))
	if err != nil {
		return domain.Verdict{}, failureOf(err)
	}
	if err := signedcall.Sign(r.Header, []string{c.secret}, "hook:"+rand.Text(), body.Bytes(), now); err != nil {
		return domain.Verdict{}, &failure{result: resultInvalid, reason: "the call cannot be signed"}
	}
	r.Header["Idempotency-Key"] = nil // not sent: lets the transport repeat the call if an idle connection was closed
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "im-hook/1")
	answer, err := c.http.Do(r)
	if err != nil {
		return domain.Verdict{}, failureOf(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		_, _ = io.CopyN(io.Discard, answer.Body, spareBytes)
		return domain.Verdict{}, statusFailure(answer)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, c.answerBytes+1))
	switch {
	case err != nil:
		return domain.Verdict{}, failureOf(err)
	case int64(len(text)) > c.answerBytes:
		return domain.Verdict{}, invalid("is too large")
	}
	return parse(text, edit, c.limits)
}

func statusFailure(answer *http.Response) *failure {
	f := &failure{result: resultStatus, reason: "the answer was " + strconv.Itoa(answer.StatusCode) + " " + http.StatusText(answer.StatusCode)}
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		f.result, f.down = resultUnavailable, true
	}
	return f
}

// failureOf returns the failure of a call without a whole answer.
func failureOf(err error) *failure {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	if timeout, ok := errors.AsType[net.Error](err); errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout() {
		return &failure{result: resultTimeout, reason: "no answer in time", down: true}
	}
	text := err.Error()
	return &failure{result: resultUnreachable, reason: strings.ToValidUTF8(text[:min(len(text), errorBytes)], ""), down: true}
}

func invalid(reason string) *failure {
	return &failure{result: resultInvalid, reason: "the answer " + reason}
}

// parse returns the verdict of an answer. Unknown members are ignored.
func parse(text []byte, edit bool, limits domain.Limits) (domain.Verdict, error) {
	o, err := strictjson.Parse("", text)
	if err != nil {
		return domain.Verdict{}, invalid("is not JSON: " + err.Error())
	}
	switch action := o.String("action"); action {
	case "accept":
		return domain.Verdict{}, nil
	case "reject":
		refusal := domain.ErrRejected
		if reason := cut(o.String("reason"), limits.ReasonChars); reason != "" {
			refusal = refusal.WithMessage(reason)
		}
		return domain.Verdict{Refusal: refusal}, nil
	case "replace":
		return replacement(o, edit, limits)
	default:
		return domain.Verdict{}, invalid("has no action that is accept, reject or replace")
	}
}

// replacement returns the verdict to replace. metadata may be null, which removes it. That
// of an edit is ignored: edits leave metadata as they are.
func replacement(o *strictjson.Object, edit bool, limits domain.Limits) (domain.Verdict, error) {
	var v domain.Verdict
	v.Content, _ = o.Raw("content")
	if text, given := o.Raw("metadata"); given && !edit {
		v.Metadata.Set = true
		if string(text) != "null" {
			v.Metadata.Value = &text
		}
	}
	var metadata json.RawMessage
	if v.Metadata.Value != nil {
		metadata = *v.Metadata.Value
	}
	if err := domain.CheckReplacement(v.Content, metadata, limits); err != nil {
		reason := err.Error()
		if known, ok := errors.AsType[*domain.Error](err); ok {
			for pointer, what := range known.Fields {
				reason = pointer + " " + what
			}
		}
		return domain.Verdict{}, invalid("has a replacement that is not valid: " + reason)
	}
	return v, nil
}

// cut returns the first n characters of a text.
func cut(text string, n int) string {
	chars := 0
	for i := range text {
		if chars == n {
			return text[:i]
		}
		chars++
	}
	return text
}
