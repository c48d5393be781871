package presence

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"im/domain"
	"im/internal/coalesce"
)

const (
	announceEvery   = 50 * time.Millisecond // how long changes gather before they are announced
	lastSeenEvery   = time.Second           // between writes, if nothing is announced
	lastSeenTimeout = time.Second           // of a write; announcements wait for it
	lastSeenRenewal = 5 * time.Minute       // how often online users are recorded as seen
	maxLastSeen     = 100_000               // users that wait to be written; further ones are dropped
)

// Signaller delivers signals to sessions, on whichever node they are.
type Signaller interface {
	// Signal does not block.
	Signal(sig domain.Signal)
}

// LastSeen writes behind when users were last seen, and announces to all nodes
// whose presence has changed. It writes before it announces, so that a lookup
// after the announcement finds the time. If a write fails, it is retried, and the
// announcement is made all the same.
type LastSeen struct {
	seen    *coalesce.Buffer[domain.UserID, domain.Time]
	changed *coalesce.Buffer[domain.UserID, struct{}]
}

// NewLastSeen returns a LastSeen; nothing is written before Run.
func NewLastSeen(store Store, signaller Signaller, logger *slog.Logger) *LastSeen {
	l := &LastSeen{}
	l.seen = coalesce.New(coalesce.Options[domain.UserID, domain.Time]{
		Every: lastSeenEvery, Timeout: lastSeenTimeout, Max: maxLastSeen, Retain: maxLastSeen,
		Flush: func(ctx context.Context, batch map[domain.UserID]domain.Time) error {
			list := make([]domain.LastSeen, 0, len(batch))
			for user, at := range batch {
				list = append(list, domain.LastSeen{User: user, At: at})
			}
			err := store.Sight(ctx, list)
			if err != nil {
				logger.Warn("last-seen times not written, retrying", "users", len(list), "error", err)
			}
			return err
		},
	})
	l.changed = coalesce.New(coalesce.Options[domain.UserID, struct{}]{
		Every: announceEvery,
		Flush: func(ctx context.Context, batch map[domain.UserID]struct{}) error {
			_ = l.seen.Flush(ctx) // it is logged, and retried
			for user := range batch {
				signaller.Signal(domain.PresenceChanged{User: user})
			}
			return nil
		},
	})
	return l
}

// Age returns for how long last-seen times have waited to be written.
func (l *LastSeen) Age() time.Duration { return l.seen.Age() }

// Note records that a user is online here, or was until now; changed says that
// this has just changed.
func (l *LastSeen) Note(user domain.UserID, changed bool) {
	l.seen.Add(user, domain.TimeOf(time.Now()))
	if changed {
		l.changed.Add(user, struct{}{})
	}
}

// Run writes and announces until ctx ends, and what is left then. It renews the
// last-seen times of the users that online returns.
func (l *LastSeen) Run(ctx context.Context, online func() []domain.UserID) error {
	var running errgroup.Group
	running.Go(func() error { return l.seen.Run(ctx) })
	running.Go(func() error { return l.changed.Run(ctx) })
	running.Go(func() error {
		renew := time.NewTicker(lastSeenRenewal)
		defer renew.Stop()
		for {
			select {
			case <-renew.C:
				for _, user := range online() {
					l.Note(user, false)
				}
			case <-ctx.Done():
				return nil
			}
		}
	})
	return running.Wait()
}
