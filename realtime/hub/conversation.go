package hub

import (
	"encoding/json"
	"iter"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"im/domain"
	"im/internal/tracing"
	"im/realtime/ws"
)

// conversation is a conversation that has local members, or is about to have
// some. The lock of its shard guards it.
//
// What has to be read from the log for it (needsReading):
//
//	head > pushed    events are missing           fillHole
//	recheck > 0      changes of membership that   recheckMembership
//	                 are at or below base
//	joining          views and backfill of the    addJoining
//	                 users who were added
//
// Its state says whether a reader works on that:
//
//	idle     nothing to read        schedule finds something to read  → reading
//	                                schedule finds no members         → deleted
//	reading  queued for a reader,   everything is read                → idle
//	         or being read          a read fails                      → stalled
//	stalled  waits for the tail     the next tick (retryStalled)      → idle
type conversation struct {
	id domain.ConversationID
	// base is the seq at which the hub began to track the conversation. Events
	// above it are pushed in order and applied to the membership. Events at or
	// below it may still add a local user, if the user's list of conversations
	// was read before them.
	base int64
	// pushed is the highest seq that was pushed.
	pushed int64
	// head is the highest seq that is known to exist.
	head    int64
	members map[*user]membership
	// joining are local users who were added while connected, with the seq of the
	// latest joining. They become members when they have received the
	// conversation.
	joining map[*user]int64
	// recheck is the lowest seq at or below base that the feed names for a change
	// of membership; 0 for none.
	recheck int64
	// sinceJoin: members may not read messages older than their joining. It is
	// known, as of the seq settingsSeq, if there are members.
	sinceJoin   bool
	settingsSeq int64
	state       readState
}

type readState uint8

const (
	idle readState = iota
	reading
	stalled
)

// membership is what the hub knows of a local member.
type membership struct {
	after  int64 // only events after it are pushed; those up to it are in the sync
	joined int64 // the seq of the latest joining
}

// track begins to track a conversation after base. It requires sh.mu.
func (sh *shard) track(id domain.ConversationID, base int64) *conversation {
	v := &conversation{id: id, base: base, pushed: base, head: base, members: make(map[*user]membership, 1)}
	sh.conversations[id] = v
	return v
}

// schedule queues a conversation that has changed for reading, or deletes it if
// it is not needed. It requires sh.mu.
func (h *Hub) schedule(sh *shard, v *conversation) {
	switch {
	case v.state != idle:
	case v.needsReading():
		v.state = reading
		h.pending.add(v.id)
	case len(v.members) == 0:
		delete(sh.conversations, v.id)
	}
}

func (v *conversation) needsReading() bool {
	return v.head > v.pushed || v.recheck > 0 || len(v.joining) > 0
}

// apply pushes events in order. It drops those that were pushed, and stops before
// a hole, which a reader fills. Traces are those of a domain.Committed. It requires the
// shard's lock.
func (h *Hub) apply(v *conversation, events []domain.Event, path ws.Path, traces map[int]string) {
	for i := range events {
		switch ev := &events[i]; {
		case ev.Seq <= v.base:
			h.applyMembership(v, ev)
		case ev.Seq <= v.pushed:
		case ev.Seq == v.pushed+1:
			h.push(v, ev, path, traces[i])
		default:
			v.head = max(v.head, events[len(events)-1].Seq)
			return
		}
	}
}

// push pushes the next event to the local members and then applies it to the
// membership, so a member who leaves with it still receives it.
func (h *Hub) push(v *conversation, ev *domain.Event, path ws.Path, traceparent string) {
	v.pushed = ev.Seq
	v.head = max(v.head, ev.Seq)
	if len(v.members) > 0 {
		encoded := v.encode(ev)
		from := &ws.Origin{At: ev.At.UnixMicro(), Path: path}
		if traceparent != "" {
			from.Span = h.beginSpan(ev, path, traceparent)
		}
		if path == ws.PathTail {
			h.metrics.healed.Inc()
		}
		for u, m := range v.members {
			if ev.Seq > m.after {
				u.sendEvent(v.id, ev.Seq, encoded.readableFrom(v.floor(m)), from)
			}
		}
		from.Span.End("")
	}
	if ev.Type == domain.ConversationUpdated {
		h.applySettings(v, ev)
	}
	h.applyMembership(v, ev)
}

// beginSpan begins the span of the delivery of an event to the local members.
func (h *Hub) beginSpan(ev *domain.Event, path ws.Path, traceparent string) *tracing.Span {
	kind := trace.SpanKindInternal
	if path == ws.PathAMQP {
		kind = trace.SpanKindConsumer
	}
	span := h.o.Tracer.After(traceparent, "deliver", kind)
	span.Set(
		attribute.String("im.conversation_id", ev.ConversationID.String()), attribute.Int64("im.seq", ev.Seq),
		attribute.String("im.event_type", string(ev.Type)), attribute.String("im.path", path.String()),
	)
	return span
}

func (h *Hub) applySettings(v *conversation, ev *domain.Event) {
	var body domain.UpdatedBody
	decodeBody(h.o.Logger, ev, &body)
	if body.Settings != nil {
		v.setSinceJoin(ev.Seq, body.Settings.History == domain.HistorySinceJoin)
	}
}

// setSinceJoin records whether members may read only what is newer than their
// joining, as of seq, unless a later setting is known.
func (v *conversation) setSinceJoin(seq int64, sinceJoin bool) {
	if seq > v.settingsSeq {
		v.settingsSeq, v.sinceJoin = seq, sinceJoin
	}
}

// floor returns the lowest seq that a member may read.
func (v *conversation) floor(m membership) int64 {
	if v.sinceJoin {
		return m.joined
	}
	return 1
}

// applyMembership adds and removes local users by an event. An event at or below
// base may come repeatedly and late. A user that it adds becomes a member only if
// the directory confirms it.
func (h *Hub) applyMembership(v *conversation, ev *domain.Event) {
	for id, added := range membershipChanges(h.o.Logger, ev) {
		h.o.Presence.MembershipChanged(id)
		u := h.users.get(id)
		if u == nil {
			continue
		}
		listing := u.noteChange(v.id, change{ev.Seq, added})
		switch {
		case !added:
			v.remove(u, ev)
		case !listing:
			v.addJoining(u, ev.Seq)
		}
	}
}

func (v *conversation) addJoining(u *user, seq int64) {
	if _, member := v.members[u]; member {
		return // since a later joining, which the user's list had
	}
	if v.joining == nil {
		v.joining = make(map[*user]int64, 1)
	}
	v.joining[u] = max(v.joining[u], seq)
}

// remove removes a user by an event. A member has received it. A user who was still to
// join has received nothing, but may have the conversation from a sync, so the sessions
// are told.
func (v *conversation) remove(u *user, ev *domain.Event) {
	if m, member := v.members[u]; member && ev.Seq > m.after {
		delete(v.members, u)
		u.remove(v.id, ev.Seq)
	}
	if since, joining := v.joining[u]; joining && since < ev.Seq {
		delete(v.joining, u)
		u.tellRemoved(ev)
	}
}

// membershipChanges yields the users that an event adds (true) or removes (false).
func membershipChanges(logger *slog.Logger, ev *domain.Event) iter.Seq2[domain.UserID, bool] {
	return func(yield func(domain.UserID, bool) bool) {
		switch ev.Type {
		case domain.ConversationCreated:
			var body domain.CreatedBody
			decodeBody(logger, ev, &body)
			for _, m := range body.Members {
				if !yield(m.UserID, true) {
					return
				}
			}
		case domain.MemberAdded, domain.MemberRemoved:
			var body domain.MemberRole
			decodeBody(logger, ev, &body)
			yield(body.UserID, ev.Type == domain.MemberAdded)
		}
	}
}

func decodeBody(logger *slog.Logger, ev *domain.Event, body any) {
	if err := json.Unmarshal(ev.Body, body); err != nil {
		logger.Error("event ignored: its body cannot be decoded", "conversation", ev.ConversationID.String(), "seq", ev.Seq, "error", err)
	}
}
