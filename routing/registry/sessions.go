package registry

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

const (
	writeChunk  = 500     // sessions in one pipeline
	maxRemovals = 100_000 // pending ones; further entries go with the TTL of their user
)

// removal is an entry to remove from Redis.
type removal struct {
	user domain.UserID
	node domain.NodeID // the entry is removed only if it is of this node; "" for any
}

// Register makes a session findable from all nodes and ends the sessions that it
// replaces (close code 4402): older ones of the same user and device or, with single,
// all older ones of the user.
//
// It fails with domain.ErrConflict if there is a newer session, in which case the
// caller has to end this one with 4402, and with domain.ErrLimitExceeded if the user has
// as many sessions as allowed. While Redis is unreachable it returns nil, after
// Options.Timeout at most; the session is registered when Redis is back, and ended then
// if it was replaced.
func (r *Registry) Register(ctx context.Context, e domain.SessionEntry, single bool) error {
	r.mu.Lock()
	r.single = single
	node, phase, resting := r.id, r.state.phase, r.state.resting(time.Now())
	if resting {
		r.apply(sessionsMissing)
	}
	r.mu.Unlock()
	if phase == stopped || resting {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	answer, err := r.write(limited, node, e, single)
	if dead := r.deadAmong(e.User, answer); err == nil && len(dead) > 0 {
		// Their entries are removed first: a higher limit could let in too many, if
		// another node removes them at the same time.
		if err = r.remove(limited, slices.Collect(maps.Keys(dead)), dead); err == nil {
			answer, err = r.write(limited, node, e, single)
		}
	}
	if err != nil {
		r.note(sessionsMissing)
		if ctx.Err() == nil {
			r.failed("registering a session", err)
		}
		return nil
	}
	if node != r.ID() {
		r.note(sessionsMissing) // the entry has an old id of this node
	}
	switch {
	case answer.tooMany():
		return domain.ErrLimitExceeded.WithMessage("too many sessions")
	case answer.hasNewer():
		return domain.ErrConflict.WithMessage("replaced by a newer session")
	}
	r.endReplaced(e.User, answer)
	return nil
}

// Reregister makes a change of a registered session known, now or when Redis is back.
func (r *Registry) Reregister(ctx context.Context, e domain.SessionEntry) {
	r.mu.Lock()
	single := r.single
	r.mu.Unlock()
	if err := r.Register(ctx, e, single); err != nil {
		return // a newer session replaces this one, and ends it
	}
	if r.current().writing {
		r.note(sessionsMissing) // registerAll may write the entry as it was before
	}
}

// Unregister removes a session, now or when Redis is back. It returns nil.
func (r *Registry) Unregister(ctx context.Context, e domain.SessionEntry) error {
	state := r.current()
	if state.phase == stopped {
		return nil
	}
	if state.resting(time.Now()) {
		r.removeLater(e.Session, removal{user: e.User})
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	err := r.redis.HDel(limited, r.userKey(e.User), string(e.Session)).Err()
	if err != nil && ctx.Err() == nil {
		r.failed("removing a session", err)
	}
	// While all sessions are being registered, this one may be among them.
	if state = r.current(); err != nil || state.writing || state.missing {
		r.removeLater(e.Session, removal{user: e.User})
	}
	return nil
}

// write runs registerScript for one session.
func (r *Registry) write(ctx context.Context, node domain.NodeID, e domain.SessionEntry, single bool) (registerAnswer, error) {
	args := registerArgs(node, e, single, r.sessionsPerUser)
	return registerScript.Run(ctx, r.redis, []string{r.userKey(e.User)}, args...).Slice()
}

// deadAmong returns the sessions of dead nodes, if the answer is that there are too
// many sessions.
func (r *Registry) deadAmong(user domain.UserID, answer registerAnswer) map[domain.SessionID]removal {
	if !answer.tooMany() {
		return nil
	}
	dead := make(map[domain.SessionID]removal)
	for session, node := range answer.sessions() {
		if r.nodes.isDead(node) {
			dead[session] = removal{user, node}
		}
	}
	return dead
}

// endReplaced ends the sessions that a registration has replaced.
func (r *Registry) endReplaced(user domain.UserID, answer registerAnswer) {
	for session, node := range answer.sessions() {
		r.end(node, user, session)
	}
}

func (r *Registry) end(node domain.NodeID, user domain.UserID, session domain.SessionID) {
	r.endSession(node, domain.EndSessions{User: user, Session: session, Code: domain.CloseReplaced})
}

// registerAll registers every session of this node, in chunks, and renews the lease in
// between. It ends sessions that were replaced while Redis did not know of them.
func (f *refresher) registerAll(ctx context.Context) error {
	f.note(writeBegan)
	if err := f.writeAll(ctx); err != nil {
		f.note(writeFailed)
		return err
	}
	f.note(writeEnded)
	return nil
}

func (f *refresher) writeAll(ctx context.Context) error {
	for chunk := range slices.Chunk(f.sessions(), writeChunk) {
		if err := f.keepLease(ctx); err != nil {
			return err
		}
		if err := f.writeSome(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// writeSome registers sessions that live already, so their number is not limited.
func (f *refresher) writeSome(ctx context.Context, some []domain.SessionEntry) error {
	ctx, cancel := context.WithTimeout(ctx, f.atLeast(refreshTimeout))
	defer cancel()
	f.mu.Lock()
	node, single := f.id, f.single
	f.mu.Unlock()
	run := func(evaluate evaluation, entries []domain.SessionEntry) []*redis.Cmd {
		pipe := f.redis.Pipeline()
		answers := make([]*redis.Cmd, len(entries))
		for i, e := range entries {
			answers[i] = evaluate(ctx, pipe, []string{f.userKey(e.User)}, registerArgs(node, e, single, 0)...)
		}
		_, _ = pipe.Exec(ctx) // each command has its error
		return answers
	}
	// Unlike Script.Run, a pipeline cannot send the text of the script to a server that
	// does not know it. In a cluster these are some of the servers.
	var unknown []domain.SessionEntry
	for i, answer := range run(registerScript.EvalSha, some) {
		if redis.HasErrorPrefix(answer.Err(), "NOSCRIPT") {
			unknown = append(unknown, some[i])
		} else if err := f.written(node, some[i], answer); err != nil {
			return err
		}
	}
	for i, answer := range run(registerScript.Eval, unknown) {
		if err := f.written(node, unknown[i], answer); err != nil {
			return err
		}
	}
	return nil
}

// evaluation is Eval or EvalSha of a script.
type evaluation func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// written ends what the answer of registerScript says.
func (f *refresher) written(node domain.NodeID, e domain.SessionEntry, cmd *redis.Cmd) error {
	list, err := cmd.Slice()
	if err != nil {
		return err
	}
	if answer := registerAnswer(list); answer.hasNewer() {
		f.end(node, e.User, e.Session)
	} else {
		f.endReplaced(e.User, answer)
	}
	return nil
}

// removeLater lets the next refresh remove an entry.
func (r *Registry) removeLater(session domain.SessionID, what removal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.removals) < maxRemovals {
		r.removals[session] = what
	}
}

// removePending removes the entries that were left for a refresh.
func (f *refresher) removePending(ctx context.Context) error {
	f.mu.Lock()
	pending := f.removals
	f.removals = make(map[domain.SessionID]removal)
	f.mu.Unlock()
	for chunk := range slices.Chunk(slices.Collect(maps.Keys(pending)), writeChunk) {
		if err := f.remove(ctx, chunk, pending); err != nil {
			for session, what := range pending {
				f.removeLater(session, what)
			}
			return err
		}
	}
	return nil
}

// remove removes the entries of some sessions, which what has the removals of.
func (r *Registry) remove(ctx context.Context, some []domain.SessionID, what map[domain.SessionID]removal) error {
	ctx, cancel := context.WithTimeout(ctx, r.atLeast(refreshTimeout))
	defer cancel()
	pipe := r.redis.Pipeline()
	for _, session := range some {
		prefix := string(what[session].node)
		if prefix != "" {
			prefix += " "
		}
		removeScript.Eval(ctx, pipe, []string{r.userKey(what[session].user)}, string(session), prefix)
	}
	_, err := pipe.Exec(ctx)
	return err
}
