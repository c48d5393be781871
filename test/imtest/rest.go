package imtest

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"im/domain"
)

// request is one REST call, which runs while the server is locked.
type request struct {
	*http.Request
	server *Server
	user   domain.UserID
	conv   *conversation // of the path; nil where the path has none
	body   json.RawMessage
}

// call answers a request: with a value, or 204 for nil.
type call func(r *request) (answer any, err error)

// routes returns the handler of all calls that the server knows.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/ws", s.serveSocket)
	const conversation, message = "/v1/conversations/{id}", "/v1/conversations/{id}/messages/{seq}"
	for pattern, serve := range map[string]call{
		"POST /v1/conversations":                     createConversation,
		"GET " + conversation:                        getConversation,
		"PATCH " + conversation:                      updateConversation,
		"GET " + conversation + "/members":           listMembers,
		"POST " + conversation + "/members":          addMembers,
		"PUT " + conversation + "/members/{user}":    putMember,
		"DELETE " + conversation + "/members/{user}": deleteMember,
		"GET " + conversation + "/messages":          listMessages,
		"GET " + message:                             getMessage,
		"PATCH " + message:                           changeMessage(domain.MessageEdited),
		"DELETE " + message:                          changeMessage(domain.MessageRecalled),
		"GET " + message + "/reactions":              listReactions,
		"PUT " + message + "/reactions/{emoji}":      changeMessage(domain.ReactionAdded),
		"DELETE " + message + "/reactions/{emoji}":   changeMessage(domain.ReactionRemoved),
		"PUT " + message + "/pin":                    changeMessage(domain.MessagePinned),
		"DELETE " + message + "/pin":                 changeMessage(domain.MessageUnpinned),
		"GET " + conversation + "/pins":              listPins,
		"PUT " + conversation + "/read":              markRead,
		"GET " + conversation + "/receipts":          listReceipts,
		"GET " + conversation + "/preferences":       getPreferences,
		"PATCH " + conversation + "/preferences":     setPreferences,
		"GET /v1/search/messages":                    search,
		"GET /v1/presence":                           getPresence,
		"GET /v1/users":                              getUsers,
		"GET /v1/blocks":                             listBlocks,
		"PUT /v1/blocks/{user}":                      block,
		"DELETE /v1/blocks/{user}":                   unblock,
		"GET /v1/sessions":                           listSessions,
		"DELETE /v1/sessions/{session}":              func(*request) (any, error) { return nil, nil },
	} {
		mux.Handle(pattern, s.serve(serve))
	}
	return mux
}

func (s *Server) serve(answer call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := &request{Request: r, server: s}
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || json.NewDecoder(r.Body).Decode(&req.body) != nil && r.ContentLength > 0 {
			refuse(w, domain.ErrUnauthenticated)
			return
		}
		req.user = domain.UserID(token)
		s.mu.Lock()
		defer s.mu.Unlock()
		if text := r.PathValue("id"); text != "" {
			id, _ := domain.ParseConversationID("", text)
			req.conv = s.convs[id]
			if req.conv == nil || !req.conv.isMember(req.user) && !req.joins() {
				refuse(w, domain.ErrNotFound)
				return
			}
		}
		value, err := answer(req)
		switch {
		case err != nil:
			refuse(w, err)
		case value == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			_, _ = w.Write(encode(value))
		}
	})
}

func refuse(w http.ResponseWriter, err error) {
	refusal := domain.ErrInternal
	errors.As(err, &refusal)
	status := map[domain.Code]int{
		domain.CodeUnauthenticated: http.StatusUnauthorized, domain.CodeForbidden: http.StatusForbidden,
		domain.CodeNotFound: http.StatusNotFound, domain.CodeConflict: http.StatusConflict, domain.CodeInvalid: http.StatusBadRequest,
	}
	w.WriteHeader(or(status[refusal.Code], http.StatusInternalServerError))
	_, _ = w.Write(encode(map[string]any{
		"code": refusal.Code, "detail": refusal.Message, "retry": refusal.Retry(), "fields": refusal.Fields,
	}))
}

// joins reports whether the request adds its own user to an open group.
func (r *request) joins() bool {
	return r.Method == http.MethodPut && r.PathValue("user") == string(r.user) && r.conv.settings.Joining == domain.JoiningOpen
}

// list returns one page of everything.
func list[T any](items []T) any {
	if items == nil {
		items = []T{}
	}
	return map[string]any{"items": items, "next_cursor": nil}
}

func createConversation(r *request) (any, error) {
	var wanted creation
	if err := json.Unmarshal(r.body, &wanted); err != nil {
		return nil, domain.ErrInvalid
	}
	if wanted.Kind == domain.Direct && len(wanted.Members) == 1 {
		return r.server.view(r.server.direct(r.user, wanted.Members[0]), r.user, 0), nil
	}
	return r.server.view(r.server.convs[r.server.create(r.user, wanted)], r.user, 0), nil
}

func getConversation(r *request) (any, error) { return r.server.view(r.conv, r.user, 0), nil }

func updateConversation(r *request) (any, error) {
	c := r.conv
	settings := c.settings
	patch := domain.UpdatedBody{Settings: &settings}
	if err := json.Unmarshal(r.body, &patch); err != nil {
		return nil, domain.ErrInvalid
	}
	if settings == c.settings {
		patch.Settings = nil
	}
	return r.server.append(c, domain.Event{Type: domain.ConversationUpdated, Sender: r.user, Body: encode(patch)}), nil
}

func listMembers(r *request) (any, error) { return list(r.conv.members), nil }

func addMembers(r *request) (any, error) {
	var wanted struct {
		UserIDs []domain.UserID `json:"user_ids"`
	}
	if err := json.Unmarshal(r.body, &wanted); err != nil {
		return nil, domain.ErrInvalid
	}
	events := []domain.Event{}
	for _, user := range wanted.UserIDs {
		if !r.conv.isMember(user) {
			events = append(events, r.server.addMember(r.conv, user, domain.RoleMember))
		}
	}
	return map[string]any{"events": events}, nil
}

func putMember(r *request) (any, error) {
	var wanted domain.MemberRole
	if err := json.Unmarshal(r.body, &wanted); err != nil {
		return nil, domain.ErrInvalid
	}
	wanted.UserID = domain.UserID(r.PathValue("user"))
	for i := range r.conv.members {
		if m := &r.conv.members[i]; m.UserID == wanted.UserID {
			m.Role = wanted.Role
			return r.server.append(r.conv, domain.Event{
				Type: domain.MemberRoleChanged, Sender: r.user, Body: encode(wanted),
			}), nil
		}
	}
	return r.server.addMember(r.conv, wanted.UserID, wanted.Role), nil
}

func deleteMember(r *request) (any, error) {
	user := domain.UserID(r.PathValue("user"))
	if !r.conv.isMember(user) {
		return nil, nil
	}
	return r.server.removeMember(r.conv, r.user, user), nil
}

func listMessages(r *request) (any, error) {
	query := func(name string) int64 {
		n, _ := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
		return n
	}
	after, before, limit := query("after_seq"), query("before_seq"), int(or(query("limit"), domain.DefaultPageEvents))
	messages := []domain.Message{}
	for _, e := range r.conv.events {
		if e.Seq > after && (before == 0 || e.Seq < before) {
			if m := r.conv.message(e.Seq, r.user); m != nil {
				messages = append(messages, *m)
			}
		}
	}
	page := domain.MessagePage{HeadSeq: r.conv.head(), FloorSeq: 1}
	switch {
	case len(messages) <= limit:
	case after > 0:
		messages, page.HasMoreAfter = messages[:limit], true
	default:
		messages, page.HasMoreBefore = messages[len(messages)-limit:], true
	}
	page.Messages = messages
	return page, nil
}

func (r *request) message() (*domain.Message, error) {
	seq, _ := strconv.ParseInt(r.PathValue("seq"), 10, 64)
	m := r.conv.message(seq, r.user)
	if m == nil {
		return nil, domain.ErrNotFound
	}
	return m, nil
}

func getMessage(r *request) (any, error) { return r.message() }

// changeMessage returns the call that appends an event of that type to a message.
func changeMessage(t domain.EventType) call {
	return func(r *request) (any, error) {
		m, err := r.message()
		if err != nil {
			return nil, err
		}
		var body any
		switch t {
		case domain.MessageEdited:
			edited := domain.EditedBody{TargetSeq: m.Seq}
			if err := json.Unmarshal(r.body, &edited); err != nil {
				return nil, domain.ErrInvalid
			}
			body = edited
		case domain.MessageRecalled:
			body = domain.RecalledBody{TargetSeq: m.Seq, Reason: r.URL.Query().Get("reason")}
		case domain.ReactionAdded, domain.ReactionRemoved:
			body = domain.ReactionBody{TargetSeq: m.Seq, Emoji: domain.NormalizeEmoji(r.PathValue("emoji"))}
		default:
			body = domain.PinBody{TargetSeq: m.Seq}
		}
		if t == domain.MessageEdited && m.Sender != r.user {
			return nil, domain.ErrForbidden.WithMessage("only the author may edit a message")
		}
		return r.server.append(r.conv, domain.Event{Type: t, Sender: r.user, Body: encode(body)}), nil
	}
}

func listReactions(r *request) (any, error) {
	m, err := r.message()
	if err != nil {
		return nil, err
	}
	return list(r.conv.reactions[m.Seq]), nil
}

func listPins(r *request) (any, error) { return list(r.conv.pins), nil }

func markRead(r *request) (any, error) {
	var wanted struct{ Seq int64 }
	if err := json.Unmarshal(r.body, &wanted); err != nil {
		return nil, domain.ErrInvalid
	}
	return r.server.markRead(r.conv, r.user, wanted.Seq, nil), nil
}

func listReceipts(r *request) (any, error) {
	var receipts []domain.MemberReceipt
	for _, user := range r.conv.users() {
		receipts = append(receipts, domain.MemberReceipt{
			UserID: user, DeliveredSeq: r.server.acked[ackKey{user, r.conv.id}], ReadSeq: r.conv.read[user],
		})
	}
	return list(receipts), nil
}

func getPreferences(r *request) (any, error) { return r.conv.preferences(r.user), nil }

func setPreferences(r *request) (any, error) {
	p := r.conv.preferences(r.user)
	if err := json.Unmarshal(r.body, &p); err != nil {
		return nil, domain.ErrInvalid
	}
	r.conv.prefs[r.user] = p
	r.server.changes++
	r.conv.changed = r.server.changes
	r.server.introduce(r.conv, r.user)
	return p, nil
}

// search finds messages whose text contains the query, the newest first.
func search(r *request) (any, error) {
	q := strings.ToLower(r.URL.Query().Get("q"))
	found := []domain.FoundMessage{}
	for _, id := range r.server.order {
		c := r.server.convs[id]
		if !c.isMember(r.user) || r.URL.Query().Has("conversation_id") && r.URL.Query().Get("conversation_id") != id.String() {
			continue
		}
		for seq := c.head(); seq > 0; seq-- {
			m := c.message(seq, r.user)
			if m != nil && slices.ContainsFunc(domain.TextFields(m.Content), func(f domain.TextField) bool {
				return strings.Contains(strings.ToLower(f.Text), q)
			}) {
				found = append(found, domain.FoundMessage{Message: *m})
			}
		}
	}
	return list(found), nil
}

func getPresence(r *request) (any, error) {
	var users []domain.Presence
	for _, id := range r.URL.Query()["user_id"] {
		online := r.server.online(domain.UserID(id))
		users = append(users, domain.Presence{UserID: domain.UserID(id), Online: &online})
	}
	return list(users), nil
}

func getUsers(r *request) (any, error) {
	users := map[string]domain.UserProfile{}
	for _, id := range r.URL.Query()["user_id"] {
		name := strings.ToUpper(id[:1]) + id[1:]
		users[id] = domain.UserProfile{Profile: domain.Profile{Name: &name}}
	}
	return map[string]any{"users": users}, nil
}

func listBlocks(r *request) (any, error) { return list(r.server.blocks[r.user]), nil }

func block(r *request) (any, error) {
	r.server.blocks[r.user] = append(r.server.blocks[r.user], domain.Block{
		UserID: domain.UserID(r.PathValue("user")), Since: domain.TimeOf(time.Now()),
	})
	return nil, nil
}

func unblock(r *request) (any, error) {
	r.server.blocks[r.user] = slices.DeleteFunc(r.server.blocks[r.user], func(b domain.Block) bool {
		return string(b.UserID) == r.PathValue("user")
	})
	return nil, nil
}

func listSessions(r *request) (any, error) {
	var sessions []domain.LiveSession
	for c := range r.server.conns {
		if c.user == r.user {
			sessions = append(sessions, domain.LiveSession{SessionID: "s", DeviceID: c.device})
		}
	}
	return list(sessions), nil
}
