package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// requestTimeout is the time limit of one call, request or handshake. The contract
// promises an answer within 10 s.
const requestTimeout = 15 * time.Second

// api makes REST calls as users and as the backend.
type api struct {
	o    *Options
	http *http.Client

	mu     sync.Mutex
	tokens map[string]heldToken
}

type heldToken struct {
	raw   string
	until time.Time
}

func newAPI(o *Options) *api {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}
	return &api{o: o, http: &http.Client{Transport: transport, Timeout: requestTimeout}, tokens: map[string]heldToken{}}
}

// tokenLife is how long a token is used before the next one is requested.
const tokenLife = 5 * time.Minute

// token returns a token of the user, or of the backend for "".
func (a *api) token(ctx context.Context, user string) (string, error) {
	a.mu.Lock()
	held := a.tokens[user]
	a.mu.Unlock()
	if time.Now().Before(held.until) {
		return held.raw, nil
	}
	get := func(ctx context.Context) (string, error) { return a.o.Token(ctx, user) }
	if user == "" {
		get = a.o.ServerToken
	}
	raw, err := get(ctx)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[user] = heldToken{raw, time.Now().Add(tokenLife)}
	return raw, nil
}

// forget drops a token that was refused.
func (a *api) forget(user string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tokens, user)
}

// reply is the answer to a call: a status, or the code of an error. The status
// is 0 or 5xx if the outcome is unknown.
type reply struct {
	status int
	body   []byte
	code   string // of a problem document, or the failure of the connection
}

func (r *reply) ok() bool { return r.status >= 200 && r.status < 300 }

func (r *reply) into(v any) bool { return r.ok() && json.Unmarshal(r.body, v) == nil }

// call makes one call to a node. With behalf it uses the token of the backend
// and X-IM-User.
func (a *api) call(ctx context.Context, base, user string, behalf bool, method, path string, fields any) *reply {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	behalf = a.o.Token == nil || behalf && a.o.ServerToken != nil
	request, err := a.request(ctx, base, user, behalf, method, path, fields)
	if err != nil {
		return &reply{code: reason(err)}
	}
	response, err := a.http.Do(request)
	if err != nil {
		return &reply{code: reason(err)}
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return &reply{code: reason(err)}
	}
	r := &reply{status: response.StatusCode, body: text}
	if !r.ok() {
		var problem struct{ Code string }
		_ = json.Unmarshal(text, &problem)
		r.code = orWord(problem.Code, "unavailable") // from a proxy in between, for example
		if r.status == http.StatusUnauthorized {
			a.forget(user)
		}
	}
	return r
}

func (a *api) request(ctx context.Context, base, user string, behalf bool, method, path string, fields any) (*http.Request, error) {
	who := user
	if behalf {
		who = ""
	}
	token, err := a.token(ctx, who)
	if err != nil {
		return nil, err
	}
	var text []byte
	if fields != nil {
		if text, err = json.Marshal(fields); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if fields != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if behalf && user != "" {
		request.Header.Set("X-IM-User", user)
	}
	return request, nil
}

// Failures of a connection without an answer.
const (
	timedOut = "timeout"
	lost     = "connection lost"
	refused  = "connection refused"
)

func reason(err error) string {
	var network net.Error
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return timedOut
	case errors.As(err, &op) && op.Op == "dial":
		return refused
	default:
		return lost
	}
}

// unknown reports whether a reply leaves the outcome open.
func (r *reply) unknown() bool {
	return r.status == 0 || r.status >= 500 || !r.ok() && !definite(r.code)
}
