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

// signedTTL is how long tokens are valid that a command signs for its own use.
const signedTTL = time.Hour

// nodeFlags say where the nodes are. By default they are those of `im dev`.
type nodeFlags struct {
	URL  []string `name:"url" placeholder:"http://HOST:PORT" help:"URL of a node; repeatable. By default that of the im dev of this folder, else ${default_url}."`
	Data string   `name:"data" default:"${default_data}" hidden:"" help:"Data folder of im dev."`
}

// nodes returns the URLs of the nodes, without a trailing slash.
func (f nodeFlags) nodes() ([]string, error) {
	urls := f.URL
	if len(urls) == 0 {
		urls = devURLs(f.Data)
	}
	for i, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, usageError{errors.New("--url (IM_URL) must be a URL such as " + defaultURL)}
		}
		urls[i] = strings.TrimRight(text, "/")
	}
	return urls, nil
}

// target says where a command connects to, and as which user.
type target struct {
	nodeFlags
	app.Signing

	Token string `group:"Tokens" help:"Token of the user. By default the command signs one with --jwt-secret; without a secret, im dev issues one."`
}

// tokens returns a function that returns a valid token of user.
func (t target) tokens(user domain.UserID, urls []string) func(context.Context) (string, error) {
	if t.Token != "" {
		return func(context.Context) (string, error) { return t.Token, nil }
	}
	return func(ctx context.Context) (string, error) { return userToken(ctx, t.Signing, urls, user) }
}

// userToken signs a token of user. Without a secret it requests one of `im dev`, from
// one node after another.
func userToken(ctx context.Context, signing app.Signing, urls []string, user domain.UserID) (string, error) {
	if signing.Secret != "" {
		return signing.Sign(user, false, signedTTL)
	}
	var failed error
	for _, base := range urls {
		token, err := requestToken(ctx, base, user)
		if err == nil {
			return token, nil
		}
		failed = errors.Join(failed, err)
	}
	return "", failed
}

// requestToken requests a token of user from a node of `im dev`.
func requestToken(ctx context.Context, base string, user domain.UserID) (string, error) {
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
		return "", fmt.Errorf("%s does not issue tokens (%s): set --token or IM_JWT_SECRET", base, response.Status)
	}
	var answer devTokenAnswer
	err = json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&answer)
	return answer.Token, err
}
