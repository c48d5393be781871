package environments

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// behindProxy are the lines of deploy/nginx.conf for a nginx behind another proxy.
var behindProxy = []string{
	"#real_ip_header X-Forwarded-For;", "real_ip_header X-Forwarded-For;",
	"#set_real_ip_from 192.0.2.1;", "set_real_ip_from 127.0.0.1;",
}

// TestNginx: everything that the contract allows passes deploy/nginx.conf, through one
// nginx and through two.
func TestNginx(t *testing.T) {
	t.Parallel()
	n := startProxiedNode(t, "IM_ALLOWED_ORIGINS=https://app.example.com", "IM_RATE_ADDRESS_READS=0.001:40")
	node := strings.TrimPrefix(n.URL, "http://")
	one := startNginx(t, node)
	inner := startNginx(t, node, behindProxy...)
	two := startNginx(t, strings.TrimPrefix(inner.URL, "http://"))
	for name, base := range map[string]string{"one layer": one.URL, "two layers": two.URL} {
		subnet := map[string]string{"one layer": "127.0.1.", "two layers": "127.0.2."}[name]
		t.Run(name, func(t *testing.T) {
			t.Run("sockets", func(t *testing.T) {
				c := newProxiedClient(t, base, subnet+"1", "alice")
				c.requireChat("")
				c.requireChat(base)
				_, err := c.socket("https://evil.example.com")
				var refused *refusedSocket
				require.True(t, errors.As(err, &refused), "%v", err)
				require.Equal(t, http.StatusForbidden, refused.status)
				require.Contains(t, refused.body, "https://evil.example.com")
				require.Contains(t, refused.body, strings.TrimPrefix(base, "http://"))
			})
			t.Run("the longest requests", func(t *testing.T) { requireLongRequests(t, newProxiedClient(t, base, subnet+"2", "alice")) })
			t.Run("pages of other origins", func(t *testing.T) {
				c := newProxiedClient(t, base, subnet+"3", "alice")
				answer := c.call("OPTIONS", "/v1/messages", "", "Origin: https://app.example.com",
					"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,traceparent")
				require.Equal(t, http.StatusNoContent, answer.StatusCode)
				require.Equal(t, "authorization, traceparent", answer.Header.Get("Access-Control-Allow-Headers"))
				c.token = ""
				answer = c.call("GET", "/v1/sync", "", "Origin: https://app.example.com")
				require.Equal(t, "https://app.example.com", answer.Header.Get("Access-Control-Allow-Origin"), "the page can read the problem")
				require.Contains(t, answer.problem(t).Detail, "Authorization is missing")
			})
			t.Run("addresses of clients", func(t *testing.T) {
				greedy, modest := newProxiedClient(t, base, subnet+"4", "carol"), newProxiedClient(t, base, subnet+"5", "carol")
				status := 0
				for i := 0; i < 60 && status != http.StatusTooManyRequests; i++ {
					// A client cannot take the address of another one.
					status = greedy.call("GET", "/v1/sessions", "", "X-Forwarded-For: "+subnet+"5", "Forwarded: for="+subnet+"5", "X-Real-IP: "+subnet+"5").StatusCode
				}
				require.Equal(t, http.StatusTooManyRequests, status)
				require.Equal(t, http.StatusOK, modest.call("GET", "/v1/sessions", "").StatusCode)
			})
		})
	}
}

// TestNginxChangesHost: a proxy that sends its own Host names the one of the client in
// another header. If it does not, the refusal says which two values differ.
func TestNginxChangesHost(t *testing.T) {
	t.Parallel()
	n := startProxiedNode(t)
	node := strings.TrimPrefix(n.URL, "http://")
	changed := "proxy_set_header Host $proxy_host;"
	for name, header := range map[string]string{
		"X-Forwarded-Host": "proxy_set_header X-Forwarded-Host $http_host;",
		"Forwarded":        `proxy_set_header X-Forwarded-Host ""; proxy_set_header Forwarded "for=$remote_addr;host=\"$http_host\";proto=$scheme";`,
	} {
		t.Run(name, func(t *testing.T) {
			s := startNginx(t, node, "proxy_set_header Host $http_host;", changed,
				"proxy_set_header X-Forwarded-Host $forwarded_host;", header, "proxy_set_header Forwarded \"\";", "")
			newProxiedClient(t, s.URL, "127.0.0.1", "alice").requireChat(s.URL)
		})
	}
	t.Run("neither", func(t *testing.T) {
		s := startNginx(t, node, "proxy_set_header Host $http_host;", changed, "proxy_set_header X-Forwarded-Host $forwarded_host;", "")
		c := newProxiedClient(t, s.URL, "127.0.0.1", "alice")
		_, err := c.socket(s.URL)
		var refused *refusedSocket
		require.True(t, errors.As(err, &refused), "%v", err)
		for _, want := range []string{s.URL, `Host \"nodes\"`, "IM_ALLOWED_ORIGINS"} {
			require.Contains(t, refused.body, want)
		}
		n.AwaitOutput("IM_ALLOWED_ORIGINS")
	})
}

// Files pass in both directions, larger than any other body.
func TestNginxPassesFiles(t *testing.T) {
	t.Parallel()
	n := startProxiedNode(t, "IM_ATTACHMENTS=file://"+t.TempDir())
	s := startNginx(t, strings.TrimPrefix(n.URL, "http://"))
	c := newProxiedClient(t, s.URL, "127.0.0.1", "alice")
	file := strings.Repeat("x", 5<<20)
	made := c.call("POST", "/v1/attachments", fmt.Sprintf(`{"name":"a.txt","size":%d,"mime":"text/plain"}`, len(file)))
	require.Equal(t, http.StatusCreated, made.StatusCode, "%s", made.body)
	var up domain.AttachmentUpload
	require.NoError(t, json.Unmarshal(made.body, &up))
	require.True(t, strings.HasPrefix(up.UploadURL, s.URL), up.UploadURL)
	c.token = ""
	put := c.call("PUT", strings.TrimPrefix(up.UploadURL, s.URL), file, "Content-Type: text/plain")
	require.Equal(t, http.StatusNoContent, put.StatusCode, "%s", put.body)
	c.token = proxiedToken(t, "alice", 0)
	found := c.call("GET", "/v1/attachments/"+up.AttachmentID.String(), "")
	require.Equal(t, http.StatusFound, found.StatusCode, "%s", found.body)
	got := c.call("GET", strings.TrimPrefix(found.Header.Get("Location"), s.URL), "")
	require.Equal(t, http.StatusOK, got.StatusCode)
	require.Equal(t, len(file), len(got.body))
}

// requireLongRequests makes the longest calls that openapi.yaml allows.
func requireLongRequests(t *testing.T, c *proxiedClient) {
	t.Helper()
	short := c.token
	c.token = proxiedToken(t, "alice", 16_000)
	require.Greater(t, len(c.token), 15_900)

	users := strings.TrimSuffix(strings.Repeat("user_id="+strings.Repeat("%40", 128)+"&", 100), "&")
	require.Greater(t, len(users), 39_000)
	answer := c.call("GET", "/v1/users?"+users, "")
	require.Equal(t, http.StatusOK, answer.StatusCode, "%s", answer.body)
	answer = c.call("GET", "/v1/search/messages?q="+url.QueryEscape(strings.Repeat("𠀀", 200)), "")
	require.Equal(t, http.StatusOK, answer.StatusCode, "%s", answer.body)
	made := c.call("POST", "/v1/conversations", `{"kind":"group","members":["bob"]}`)
	require.Equal(t, http.StatusCreated, made.StatusCode, "%s", made.body)
	conversation := regexp.MustCompile(`"conversation_id":"([^"]+)"`).FindSubmatch(made.body)
	require.NotNil(t, conversation, "%s", made.body)
	seqs := strings.TrimSuffix(strings.Repeat("seq=9223372036854775807&", domain.DefaultLimits().PageEvents), "&")
	answer = c.call("GET", "/v1/conversations/"+string(conversation[1])+"/messages?"+seqs, "")
	require.Equal(t, http.StatusOK, answer.StatusCode, "%s", answer.body)

	text := strings.Repeat("x", domain.DefaultLimits().ContentBytes-len(`{"type":"text","text":""}`))
	answer = c.call("POST", "/v1/messages", `{"to":"bob","client_msg_id":"`+c.base+`","content":{"type":"text","text":"`+text+`"}}`)
	require.Equal(t, http.StatusCreated, answer.StatusCode, "%s", answer.body)

	c.token = short + strings.Repeat("x", 20_000)
	answer = c.call("GET", "/v1/sync", "")
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	require.Contains(t, answer.problem(t).Detail, "at most 16384 are allowed")
	c.token = short
	answer = c.call("GET", "/v1/sync", "", "A: "+strings.Repeat("x", 60_000), "B: "+strings.Repeat("x", 60_000), "C: "+strings.Repeat("x", 60_000))
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answer.StatusCode)
	require.Equal(t, domain.CodeTooLarge, answer.problem(t).Code)
}

// TestNginxPrefix: a node serves below a path, whether nginx removes the path or not.
func TestNginxPrefix(t *testing.T) {
	t.Parallel()
	for name, pass := range map[string]string{"removed": "proxy_pass http://nodes/;", "kept": "proxy_pass http://nodes;"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The proxy may keep the path or remove it: IM_PUBLIC_URL names it, and the node removes it.
			n := startProxiedNode(t, "IM_PUBLIC_URL=https://chat.example.com/chat/")
			s := startNginx(t, strings.TrimPrefix(n.URL, "http://"), "location / {", "location /chat/ {", "proxy_pass http://nodes;", pass)
			c := newProxiedClient(t, s.URL+"/chat", "127.0.0.1", "alice")
			c.requireChat("")
			c.requireChat(s.URL)
			c.requireChat("https://chat.example.com")
			require.Equal(t, http.StatusOK, c.call("GET", "/v1/sync", "").StatusCode)

			page := c.call("GET", "/", "")
			require.Equal(t, http.StatusOK, page.StatusCode)
			files := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllSubmatch(page.body, -1)
			require.Greater(t, len(files), 3)
			for _, file := range files {
				resolved, err := url.Parse(s.URL + "/chat/")
				require.NoError(t, err)
				resolved, err = resolved.Parse(string(file[1]))
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(resolved.Path, "/chat/"), "%s leaves the path", file[1])
				require.Equal(t, http.StatusOK, c.call("GET", strings.TrimPrefix(resolved.Path, "/chat"), "").StatusCode, "%s", file[1])
			}
			redirect := c.call("GET", "", "")
			require.Contains(t, []int{http.StatusMovedPermanently, http.StatusPermanentRedirect}, redirect.StatusCode)
			require.True(t, strings.HasSuffix(redirect.Header.Get("Location"), "/chat/"), redirect.Header.Get("Location"))
			require.Contains(t, string(c.call("GET", "/openapi.yaml", "").body), "- url: .\n")
		})
	}
	t.Run("a node that does not know its path says so", func(t *testing.T) {
		t.Parallel()
		n := startProxiedNode(t)
		s := startNginx(t, strings.TrimPrefix(n.URL, "http://"), "location / {", "location /chat/ {")
		c := newProxiedClient(t, s.URL+"/chat", "127.0.0.1", "alice")
		require.Contains(t, c.call("GET", "/v1/sync", "").problem(t).Detail, "IM_PUBLIC_URL")
	})
}
