package hook_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/hook"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// Every way in which a call can fail: with open, the message is accepted as it is; with
// closed, it is unavailable, and nothing is written.
func TestFailures(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	url := pgtest.New(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("a redirect was followed")
		_, _ = io.WriteString(w, accept)
	}))
	defer elsewhere.Close()
	status := func(code int) func(call, http.ResponseWriter) {
		return func(_ call, w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(code)
			_, _ = io.WriteString(w, reject)
		}
	}
	text := func(s string) func(call, http.ResponseWriter) {
		return func(_ call, w http.ResponseWriter) { _, _ = io.WriteString(w, s) }
	}
	failures := []struct {
		name, result string
		answer       func(call, http.ResponseWriter)
	}{
		{"500", "status", status(http.StatusInternalServerError)},
		{"404", "status", status(http.StatusNotFound)},
		{"307", "status", status(http.StatusTemporaryRedirect)},
		{"302", "status", status(http.StatusFound)},
		{"503", "unavailable", status(http.StatusServiceUnavailable)},
		{"429", "unavailable", status(http.StatusTooManyRequests)},
		{"nothing", "invalid", text("")},
		{"not JSON", "invalid", text("<html>")},
		{"not an object", "invalid", text(`"accept"`)},
		{"unknown action", "invalid", text(`{"action":"allow"}`)},
		{"no action", "invalid", text(`{"reason":"x"}`)},
		{"repeated name", "invalid", text(`{"action":"reject","action":"accept"}`)},
		{"no content", "invalid", text(`{"action":"replace"}`)},
		{"content of null", "invalid", text(`{"action":"replace","content":null}`)},
		{"content of no type", "invalid", text(`{"action":"replace","content":{"text":"x"}}`)},
		{"empty text", "invalid", text(replace(""))},
		{"U+0000", "invalid", text(replace(`\u0000`))},
		{"half a surrogate", "invalid", text(replace(`\ud800`))},
		{"long content", "invalid", text(replace(strings.Repeat("x", 33_000)))},
		{"large answer", "invalid", text(`{"action":"accept","x":"` + strings.Repeat("x", 200_000) + `"}`)},
		{"endless answer", "invalid", func(_ call, w http.ResponseWriter) {
			for _, err := io.WriteString(w, accept); err == nil; _, err = io.WriteString(w, strings.Repeat(" ", 1000)) {
			}
		}},
		{"cut off", "unreachable", func(_ call, w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, accept)
			panic(http.ErrAbortHandler)
		}},
	}
	open, shut := e.start(t, url, neverTrips), e.start(t, url, closed, neverTrips)
	id := open.Group(t, "alice", "bob")
	var want []string
	for i, f := range failures {
		e.answers(f.answer)
		key, words := fmt.Sprint("m", i), f.name
		before := open.results(t, f.result)
		_, err := shut.send(t, "alice", post(id, key, words))
		require.ErrorIs(t, err, domain.ErrUnavailable, f.name)
		require.Equal(t, want, open.texts(t, id), f.name)
		sent, err := open.send(t, "alice", post(id, key, words))
		require.NoError(t, err, f.name)
		want = append(want, words)
		require.Equal(t, want, open.texts(t, id))
		require.Equal(t, before+1, open.results(t, f.result), f.name)

		_, err = shut.Edit("alice", id, sent.Event.Seq, "edited")
		require.ErrorIs(t, err, domain.ErrUnavailable, f.name)
		require.Equal(t, want, open.texts(t, id), f.name)
		again, err := shut.send(t, "alice", post(id, key, words))
		require.NoError(t, err, "what is in the log needs no endpoint")
		require.True(t, again.Duplicate)
		_, err = shut.send(t, "mallory", post(id, key, words))
		require.ErrorIs(t, err, domain.ErrNotFound)
	}
	e.says(`{"action":"replace","content":{"type":"text","text":"x"},"metadata":[]}`)
	_, err := shut.send(t, "alice", post(id, "last", "last"))
	require.ErrorIs(t, err, domain.ErrUnavailable)
	e.says(accept)
	_, err = shut.send(t, "alice", post(id, "last", "last"))
	require.NoError(t, err)
}

// neverTrips lets each call of a test fail by itself: the breaker is tried at once again.
func neverTrips(o *hook.Options) { o.Pause = time.Nanosecond }

// An endpoint that hangs, or is away, costs the first messages the time of a call. Then its
// calls are skipped, except for one now and then; when it is back, all are made.
func TestBreaker(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*endpoint){"hangs": (*endpoint).hangs, "dies": (*endpoint).dies} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			url := pgtest.New(t)
			n, patient := e.start(t, url, timeout(100*time.Millisecond)), e.start(t, url, timeout(100*time.Millisecond), closed, func(o *hook.Options) { o.Pause = time.Hour })
			id := n.Group(t, "alice", "bob")
			_, err := n.send(t, "alice", post(id, "before", "before"))
			require.NoError(t, err)
			breaks(e)
			failed := func(n *node) int {
				return n.results(t, "timeout") + n.results(t, "unreachable")
			}
			for i := range 30 {
				_, err := patient.send(t, "alice", post(id, fmt.Sprint("m", i), "x"))
				require.ErrorIs(t, err, domain.ErrUnavailable)
			}
			require.Equal(t, 5, failed(patient), "further calls are skipped")
			require.Equal(t, 25, patient.results(t, "skipped"))
			require.Equal(t, 1, patient.open(t))

			for i := 0; n.results(t, "skipped") == 0; i++ {
				_, err := n.send(t, "alice", post(id, fmt.Sprint("n", i), "open"))
				require.NoError(t, err)
			}
			require.GreaterOrEqual(t, failed(n), 5)
			e.heals()
			accepted := n.results(t, "accept")
			i := 0
			eventually.True(t, "calls are made again", func() bool {
				i++
				_, err := n.send(t, "alice", post(id, fmt.Sprint("o", i), "back"))
				require.NoError(t, err)
				return n.results(t, "accept") > accepted && n.open(t) == 0
			})
			require.Equal(t, 1, patient.open(t), "each node finds out for itself")
		})
	}
}

// An endpoint that fails on single messages stays in use: no user can have the messages of
// others skipped.
func TestAnswersDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	n := e.start(t, pgtest.New(t), closed, func(o *hook.Options) { o.Pause = time.Hour })
	id := n.Group(t, "alice", "bob")
	e.answers(func(c call, w http.ResponseWriter) {
		if c.Data.Sender == "bob" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, accept)
	})
	for i := range 30 {
		_, err := n.send(t, "bob", post(id, fmt.Sprint("m", i), "poison"))
		require.ErrorIs(t, err, domain.ErrUnavailable)
	}
	_, err := n.send(t, "alice", post(id, "m", "hello"))
	require.NoError(t, err)
	require.Zero(t, n.results(t, "skipped"))
}

// Failing open keeps the order, too.
func TestOrderWhileCallsFail(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	n := e.start(t, pgtest.New(t), timeout(100*time.Millisecond))
	id := n.Group(t, "alice", "bob")
	e.hangs()
	var answers []<-chan storetest.Answer
	for i := range 50 {
		answers = append(answers, n.Send(t.Context(), "alice", post(id, fmt.Sprint("m", i), fmt.Sprint("text ", i))))
	}
	for _, answer := range answers {
		require.NoError(t, storetest.Wait(t, answer).Err)
	}
	require.Equal(t, numbered("text ", 50), n.texts(t, id))
}

// away is a store that does not know.
type away struct{}

func (away) ProposalState(context.Context, *domain.Proposal) (domain.ProposalState, error) {
	return domain.ProposalState{}, domain.ErrUnavailable
}

// If nothing is known about a message it is not accepted, though calls may fail open: it
// could be a repetition.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	n := e.start(t, pgtest.New(t), func(o *hook.Options) { o.Store = away{} })
	id := n.Group(t, "alice", "bob")
	_, err := n.send(t, "alice", post(id, "m1", "x"))
	require.ErrorIs(t, err, domain.ErrUnavailable)
	require.Empty(t, e.got())
	require.Empty(t, n.texts(t, id))
}

// The log names neither the secret nor the URL, nor what users write.
func TestLogHidesSecrets(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	var mu sync.Mutex
	var text bytes.Buffer
	n := e.start(t, pgtest.New(t), timeout(100*time.Millisecond), func(o *hook.Options) {
		o.Logger = slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return text.Write(p)
		}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	id := n.Group(t, "alice", "bob")
	e.dies()
	for i := range 10 {
		_, err := n.send(t, "alice", post(id, fmt.Sprint("m", i), "private"))
		require.NoError(t, err)
	}
	err := n.caller.Test(t.Context())
	require.Error(t, err)
	mu.Lock()
	defer mu.Unlock()
	require.Contains(t, text.String(), "a call of the hook failed")
	require.Contains(t, text.String(), "the hook does not answer")
	for _, hidden := range []string{secret, "hidden", "private", secret[6:20]} {
		require.NotContains(t, text.String(), hidden)
		require.NotContains(t, err.Error(), hidden)
	}
	require.Equal(t, 1, strings.Count(text.String(), "a call of the hook failed"), "not one entry for each message")
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestTest(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	c := hook.New(hook.Options{URL: e.URL, Secret: secret, Timeout: storetest.Deadline})
	require.NoError(t, c.Test(t.Context()))
	require.Equal(t, "hook.test", e.got()[0].Type)
	e.says("hello")
	require.ErrorContains(t, c.Test(t.Context()), "is not JSON")
	e.answers(func(_ call, w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) })
	require.ErrorContains(t, c.Test(t.Context()), "401 Unauthorized")
	require.True(t, slices.ContainsFunc(e.got(), func(c call) bool { return strings.Contains(string(c.body), `"data":{}`) }))
}
