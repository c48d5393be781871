package realtime

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"im/domain"
	"im/internal/strictjson"
)

func (k *socket) actor() domain.Actor { return domain.Actor{User: k.session.user} }

// send submits a posting from the reading goroutine, which keeps the order of
// the frames; its answer comes from wherever the log decides.
func (k *socket) send(ctx context.Context, id string, o *strictjson.Object) error {
	post, err := readPost(o)
	if err != nil {
		return err
	}
	if err := k.admits(domain.RateSend); err != nil {
		return err
	}
	if err := k.requests.begin(); err != nil {
		return err
	}
	// What was read is committed, even if the socket ends meanwhile.
	ctx = context.WithoutCancel(ctx)
	cancel := func() {}
	if post.To != "" { // the log is waited for by sending itself, but not the making of a conversation
		ctx, cancel = context.WithTimeout(ctx, k.g.o.Request)
	}
	s := k.startSending(id)
	k.g.o.Chat.Send(ctx, k.actor(), post, func(sent domain.Sent, err error) {
		cancel()
		s.done(ctx, &sent, err)
	})
	return nil
}

// sending is one send that waits for its answer. A log that is late answers
// nobody: then the sending does, shortly before the request has to be answered.
type sending struct {
	socket   *socket
	id       string
	late     *time.Timer
	answered atomic.Bool
}

func (k *socket) startSending(id string) *sending {
	s := &sending{socket: k, id: id}
	s.late = time.AfterFunc(k.g.o.Request*9/10, func() { s.answer(newErrorFrame(id, domain.ErrUnavailable)) })
	return s
}

func (s *sending) done(ctx context.Context, sent *domain.Sent, err error) {
	s.late.Stop()
	if err != nil {
		s.answer(s.socket.refusal(ctx, s.id, err))
		return
	}
	s.answer(sentFrame(s.id, sent))
}

func (s *sending) answer(w wire) {
	if s.answered.CompareAndSwap(false, true) {
		s.socket.out.answer(w)
		s.socket.requests.end()
	}
}

func readPost(o *strictjson.Object) (domain.Post, error) {
	p := domain.Post{ClientMsgID: o.String("client_msg_id")}
	demand(o, "client_msg_id")
	p.Content, _ = o.Raw("content")
	demand(o, "content")
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
	return p, complaint(o)
}

func (k *socket) sync(ctx context.Context, id string, o *strictjson.Object) error {
	q := domain.SyncQuery{
		User: k.session.user, Device: k.session.device, Cursor: o.String("cursor"),
		Limit:         between(o, "limit", domain.DefaultSyncPage, 1, k.g.o.Limits.SyncPage),
		TimelineLimit: between(o, "timeline_limit", 0, 0, k.g.o.Limits.SyncTimeline),
	}
	if err := complaint(o); err != nil {
		return err
	}
	if o.Has("cursor") && q.Cursor == "" {
		return domain.ErrCursorInvalid // nobody handed it out
	}
	return k.query(ctx, id, func(ctx context.Context) (wire, error) {
		page, err := k.g.o.Reader.Sync(ctx, q)
		if err != nil {
			return nil, err
		}
		return syncPageFrame(id, &page), nil
	})
}

func (k *socket) pull(ctx context.Context, id string, o *strictjson.Object) error {
	conversation := conversationID(o)
	r := domain.Range{
		AfterSeq: position(o, "after_seq"), BeforeSeq: position(o, "before_seq"),
		Limit: between(o, "limit", min(domain.DefaultPageEvents, k.g.o.Limits.PageEvents), 1, k.g.o.Limits.PageEvents),
	}
	if o.Has("after_seq") == o.Has("before_seq") {
		o.Reject("after_seq", "exactly one of after_seq and before_seq is required")
	}
	if err := complaint(o); err != nil {
		return err
	}
	return k.query(ctx, id, func(ctx context.Context) (wire, error) {
		page, err := k.g.o.Reader.Events(ctx, k.actor(), conversation, r)
		if err != nil {
			return nil, err
		}
		return pageFrame(id, &page), nil
	})
}

// read moves the user's read position. The session that asked gets the answer,
// all other sessions of the user the same as a signal.
func (k *socket) read(ctx context.Context, id string, o *strictjson.Object) error {
	conversation := conversationID(o)
	seq := position(o, "seq")
	demand(o, "seq")
	if err := complaint(o); err != nil {
		return err
	}
	return k.query(ctx, id, func(ctx context.Context) (wire, error) {
		state, err := k.g.o.Reader.MarkRead(ctx, k.actor(), conversation, *seq)
		if err != nil {
			return nil, err
		}
		news, err := json.Marshal(readStateFrame{Type: "read_state", ReadState: state})
		if err != nil {
			return nil, err
		}
		k.g.o.Signaller.Signal(domain.UserFrame{User: k.session.user, Frame: news, Except: k.session.id})
		return jsonFrame(readStateFrame{Type: "read_state", ID: id, ReadState: state}), nil
	})
}

// ack notes what a device has stored. One that comes too soon is noted all the
// same, since it may not be repeated before the next reconnect; but it makes nobody
// write before it is time.
func (k *socket) ack(ctx context.Context, o *strictjson.Object) error {
	raw, ok := o.Raw("acks")
	demand(o, "acks")
	if err := complaint(o); err != nil || !ok {
		return err
	}
	list := strictjson.NewObject("/acks", raw)
	positions := make(map[domain.ConversationID]int64)
	list.Each(func(name string, _ json.RawMessage) {
		id, err := domain.ParseConversationID("/acks/"+name, name)
		if err != nil {
			list.Reject(name, reasonOf(err))
		}
		if seq := position(list, name); seq != nil {
			positions[id] = max(positions[id], *seq)
		}
	})
	if err := complaint(list); err != nil {
		return err
	}
	if err := k.admits(domain.RateSignal); err != nil {
		for id, seq := range positions {
			k.g.acks.addWhereRoom(k.session, id, seq)
		}
		return err
	}
	for id, seq := range positions {
		if k.g.acks.add(k.session, id, seq) {
			k.g.flushAcks(ctx, k.g.acks.take(k.session))
		}
	}
	return nil
}

func (k *socket) ping(ctx context.Context, id string, o *strictjson.Object) error {
	background := o.Bool("background", k.session.background.Load())
	if err := complaint(o); err != nil {
		return err
	}
	if err := k.admits(domain.RateSignal); err != nil {
		return err
	}
	k.setBackground(ctx, background)
	k.out.answer(jsonFrame(pongFrame{Type: "pong", ID: id, ServerTime: domain.TimeOf(time.Now())}))
	return nil
}

func demand(o *strictjson.Object, name string) {
	if !o.Has(name) {
		o.Reject(name, "required")
	}
}

func conversationID(o *strictjson.Object) domain.ConversationID {
	demand(o, "conversation_id")
	id, err := domain.ParseConversationID("/conversation_id", o.String("conversation_id"))
	if err != nil {
		o.Reject("conversation_id", reasonOf(err))
	}
	return id
}

// position reads a seq; nil if there is none.
func position(o *strictjson.Object, name string) *int64 {
	seq, ok := o.Int(name)
	if !ok {
		return nil
	}
	if seq < 0 {
		o.Reject(name, "must not be negative")
	}
	return &seq
}

func between(o *strictjson.Object, name string, otherwise, low, high int) int {
	n, ok := o.Int(name)
	switch {
	case !ok:
		return otherwise
	case n < int64(low) || n > int64(high):
		o.Reject(name, "out of range")
	}
	return int(n)
}
