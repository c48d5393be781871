package domain

import (
	"context"
	"errors"
	"testing"
)

// fixedLog is a log that has the direct conversation of alice and bob, and accepts
// everything.
type fixedLog struct{ Log }

func (fixedLog) FindDirect(_ context.Context, key string) (ConversationID, error) {
	if key == DirectKey("alice", "bob") {
		return ConversationID{1}, nil
	}
	return ConversationID{}, ErrNotFound
}

func (fixedLog) Create(context.Context, NewConversation) (ConversationID, bool, error) {
	return ConversationID{2}, true, nil
}

func (fixedLog) Submit(_ context.Context, _ Command, done func(Outcome, error)) {
	done(Outcome{Events: []Event{{}}}, nil)
}

func TestBackendOnlyCreatesConversations(t *testing.T) {
	chat := NewChat(fixedLog{}, DefaultLimits()).BackendOnly()
	group := Creation{Kind: Group, Members: []UserID{"bob"}}
	post := Post{To: "carol", ClientMsgID: "c", Content: []byte(`{"type":"text","text":"x"}`)}
	for name, c := range map[string]struct {
		actor Actor
		want  error
	}{
		"a user":              {Actor{User: "alice"}, ErrForbidden},
		"a backend":           {Actor{User: "shop", Backend: true}, nil},
		"a backend on behalf": {Actor{User: "alice", OnBehalf: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := chat.Create(t.Context(), c.actor, group); !errors.Is(err, c.want) {
				t.Errorf("group: %v", err)
			}
			if _, _, err := chat.Create(t.Context(), c.actor, Creation{Kind: Direct, Members: []UserID{"carol"}}); !errors.Is(err, c.want) {
				t.Errorf("direct: %v", err)
			}
			chat.Send(t.Context(), c.actor, post, func(_ Sent, err error) {
				if !errors.Is(err, c.want) {
					t.Errorf("first message: %v", err)
				}
			})
		})
	}
	alice := Actor{User: "alice"}
	if id, created, err := chat.Create(t.Context(), alice, Creation{Kind: Direct, Members: []UserID{"bob"}}); err != nil || created || id != (ConversationID{1}) {
		t.Errorf("an existing conversation must be found: %v %v %v", id, created, err)
	}
	post.To = "bob"
	chat.Send(t.Context(), alice, post, func(_ Sent, err error) {
		if err != nil {
			t.Errorf("posting to it: %v", err)
		}
	})
}

func TestBackendOnlyAddsMembers(t *testing.T) {
	state := NewConversationState(ConversationID{1}, Group, nil, nil, DefaultSettings(), nil, 1, 1, map[UserID]MemberState{
		"alice": {Role: RoleOwner, JoinedSeq: 1}, "bob": {Role: RoleMember, JoinedSeq: 1},
	})
	for name, c := range map[string]struct {
		actor Actor
		want  error
	}{
		"an owner":            {Actor{User: "alice"}, ErrForbidden},
		"no member":           {Actor{User: "eve"}, ErrNotFound},
		"a backend":           {Actor{User: "shop", Backend: true}, nil},
		"a backend on behalf": {Actor{User: "alice", OnBehalf: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			base := commandBase{actor: c.actor, target: ConversationID{1}}
			for _, cmd := range []Command{
				&addMembers{commandBase: base, users: []UserID{"carol"}, as: RoleMember, limit: 10, backendOnly: true},
				&putMember{commandBase: base, user: "carol", as: RoleMember, limit: 10, backendOnly: true},
			} {
				if drafts, err := cmd.Decide(state.Clone()); !errors.Is(err, c.want) || err == nil && len(drafts) != 1 {
					t.Errorf("%T: %v, %v", cmd, drafts, err)
				}
			}
		})
	}
	promote := &putMember{commandBase: commandBase{actor: Actor{User: "alice"}}, user: "bob", as: RoleAdmin, backendOnly: true}
	if drafts, err := promote.Decide(state); err != nil || len(drafts) != 1 {
		t.Errorf("the owner still changes roles: %v", err)
	}
}
