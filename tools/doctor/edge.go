package doctor

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"im/domain"
)

const (
	// user is the one that opens the WebSocket, if a token is signed for it.
	user = domain.UserID("im-doctor")

	callTimeout     = 10 * time.Second
	tokenTTL        = time.Hour
	certificateSoon = 14 * 24 * time.Hour
)

// tokens fetches the JWK Sets.
func (d *doctor) tokens(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	sets, err := d.o.Node.Tokens.KeySets(ctx)
	if err != nil {
		return // among the problems of the settings
	}
	if len(sets) == 0 {
		d.add(Finding{Area: "tokens", Check: "JWK Set", Status: Skipped, Saw: "IM_JWKS_URL is not set: tokens are verified with IM_JWT_SECRET only"})
	}
	for _, set := range sets {
		f := Finding{
			Area: "tokens", Check: "JWK Set of " + set.Host, Status: OK, Saw: fmt.Sprintf("it has %d keys that verify tokens", set.Keys),
			Why: "tokens that these keys would verify are refused",
		}
		switch {
		case set.Err != nil:
			f.Status, f.Saw = Failure, "it cannot be fetched: "+set.Err.Error()
			f.Do = "correct IM_JWKS_URL, open the way to the issuer, or name the authority of its certificate in IM_JWKS_CA_FILE"
		case set.Keys == 0:
			f.Status, f.Saw = Failure, "it has no key that verifies tokens: "+strings.Join(set.Unusable, "; ")
			f.Do = "publish an RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA) key there"
		case len(set.Unusable) > 0:
			f.Saw += "; not usable: " + strings.Join(set.Unusable, "; ")
		}
		d.add(f)
	}
}

// edge examines the way of clients to the nodes.
func (d *doctor) edge(ctx context.Context) {
	e, rules := d.o.Node.Edge, d.o.Node.Rules
	proxied := e.PublicURL != ""
	saw := "no proxy is trusted (IM_TRUSTED_PROXIES)"
	if len(rules.TrustedProxies) > 0 {
		saw = "trusted proxies: " + strings.Join(rules.TrustedProxies, ", ")
	}
	d.add(Finding{
		Area: "edge", Check: "proxies", Status: verdict(!proxied || len(rules.TrustedProxies) > 0, Warning), Saw: saw,
		Why: "IM_PUBLIC_URL says that there is a proxy: all clients then have its address, and share the rate limits of one",
		Do:  "set IM_TRUSTED_PROXIES to the addresses of the proxy",
	})
	address := cmp.Or(d.o.URL, e.PublicURL)
	if address == "" {
		d.add(Finding{
			Area: "edge", Check: "public address", Status: Skipped, Saw: "neither --url nor IM_PUBLIC_URL is set",
			Do: "run im doctor --url with the address that clients use",
		})
		return
	}
	base, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		d.add(Finding{
			Area: "edge", Check: "public address", Status: Failure, Saw: "the address is not a URL such as https://chat.example.com/",
			Why: "clients cannot connect", Do: "correct --url",
		})
		return
	}
	if d.ready(ctx, base) {
		d.socket(ctx, base)
	}
}

// ready asks whether the node at the address is ready.
func (d *doctor) ready(ctx context.Context, base *url.URL) bool {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	f := Finding{
		Area: "edge", Check: "public address", Status: Failure, Why: "clients cannot connect",
		Do: "compare the address with that of the proxy, and its target with IM_ADDR of the nodes",
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base.String()+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := d.o.Client.Do(request)
	if err != nil {
		f.Saw = "GET /readyz fails: " + reasonOf(err)
		d.add(f)
		return false
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	var state struct {
		Status  string            `json:"status"`
		Reasons map[string]string `json:"reasons"`
	}
	switch parsed := json.Unmarshal(body, &state); {
	case parsed != nil || state.Status == "":
		f.Saw = fmt.Sprintf("GET /readyz answers %s, and not as a node does", response.Status)
	case response.StatusCode != http.StatusOK:
		f.Saw, f.Do = fmt.Sprintf("the node is not ready: %s %v", state.Status, state.Reasons), "see the findings about the services, and the log of the node"
	default:
		f.Status, f.Saw = verdict(state.Status == "ready", Warning), fmt.Sprintf("the node answers: %s %v", state.Status, state.Reasons)
		f.Do = "see the findings about the services"
	}
	d.add(f)
	if tls := response.TLS; tls != nil {
		left := time.Until(tls.PeerCertificates[0].NotAfter)
		d.add(Finding{
			Area: "edge", Check: "certificate", Status: verdict(left > certificateSoon, Warning),
			Saw: fmt.Sprintf("the certificate is valid for another %d days", int(left.Hours()/24)),
			Why: "clients refuse a certificate that has expired", Do: "renew it",
		})
	}
	return f.Status != Failure
}

// socket opens a WebSocket as a page of the address does, and watches it for some
// heartbeats.
func (d *doctor) socket(ctx context.Context, base *url.URL) {
	token := d.o.Token
	if token == "" {
		var err error
		if token, err = d.o.Node.Tokens.Sign(user, false, tokenTTL); err != nil {
			d.add(Finding{Area: "edge", Check: "WebSocket", Status: Skipped, Saw: err.Error(), Do: "run im doctor with --token, a token of any user"})
			return
		}
	}
	began := time.Now()
	heartbeat, err := d.live(ctx, base, token)
	f := Finding{
		Area: "edge", Check: "WebSocket", Status: OK,
		Why: "clients lose their sockets, reconnect again and again, and miss nothing but time",
	}
	var refused *refusedError
	var closed *websocket.CloseError
	switch {
	case err == nil:
		f.Saw = fmt.Sprintf("a WebSocket lived for %d heartbeats of %s", d.o.Heartbeats, heartbeat)
	case errors.As(err, &refused) && refused.status == http.StatusForbidden:
		f.Status, f.Saw = Failure, "the handshake is refused with 403: the page's origin is not allowed"
		f.Do = "set IM_PUBLIC_URL to the address for browsers, or add its origin to IM_ALLOWED_ORIGINS"
	case errors.As(err, &refused):
		f.Status, f.Saw = Failure, refused.Error()
		f.Do = "let the proxy pass upgrades: HTTP/1.1 with the headers Connection and Upgrade; see docs/operations.md"
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure: // that means: without a close frame
		f.Status, f.Saw = Failure, fmt.Sprintf("the node closed the WebSocket: %d %s", closed.Code, closed.Text)
		f.Do = "correct the token or what the reason names"
	default:
		f.Status, f.Saw = Failure, fmt.Sprintf("the WebSocket ended after %s: %s", time.Since(began).Round(time.Second), reasonOf(err))
		f.Do = "raise the idle timeout of the proxy above two heartbeats (60 s at least), and let it pass pings"
	}
	d.add(f)
}

// refusedError is an answer to a handshake that is not an upgrade.
type refusedError struct{ status int }

func (e *refusedError) Error() string {
	return fmt.Sprintf("the handshake is answered with status %d", e.status)
}

// live opens a WebSocket, and waits until it has lived for the heartbeats. It sends
// nothing after hello but the answers to pings, as an idle client.
func (d *doctor) live(ctx context.Context, base *url.URL, token string) (heartbeat time.Duration, err error) {
	target := *base
	target.Scheme, target.Path = strings.Replace(base.Scheme, "http", "ws", 1), base.Path+"/v1/ws"
	dialer := websocket.Dialer{HandshakeTimeout: callTimeout, Subprotocols: []string{"im.v1"}, Proxy: http.ProxyFromEnvironment}
	if t, ok := d.o.Client.Transport.(*http.Transport); ok && t.TLSClientConfig != nil {
		dialer.TLSClientConfig = t.TLSClientConfig.Clone()
		dialer.TLSClientConfig.NextProtos = []string{"http/1.1"}
	} else {
		dialer.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	conn, response, err := dialer.DialContext(ctx, target.String(), http.Header{"Origin": {base.Scheme + "://" + base.Host}})
	if response != nil {
		defer func() { _ = response.Body.Close() }()
	}
	if err != nil {
		if response != nil {
			err = &refusedError{response.StatusCode}
		}
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	hello := map[string]any{"type": "hello", "device_id": "doctor-" + strings.ToLower(rand.Text()[:10]), "token": token, "background": true}
	if err := conn.WriteJSON(hello); err != nil {
		return 0, err
	}
	return watch(conn, d.o.Heartbeats)
}

// watch reads frames until the heartbeats have passed, and then asks for one more answer.
func watch(conn *websocket.Conn, heartbeats int) (heartbeat time.Duration, err error) {
	var end time.Time // of the heartbeats
	asked := false
	deadline := time.Now().Add(callTimeout)
	for {
		if err := conn.SetReadDeadline(deadline); err != nil {
			return heartbeat, err
		}
		var frame struct {
			Type        string `json:"type"`
			HeartbeatMS int64  `json:"heartbeat_ms"`
			Message     string `json:"message"`
		}
		err := conn.ReadJSON(&frame)
		switch {
		case err != nil:
			return heartbeat, err
		case frame.Type == "error":
			return heartbeat, errors.New(frame.Message)
		case frame.Type == "pong" && asked:
			return heartbeat, nil
		case frame.Type == "welcome":
			heartbeat = time.Duration(frame.HeartbeatMS) * time.Millisecond
			end = time.Now().Add(time.Duration(heartbeats) * heartbeat)
			deadline = end.Add(callTimeout)
			timer := time.AfterFunc(time.Until(end), func() { _ = conn.WriteJSON(map[string]string{"type": "ping"}) })
			defer timer.Stop()
			asked = true
		}
	}
}

// reasonOf returns the cause of an error without the URL, which may have a password.
func reasonOf(err error) string {
	if of, ok := errors.AsType[*url.Error](err); ok {
		err = of.Err
	}
	return err.Error()
}
