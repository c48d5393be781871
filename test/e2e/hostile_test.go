package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"im"
	"im/domain"
	"im/internal/auth"
)

// hostile has texts that inject into SQL, logs, keys and markup if these are concatenated,
// and texts that databases cannot store.
var hostile = []string{
	"", "'", `"`, `\`, "''; DROP TABLE events; --", `\'; SELECT pg_sleep(20); --`, "$1", "%00", "%", "_", "{0}", "$$", "/*", "--",
	"'||(SELECT epoch FROM epoch)||'", "<script>alert(1)</script>", "\r\nlevel=ERROR msg=injected", "\x1b[31m", "\u2028", "\u202e",
	"a\x00b", "../../etc/passwd", "NULL", "NaN", "-1", "1e999", "\U0001f980", strings.Repeat("x", 300),
}

// serversOnly are the paths, beside others, that need a server token.
var serversOnly = regexp.MustCompile(`/(users/|notices)|^/v1/(webhooks|feed|reports)`)

// operations returns all operations of openapi.yaml.
func operations(t *testing.T) (list []string) {
	t.Helper()
	var described struct {
		Paths map[string]map[string]any
	}
	require.NoError(t, yaml.Unmarshal(im.OpenAPI(), &described))
	for path, methods := range described.Paths {
		for method := range methods {
			if strings.HasPrefix(path, "/v1/") && method != "parameters" {
				list = append(list, strings.ToUpper(method)+" "+path)
			}
		}
	}
	require.Greater(t, len(list), 30)
	return list
}

// allCalls returns calls of every operation of openapi.yaml.
func allCalls(t *testing.T) []restCall {
	t.Helper()
	all := slices.Concat(conversationCalls, otherCalls, []restCall{{"GET", "/v1/presence?user_id=bob", nil}})
	placeholder := regexp.MustCompile(`\\\{[^}]*\\\}`)
	for _, operation := range operations(t) {
		method, path, _ := strings.Cut(operation, " ")
		pattern := regexp.MustCompile("^" + placeholder.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$")
		require.True(t, slices.ContainsFunc(all, func(c restCall) bool {
			at, _, _ := strings.Cut(c.path, "?")
			return c.method == method && pattern.MatchString(at)
		}), "no call of %s in this test", operation)
	}
	return all
}

// TestI8ActingForUsersNeedsServerToken: every operation refuses X-IM-User without a server
// token, even if it names the caller.
func TestI8ActingForUsersNeedsServerToken(t *testing.T) {
	c := newCluster(t)
	n := c.node("one")
	id := n.group("alice", "bob").String()
	for _, call := range allCalls(t) {
		for _, actAs := range []string{"alice", "bob", ""} {
			data, err := json.Marshal(call.body)
			require.NoError(t, err)
			if call.body == nil {
				data = nil
			}
			req, err := http.NewRequest(call.method, n.URL+call.pathFor(id), bytes.NewReader(data))
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+userToken(t, "alice"))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("X-IM-User", actAs)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusForbidden, resp.StatusCode, "%s as %q", call.name(), actAs)
		}
	}
	_, events := n.call("alice", "GET", "/v1/conversations/"+id+"/events", nil)
	require.Len(t, decode[page](t, events).Events, 1, "no call had an effect")
}

// variants returns copies of the call in which s replaces one text each.
func (c restCall) variants(s string) (list []restCall) {
	path, query, _ := strings.Cut(c.path, "?")
	steps := strings.Split(path, "/")
	for i := 3; i < len(steps); i++ { // skip /v1/ and the resource
		changed := slices.Clone(steps)
		changed[i] = url.PathEscape(s)
		list = append(list, restCall{c.method, strings.Join(changed, "/"), c.body})
	}
	if name, _, ok := strings.Cut(query, "="); ok {
		list = append(list, restCall{c.method, path + "?" + name + "=" + url.QueryEscape(s), c.body})
	}
	for _, name := range []string{"cursor", "limit", "reason", "device_id", "revoke"} {
		list = append(list, restCall{c.method, path + "?" + name + "=" + url.QueryEscape(s), c.body})
	}
	for _, body := range bodyVariants(c.body, s) {
		list = append(list, restCall{c.method, c.path, body})
	}
	return list
}

// bodyVariants returns copies of v in which s replaces one text or is an additional name.
func bodyVariants(v any, s string) (list []any) {
	switch v := v.(type) {
	case string:
		return []any{s}
	case []string:
		return []any{[]string{s}}
	case map[string]any:
		for name, value := range v {
			for _, changed := range bodyVariants(value, s) {
				other := map[string]any{}
				for k, kept := range v {
					other[k] = kept
				}
				other[name] = changed
				list = append(list, other)
			}
		}
		renamed := map[string]any{s: 1}
		for k, kept := range v {
			renamed[k] = kept
		}
		list = append(list, renamed)
	}
	return list
}

// TestHostileText: hostile text in any place of any operation is either stored as data or
// refused. No call fails with 5xx, no data of other users changes, and accepted text is
// returned unchanged.
func TestHostileText(t *testing.T) {
	_, push := startFCM(t)
	c, _ := newFileCluster(t, push...)
	n := c.node("one", "IM_LOG_LEVEL=debug", "IM_WEBHOOK_ALLOW=127.0.0.1")
	textNode := c.node("two", "IM_LOG_LEVEL=debug", "IM_LOG_FORMAT=text", "IM_WEBHOOK_ALLOW=127.0.0.1")
	private := n.group("eve", "mallory")
	require.Empty(t, connect(t, n.URL, "eve", "phone").post(private, "c", "untouched").Code)
	id := n.group("alice", "bob").String()
	server, err := auth.Sign(secret, "backend", auth.Grant{TTL: time.Hour, Server: true})
	require.NoError(t, err)
	for i, s := range hostile {
		for _, call := range allCalls(t) {
			for j, variant := range call.variants(s) {
				bearer := userToken(t, "alice")
				if serversOnly.MatchString(call.path) {
					bearer = server
				}
				node := []*testNode{n, textNode}[(i+j)%2]
				status, answer := node.callWith(bearer, variant.method, variant.pathFor(id), variant.body)
				require.Less(t, status, 500, "%s %v: %s", variant.name(), variant.body, answer)
			}
		}
	}
	socket := connect(t, n.URL, "alice", "phone")
	target := n.group("alice", "bob")
	for i, s := range hostile {
		for _, field := range []string{"type", "id", "client_msg_id", "conversation_id", "to", "cursor"} {
			socket.write(map[string]any{"type": "sync", "id": "x", field: s})
			socket.write(map[string]any{"type": "send", "id": "x", "client_msg_id": "c", "conversation_id": target, "content": text("x"), field: s})
		}
		if s == "" || strings.Contains(s, "\x00") {
			continue
		}
		metadata := map[string]any{s: s}
		answer := socket.request(map[string]any{
			"type": "send", "conversation_id": target, "client_msg_id": fmt.Sprint("good-", i), "content": text(s), "metadata": metadata,
		})
		require.Equal(t, "sent", answer.Type, "%q: %s", s, answer.raw)
		seq := decode[sent](t, answer.raw).Seq
		_, body := n.call("bob", "GET", fmt.Sprintf("/v1/conversations/%s/messages/%d", target, seq), nil)
		m := decode[domain.Message](t, body)
		require.Equal(t, s, decode[struct{ Text string }](t, m.Content).Text, "the text is unchanged")
		require.Equal(t, metadata, decode[map[string]any](t, m.Metadata))
	}
	require.Equal(t, "pong", socket.request(map[string]any{"type": "ping"}).Type, "the socket still works")
	_, events := n.call("eve", "GET", "/v1/conversations/"+private.String()+"/events", nil)
	require.Len(t, decode[page](t, events).Events, 2, "the log of other users is unchanged")
	requireLogsNotForged(t, n, textNode)
}

// requireLogsNotForged asserts that each line of the logs is an entry of the program, and
// that no text was injected.
func requireLogsNotForged(t *testing.T, asJSON, asText *testNode) {
	t.Helper()
	for line := range wholeLines(asJSON) {
		var entry struct{ Time, Msg string }
		require.NoError(t, json.Unmarshal([]byte(line), &entry), "%q", line)
		require.NotEmpty(t, entry.Time)
		require.NotContains(t, entry.Msg, "injected")
	}
	for line := range wholeLines(asText) {
		require.Regexp(t, `^time=\S+ level=(DEBUG|INFO|WARN) msg=`, line)
		require.NotContains(t, line, "\x1b")
	}
}

// wholeLines returns the complete lines that the node has logged so far.
func wholeLines(n *testNode) iter.Seq[string] {
	text := n.Output()
	return strings.Lines(text[:strings.LastIndexByte(text, '\n')+1])
}
