package certfiles

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/certtest"
)

// TestRenewal: handshakes get the certificate that the files have, and the former one
// while they cannot be used.
func TestRenewal(t *testing.T) {
	t.Parallel()
	authority, err := certtest.New(t.TempDir())
	require.NoError(t, err)
	var log bytes.Buffer
	pair, err := authority.Issue("first.example")
	require.NoError(t, err)
	c, err := Load(pair.Cert, pair.Key, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	c.interval = 0
	listener, err := tls.Listen("tcp", "127.0.0.1:0", c.Config())
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	text, err := os.ReadFile(authority.File)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	name := func() string {
		t.Helper()
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Minute}, "tcp", listener.Addr().String(), &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	replace := func(cert, key []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(pair.Cert, cert, 0o600))
		require.NoError(t, os.WriteFile(pair.Key, key, 0o600))
		later := time.Now().Add(time.Duration(len(cert)) * time.Second) // as writing it later would
		require.NoError(t, os.Chtimes(pair.Cert, later, later))
	}
	require.Equal(t, "first.example", name())

	next, err := authority.Issue("second.example")
	require.NoError(t, err)
	cert, err := os.ReadFile(next.Cert)
	require.NoError(t, err)
	key, err := os.ReadFile(next.Key)
	require.NoError(t, err)
	replace([]byte("broken"), key)
	require.Equal(t, "first.example", name())
	require.Equal(t, "first.example", name())
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("cannot be used")), "%s", &log)
	require.NoError(t, os.Remove(pair.Key))
	require.Equal(t, "first.example", name())
	replace(cert, key)
	require.Equal(t, "second.example", name())
}

func TestLoad(t *testing.T) {
	t.Parallel()
	authority, err := certtest.New(t.TempDir())
	require.NoError(t, err)
	one, err := authority.Issue("one.example")
	require.NoError(t, err)
	other, err := authority.Issue("other.example")
	require.NoError(t, err)
	for _, files := range []certtest.Pair{{Cert: one.Cert, Key: other.Key}, {Cert: "/nowhere", Key: one.Key}, {Cert: one.Cert, Key: one.Cert}} {
		_, err := Load(files.Cert, files.Key, slog.New(slog.DiscardHandler))
		require.Error(t, err)
	}
}
