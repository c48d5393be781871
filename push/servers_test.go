package push_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/publicaddr"
	"im/push"
	"im/test/eventually"
)

// got is a notification that a server has accepted as its protocol demands.
type got struct {
	token   string
	header  http.Header
	payload payload
	raw     map[string]any
}

// payload is what all providers tell the app.
type payload struct {
	Type           string `json:"type"`
	ConversationID string `json:"conversation_id"`
	Seq            int64  `json:"seq"`
	Sender         string `json:"sender"`
	Title          string `json:"title"`
	Body           string `json:"body"`
	UnreadTotal    int64  `json:"unread_total"`
	Mentioned      bool   `json:"mentioned"`
}

// provider is a server that speaks the protocol of a provider.
type provider struct {
	*httptest.Server
	push.Sender

	mu     sync.Mutex
	list   []got
	wrong  []error
	answer func(got) (status int, body string) // nil: taken
	header http.Header                         // of answers
}

// Close is that of the sender; the server is closed by the test.
func (p *provider) Close() { p.Sender.Close() }

func (p *provider) answers(answer func(got) (int, string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *provider) got() []got {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list)
}

// await waits for n notifications, and fails if the protocol was not kept.
func (p *provider) await(t *testing.T, n int) []got {
	t.Helper()
	eventually.True(t, fmt.Sprintf("%d notifications came", n), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		require.Empty(t, p.wrong)
		return len(p.list) >= n
	})
	return p.got()
}

// of returns those for a token.
func of(list []got, token string) (seqs []int64) {
	for _, g := range list {
		if g.token == token {
			seqs = append(seqs, g.payload.Seq)
		}
	}
	return seqs
}

// serve answers a request that parse understands.
func (p *provider) serve(w http.ResponseWriter, r *http.Request, parse func(*http.Request, []byte) (got, error)) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender has died
	}
	g, err := parse(r, body)
	g.header = r.Header.Clone()
	p.mu.Lock()
	if err != nil {
		p.wrong = append(p.wrong, err)
		p.mu.Unlock()
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	answer := p.answer
	for name, values := range p.header {
		w.Header()[name] = values
	}
	p.mu.Unlock()
	status, text := http.StatusOK, `{}`
	if answer != nil {
		status, text = answer(g)
	}
	p.mu.Lock()
	p.list = append(p.list, g)
	p.mu.Unlock()
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// newFCM returns a server that exchanges assertions for access tokens, and takes messages.
func newFCM(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p := &provider{header: http.Header{}}
	const access = "access-1"
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		claims := jwt.MapClaims{}
		token, err := jwt.ParseWithClaims(r.PostFormValue("assertion"), claims, func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
			jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(p.URL+"/token"), jwt.WithIssuer("push@example.iam"), jwt.WithExpirationRequired())
		if err != nil || token.Header["kid"] != "kid-1" || claims["scope"] != "https://www.googleapis.com/auth/firebase.messaging" ||
			r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
			http.Error(w, "invalid_grant", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"`+access+`","expires_in":3600,"token_type":"Bearer"}`)
	})
	mux.HandleFunc("POST /v1/projects/project-1/messages:send", func(w http.ResponseWriter, r *http.Request) {
		p.serve(w, r, func(r *http.Request, body []byte) (g got, err error) {
			var request struct {
				Message struct {
					Token        string
					Data         map[string]string
					Notification struct{ Title, Body string }
				}
			}
			d := json.NewDecoder(strings.NewReader(string(body)))
			if err := d.Decode(&request); err != nil {
				return g, err
			}
			if r.Header.Get("Authorization") != "Bearer "+access {
				return g, errors.New("the access token is wrong")
			}
			m := request.Message
			g.token = m.Token
			seq, _ := strconv.ParseInt(m.Data["seq"], 10, 64)
			unread, _ := strconv.ParseInt(m.Data["unread_total"], 10, 64)
			g.payload = payload{m.Data["type"], m.Data["conversation_id"], seq, m.Data["sender"], m.Notification.Title, m.Notification.Body, unread, m.Data["mentioned"] == "true"}
			return g, json.Unmarshal(body, &g.raw)
		})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Server.Close)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "project-1", "client_email": "push@example.iam", "private_key_id": "kid-1", "token_uri": p.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	require.NoError(t, err)
	p.Sender, err = push.NewFCM(write(t, account), p.URL)
	require.NoError(t, err)
	return p
}

func write(t *testing.T, text []byte) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}

// newAPNS returns a server that takes requests of HTTP/2 with a provider token.
func newAPNS(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p := &provider{header: http.Header{}}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.serve(w, r, func(r *http.Request, body []byte) (g got, err error) {
			var ok bool
			if g.token, ok = strings.CutPrefix(r.URL.Path, "/3/device/"); !ok || r.Method != http.MethodPost || r.ProtoMajor != 2 {
				return g, fmt.Errorf("%s %s %s", r.Proto, r.Method, r.URL.Path)
			}
			text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "bearer ")
			token, err := jwt.Parse(text, func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
				jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer("TEAM"), jwt.WithIssuedAt())
			if err != nil || token.Header["kid"] != "KEY" {
				return g, fmt.Errorf("the provider token: %w", err)
			}
			expires, err := strconv.ParseInt(r.Header.Get("apns-expiration"), 10, 64)
			if err != nil || time.Until(time.Unix(expires, 0)) < time.Hour || r.Header.Get("apns-topic") != "com.example.app" ||
				r.Header.Get("apns-push-type") != "alert" || len(r.Header.Get("apns-collapse-id")) > 64 {
				return g, fmt.Errorf("headers: %v", r.Header)
			}
			if len(body) > 4096 {
				return g, errors.New("PayloadTooLarge")
			}
			var inner struct {
				APS struct {
					Alert struct{ Title, Body string }
					Badge *int64
				}
			}
			if err := errors.Join(json.Unmarshal(body, &inner), json.Unmarshal(body, &g.payload), json.Unmarshal(body, &g.raw)); err != nil {
				return g, err
			}
			if inner.APS.Badge == nil || *inner.APS.Badge != g.payload.UnreadTotal {
				return g, errors.New("the badge is not unread_total")
			}
			g.payload.Title, g.payload.Body = inner.APS.Alert.Title, inner.APS.Alert.Body
			return g, nil
		})
	}))
	p.EnableHTTP2 = true
	p.StartTLS()
	t.Cleanup(p.Server.Close)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(p.Certificate())
	p.Sender, err = push.NewAPNS(push.APNSOptions{
		KeyFile: write(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		KeyID:   "KEY", TeamID: "TEAM", Topic: "com.example.app", URL: p.URL, Roots: roots,
	})
	require.NoError(t, err)
	return p
}

// browser is a subscription, with its keys.
type browser struct {
	address domain.PushAddress
	key     *ecdh.PrivateKey
}

// pushService is the push service of browsers.
type pushService struct {
	*provider
	browsers map[string]browser // by path
}

func newWebPush(t *testing.T, names ...string) *pushService {
	t.Helper()
	s := &pushService{provider: &provider{header: http.Header{}}, browsers: map[string]browser{}}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	raw[0] = 1 // below the order of the curve
	web, err := push.NewWebPush(push.VAPID{Key: base64.RawURLEncoding.EncodeToString(raw), Subject: "mailto:ops@example.com"}, publicaddr.Guard{Allowed: loopback})
	require.NoError(t, err)
	s.Sender = web
	public, err := base64.RawURLEncoding.DecodeString(web.PublicKey())
	require.NoError(t, err)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), public)
	require.NoError(t, err)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, func(r *http.Request, body []byte) (g got, err error) {
			b, known := s.browsers[r.URL.Path]
			if !known {
				return g, errors.New("no such subscription")
			}
			g.token = strings.TrimPrefix(r.URL.Path, "/push/")
			token, rest, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "vapid t="), ", k=")
			if rest != web.PublicKey() {
				return g, errors.New("the key of VAPID is not that of the subscription")
			}
			_, err = jwt.Parse(token, func(*jwt.Token) (any, error) { return key, nil }, jwt.WithValidMethods([]string{"ES256"}),
				jwt.WithAudience(s.URL), jwt.WithExpirationRequired(), jwt.WithSubject("mailto:ops@example.com"))
			if err != nil {
				return g, err
			}
			if r.Header.Get("Content-Encoding") != "aes128gcm" || r.Header.Get("TTL") == "" || len(r.Header.Get("Topic")) > 32 || len(body) > 4096 {
				return g, fmt.Errorf("headers: %v", r.Header)
			}
			text, err := decrypt(body, b.key, b.address.Auth)
			if err != nil {
				return g, err
			}
			return g, errors.Join(json.Unmarshal(text, &g.payload), json.Unmarshal(text, &g.raw))
		})
	}))
	t.Cleanup(s.Server.Close)
	for _, name := range names {
		local, err := ecdh.P256().GenerateKey(rand.Reader)
		require.NoError(t, err)
		auth := make([]byte, 16)
		_, _ = rand.Read(auth)
		s.browsers["/push/"+name] = browser{domain.PushAddress{
			Provider: domain.PushWeb, Token: s.URL + "/push/" + name, P256DH: local.PublicKey().Bytes(), Auth: auth,
		}, local}
	}
	return s
}

// PublicKey makes the service look like its sender.
func (s *pushService) PublicKey() string { return s.Sender.(*push.WebPush).PublicKey() }

func (s *pushService) address(name string) domain.PushAddress {
	return s.browsers["/push/"+name].address
}

// decrypt is the browser's half of RFC 8291.
func decrypt(body []byte, key *ecdh.PrivateKey, auth []byte) ([]byte, error) {
	if len(body) < 86 || body[20] != 65 || int(binary.BigEndian.Uint32(body[16:20])) < len(body)-86 {
		return nil, errors.New("the header is wrong")
	}
	salt, public := body[:16], body[21:86]
	remote, err := ecdh.P256().NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	shared, err := key.ECDH(remote)
	if err != nil {
		return nil, err
	}
	secret, _ := hkdf.Key(sha256.New, shared, auth, "WebPush: info\x00"+string(key.PublicKey().Bytes())+string(public), 32)
	content, _ := hkdf.Key(sha256.New, secret, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce, _ := hkdf.Key(sha256.New, secret, salt, "Content-Encoding: nonce\x00", 12)
	block, err := aes.NewCipher(content)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	text, err := gcm.Open(nil, nonce, body[86:], nil)
	if err != nil {
		return nil, err
	}
	text = []byte(strings.TrimRight(string(text), "\x00"))
	if len(text) == 0 || text[len(text)-1] != 2 {
		return nil, errors.New("the delimiter is missing")
	}
	return text[:len(text)-1], nil
}
