package routing

import (
	"context"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

const (
	registerChunk = 500     // sessions a pipeline
	maxRemovals   = 100_000 // remembered at most; the rest goes with the TTL of its user

	closeReplaced = 4402
)

// registerScript puts one session into its user's hash, unless a newer one
// stands where it wants to be: of the same device, or any under the single
// policy. Older ones there go, and so do unreadable entries and those of
// another epoch, whose numbers do not compare. Nor is it put beside as many
// others as the limit says, unless that is 0.
//
// KEYS: the hash. ARGV: session, node, device, number, epoch, background,
// single, TTL in ms, limit, connected (Unix ms). Answer: {0} refused for a newer one, {1, session,
// node, …} of those that were replaced, or {2, session, node, …} of the others
// that are too many.
const registerScript = `
local all = redis.call('HGETALL', KEYS[1])
local gone, answer, others = {}, {1}, {2}
for i = 1, #all, 2 do
  if all[i] ~= ARGV[1] then
    local node, device, number, epoch = string.match(all[i + 1], '^(%S+) (%S+) (%d+) (%S+) [01] ?%d*$')
    if not node or epoch ~= ARGV[5] then
      gone[#gone + 1] = all[i]
    elseif device == ARGV[3] or ARGV[7] == '1' then
      if tonumber(number) > tonumber(ARGV[4]) then
        return {0}
      end
      gone[#gone + 1] = all[i]
      answer[#answer + 1] = all[i]
      answer[#answer + 1] = node
    else
      others[#others + 1] = all[i]
      others[#others + 1] = node
    end
  end
end
local limit = tonumber(ARGV[9])
if limit > 0 and #others > 2 * limit then
  return others
end
for _, session in ipairs(gone) do
  redis.call('HDEL', KEYS[1], session)
end
redis.call('HSET', KEYS[1], ARGV[1], table.concat({ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[10]}, ' '))
redis.call('PEXPIRE', KEYS[1], ARGV[8])
return answer
`

// removeScript removes a session, if it is still that of the given node. A
// paused node may have come back meanwhile under a new id.
const removeScript = `
local value = redis.call('HGET', KEYS[1], ARGV[1])
if value and string.sub(value, 1, #ARGV[2]) == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
`

// removal is an entry that should not be in Redis. Of names the node that it
// must be of, "" for any.
type removal struct {
	user domain.UserID
	of   domain.NodeID
}

// register returns ErrConflict if a newer session stands in the way, and
// ErrLimitExceeded if the user has too many. Otherwise the session may live: if
// Redis does not answer, it is registered later.
func (r *registry) register(ctx context.Context, e domain.SessionEntry, single bool) error {
	r.single.Store(single)
	if r.left.Load() {
		return nil
	}
	if r.lookups.breaker.open() {
		r.again.Store(true)
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	node := r.nodeID()
	answer, err := r.enter(limited, node, e, single, r.limit)
	if dead := r.deadAmong(e.User, answer); err == nil && len(dead) > 0 {
		// Not only let the limit be higher: somebody may have removed them meanwhile.
		if err = r.removeSome(limited, slices.Collect(maps.Keys(dead)), dead); err == nil {
			answer, err = r.enter(limited, node, e, single, r.limit)
		}
	}
	if err != nil {
		r.again.Store(true)
		if ctx.Err() == nil {
			r.failed("registering a session", err)
		}
		return nil
	}
	if node != r.nodeID() {
		r.again.Store(true) // renamed meanwhile
	}
	if tooMany(answer) {
		return domain.ErrLimitExceeded.WithMessage("too many sessions")
	}
	if !r.registered(e, answer) {
		return domain.ErrConflict.WithMessage("replaced by a newer session")
	}
	return nil
}

// enter runs the script for one session.
func (r *registry) enter(ctx context.Context, node domain.NodeID, e domain.SessionEntry, single bool, limit int) ([]any, error) {
	return r.registering.Run(ctx, r.redis, []string{r.userKey(e.User)}, registerArgs(node, e, single, limit)...).Slice()
}

// registerArgs are the script's. Sessions that live already are registered
// again without a limit.
func registerArgs(node domain.NodeID, e domain.SessionEntry, single bool, limit int) []any {
	return []any{
		string(e.Session), string(node), string(e.Device), strconv.FormatInt(e.Number, 10),
		"e" + url.QueryEscape(e.Epoch), digit(e.Background), digit(single), userTTL.Milliseconds(), limit,
		max(e.Connected.UnixMilli(), 0),
	}
}

func tooMany(answer []any) bool { return len(answer) > 0 && answer[0] == int64(2) }

// deadAmong returns the sessions of dead nodes among those that are too many.
func (r *registry) deadAmong(user domain.UserID, answer []any) map[domain.SessionID]removal {
	if !tooMany(answer) {
		return nil
	}
	dead := make(map[domain.SessionID]removal)
	for session, node := range pairs(answer) {
		if r.lookups.view.isDead(node) {
			dead[session] = removal{user: user, of: node}
		}
	}
	return dead
}

// pairs yields the sessions of an answer, each with its node.
func pairs(answer []any) iter.Seq2[domain.SessionID, domain.NodeID] {
	return func(yield func(domain.SessionID, domain.NodeID) bool) {
		for pair := range slices.Chunk(answer[1:], 2) {
			session, _ := pair[0].(string)
			node, _ := pair[len(pair)-1].(string)
			if !yield(domain.SessionID(session), domain.NodeID(node)) {
				return
			}
		}
	}
}

func digit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// registered reads the script's answer: it ends the sessions that e replaced,
// and returns false if e itself is replaced already.
func (r *registry) registered(e domain.SessionEntry, answer []any) bool {
	if len(answer) == 0 || answer[0] == int64(0) {
		return false
	}
	for session, node := range pairs(answer) {
		r.end(node, replaced(e.User, session))
	}
	return true
}

func replaced(user domain.UserID, session domain.SessionID) domain.Signal {
	return domain.EndSessions{User: user, Session: session, Code: closeReplaced}
}

// unregister removes the session, now or when Redis is back.
func (r *registry) unregister(ctx context.Context, e domain.SessionEntry) {
	if r.left.Load() {
		return
	}
	if r.lookups.breaker.open() {
		r.toRemove(e.Session, removal{user: e.User})
		return
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	err := r.redis.HDel(limited, r.userKey(e.User), string(e.Session)).Err()
	if err != nil && ctx.Err() == nil {
		r.failed("removing a session", err)
	}
	// While all are being registered again, this one may be among them.
	if err != nil || r.busy.Load() || r.again.Load() {
		r.toRemove(e.Session, removal{user: e.User})
	}
}

func (r *registry) toRemove(session domain.SessionID, what removal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.removal) < maxRemovals {
		r.removal[session] = what
	}
}

// registerAll puts every session of this node into Redis, in chunks, renewing
// the lease in between. One that was replaced while Redis did not know of it is
// ended now.
func (r *registry) registerAll(ctx context.Context) error {
	r.busy.Store(true)
	defer r.busy.Store(false)
	if err := r.load(ctx); err != nil {
		return err
	}
	single := r.single.Load()
	for chunk := range slices.Chunk(r.local.Sessions(), registerChunk) {
		if err := r.keepLease(ctx); err != nil {
			return err
		}
		if err := r.registerSome(ctx, chunk, single); err != nil {
			return err
		}
	}
	return nil
}

// load makes the script known to the server: a pipeline has no second try.
func (r *registry) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.atLeast(turnTimeout))
	defer cancel()
	return r.registering.Load(ctx, r.redis).Err()
}

func (r *registry) registerSome(ctx context.Context, some []domain.SessionEntry, single bool) error {
	ctx, cancel := context.WithTimeout(ctx, r.atLeast(turnTimeout))
	defer cancel()
	node := r.nodeID()
	pipe := r.redis.Pipeline()
	answers := make([]*redis.Cmd, len(some))
	for i, e := range some {
		answers[i] = r.registering.EvalSha(ctx, pipe, []string{r.userKey(e.User)}, registerArgs(node, e, single, 0)...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for i, e := range some {
		answer, err := answers[i].Slice()
		if err != nil {
			return err
		}
		if !r.registered(e, answer) {
			r.local.Signal(replaced(e.User, e.Session))
		}
	}
	return nil
}

// removeLeft removes what could not be removed before.
func (r *registry) removeLeft(ctx context.Context) error {
	r.mu.Lock()
	todo := r.removal
	r.removal = make(map[domain.SessionID]removal)
	r.mu.Unlock()
	for chunk := range slices.Chunk(slices.Collect(maps.Keys(todo)), registerChunk) {
		if err := r.removeSome(ctx, chunk, todo); err != nil {
			for session, what := range todo {
				r.toRemove(session, what)
			}
			return err
		}
	}
	return nil
}

func (r *registry) removeSome(ctx context.Context, some []domain.SessionID, what map[domain.SessionID]removal) error {
	ctx, cancel := context.WithTimeout(ctx, r.atLeast(turnTimeout))
	defer cancel()
	pipe := r.redis.Pipeline()
	for _, session := range some {
		of := what[session].of
		if of != "" {
			of += " "
		}
		r.removing.Eval(ctx, pipe, []string{r.userKey(what[session].user)}, string(session), string(of))
	}
	_, err := pipe.Exec(ctx)
	return err
}
