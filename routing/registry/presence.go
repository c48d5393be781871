package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"im/domain"
)

const onlineChunk = 500 // users in one pipeline

var errGracePeriod = errors.New("routing: sessions are being registered again")

// Online reports which of the users have a session that is on a living node and not in
// the background. It fails with domain.ErrUnavailable while that is unknown: while
// Redis is unreachable, and for a grace period after it lost data.
func (r *Registry) Online(ctx context.Context, users []domain.UserID) (map[domain.UserID]bool, error) {
	switch state := r.current(); {
	case state.phase != serving: // after a failed call, Redis may lack sessions until a refresh
		return nil, domain.ErrUnavailable.WithCause(errResting)
	case time.Now().Before(state.graceUntil):
		return nil, domain.ErrUnavailable.WithCause(errGracePeriod)
	}
	online := make(map[domain.UserID]bool)
	for chunk := range slices.Chunk(users, onlineChunk) {
		if err := r.addOnline(ctx, chunk, online); err != nil {
			return nil, domain.ErrUnavailable.WithCause(err)
		}
	}
	return online, nil
}

// addOnline adds the users that are online.
func (r *Registry) addOnline(ctx context.Context, users []domain.UserID, online map[domain.UserID]bool) error {
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	entries, err := r.entriesOf(limited, users)
	if err != nil {
		if ctx.Err() == nil {
			r.failed("looking up presence", err)
		}
		return err
	}
	for i, user := range users {
		for _, value := range entries[i].Val() {
			if e, ok := parseEntry(value); ok && !e.background && !r.nodes.isDead(e.node) {
				online[user] = true
			}
		}
	}
	return nil
}
