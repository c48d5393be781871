package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
)

// fcmServer takes messages for devices. Package push has one that checks more of the
// protocol.
type fcmServer struct {
	mu    sync.Mutex
	calls []fcmCall
}

type fcmCall struct {
	Token string
	Data  map[string]string
}

func (s *fcmServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		_, _ = io.WriteString(w, `{"access_token":"a","expires_in":3600}`)
		return
	}
	var body struct{ Message fcmCall }
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return // the node was killed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, body.Message)
	_, _ = io.WriteString(w, `{"name":"projects/p/messages/1"}`)
}

// has reports whether a device got a notification.
func (s *fcmServer) has(token, kind string, seq int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.calls, func(c fcmCall) bool {
		return c.Token == token && c.Data["type"] == kind && c.Data["seq"] == fmt.Sprint(seq)
	})
}

// startFCM starts a server for pushes, and returns it with the settings of a node for it.
func startFCM(t *testing.T) (server *fcmServer, env []string) {
	t.Helper()
	server = &fcmServer{}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	account, err := json.Marshal(map[string]string{
		"project_id": "p", "client_email": "e", "token_uri": listener.URL + "/token", "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "account.json")
	require.NoError(t, os.WriteFile(file, account, 0o600))
	return server, []string{"IM_PUSH_FCM_FILE=" + file, "IM_PUSH_FCM_URL=" + listener.URL}
}

// TestDevicePush: a device with an open socket that has acknowledged nothing is pushed, one
// that has acknowledged is not; what is read elsewhere is cleared; a session that the user
// ends takes its registration along; and the death of a node delays all that at most.
func TestDevicePush(t *testing.T) {
	server, env := startFCM(t)
	c := newCluster(t, append(env, "IM_PUSH_DELAY=3s")...)
	one, two := c.node("one"), c.node("two")
	require.Equal(t, domain.PushInfo{Providers: []domain.PushProvider{domain.PushFCM}},
		decode[domain.PushInfo](t, one.mustCall(200, userToken(t, "bob"), "GET", "/v1/push", nil)))
	register := func(user domain.UserID, device string) {
		one.mustCall(204, userToken(t, user), "PUT", "/v1/devices/"+device+"/push", map[string]any{"provider": "fcm", "token": string(user) + "-" + device})
	}
	for _, device := range []string{"phone", "tablet", "laptop"} {
		register("bob", device)
	}
	test := decode[domain.PushTest](t, two.mustCall(200, userToken(t, "bob"), "POST", "/v1/devices/phone/push/test", nil))
	require.Equal(t, `{"name":"projects/p/messages/1"}`, test.Answer)

	id := two.group("alice", "bob")
	connect(t, one.URL, "bob", "phone")
	laptop := connect(t, two.URL, "bob", "laptop")
	connect(t, two.URL, "bob", "tablet")
	alice := connect(t, two.URL, "alice", "phone")
	sessions := decode[domain.Page[domain.LiveSession]](t, one.mustCall(200, userToken(t, "bob"), "GET", "/v1/sessions", nil))
	tablet := sessions.Items[slices.IndexFunc(sessions.Items, func(s domain.LiveSession) bool { return s.DeviceID == "tablet" })]
	one.mustCall(204, userToken(t, "bob"), "DELETE", "/v1/sessions/"+string(tablet.SessionID), nil)
	one.mustCall(404, userToken(t, "bob"), "POST", "/v1/devices/tablet/push/test", nil)

	var seq int64
	eventually.True(t, "the laptop acknowledges before the delay is over, on a busy machine too", func() bool {
		s := alice.post(id, fmt.Sprint("c-", seq), "x")
		require.Empty(t, s.Code)
		seq = s.Seq
		laptop.waitEvent(id, seq)
		laptop.write(map[string]any{"type": "ack", "acks": map[string]int64{id.String(): seq}})
		eventually.True(t, "the phone is pushed", func() bool { return server.has("bob-phone", "message", seq) })
		return !server.has("bob-laptop", "message", seq)
	})
	laptop.write(map[string]any{"type": "read", "conversation_id": id, "seq": seq})
	eventually.True(t, "it is cleared on the phone", func() bool { return server.has("bob-phone", "clear", seq) })

	last := alice.post(id, "last", "x")
	require.Empty(t, last.Code)
	one.Signal(syscall.SIGKILL)
	eventually.True(t, "the phone is pushed", func() bool { return server.has("bob-phone", "message", last.Seq) })
	require.False(t, server.has("bob-tablet", "message", last.Seq) || server.has("bob-tablet", "message", seq))
}
