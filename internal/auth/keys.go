package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

const (
	keysFresh   = 5 * time.Minute // age at which the set is fetched again
	keysAgain   = time.Minute     // minimum pause after a failed fetch for age
	keysAttempt = 5 * time.Second // minimum pause between fetches for unknown keys
	keysTimeout = 5 * time.Second // of one fetch
	maxKeySet   = 1 << 20         // size of a JWK Set in bytes
)

// errKeysUnavailable means that a key is unknown and that the JWK Set could not
// be fetched.
var errKeysUnavailable = errors.New("the JWK Set cannot be fetched")

// keySet is the JWK Set of a URL. It fetches the set again when the set is old
// and when a token names an unknown key, so that new keys are known within
// keysAttempt. A failed fetch leaves the known keys in use.
//
// The token that needs a fetch waits for it; there is no goroutine. jwkset's own
// HTTP storage does not fit: it refreshes in a goroutine that cannot be waited
// for, limits fetches for unknown keys to one in minutes, and reads sets of any
// size.
type keySet struct {
	*jwkset.MemoryJWKSet

	url    string
	client *http.Client
	now    func() time.Time
	logger *slog.Logger
	find   keyfunc.Keyfunc

	fetching chan struct{} // holds one element during a fetch
	mu       sync.Mutex
	tried    time.Time // the end of the last fetch
	failed   bool      // whether the last fetch failed
}

var _ jwkset.Storage = (*keySet)(nil)

func newKeySet(o Options) *keySet {
	s := &keySet{
		MemoryJWKSet: jwkset.NewMemoryStorage(), url: o.JWKSURL, client: o.Client, now: o.Now, logger: o.Logger,
		fetching: make(chan struct{}, 1),
	}
	if s.client == nil {
		s.client = &http.Client{Timeout: keysTimeout}
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	find, err := keyfunc.New(keyfunc.Options{Storage: s})
	if err != nil {
		panic(err) // only without a storage
	}
	s.find = find
	return s
}

// key returns the key that a token names, or all keys if it names none.
func (s *keySet) key(ctx context.Context, t *jwt.Token) (any, error) {
	return s.find.KeyfuncCtx(ctx)(t)
}

// KeyRead implements jwkset.Storage.
func (s *keySet) KeyRead(ctx context.Context, kid string) (jwkset.JWK, error) {
	s.freshen(ctx)
	key, err := s.MemoryJWKSet.KeyRead(ctx, kid)
	if !errors.Is(err, jwkset.ErrKeyNotFound) {
		return key, err
	}
	s.fetch(ctx, keysAttempt)
	if key, err = s.MemoryJWKSet.KeyRead(ctx, kid); err != nil && s.unavailable() {
		return key, errKeysUnavailable
	}
	return key, err
}

// KeyReadAll implements jwkset.Storage.
func (s *keySet) KeyReadAll(ctx context.Context) ([]jwkset.JWK, error) {
	s.freshen(ctx)
	keys, err := s.MemoryJWKSet.KeyReadAll(ctx)
	if err != nil || len(keys) > 0 {
		return keys, err
	}
	s.fetch(ctx, keysAttempt)
	if keys, err = s.MemoryJWKSet.KeyReadAll(ctx); len(keys) == 0 && s.unavailable() {
		return nil, errKeysUnavailable
	}
	return keys, err
}

// unavailable reports whether the last fetch failed.
func (s *keySet) unavailable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed || s.tried.IsZero()
}

// freshen fetches a set that is old, unless a fetch is running.
func (s *keySet) freshen(ctx context.Context) {
	s.mu.Lock()
	age := keysFresh
	if s.failed {
		age = keysAgain
	}
	due := s.now().Sub(s.tried) >= age
	s.mu.Unlock()
	if due && len(s.fetching) == 0 {
		s.fetch(ctx, age)
	}
}

// fetch fetches the set unless the last fetch ended less than pause ago. It waits
// for a fetch that is running.
func (s *keySet) fetch(ctx context.Context, pause time.Duration) {
	select {
	case s.fetching <- struct{}{}:
		defer func() { <-s.fetching }()
	case <-ctx.Done():
		return
	}
	s.mu.Lock()
	due := s.now().Sub(s.tried) >= pause
	s.mu.Unlock()
	if !due {
		return
	}
	// The caller must not cancel the fetch: other calls wait for the same keys.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	keys, err := s.read(ctx)
	if err == nil {
		err = s.KeyReplaceAll(ctx, keys)
	}
	if err != nil {
		s.logger.WarnContext(ctx, "JWK Set not fetched, known keys stay in use", "error", withoutURL(err))
	}
	s.mu.Lock()
	s.tried, s.failed = s.now(), err != nil
	s.mu.Unlock()
}

// read fetches and decodes the set. It leaves out keys of unknown kinds.
func (s *keySet) read(ctx context.Context) ([]jwkset.JWK, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // the body was read
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	var set jwkset.JWKSMarshal
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxKeySet)).Decode(&set); err != nil {
		return nil, err
	}
	keys := make([]jwkset.JWK, 0, len(set.Keys))
	for _, marshalled := range set.Keys {
		if key, err := jwkset.NewJWKFromMarshal(marshalled, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{}); err == nil {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// withoutURL removes the URL, which may contain a password, from an error of the
// HTTP client.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
