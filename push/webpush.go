package push

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"im/domain"
	"im/internal/publicaddr"
)

const (
	recordBytes = 4096 // the most that push services must take, RFC 8030
	saltBytes   = 16
	// What an encrypted payload has beside the text: the header of RFC 8188 with a public key
	// of 65 bytes, the delimiter, and the tag.
	recordOverhead = saltBytes + 4 + 1 + 65 + 1 + 16

	vapidAge = 12 * time.Hour // push services take at most 24
)

// VAPID identifies the app's server to push services, RFC 8292.
type VAPID struct {
	Key     string // the private key: 32 bytes in base64url
	Subject string // mailto: or https:, where the operator is reached
}

// NewVAPIDKey returns a new private key for VAPID.
func NewVAPIDKey() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	raw, err := key.Bytes()
	return base64.RawURLEncoding.EncodeToString(raw), err
}

// WebPush sends to browsers by RFC 8030, encrypted by RFC 8291. The libraries for it are not
// much more than these calls of the standard library.
type WebPush struct {
	client  *http.Client
	key     *ecdsa.PrivateKey
	public  string
	subject string
}

var _ Sender = (*WebPush)(nil)

// NewWebPush returns a sender that calls the addresses that the guard permits. The error
// contains no secret.
func NewWebPush(v VAPID, guard publicaddr.Guard) (*WebPush, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(v.Key, "="))
	if err != nil {
		return nil, errors.New("the key is not 32 bytes in base64url")
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		return nil, errors.New("the key is not a private key of P-256: 32 bytes in base64url")
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	subject, err := url.Parse(v.Subject)
	if err != nil || subject.Scheme != "mailto" && subject.Scheme != "https" {
		return nil, errors.New("the subject is neither a mailto: nor an https: address")
	}
	transport := newTransport()
	dialer := &net.Dialer{Timeout: callTimeout, KeepAlive: 15 * time.Second, Control: guard.Control}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		// The text of an error of DNS names the resolver, and tells which inner names exist.
		if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.Timeout() || errors.Is(err, publicaddr.ErrNotPublic) {
			return nil, errNotReached
		}
		return conn, err
	}
	return &WebPush{client: newClient(transport), key: key, public: base64.RawURLEncoding.EncodeToString(public), subject: v.Subject}, nil
}

func tlsConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// errNotReached is one error for several reasons: users who see it must not learn from it
// which names and addresses the operator's networks have.
var errNotReached = errors.New("the host is not known, or its address is neither public nor in IM_PUSH_ALLOW")

// PublicKey returns the applicationServerKey of subscriptions.
func (w *WebPush) PublicKey() string { return w.public }

// Silent implements Sender: browsers demand that each push shows something.
func (w *WebPush) Silent() bool { return false }

// Close implements Sender.
func (w *WebPush) Close() { w.client.CloseIdleConnections() }

// Send implements Sender.
func (w *WebPush) Send(ctx context.Context, to domain.PushAddress, n Notification) Result {
	payload, err := fit(n, recordBytes-recordOverhead, webPushPayload)
	if err != nil {
		return Result{Outcome: Refused, Reason: err.Error()}
	}
	body, err := encrypt(payload, to.P256DH, to.Auth)
	if err != nil {
		return Result{Outcome: Refused, Reason: "the keys of the subscription are not valid"}
	}
	public := true
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { public = isPublic(i.Conn.RemoteAddr()) },
	}), http.MethodPost, to.Token, bytes.NewReader(body))
	if err != nil {
		return Result{Outcome: Refused, Reason: reasonOf(err)}
	}
	authorization, err := w.vapid(r.URL, time.Now())
	if err != nil {
		return Result{Outcome: Again, Reason: "the token of VAPID cannot be signed"}
	}
	topic := base64.RawURLEncoding.EncodeToString(n.ConversationID[:]) // at most 32 characters
	if n.Kind == KindTest {
		topic = string(KindTest)
	}
	for name, value := range map[string]string{
		"Authorization": authorization, "TTL": strconv.Itoa(int(keep.Seconds())), "Urgency": "high", "Topic": topic,
		"Content-Encoding": "aes128gcm", "Content-Type": "application/octet-stream",
	} {
		r.Header.Set(name, value)
	}
	a, result := call(w.client, r)
	if a == nil {
		return result
	}
	if !public {
		result.Answer = ""
	}
	return judge(a, result, http.StatusNotFound, http.StatusGone)
}

// isPublic reports whether an address would be called without IM_PUSH_ALLOW. What others
// answer is not shown to users: the operator may allow a network for one service in it.
func isPublic(a net.Addr) bool {
	remote, err := netip.ParseAddrPort(a.String())
	return err == nil && publicaddr.Guard{}.Permits(remote.Addr())
}

func webPushPayload(n *Notification) ([]byte, error) {
	return marshal(struct {
		facts
		Title string `json:"title,omitempty"`
		Body  string `json:"body"`
	}{n.facts(), n.Title, n.Body})
}

// vapid returns the header Authorization for a push service.
func (w *WebPush) vapid(endpoint *url.URL, now time.Time) (string, error) {
	claims := jwt.MapClaims{"aud": endpoint.Scheme + "://" + endpoint.Host, "exp": now.Add(vapidAge).Unix(), "sub": w.subject}
	token, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(w.key)
	return "vapid t=" + token + ", k=" + w.public, err
}

// encrypt encrypts a payload for a subscription, by RFC 8291.
func encrypt(payload, p256dh, auth []byte) ([]byte, error) {
	local, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // it never fails
	return encryptWith(payload, p256dh, auth, local, salt)
}

func encryptWith(payload, p256dh, auth []byte, local *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	remote, err := ecdh.P256().NewPublicKey(p256dh)
	if err != nil {
		return nil, err
	}
	shared, err := local.ECDH(remote)
	if err != nil {
		return nil, err
	}
	public := local.PublicKey().Bytes()
	secret, err := hkdf.Key(sha256.New, shared, auth, "WebPush: info\x00"+string(p256dh)+string(public), 32)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, secret, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, secret, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	body := binary.BigEndian.AppendUint32(append([]byte{}, salt...), recordBytes)
	body = append(append(body, byte(len(public))), public...)
	const lastRecord = 2 // the delimiter of RFC 8188
	return gcm.Seal(body, nonce, append(append([]byte{}, payload...), lastRecord), nil), nil
}
