package push

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"im/domain"
)

const (
	fcmURL   = "https://fcm.googleapis.com"
	fcmScope = "https://www.googleapis.com/auth/firebase.messaging"
	fcmBytes = 4096

	googleTokenURL = "https://oauth2.googleapis.com/token" //nolint:gosec // an address, not a token
	grantType      = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	tokenMargin    = time.Minute // before its end, an access token is replaced
)

// FCM sends by the HTTP v1 API of Firebase Cloud Messaging. It signs in as a service
// account. The firebase-admin library would bring gRPC and the clients of Google's other
// services; the two calls that are needed are small.
type FCM struct {
	client  *http.Client
	send    string
	account serviceAccount
	key     *rsa.PrivateKey

	mu     sync.Mutex // held during the exchange, so that there is one at a time
	access string
	until  time.Time
}

var _ Sender = (*FCM)(nil)

// serviceAccount is the file that the console of Firebase gives.
type serviceAccount struct {
	ProjectID    string `json:"project_id"`
	ClientEmail  string `json:"client_email"`
	PrivateKeyID string `json:"private_key_id"`
	PrivateKey   string `json:"private_key"`
	TokenURI     string `json:"token_uri"`
}

// NewFCM returns a sender with the service account of a file. The address is that of FCM if
// base is "". The error contains no secret.
func NewFCM(file, base string) (*FCM, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	f := &FCM{}
	if json.Unmarshal(text, &f.account) != nil || f.account.ProjectID == "" || f.account.ClientEmail == "" {
		return nil, errors.New("the file is not the JSON of a service account with project_id, client_email and private_key")
	}
	if f.key, err = jwt.ParseRSAPrivateKeyFromPEM([]byte(f.account.PrivateKey)); err != nil {
		return nil, errors.New("private_key of the service account is not an RSA key in PEM form")
	}
	if f.account.TokenURI == "" {
		f.account.TokenURI = googleTokenURL
	}
	if base == "" {
		base = fcmURL
	}
	f.send = strings.TrimSuffix(base, "/") + "/v1/projects/" + url.PathEscape(f.account.ProjectID) + "/messages:send"
	transport := newTransport()
	transport.Proxy = http.ProxyFromEnvironment
	f.client = newClient(transport)
	return f, nil
}

// Silent implements Sender: a message of data alone shows nothing.
func (f *FCM) Silent() bool { return true }

// Close implements Sender.
func (f *FCM) Close() { f.client.CloseIdleConnections() }

// Send implements Sender.
func (f *FCM) Send(ctx context.Context, to domain.PushAddress, n Notification) Result {
	message, err := fit(n, fcmBytes, fcmMessage)
	if err != nil {
		return Result{Outcome: Refused, Reason: err.Error()}
	}
	token, _ := json.Marshal(to.Token)
	// The token does not count for the size of a message.
	body := append(append([]byte(`{"message":{"token":`), token...), ',')
	body = append(append(body, message[1:]...), '}')
	access, r := f.accessToken(ctx)
	if access == "" {
		return r
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.send, bytes.NewReader(body))
	if err != nil {
		return Result{Outcome: Again, Reason: reasonOf(err)}
	}
	request.Header.Set("Authorization", "Bearer "+access)
	request.Header.Set("Content-Type", "application/json")
	a, r := call(f.client, request)
	if a == nil {
		return r
	}
	return f.judge(a, r, access)
}

// judge reads the error of FCM.
func (f *FCM) judge(a *answer, r Result, access string) Result {
	r = judge(a, r)
	var body struct {
		Error struct {
			Message string
			Details []struct {
				ErrorCode       string
				FieldViolations []struct{ Field string }
			}
		}
	}
	if r.Outcome == Taken || json.Unmarshal(a.body, &body) != nil {
		return r
	}
	code, aboutToken := "", strings.Contains(body.Error.Message, "registration token")
	for _, d := range body.Error.Details {
		if d.ErrorCode != "" {
			code = d.ErrorCode
		}
		for _, v := range d.FieldViolations {
			aboutToken = aboutToken || v.Field == "message.token"
		}
	}
	if code != "" {
		r.Reason += ": " + code[:min(len(code), reasonBytes)]
	}
	switch {
	case a.status == http.StatusNotFound && code == "UNREGISTERED", a.status == http.StatusBadRequest && aboutToken:
		r.Outcome = Gone
	case a.status == http.StatusUnauthorized: // the access token was revoked
		f.forget(access)
		r.Outcome = Again
	case a.status == http.StatusForbidden && code != "SENDER_ID_MISMATCH": // the account lacks a right: the operator's matter
		r.Outcome = Again
	}
	return r
}

// fcmMessage encodes a message without the token. An app on iOS gets what APNs would.
func fcmMessage(n *Notification) ([]byte, error) {
	type object = map[string]any
	f := n.facts()
	data := map[string]string{"type": string(f.Type), "unread_total": strconv.FormatInt(f.UnreadTotal, 10)}
	if f.ConversationID != "" {
		data["conversation_id"], data["seq"] = f.ConversationID, strconv.FormatInt(f.Seq, 10)
	}
	if f.Sender != "" {
		data["sender"] = string(f.Sender)
	}
	if f.Mentioned {
		data["mentioned"] = "true"
	}
	android := object{"collapse_key": n.collapse(), "priority": "NORMAL", "ttl": strconv.Itoa(int(keep.Seconds())) + "s"}
	aps := object{"badge": n.Badge}
	headers := map[string]string{
		"apns-collapse-id": n.collapse(), "apns-priority": "5", "apns-expiration": strconv.FormatInt(time.Now().Add(keep).Unix(), 10),
	}
	message := object{"data": data, "android": android, "apns": object{"headers": headers, "payload": object{"aps": aps}}}
	if n.Kind == KindClear {
		aps["content-available"] = 1
		return marshal(message)
	}
	notification := object{"body": n.Body}
	if n.Title != "" {
		notification["title"] = n.Title
	}
	message["notification"] = notification
	android["priority"], android["notification"] = "HIGH", object{"tag": n.collapse(), "notification_count": n.Badge}
	headers["apns-priority"], aps["sound"], aps["thread-id"] = "10", "default", n.collapse()
	return marshal(message)
}

// accessToken returns an access token; "" with the result if there is none.
func (f *FCM) accessToken(ctx context.Context) (string, Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.access != "" && now.Before(f.until.Add(-tokenMargin)) {
		return f.access, Result{}
	}
	claims := jwt.MapClaims{
		"iss": f.account.ClientEmail, "scope": fcmScope, "aud": f.account.TokenURI, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	if f.account.PrivateKeyID != "" {
		unsigned.Header["kid"] = f.account.PrivateKeyID
	}
	assertion, err := unsigned.SignedString(f.key)
	if err != nil {
		return "", Result{Outcome: Again, Reason: "the assertion cannot be signed"}
	}
	form := url.Values{"grant_type": {grantType}, "assertion": {assertion}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.account.TokenURI, strings.NewReader(form.Encode()))
	if err != nil {
		return "", Result{Outcome: Again, Reason: reasonOf(err)}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, r := call(f.client, request)
	if a == nil {
		return "", r
	}
	var grant struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &grant) != nil || grant.AccessToken == "" {
		r = judge(a, r)
		r.Outcome, r.Reason = Again, "no access token for the service account: the answer was "+strconv.Itoa(a.status)
		if a.status == http.StatusOK {
			r.Answer = "" // it may hold a token
		}
		return "", r
	}
	f.access, f.until = grant.AccessToken, now.Add(time.Duration(grant.ExpiresIn)*time.Second)
	return f.access, r
}

// forget lets the next call get another access token.
func (f *FCM) forget(access string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.access == access {
		f.access = ""
	}
}

// Check signs in, as before a notification. It is for programs that examine settings.
func (f *FCM) Check(ctx context.Context) error {
	if access, r := f.accessToken(ctx); access == "" {
		return errors.New(r.Reason)
	}
	return nil
}
