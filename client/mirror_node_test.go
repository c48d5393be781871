package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/client"
	"im/domain"
	"im/internal/auth"
	"im/test/eventually"
)

// TestMirrorEqualsSyncOfANode: after any history on a real node, live and while the client
// was away, Conversations is what a new sync returns.
func TestMirrorEqualsSyncOfANode(t *testing.T) {
	url := startNode(t)
	seed := rand.Uint64()
	t.Log("seed", seed)
	h := &nodeHistory{t: t, random: rand.New(rand.NewPCG(seed, 0))}
	for _, user := range []client.UserID{"bob", "carol"} {
		h.users = append(h.users, startClient(t, url, user, nil))
	}
	group, err := h.users[0].CreateGroup(t.Context(), client.NewGroup{Members: []client.UserID{"alice", "carol"}})
	require.NoError(t, err)
	h.ids = append(h.ids, group.ConversationID)
	for _, user := range h.users {
		direct, err := user.Direct(t.Context(), "alice")
		require.NoError(t, err)
		h.ids = append(h.ids, direct.ConversationID)
	}
	store := client.NewFileStore(filepath.Join(t.TempDir(), "positions.json"))
	for range 3 {
		h.steps(25) // while alice is away
		ctx, stop := context.WithCancel(t.Context())
		alice, ended := connectAlice(ctx, t, url, store)
		h.alice = alice
		for range 8 {
			h.steps(8)
			requireSynced(t, alice)
		}
		h.alice = nil
		stop()
		require.NoError(t, <-ended)
	}
}

func connectAlice(ctx context.Context, t *testing.T, url string, store client.Store) (alice *client.Client, ended chan error) {
	t.Helper()
	signed, err := auth.Sign(secret, "alice", auth.Grant{TTL: time.Hour})
	require.NoError(t, err)
	alice, err = client.New(client.Options{URLs: []string{url}, Token: client.Token(signed), Device: "phone", Store: store})
	require.NoError(t, err)
	ended = make(chan error, 1)
	go func() { ended <- alice.Run(ctx) }()
	require.NoError(t, alice.Synced(ctx))
	return alice, ended
}

// requireSynced waits until the mirror of a client is what a sync without a cursor
// returns.
func requireSynced(t *testing.T, c *client.Client) {
	t.Helper()
	eventually.NoError(t, "the mirror", func() error {
		var page domain.SyncPage
		if err := c.Do(t.Context(), http.MethodGet, "/sync", nil, &page); err != nil {
			return err
		}
		wanted := map[client.ConversationID]string{}
		for _, v := range page.Conversations {
			wanted[v.ConversationID] = mirrored(t, v)
		}
		for _, v := range c.Conversations() {
			if got := mirrored(t, v); got != wanted[v.ConversationID] {
				return fmt.Errorf("the mirror has\n%s\ninstead of\n%s", got, wanted[v.ConversationID])
			}
			delete(wanted, v.ConversationID)
		}
		if len(wanted) > 0 {
			return fmt.Errorf("the mirror lacks %v", wanted)
		}
		return nil
	})
}

// mirrored returns what a mirror has of a conversation: all but its events, and what is
// about the device.
func mirrored(t *testing.T, v client.Conversation) string {
	t.Helper()
	v.Events, v.AckedSeq, v.Limited = nil, 0, false
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// nodeHistory makes users other than alice, and sometimes alice, change conversations.
type nodeHistory struct {
	t      *testing.T
	random *rand.Rand
	users  []*client.Client
	alice  *client.Client // nil while she is away
	ids    []client.ConversationID
	posted int
}

func (h *nodeHistory) steps(n int) {
	h.t.Helper()
	for range n {
		user := h.users[h.random.IntN(len(h.users))]
		if h.alice != nil && h.random.IntN(12) == 0 {
			user = h.alice
		}
		id := h.ids[h.random.IntN(len(h.ids))]
		if _, ok := user.Conversation(id); !ok {
			continue // another one's direct conversation
		}
		h.step(user, id)
	}
}

func (h *nodeHistory) step(user *client.Client, id client.ConversationID) {
	h.t.Helper()
	ctx := h.t.Context()
	switch what := h.random.IntN(10); {
	case what < 4:
		h.posted++
		_, err := user.Send(ctx, client.Post{ConversationID: id, Content: client.Text(fmt.Sprint("text ", h.posted)), Mentions: h.mentions(user, id)})
		require.NoError(h.t, err)
	case what == 4 && h.alice != nil:
		v, _ := h.alice.Conversation(id)
		_, err := h.alice.MarkRead(ctx, id, v.ReadSeq+h.random.Int64N(4))
		require.NoError(h.t, err)
	case what == 5 && user.User() == "bob" && id == h.ids[0]:
		require.NoError(h.t, user.UpdateGroup(ctx, id, client.GroupChange{Title: new(fmt.Sprint("title ", h.posted))}))
	default:
		h.change(user, id)
	}
}

// mentions returns users that a member may mention in a conversation.
func (h *nodeHistory) mentions(user *client.Client, id client.ConversationID) []client.UserID {
	choices := [][]client.UserID{{}, {}, {"alice"}, {user.User(), "alice"}}
	if user.User() == "bob" && id == h.ids[0] {
		choices = append(choices, []client.UserID{domain.Everyone}) // the owner
	}
	return choices[h.random.IntN(len(choices))]
}

// change changes one of the newest messages. The server refuses what its state or the
// role of the user does not permit.
func (h *nodeHistory) change(user *client.Client, id client.ConversationID) {
	h.t.Helper()
	ctx := h.t.Context()
	page, err := user.Messages(ctx, id, client.Range{Limit: 12})
	require.NoError(h.t, err)
	if len(page.Messages) == 0 {
		return
	}
	m := page.Messages[h.random.IntN(len(page.Messages))]
	if h.random.IntN(3) == 0 {
		m = page.Messages[len(page.Messages)-1]
	}
	emoji := []string{"👍", "❤", "🎉"}[h.random.IntN(3)]
	switch h.random.IntN(7) {
	case 0, 1:
		err = user.Edit(ctx, id, m.Seq, client.Text(client.TextOf(m.Content)+"!"), h.mentions(user, id)...)
	case 2, 3:
		err = user.Recall(ctx, id, m.Seq, "")
	case 4:
		err = user.React(ctx, id, m.Seq, emoji)
	case 5:
		err = user.Unreact(ctx, id, m.Seq, emoji)
	default:
		if err = user.Pin(ctx, id, m.Seq); m.Pinned {
			err = user.Unpin(ctx, id, m.Seq)
		}
	}
	if err != nil {
		var refusal *client.Error
		require.ErrorAs(h.t, err, &refusal)
		require.Contains(h.t, []domain.Code{domain.CodeForbidden, domain.CodeConflict}, refusal.Code)
	}
}
