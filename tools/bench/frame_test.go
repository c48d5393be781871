package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// goldens returns the golden files of a package of the server.
func goldens(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", folder, "testdata", "*.golden.json"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	texts := map[string][]byte{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		texts[filepath.Base(path)] = bytes.TrimSpace(text)
	}
	return texts
}

// TestScanAgreesWithDecoding: scanning finds the same as a decoder, in every frame of
// the server.
func TestScanAgreesWithDecoding(t *testing.T) {
	t.Parallel()
	for name, text := range goldens(t, "realtime/wire") {
		var frame struct{ Type, ID string }
		require.NoError(t, json.Unmarshal(text, &frame), name)
		require.Equal(t, frame.Type, string(typeOf(text)), name)
		if frame.ID != "" {
			require.Equal(t, frame.ID, string(valueOf(text, `"id":"`)), name)
		}
	}
}

func TestScanAgreesWithDecodingOfEvents(t *testing.T) {
	t.Parallel()
	const tag = "abcdef"
	messages := 0
	for name, text := range goldens(t, "domain") {
		var event domain.Event
		require.NoError(t, json.Unmarshal(text, &event), name)
		if event.ClientMsgID != "" {
			event.ClientMsgID = idOf(tag, 1234, 1)
			messages++
		}
		text = append(event.AppendJSON([]byte(`{"type":"event","event":`)), '}')
		require.Equal(t, "event", string(typeOf(text)), name)
		require.Equal(t, string(event.Sender), string(valueOf(text, `"sender":"`)), name)
		due, ours := dueOf(valueOf(text, `"client_msg_id":"`), tag)
		require.Equal(t, event.ClientMsgID != "", ours, name)
		if ours {
			require.EqualValues(t, 1234, due)
		}
	}
	require.NotZero(t, messages)
}

func idOf(tag string, due int64, number uint64) string {
	p := newSendFrame(tag, "c", "t")
	p.number = number - 1
	_, payload, _, _ := nextFrame(unmask(p.appendTo(nil, due)))
	return string(valueOf(payload, `"id":"`))
}

// unmask removes the mask from the header of a frame: nextFrame reads frames of the
// server, which have none.
func unmask(frame []byte) []byte {
	size := 2
	switch frame[1] & 0x7f {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	plain := append([]byte{}, frame[:size]...)
	plain[1] &= 0x7f
	return append(plain, frame[size+4:]...)
}

// TestSendFrame: each message is valid by the contract and has ids of its own.
func TestSendFrame(t *testing.T) {
	t.Parallel()
	const tag = "abcdef"
	p := newSendFrame(tag, "0198", text100)
	require.Len(t, text100, 100)
	var seen []string
	for range 3 {
		opcode, payload, rest, ok := nextFrame(unmask(p.appendTo(nil, 1_000)))
		require.True(t, ok)
		require.Empty(t, rest)
		require.EqualValues(t, opText, opcode)
		var frame struct {
			Type           string
			ID             string
			ClientMsgID    string `json:"client_msg_id"`
			ConversationID string `json:"conversation_id"`
			Content        struct{ Type, Text string }
		}
		require.NoError(t, json.Unmarshal(payload, &frame))
		require.Equal(t, []string{"send", "0198", "text", text100}, []string{frame.Type, frame.ConversationID, frame.Content.Type, frame.Content.Text})
		require.Equal(t, frame.ID, frame.ClientMsgID)
		require.NotContains(t, seen, frame.ID)
		seen = append(seen, frame.ID)
		due, ok := dueOf([]byte(frame.ID), tag)
		require.True(t, ok)
		require.EqualValues(t, 1_000, due)
		_, ok = dueOf([]byte(frame.ID), "fedcba")
		require.False(t, ok, "the id of another run")
	}
}

// TestFrames: a frame of any length is read as it was written, and only when complete.
func TestFrames(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 125, 126, 1<<16 - 1, 1 << 16, 1 << 20} {
		payload := []byte(strings.Repeat("x", size))
		frame := unmask(appendFrame(nil, opText, payload))
		for _, cut := range []int{0, 1, 2, 3, 9, len(frame) - 1} {
			if cut < len(frame) {
				_, _, _, ok := nextFrame(frame[:max(cut, 0)])
				require.False(t, ok, "%d of %d", cut, size)
			}
		}
		opcode, got, rest, ok := nextFrame(append(frame, "next"...))
		require.True(t, ok)
		require.EqualValues(t, opText, opcode)
		require.Equal(t, payload, append([]byte{}, got...))
		require.Equal(t, "next", string(rest))
	}
}

func FuzzScan(f *testing.F) {
	for _, text := range goldens(f, "realtime/wire") {
		f.Add(unmask(appendFrame(nil, opText, text)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for {
			_, payload, rest, ok := nextFrame(data)
			if !ok {
				break
			}
			require.Less(t, len(rest), len(data))
			data = rest
			_, _ = dueOf(valueOf(payload, `"id":"`), "abcdef")
			var frame struct{ Type string }
			if kind := typeOf(payload); json.Unmarshal(payload, &frame) == nil && bytes.Count(payload, []byte(`"type"`)) == 1 && kind != nil && !bytes.Contains(kind, []byte(`\`)) && utf8.Valid(kind) {
				require.Equal(t, frame.Type, string(kind))
			}
		}
	})
}
