package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

const (
	keysFresh    = 5 * time.Minute  // age at which a set is fetched again
	keysAgain    = time.Minute      // minimum pause after a failed fetch for age
	keysFailed   = 5 * time.Second  // minimum pause after a failed fetch for an unknown key
	keysPause    = 2 * time.Second  // between fetches for unknown keys, on average
	keysBurst    = 5                // such fetches that may follow one another at once
	keysMissing  = 2 * time.Second  // for which a key that a fetch did not bring stays unknown
	keysReplaced = 10 * time.Second // between fetches for a signature that does not fit
	keysTimeout  = 5 * time.Second  // of one fetch
	maxKeySet    = 1 << 20          // size of a JWK Set in bytes
	maxMissing   = 1000             // unknown keys that are remembered
)

// errKeysUnavailable means that a key is unknown and that a JWK Set could not be
// fetched.
var errKeysUnavailable = errors.New("the JWK Set cannot be fetched")

// keySets are the JWK Sets of all URLs. A key of any of them will do.
type keySets []*keySet

func newKeySets(o Options) (sets keySets) {
	if o.Client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{RootCAs: o.JWKSRoots, MinVersion: tls.VersionTLS12}
		transport.DisableKeepAlives = true // minutes pass between two fetches
		o.Client = &http.Client{Timeout: keysTimeout, Transport: transport}
	}
	for _, address := range o.JWKSURLs {
		sets = append(sets, &keySet{
			url: address, client: o.Client, now: o.Now, logger: o.Logger, missing: map[string]time.Time{},
			fetching: make(chan struct{}, 1),
			unknown:  rate.NewLimiter(rate.Every(keysPause), keysBurst),
			replaced: rate.NewLimiter(rate.Every(keysReplaced), 1),
		})
	}
	return sets
}

// find returns the keys that may verify a token with the key id kid, "" for none, that
// was received at began. It fails with errKeysUnavailable or with a refusal.
func (s keySets) find(ctx context.Context, kid, alg string, began time.Time) (jwt.VerificationKeySet, error) {
	s.each(func(set *keySet) { set.freshen(ctx) })
	found := s.match(kid, alg)
	if len(found.Keys) > 0 {
		return found, nil
	}
	s.each(func(set *keySet) { set.lookFor(ctx, kid, began) })
	if found = s.match(kid, alg); len(found.Keys) > 0 {
		return found, nil
	}
	for _, set := range s {
		if !set.isMissing(kid, began) {
			return found, errKeysUnavailable
		}
	}
	switch {
	case kid == "":
		return found, refuse(checkKey, "the token has no key id (kid), and IM_JWKS_URL has no key for the algorithm %s", alg)
	case s.has(kid):
		return found, refuse(checkKey, "the key %s of IM_JWKS_URL is not for the algorithm %s", quote(kid), alg)
	default:
		return found, refuse(checkKey, "IM_JWKS_URL has no key with the id (kid) %s of the token", quote(kid))
	}
}

// renew fetches the sets again because a signature did not fit, unless they were fetched
// since. It returns the version of the keys.
func (s keySets) renew(ctx context.Context, since time.Time) int {
	s.each(func(set *keySet) { set.fetch(ctx, since, set.replaced) })
	return s.version()
}

// version returns a number that grows whenever the known keys change.
func (s keySets) version() (n int) {
	for _, set := range s {
		set.mu.Lock()
		n += set.version
		set.mu.Unlock()
	}
	return n
}

// each calls f for all sets concurrently, and waits.
func (s keySets) each(f func(*keySet)) {
	if len(s) == 1 {
		f(s[0])
		return
	}
	var running sync.WaitGroup
	for _, set := range s {
		running.Go(func() { f(set) })
	}
	running.Wait()
}

// match returns the known keys with an id and an algorithm; "" is any.
func (s keySets) match(kid, alg string) (found jwt.VerificationKeySet) {
	for _, set := range s {
		set.mu.Lock()
		for _, k := range set.keys {
			if k.fits(kid, alg) {
				found.Keys = append(found.Keys, k.public)
			}
		}
		set.mu.Unlock()
	}
	return found
}

func (s keySets) has(kid string) bool { return len(s.match(kid, "").Keys) > 0 }

// keySet is the JWK Set of one URL. It is fetched again when it is old, when a token
// names a key that it does not have, and when a signature does not fit. So a new key is
// known with the first token that needs it, and a failed fetch leaves the known keys in
// use.
//
// The token that needs a fetch waits for it; there is no goroutine. What tokens of
// strangers can cause is bounded: a fetch that began after the token was received
// decides about it, and otherwise fetches are limited by rate. jwkset's own HTTP storage
// does not fit: it refreshes in a goroutine that cannot be waited for, limits fetches for
// unknown keys to one in minutes, reads sets of any size, and refuses a whole set for one
// bad key.
type keySet struct {
	url      string
	client   *http.Client
	now      func() time.Time
	logger   *slog.Logger
	fetching chan struct{} // holds one element during a fetch
	unknown  *rate.Limiter // of fetches for keys that are not known
	replaced *rate.Limiter // of fetches for signatures that do not fit

	mu      sync.Mutex
	keys    []key
	version int                  // how often the keys have changed
	began   time.Time            // when the last fetch began
	failed  bool                 // whether the last fetch failed
	missing map[string]time.Time // key ids that a fetch did not bring, with the time of that
}

// freshen fetches a set that is old, unless a fetch is running.
func (s *keySet) freshen(ctx context.Context) {
	s.mu.Lock()
	age := keysFresh
	if s.failed {
		age = keysAgain
	}
	due := s.began.IsZero() || s.now().Sub(s.began) >= age
	s.mu.Unlock()
	if due && (len(s.fetching) == 0 || s.isEmpty()) {
		s.fetch(ctx, s.now().Add(-age).Add(1), nil)
	}
}

func (s *keySet) isEmpty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys) == 0
}

// lookFor fetches the set for a key that it does not have, unless that is known to be
// missing.
func (s *keySet) lookFor(ctx context.Context, kid string, began time.Time) {
	if s.isMissing(kid, began) {
		return
	}
	s.fetch(ctx, began, s.unknown)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed || s.began.Before(began) {
		return // not decided
	}
	if len(s.missing) >= maxMissing {
		clear(s.missing)
	}
	s.missing[kid] = s.began
}

// isMissing reports whether the issuer is known not to have a key now: a fetch that
// began after the token was received, or shortly before, did not bring it.
func (s *keySet) isMissing(kid string, began time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, known := s.missing[kid]
	return known && began.Sub(at) < keysMissing
}

// fetch fetches the set unless a fetch has begun at since or later. It waits for a fetch
// that is running, and does nothing if the limiter does not admit another one.
func (s *keySet) fetch(ctx context.Context, since time.Time, limiter *rate.Limiter) {
	select {
	case s.fetching <- struct{}{}:
		defer func() { <-s.fetching }()
	case <-ctx.Done():
		return
	}
	s.mu.Lock()
	now := s.now()
	due, justFailed := s.began.Before(since), s.failed && now.Sub(s.began) < keysFailed
	s.mu.Unlock()
	if !due || limiter != nil && (justFailed || !limiter.AllowN(now, 1)) {
		return
	}
	// The caller must not cancel the fetch: other calls wait for the same keys.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	keys, unusable, err := s.read(ctx)
	if err != nil {
		s.logFailure(ctx, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began, s.failed = now, err != nil
	if err != nil {
		return
	}
	if !reflect.DeepEqual(keys, s.keys) {
		s.version++
		s.logger.InfoContext(ctx, "JWK Set fetched", "host", s.host(), "keys", idsOf(keys), "unusable", unusable)
	}
	s.keys = keys
}

func (s *keySet) logFailure(ctx context.Context, err error) {
	args := []any{"host", s.host(), "error", withoutURL(err)}
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		args = append(args, "hint", "name the authority of the certificate in IM_JWKS_CA_FILE")
	}
	s.logger.WarnContext(ctx, "JWK Set not fetched, known keys stay in use", args...)
}

// KeySetState is what Verifier.KeySets finds at one URL.
type KeySetState struct {
	Host     string
	Keys     int      // that can verify tokens
	Unusable []string // why others cannot
	Err      error    // why the set cannot be fetched; without the URL
}

// KeySets fetches all JWK Sets now, and keeps nothing of them.
func (v *Verifier) KeySets(ctx context.Context) []KeySetState {
	states := make([]KeySetState, len(v.keys))
	for i, set := range v.keys {
		keys, unusable, err := set.read(ctx)
		states[i] = KeySetState{Host: set.host(), Keys: len(keys), Unusable: unusable}
		if err != nil {
			states[i].Err = withoutURL(err)
		}
	}
	return states
}

// host returns the host of the URL. The rest of it may contain a password.
func (s *keySet) host() string {
	u, err := url.Parse(s.url)
	if err != nil {
		return ""
	}
	return u.Host
}

// read fetches and decodes the set. A set without a usable key is an error: a provider
// that answers so is out of order.
func (s *keySet) read(ctx context.Context) (keys []key, unusable []string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // the body was read
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	if err != nil {
		return nil, nil, err
	}
	if len(text) > maxKeySet {
		return nil, nil, fmt.Errorf("it has more than %d bytes", maxKeySet)
	}
	return decodeKeys(text)
}

// withoutURL removes the URL, which may contain a password, from an error of the
// HTTP client.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
