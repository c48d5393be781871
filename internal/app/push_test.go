package app

import (
	"crypto/ecdh"
	"crypto/rand"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/publicaddr"
)

// The settings of a provider are complete and usable, or the node does not start. The error
// names the setting, and holds no secret.
func TestPushSettings(t *testing.T) {
	t.Parallel()
	const key = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("secret-text"), 0o600))
	for name, c := range map[string]struct {
		push Push
		want string
	}{
		"FCM without the file":  {Push{FCMFile: file + ".no"}, "IM_PUSH_FCM_FILE"},
		"FCM, another file":     {Push{FCMFile: file}, "IM_PUSH_FCM_FILE"},
		"FCM, address":          {Push{FCMURL: "fcm.example.com"}, "IM_PUSH_FCM_URL"},
		"APNs without a topic":  {Push{APNSKeyFile: file, APNSKeyID: "k", APNSTeamID: "t"}, "IM_PUSH_APNS_TOPIC"},
		"APNs without a key":    {Push{APNSTopic: "t"}, "IM_PUSH_APNS_KEY_FILE"},
		"APNs, another file":    {Push{APNSKeyFile: file, APNSKeyID: "k", APNSTeamID: "t", APNSTopic: "x"}, "IM_PUSH_APNS_KEY_FILE"},
		"VAPID without subject": {Push{VAPIDKey: key}, "IM_PUSH_VAPID_SUBJECT"},
		"VAPID, subject":        {Push{VAPIDKey: key, VAPIDSubject: "ops"}, "IM_PUSH_VAPID_SUBJECT"},
		"VAPID, key":            {Push{VAPIDKey: "secret-text", VAPIDSubject: "mailto:a@example.com"}, "IM_PUSH_VAPID_KEY"},
		"VAPID, zero":           {Push{VAPIDKey: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", VAPIDSubject: "mailto:a@example.com"}, "IM_PUSH_VAPID_KEY"},
		"network":               {Push{Allow: []string{"10.0.0.0/x"}}, "IM_PUSH_ALLOW"},
	} {
		c.push.Delay = time.Second
		err := c.push.check()
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), "secret-text", name)
	}
	good := Push{Delay: time.Second, VAPIDKey: key, VAPIDSubject: "mailto:a@example.com"}
	require.NoError(t, good.check())
	senders, err := good.senders(publicaddr.Guard{})
	require.NoError(t, err)
	require.Len(t, senders, 1)
	require.NotNil(t, senders[domain.PushWeb])
}

// What webhooks may call, Web Push may not: users name its addresses.
func TestPushAllow(t *testing.T) {
	t.Parallel()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	r := domain.PushRegistration{User: "bob", Device: "browser", Address: domain.PushAddress{
		Provider: domain.PushWeb, Token: "https://127.0.0.1/push", P256DH: key.PublicKey().Bytes(), Auth: make([]byte, 16),
	}}
	n := &Node{o: Options{Logger: slog.New(slog.DiscardHandler)}, metrics: &Metrics{Registry: prometheus.NewRegistry()}}
	n.o.Rules.Webhooks.Allow = []string{"127.0.0.0/8"}
	n.o.Rules.Push = Push{VAPIDKey: "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", VAPIDSubject: "mailto:a@example.com"}
	p, err := n.openPush()
	require.NoError(t, err)
	require.Equal(t, domain.Invalid("/subscription/endpoint", "the host is not known, or its address is neither public nor in IM_PUSH_ALLOW"),
		p.PutPush(t.Context(), r))
	allowed, err := Push{Allow: []string{"127.0.0.0/8"}}.allowed()
	require.NoError(t, err)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, allowed)
}
