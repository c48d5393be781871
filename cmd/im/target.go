package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"im/domain"
	"im/internal/app"
)

// signedTTL is how long tokens live that commands sign for themselves.
const signedTTL = time.Hour

// target says where a client command connects to, and as whom. Beside `im dev`
// neither has to be said.
type target struct {
	URL   []string `name:"url" placeholder:"http://HOST:PORT" help:"A node; may be repeated. By default the im dev of this folder, else ${default_url}."`
	Token string   `help:"The user's token. By default one signed with IM_JWT_SECRET, else one that im dev gives."`

	Secret    string `name:"jwt-secret" help:"The nodes' secret, to sign tokens with."`
	UserClaim string `name:"jwt-user-claim" default:"sub" hidden:""`
	Issuer    string `name:"jwt-issuer" hidden:""`
	Audience  string `name:"jwt-audience" hidden:""`
	Data      string `name:"data" default:"${default_data}" hidden:"" help:"The data folder of im dev."`
}

// nodes returns the URLs of the nodes, without a slash at the end.
func (t *target) nodes() ([]string, error) {
	urls := t.URL
	if len(urls) == 0 {
		urls = readPresence(t.Data)
	}
	for i, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, usageError{errors.New("--url (IM_URL) must be as in " + defaultURL)}
		}
		urls[i] = strings.TrimRight(text, "/")
	}
	return urls, nil
}

// tokens returns what to ask for a token of user whenever one is needed.
func (t *target) tokens(user domain.UserID, urls []string) func(context.Context) (string, error) {
	switch {
	case t.Token != "":
		return func(context.Context) (string, error) { return t.Token, nil }
	case t.Secret != "":
		signer := app.Tokens{Secret: t.Secret, UserClaim: t.UserClaim, Issuer: t.Issuer, Audience: t.Audience}
		return func(context.Context) (string, error) { return signer.Sign(user, false, signedTTL) }
	default:
		return func(ctx context.Context) (string, error) { return requestToken(ctx, user, urls) }
	}
}

// requestToken asks `im dev` for a token, at one node after the other.
func requestToken(ctx context.Context, user domain.UserID, urls []string) (string, error) {
	var failed error
	for _, base := range urls {
		token, err := requestTokenAt(ctx, base, user)
		if err == nil {
			return token, nil
		}
		failed = errors.Join(failed, err)
	}
	return "", failed
}

func requestTokenAt(ctx context.Context, base string, user domain.UserID) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body, err := json.Marshal(devTokenRequest{User: string(user)})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+devTokenPath, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s gives no tokens (%s): --token or IM_JWT_SECRET is needed", base, response.Status)
	}
	var answer devTokenAnswer
	err = json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&answer)
	return answer.Token, err
}
