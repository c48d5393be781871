package realtime

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"im/domain"
	"im/internal/strictjson"
	"im/internal/timeline"
	"im/realtime/wire"
)

func (k *socket) actor() domain.Actor { return domain.Actor{User: k.session.User} }

// send submits a message. It does so in the reading goroutine, which keeps the
// order of the frames; the answer is sent by the goroutine in which the log
// decides.
func (k *socket) send(ctx context.Context, id string, o *strictjson.Object) error {
	post, err := readPost(o)
	if err != nil {
		return err
	}
	timeline.Mark(timeline.Parsed, post.ClientMsgID)
	if err := k.admit(domain.RateSend); err != nil {
		return err
	}
	if err := k.requests.begin(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // a message that was read is committed even if the socket ends
	cancel := func() {}
	if post.To != "" {
		// The conversation may have to be created first, which blocks; the
		// sending itself has its own timeout (sending).
		ctx, cancel = context.WithTimeout(ctx, k.g.o.Request)
	}
	if k.g.o.Tracer != nil {
		ctx, _ = k.g.o.Tracer.Request(ctx, "ws send", time.Now())
	}
	s := k.startSending(id)
	k.g.o.Chat.Send(ctx, k.actor(), post, func(sent domain.Sent, err error) {
		cancel()
		s.done(ctx, &sent, err)
	})
	return nil
}

// sending is a send that waits for its answer. If the log is late, it is answered
// by ErrUnavailable shortly before the request's timeout; what the log decides
// after that is not sent.
type sending struct {
	socket   *socket
	id       string
	began    time.Time
	timeout  *time.Timer
	answered atomic.Bool
}

func (k *socket) startSending(id string) *sending {
	s := &sending{socket: k, id: id, began: time.Now()}
	s.timeout = time.AfterFunc(k.g.o.Request*9/10, func() { s.answer(wire.Error(id, domain.ErrUnavailable), domain.ErrUnavailable) })
	return s
}

func (s *sending) done(ctx context.Context, sent *domain.Sent, err error) {
	s.timeout.Stop()
	if s.socket.g.o.Tracer != nil {
		endSpan(ctx, err)
	}
	if err != nil {
		s.answer(s.socket.errorFrame(ctx, s.id, err), err)
		return
	}
	s.answer(wire.Sent(s.id, sent), nil)
}

func (s *sending) answer(f wire.Frame, err error) {
	if s.answered.CompareAndSwap(false, true) {
		s.socket.g.metrics.done("send", s.began, err)
		s.socket.queue.Send(f)
		s.socket.requests.end()
	}
}

func readPost(o *strictjson.Object) (domain.Post, error) {
	p := domain.Post{ClientMsgID: o.String("client_msg_id")}
	requireField(o, "client_msg_id")
	p.Content, _ = o.Raw("content")
	requireField(o, "content")
	p.Metadata, _ = o.Raw("metadata")
	if seq, ok := o.Int("reply_to"); ok {
		p.ReplyTo = &seq
	}
	for _, user := range o.Strings("mentions") {
		p.Mentions = append(p.Mentions, domain.UserID(user))
	}
	switch conversation, to := o.Has("conversation_id"), o.Has("to"); {
	case conversation && to:
		o.Reject("to", "not together with conversation_id")
	case to:
		user, err := domain.ParseUserID("/to", o.String("to"))
		if err != nil {
			o.Reject("to", reasonOf(err))
		}
		p.To = user
	default:
		p.ConversationID = conversationID(o)
	}
	return p, invalidFields(o)
}

func (k *socket) sync(ctx context.Context, id string, o *strictjson.Object) error {
	q := domain.SyncQuery{
		User: k.session.User, Device: k.session.Device, Cursor: o.String("cursor"),
		Limit:         intBetween(o, "limit", domain.DefaultSyncPage, 1, k.g.o.Limits.SyncPage),
		TimelineLimit: intBetween(o, "timeline_limit", 0, 0, k.g.o.Limits.SyncTimeline),
	}
	if err := invalidFields(o); err != nil {
		return err
	}
	if o.Has("cursor") && q.Cursor == "" {
		return domain.ErrCursorInvalid // no server returns an empty cursor
	}
	return k.query(ctx, "sync", id, func(ctx context.Context) (wire.Frame, error) {
		page, err := k.g.o.Reader.Sync(ctx, q)
		if err != nil {
			return nil, err
		}
		return wire.SyncPage(id, &page), nil
	})
}

func (k *socket) pull(ctx context.Context, id string, o *strictjson.Object) error {
	conversation := conversationID(o)
	r := domain.Range{
		AfterSeq: seqOf(o, "after_seq"), BeforeSeq: seqOf(o, "before_seq"),
		Limit: intBetween(o, "limit", min(domain.DefaultPageEvents, k.g.o.Limits.PageEvents), 1, k.g.o.Limits.PageEvents),
	}
	if o.Has("after_seq") == o.Has("before_seq") {
		o.Reject("after_seq", "exactly one of after_seq and before_seq is required")
	}
	if err := invalidFields(o); err != nil {
		return err
	}
	return k.query(ctx, "pull", id, func(ctx context.Context) (wire.Frame, error) {
		page, err := k.g.o.Reader.Events(ctx, k.actor(), conversation, r)
		if err != nil {
			return nil, err
		}
		return wire.Page(id, &page), nil
	})
}

// read moves the user's read position. This session receives the answer; the
// user's other sessions receive the same state as a signal.
func (k *socket) read(ctx context.Context, id string, o *strictjson.Object) error {
	conversation := conversationID(o)
	seq := seqOf(o, "seq")
	requireField(o, "seq")
	if err := invalidFields(o); err != nil {
		return err
	}
	return k.query(ctx, "read", id, func(ctx context.Context) (wire.Frame, error) {
		state, err := k.g.o.Reader.MarkRead(ctx, k.actor(), conversation, *seq)
		if err != nil {
			return nil, err
		}
		k.g.o.Signaller.Signal(domain.UserFrame{User: k.session.User, Frame: wire.ReadState("", state).Payload(), Except: k.session.ID})
		return wire.ReadState(id, state), nil
	})
}

// ack records what a device has stored. An ack beyond the rate limit is refused,
// but recorded as far as there is room: the client may not repeat it before the
// next reconnect. It causes no write before its time.
func (k *socket) ack(ctx context.Context, o *strictjson.Object) error {
	raw, ok := o.Raw("acks")
	requireField(o, "acks")
	if err := invalidFields(o); err != nil || !ok {
		return err
	}
	list := strictjson.NewObject("/acks", raw)
	acked := make(positions)
	list.Each(func(name string, _ json.RawMessage) {
		id, err := domain.ParseConversationID("/acks/"+name, name)
		if err != nil {
			list.Reject(name, reasonOf(err))
		}
		if seq := seqOf(list, name); seq != nil {
			acked[id] = max(acked[id], *seq)
		}
	})
	if err := invalidFields(list); err != nil {
		return err
	}
	if err := k.admit(domain.RateSignal); err != nil {
		k.g.acks.fit(k.session, acked)
		return err
	}
	k.g.acks.add(ctx, k.session, acked)
	return nil
}

func (k *socket) ping(ctx context.Context, id string, o *strictjson.Object) error {
	background := o.Bool("background", k.session.Background())
	if err := invalidFields(o); err != nil {
		return err
	}
	if err := k.admit(domain.RateSignal); err != nil {
		return err
	}
	k.setBackground(ctx, background)
	k.queue.Send(wire.Pong(id, domain.TimeOf(time.Now())))
	return nil
}

// typing relays that the user is typing, or no longer. It is answered only by an
// error. If the scope is not cached, it is looked up in another goroutine.
func (k *socket) typing(ctx context.Context, request string, o *strictjson.Object) error {
	id := conversationID(o)
	on := o.Bool("on", true)
	if err := invalidFields(o); err != nil {
		return err
	}
	if err := k.admit(domain.RateSignal); err != nil {
		return err
	}
	if scope, known := k.g.scopes.get(id); known && k.g.o.Hub.IsMember(k.session, id) {
		k.relayTyping(id, scope, on)
		k.g.metrics.done("typing", time.Now(), nil)
		return nil
	}
	return k.query(ctx, "typing", request, func(ctx context.Context) (wire.Frame, error) {
		scope, err := k.g.o.SignalScopes.SignalScope(ctx, k.session.User, id)
		if err != nil {
			return nil, err
		}
		k.g.scopes.put(id, scope)
		k.relayTyping(id, scope, on)
		return nil, nil
	})
}

func (k *socket) relayTyping(id domain.ConversationID, scope domain.SignalScope, on bool) {
	if scope.Members <= domain.TypingMembers {
		k.g.typing.Set(k.session, id, on, time.Now())
	}
}

// watch replaces the users whose presence the session watches. It is answered by
// presence frames, one for each of them.
func (k *socket) watch(id string, o *strictjson.Object) error {
	names := o.Strings("user_ids")
	requireField(o, "user_ids")
	limit := k.g.o.Limits.WatchUsers
	if len(names) > limit {
		o.Reject("user_ids", "more than watch_users")
	}
	users := make([]domain.UserID, 0, len(names))
	for _, name := range names[:min(len(names), limit)] {
		user, err := domain.ParseUserID("/user_ids", name)
		if err != nil {
			o.Reject("user_ids", reasonOf(err))
		}
		users = append(users, user)
	}
	if err := invalidFields(o); err != nil {
		return err
	}
	if err := k.admit(domain.RateRead); err != nil {
		return err
	}
	k.g.o.Watches.Set(k.session, id, users)
	return nil
}
