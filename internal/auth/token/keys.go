package token

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
	keysFresh   = 5 * time.Minute // older keys are fetched anew
	keysAgain   = time.Minute     // between two fetches for their age, while they fail
	keysAttempt = 5 * time.Second // between two fetches for an unknown key
	keysTimeout = 5 * time.Second // how long one fetch may take
	maxKeySet   = 1 << 20         // bytes of a JWK Set
)

// errKeysAway says that a key is unknown and the JWK Set could not be asked.
var errKeysAway = errors.New("the JWK Set cannot be fetched")

// keySet is a JWK Set behind a URL. An unknown key or the age of the set make
// it fetch again, at most once in keysAttempt, however many tokens ask. A fetch
// that fails leaves the known keys in use. There is no goroutine: the token
// that needs a fetch waits for it.
type keySet struct {
	*jwkset.MemoryJWKSet

	url    string
	client *http.Client
	now    func() time.Time
	logger *slog.Logger
	find   keyfunc.Keyfunc

	fetching chan struct{} // holds one element while somebody fetches
	mu       sync.Mutex
	tried    time.Time // the end of the last fetch
	failed   bool      // it was of no use
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
		panic(err) // only ever for want of a storage
	}
	s.find = find
	return s
}

// key returns the key, or without a kid the keys, that may have signed t.
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
	if key, err = s.MemoryJWKSet.KeyRead(ctx, kid); err != nil && s.away() {
		return key, errKeysAway
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
	if keys, err = s.MemoryJWKSet.KeyReadAll(ctx); len(keys) == 0 && s.away() {
		return nil, errKeysAway
	}
	return keys, err
}

// away tells whether nobody could reach the JWK Set when it was last tried.
func (s *keySet) away() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed || s.tried.IsZero()
}

// freshen replaces keys that have grown old, unless somebody is at it.
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

// fetch reads the set unless that was tried less than apart ago. Who comes
// while somebody fetches waits for that.
func (s *keySet) fetch(ctx context.Context, apart time.Duration) {
	select {
	case s.fetching <- struct{}{}:
		defer func() { <-s.fetching }()
	case <-ctx.Done():
		return
	}
	s.mu.Lock()
	due := s.now().Sub(s.tried) >= apart
	s.mu.Unlock()
	if !due {
		return
	}
	// Not the caller's to cancel: others wait for the same keys.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	keys, err := s.read(ctx)
	if err == nil {
		err = s.KeyReplaceAll(ctx, keys)
	}
	if err != nil {
		s.logger.WarnContext(ctx, "JWK Set not fetched", "error", withoutURL(err))
	}
	s.mu.Lock()
	s.tried, s.failed = s.now(), err != nil
	s.mu.Unlock()
}

// read gets the set; keys of kinds that nobody here understands are left out.
func (s *keySet) read(ctx context.Context) ([]jwkset.JWK, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing depends on it
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

// withoutURL strips what the HTTP client says of the URL, which may hold a
// password.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
