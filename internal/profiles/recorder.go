package profiles

import (
	"context"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"im/domain"
	"im/internal/coalesce"
)

const (
	maxPending  = 10_000 // users whose claims wait to be written
	maxRecorded = 50_000 // users whose claims are cached
	maxBatch    = 1_000  // claims in one write

	flushEvery   = 20 * time.Millisecond
	retryPause   = time.Second
	flushTimeout = 5 * time.Second
)

// Store keeps profiles.
type Store interface {
	// Claim sets names and avatars, except for users with newer claims.
	Claim(ctx context.Context, claims []domain.ProfileClaims) error
}

// Recorder writes the claims of tokens to profiles. It may be used concurrently;
// Run must run as well.
type Recorder struct {
	store   Store
	limits  domain.Limits
	logger  *slog.Logger
	seed    maphash.Seed
	pending *coalesce.Buffer[domain.UserID, domain.ProfileClaims]

	mu       sync.Mutex
	recorded *simplelru.LRU[domain.UserID, record]
}

// record is what is cached of a user's newest claims.
type record struct {
	hash   uint64
	issued time.Time
}

// NewRecorder returns a Recorder.
func NewRecorder(store Store, limits domain.Limits, logger *slog.Logger) *Recorder {
	recorded, err := simplelru.NewLRU[domain.UserID, record](maxRecorded, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	r := &Recorder{store: store, limits: limits, logger: logger, seed: maphash.MakeSeed(), recorded: recorded}
	r.pending = coalesce.New(coalesce.Options[domain.UserID, domain.ProfileClaims]{
		Every: flushEvery, Retry: retryPause, Timeout: flushTimeout, Max: maxPending, Flush: r.write,
	})
	return r
}

// Age returns for how long claims have waited to be written.
func (r *Recorder) Age() time.Duration { return r.pending.Age() }

// Record has the claims of an identity written if they are different from the
// user's recorded ones and not older. It does not block. It drops the claims if
// maxPending users wait already.
func (r *Recorder) Record(id domain.Identity) {
	claims, given := id.Claims(r.limits)
	if !given {
		return
	}
	now := record{r.hash(claims), claims.Issued.Time}
	r.mu.Lock()
	defer r.mu.Unlock()
	last, known := r.recorded.Get(claims.User)
	older := !now.issued.IsZero() && now.issued.Before(last.issued)
	if known && (last.hash == now.hash || older) {
		return
	}
	if r.pending.Add(claims.User, claims) {
		r.recorded.Add(claims.User, now)
	}
}

func (r *Recorder) hash(c domain.ProfileClaims) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	for _, text := range []*string{c.Name, c.Avatar} {
		if text != nil {
			_, _ = h.WriteString(*text) // never fails
		}
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// write writes a batch. If that fails, it forgets the claims of the whole batch,
// so that they are recorded again with the users' next tokens.
func (r *Recorder) write(ctx context.Context, batch map[domain.UserID]domain.ProfileClaims) error {
	for chunk := range slices.Chunk(slices.Collect(maps.Values(batch)), maxBatch) {
		if err := r.store.Claim(ctx, chunk); err != nil {
			r.logger.WarnContext(ctx, "profiles not written, waiting for the users' next tokens", "count", len(batch), "error", err)
			r.forget(batch)
			return err
		}
	}
	return nil
}

func (r *Recorder) forget(batch map[domain.UserID]domain.ProfileClaims) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for user := range batch {
		r.recorded.Remove(user)
	}
}

// Run writes claims until ctx ends, and then those that still wait.
func (r *Recorder) Run(ctx context.Context) error { return r.pending.Run(ctx) }
