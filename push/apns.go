package push

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"im/domain"
)

const (
	apnsURL   = "https://api.push.apple.com"
	apnsBytes = 4096
	// Apple refuses provider tokens that are older than an hour, and providers that make one
	// more often than every 20 minutes.
	providerTokenAge = 40 * time.Minute
)

// APNSOptions configure APNS. All but URL and Roots are required.
type APNSOptions struct {
	KeyFile string // the .p8 file of the key
	KeyID   string
	TeamID  string
	Topic   string // usually the bundle id of the app
	URL     string // "": that of APNs for production
	Roots   *x509.CertPool
}

// APNS sends by the HTTP/2 API of Apple Push Notification service, with a provider token.
type APNS struct {
	o      APNSOptions
	client *http.Client
	key    *ecdsa.PrivateKey

	mu    sync.Mutex
	token string
	made  time.Time
}

var _ Sender = (*APNS)(nil)

// NewAPNS returns a sender. The error contains no secret.
func NewAPNS(o APNSOptions) (*APNS, error) {
	text, err := os.ReadFile(o.KeyFile)
	if err != nil {
		return nil, err
	}
	a := &APNS{o: o}
	if a.key, err = jwt.ParseECPrivateKeyFromPEM(text); err != nil || a.key.Curve.Params().BitSize != 256 {
		return nil, errors.New("the file is not a key of P-256 in PEM form, as Apple gives it")
	}
	if a.o.URL == "" {
		a.o.URL = apnsURL
	}
	a.o.URL = strings.TrimSuffix(a.o.URL, "/")
	transport := newTransport()
	transport.Proxy = http.ProxyFromEnvironment
	if o.Roots != nil {
		transport.TLSClientConfig = tlsConfig(o.Roots)
	}
	a.client = newClient(transport)
	return a, nil
}

// Silent implements Sender: a notification with a badge alone shows nothing else.
func (a *APNS) Silent() bool { return true }

// Close implements Sender.
func (a *APNS) Close() { a.client.CloseIdleConnections() }

// Send implements Sender.
func (a *APNS) Send(ctx context.Context, to domain.PushAddress, n Notification) Result {
	payload, err := fit(n, apnsBytes, apnsPayload)
	if err != nil {
		return Result{Outcome: Refused, Reason: err.Error()}
	}
	token, err := a.providerToken(time.Now())
	if err != nil {
		return Result{Outcome: Again, Reason: "the provider token cannot be signed"}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.o.URL+"/3/device/"+to.Token, bytes.NewReader(payload))
	if err != nil {
		return Result{Outcome: Again, Reason: reasonOf(err)}
	}
	priority := "10"
	if n.Kind == KindClear {
		priority = "5"
	}
	for name, value := range map[string]string{
		"Authorization": "bearer " + token, "apns-topic": a.o.Topic, "apns-collapse-id": n.collapse(), "apns-priority": priority,
		// Not background, which must have no badge.
		"apns-push-type": "alert", "apns-expiration": strconv.FormatInt(time.Now().Add(keep).Unix(), 10), "Content-Type": "application/json",
	} {
		r.Header.Set(name, value)
	}
	answer, result := call(a.client, r)
	if answer == nil {
		return result
	}
	return a.judge(answer, result, token)
}

// judge reads the reason of APNs.
func (a *APNS) judge(answer *answer, r Result, token string) Result {
	r = judge(answer, r, http.StatusGone)
	var body struct{ Reason string }
	if r.Outcome == Taken || json.Unmarshal(answer.body, &body) != nil || body.Reason == "" {
		return r
	}
	r.Reason += ": " + body.Reason[:min(len(body.Reason), reasonBytes)]
	switch {
	case body.Reason == "BadDeviceToken":
		r.Outcome = Gone
	case answer.status == http.StatusForbidden: // of the key or of the provider token: the operator's matter
		r.Outcome = Again
		if body.Reason == "ExpiredProviderToken" {
			a.forget(token)
		}
	}
	return r
}

func apnsPayload(n *Notification) ([]byte, error) {
	type alert struct {
		Title string `json:"title,omitempty"`
		Body  string `json:"body"`
	}
	type aps struct {
		Alert            *alert `json:"alert,omitempty"`
		Badge            int64  `json:"badge"`
		Sound            string `json:"sound,omitempty"`
		ThreadID         string `json:"thread-id,omitempty"`
		ContentAvailable int    `json:"content-available,omitempty"`
		MutableContent   int    `json:"mutable-content,omitempty"`
	}
	content := aps{Badge: n.Badge, ContentAvailable: 1}
	if n.Kind != KindClear {
		content = aps{Alert: &alert{n.Title, n.Body}, Badge: n.Badge, Sound: "default", ThreadID: n.collapse(), MutableContent: 1}
	}
	return marshal(struct {
		APS aps `json:"aps"`
		facts
	}{content, n.facts()})
}

// providerToken returns the token that stands for the key.
func (a *APNS) providerToken(now time.Time) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token != "" && now.Sub(a.made) < providerTokenAge {
		return a.token, nil
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": a.o.TeamID, "iat": now.Unix()})
	unsigned.Header["kid"] = a.o.KeyID
	token, err := unsigned.SignedString(a.key)
	if err == nil {
		a.token, a.made = token, now
	}
	return token, err
}

// forget lets the next call make another provider token.
func (a *APNS) forget(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token == token {
		a.token = ""
	}
}

// Check sends to a device that does not exist: Apple then says whether the key is good. It
// is for programs that examine settings.
func (a *APNS) Check(ctx context.Context) error {
	r := a.Send(ctx, domain.PushAddress{Provider: domain.PushAPNS, Token: strings.Repeat("00", 32)}, testNotification("", 0))
	if r.Outcome == Taken || r.Outcome == Gone {
		return nil
	}
	return errors.New(r.Reason)
}
