package registry

import (
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

// registerScript writes the entry of one session into the hash of its user. It
//
//   - writes nothing if there is a newer session of the same device, or any newer one
//     under the policy "single";
//   - removes the older ones of them, entries that it cannot read, and entries of
//     another epoch, because session numbers of different epochs do not compare;
//   - writes nothing if that leaves as many other sessions as the limit, unless the
//     limit is 0.
//
// KEYS: the hash. ARGV: session, node, device, number, epoch, background, single, TTL
// (ms), limit, connected (Unix ms).
//
// Answer: {0}, there is a newer session; {1, session, node, …}, written, with the
// sessions that it replaced; {2, session, node, …}, too many sessions, with the others.
var registerScript = redis.NewScript(`
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
`)

// removeScript removes the entry of a session, if it begins with ARGV[2]. A session of
// a node that was paused may be registered again, under a new node id.
//
// KEYS: the hash. ARGV: session, the node id and a space, or "" for any node.
var removeScript = redis.NewScript(`
local value = redis.call('HGET', KEYS[1], ARGV[1])
if value and string.sub(value, 1, #ARGV[2]) == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
`)

// registerArgs are the ARGV of registerScript.
func registerArgs(node domain.NodeID, e domain.SessionEntry, single bool, limit int) []any {
	return []any{
		string(e.Session), string(node), string(e.Device), strconv.FormatInt(e.Number, 10),
		"e" + url.QueryEscape(e.Epoch), digit(e.Background), digit(single), userTTL.Milliseconds(), limit,
		max(e.Connected.UnixMilli(), 0),
	}
}

func digit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// registerAnswer is the answer of registerScript.
type registerAnswer []any

func (a registerAnswer) hasNewer() bool { return len(a) == 0 || a[0] == int64(0) }
func (a registerAnswer) tooMany() bool  { return len(a) > 0 && a[0] == int64(2) }

// sessions yields the sessions of an answer, each with its node.
func (a registerAnswer) sessions() iter.Seq2[domain.SessionID, domain.NodeID] {
	return func(yield func(domain.SessionID, domain.NodeID) bool) {
		for pair := range slices.Chunk(a[1:], 2) {
			session, _ := pair[0].(string)
			node, _ := pair[len(pair)-1].(string)
			if !yield(domain.SessionID(session), domain.NodeID(node)) {
				return
			}
		}
	}
}

// entry is the value that registerScript writes for a session. It leaves out the
// number and the epoch, which only the script uses.
type entry struct {
	node       domain.NodeID
	device     domain.DeviceID
	background bool
	connected  domain.Time
	complete   bool // connected could be read
}

// parseEntry reads "node device number epoch background connected". It reports false
// for a value that another version may have written.
func parseEntry(value string) (entry, bool) {
	fields := strings.Fields(value)
	if len(fields) < 5 {
		return entry{}, false
	}
	e := entry{node: domain.NodeID(fields[0]), device: domain.DeviceID(fields[1]), background: fields[4] != "0"}
	if len(fields) > 5 {
		connected, err := strconv.ParseInt(fields[5], 10, 64)
		e.connected, e.complete = domain.TimeOf(time.UnixMilli(connected)), err == nil
	}
	return e, true
}
