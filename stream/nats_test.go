package stream_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"im/stream"
	"im/test/certtest"
	"im/test/natstest"
)

// Hosts that accept connections and say nothing hold up neither a call longer than its
// context, nor the end.
func TestSilentHosts(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"amqp", "nats", "kafka", "amqps", "natss", "kafkas"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			a, err := stream.Parse(scheme + "://" + listenSilently(t) + "," + listenSilently(t) + "," + listenSilently(t) + "/events")
			require.NoError(t, err)
			p := stream.New(a)
			defer p.Close()
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				began := time.Now()
				_, err = p.Publish(ctx, one())
				cancel()
				require.Error(t, err)
				require.Less(t, time.Since(began), time.Second)
			}
			began := time.Now()
			p.Close()
			require.Less(t, time.Since(began), 2*time.Second)
		})
	}
}

// The certificates of NATS have the name that server_name_indication gives, or that of the
// host, whatever the number of hosts.
func TestNATSServerName(t *testing.T) {
	t.Parallel()
	authority, err := certtest.New(t.TempDir())
	require.NoError(t, err)
	for name, parameter := range map[string]string{"broker.example": "&server_name_indication=broker.example", "localhost": ""} {
		pair, err := authority.Issue(name)
		require.NoError(t, err)
		server := natstest.StartServer(t, fmt.Sprintf("tls: {cert_file: %q, key_file: %q}", pair.Cert, pair.Key))
		conn, err := nats.Connect("tls://"+server.Addr(), nats.RootCAs(authority.File))
		require.NoError(t, err)
		t.Cleanup(conn.Close)
		js, err := jetstream.New(conn)
		require.NoError(t, err)
		_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "events", Subjects: []string{"events.>"}})
		require.NoError(t, err)
		host := strings.Replace(server.Addr(), "127.0.0.1", "localhost", 1)
		for _, hosts := range []string{host, host + "," + host} {
			a, err := stream.Parse("natss://" + hosts + "/events?cacertfile=" + authority.File + parameter)
			require.NoError(t, err)
			require.NoError(t, stream.Check(t.Context(), a), "%s at %s", name, hosts)
		}
		a, err := stream.Parse("natss://" + host + "," + host + "/events?server_name_indication=other.example&cacertfile=" + authority.File)
		require.NoError(t, err)
		require.ErrorContains(t, stream.Check(t.Context(), a), "certificate")
	}
}
