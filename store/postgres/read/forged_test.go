package read_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// hostile holds texts that break concatenated SQL, and texts that PostgreSQL cannot store.
var hostile = []string{
	"", "\x00", "a\x00b", "\xff", "\xed\xa0\x80", "'", "''; DROP TABLE events; --", `\'; SELECT 1; --`, "$1", "%", "_", "{}", `"`,
	"$$", "/*", "\n", "\\x00", "NULL", "'||(SELECT epoch FROM epoch)||'", "1e999", "-1", "🦀",
}

// Cursors are encoded but not signed, so that a client can forge one. A forged cursor is
// invalid, or returns what the caller may read anyway; it never causes an internal error.
func TestForgedCursors(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob", "carol")
	other := n.Group(t, "alice", "bob", "dave")
	foreign := n.Group(t, "eve", "mallory")
	n.Post(t, "alice", id, "c", "x")
	for _, who := range []domain.UserID{"alice", "bob", "carol"} {
		_, err := n.Chat.React(t.Context(), domain.Actor{User: who}, id, 2, "x")
		require.NoError(t, err)
	}
	n.Block(t, "bob", "eve", true)
	n.Block(t, "bob", "mallory", true)
	bob := domain.Actor{User: "bob"}
	ctx := t.Context()
	for kind, list := range map[string]func(context.Context, string) (string, error){
		"s": func(ctx context.Context, cursor string) (string, error) {
			page, err := n.Sync(ctx, domain.SyncQuery{User: "bob", Cursor: cursor, Limit: 1})
			for _, v := range page.Conversations {
				require.Contains(t, []domain.ConversationID{id, other}, v.ConversationID)
			}
			return page.Cursor, err
		},
		"c": func(ctx context.Context, cursor string) (string, error) {
			page, err := n.Conversations(ctx, bob, "", cursor, 1)
			for _, v := range page.Items {
				require.NotEqual(t, foreign, v.ConversationID)
			}
			return next(page.NextCursor), err
		},
		"m": func(ctx context.Context, cursor string) (string, error) {
			page, err := n.Members(ctx, bob, id, cursor, 1)
			return next(page.NextCursor), err
		},
		"b": func(ctx context.Context, cursor string) (string, error) {
			page, err := n.Blocks(ctx, "bob", cursor, 1)
			return next(page.NextCursor), err
		},
		"r": func(ctx context.Context, cursor string) (string, error) {
			page, err := n.Receipts(ctx, bob, id, cursor, 1)
			return next(page.NextCursor), err
		},
		"e": func(ctx context.Context, cursor string) (string, error) {
			page, err := n.Reactions(ctx, bob, id, 2, cursor, 1)
			return next(page.NextCursor), err
		},
		"p": func(ctx context.Context, cursor string) (string, error) {
			page, err := n.Pins(ctx, bob, id, cursor, 1)
			return next(page.NextCursor), err
		},
	} {
		good, err := list(ctx, "")
		require.NoError(t, err)
		for _, forged := range forgeries(kind, good) {
			cursor := base64.RawURLEncoding.EncodeToString(forged)
			if _, err := list(ctx, cursor); err != nil {
				require.ErrorIs(t, err, domain.ErrCursorInvalid, "%s %q", kind, forged)
			}
		}
	}
}

func next(cursor *string) string {
	if cursor == nil {
		return ""
	}
	return *cursor
}

// forgeries returns cursors of a kind: from hostile texts and numbers, and from a good
// cursor by flipping bits.
func forgeries(kind, good string) (list [][]byte) {
	text := func(dst []byte, s string) []byte { return append(binary.AppendUvarint(dst, uint64(len(s))), s...) }
	for _, first := range []string{kind, "\x01" + kind, "\x02" + kind} {
		for _, s := range hostile {
			list = append(list, text([]byte(first), s), text(text([]byte(first), s), s), text(text([]byte(first), "x"), s))
		}
		for _, number := range []uint64{0, 1, 1 << 31, 1 << 53, 1 << 62, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
			lone := binary.AppendUvarint([]byte(first), number)
			list = append(list, lone, append(lone, make([]byte, 16)...))
		}
	}
	data, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil || len(data) == 0 {
		return list
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		mutant := append([]byte(nil), data...)
		for range 1 + random.IntN(3) {
			mutant[random.IntN(len(mutant))] ^= 1 << random.IntN(8)
		}
		list = append(list, mutant, mutant[:random.IntN(len(mutant))])
	}
	return list
}
