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
	online := make(map[domain.UserID]bool)
	return online, r.eachOnline(ctx, users, func(user domain.UserID, _ domain.DeviceID) { online[user] = true })
}

// DevicesOnline returns how many devices of the users have such a session. A user without
// one is missing. It fails as Online does.
func (r *Registry) DevicesOnline(ctx context.Context, users []domain.UserID) (map[domain.UserID]int, error) {
	type device struct {
		user domain.UserID
		id   domain.DeviceID
	}
	seen, count := make(map[device]bool), make(map[domain.UserID]int)
	return count, r.eachOnline(ctx, users, func(user domain.UserID, id domain.DeviceID) {
		if d := (device{user, id}); !seen[d] {
			seen[d] = true
			count[user]++
		}
	})
}

// eachOnline calls found for each session of the users that makes its user online.
func (r *Registry) eachOnline(ctx context.Context, users []domain.UserID, found func(domain.UserID, domain.DeviceID)) error {
	switch state := r.current(); {
	case state.phase != serving: // after a failed call, Redis may lack sessions until a refresh
		return domain.ErrUnavailable.WithCause(errResting)
	case time.Now().Before(state.graceUntil):
		return domain.ErrUnavailable.WithCause(errGracePeriod)
	}
	for chunk := range slices.Chunk(users, onlineChunk) {
		if err := r.chunkOnline(ctx, chunk, found); err != nil {
			return domain.ErrUnavailable.WithCause(err)
		}
	}
	return nil
}

func (r *Registry) chunkOnline(ctx context.Context, users []domain.UserID, found func(domain.UserID, domain.DeviceID)) error {
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
				found(user, e.device)
			}
		}
	}
	return nil
}
