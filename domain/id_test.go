package domain

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseUserID(t *testing.T) {
	for _, good := range []string{"a", "A-z.0_9:@+=|", strings.Repeat("x", 128), "..."} {
		_, err := ParseUserID("/u", good)
		require.NoError(t, err, good)
	}
	for _, bad := range []string{"", ".", "..", "a b", "é", "*", "a/b", "a\x00", "a\n", strings.Repeat("x", 129)} {
		_, err := ParseUserID("/u", bad)
		require.ErrorIs(t, err, ErrInvalid, bad)
	}
	_, err := ParseDeviceID("/d", strings.Repeat("x", 65))
	require.ErrorIs(t, err, ErrInvalid)
}

func TestConversationIDIsUUIDv7(t *testing.T) {
	now := time.UnixMilli(0x0123456789ab)
	id := NewConversationID(now)
	require.True(t, strings.HasPrefix(id.String(), "01234567-89ab-7"), id.String())
	require.Contains(t, "89ab", id.String()[19:20])
	back, err := ParseConversationID("/id", strings.ToUpper(id.String()))
	require.NoError(t, err)
	require.Equal(t, id, back)
	require.NotEqual(t, id, NewConversationID(now))
}

func FuzzParseConversationID(f *testing.F) {
	f.Add("0198f2a4-7c1e-7d3a-9b5e-1f2a3b4c5d6e")
	f.Add("0198f2a4-7c1e-7d3a-9b5e-1f2a3b4c5d6")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseConversationID("/id", s)
		if err != nil {
			require.True(t, errors.Is(err, ErrInvalid))
			return
		}
		require.Equal(t, strings.ToLower(s), id.String())
	})
}

// FuzzParseNames checks that parsing does not change ids, and that valid ids need no
// quoting in a path, a Redis key, the name of a queue or a log line.
func FuzzParseNames(f *testing.F) {
	for _, seed := range []string{"alice", ".", "..", "a|b", "a b", "a/b", "a\n", "\x00", "*", strings.Repeat("u", 129), "é"} {
		f.Add(seed)
	}
	plain := regexp.MustCompile(`^[A-Za-z0-9._:@+=|-]{1,128}$`)
	f.Fuzz(func(t *testing.T, s string) {
		user, err := ParseUserID("/user", s)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			require.False(t, plain.MatchString(s) && s != "." && s != "..")
			return
		}
		require.Equal(t, s, string(user))
		require.Regexp(t, plain, s)
		_, err = ParseDeviceID("/device", s)
		require.Equal(t, len(s) <= 64, err == nil)
		require.NotEqual(t, DirectKey(user, "x"), DirectKey(user+"x", ""))
	})
}

func TestEventJSON(t *testing.T) {
	e := Event{
		ConversationID: groupID, Seq: 42, Type: MessagePosted, Sender: "alice", ClientMsgID: "c-\"1", At: TimeOf(testTime),
		Body: json.RawMessage(`{"content": {"type":"text"}}`),
	}
	const want = `{"conversation_id":"01900000-0000-7000-8000-000000000000","seq":42,"type":"message.posted","sender":"alice",` +
		`"client_msg_id":"c-\"1","at":"2026-01-02T03:04:05.678901Z","body":{"content": {"type":"text"}}}`
	require.Equal(t, want, string(e.AppendJSON(nil)))

	var back Event
	require.NoError(t, json.Unmarshal([]byte(want), &back))
	require.Equal(t, e, back)

	e.ClientMsgID, e.At = "", TimeOf(testTime.Truncate(time.Second))
	require.Contains(t, string(e.AppendJSON(nil)), `"sender":"alice","at":"2026-01-02T03:04:05.000000Z",`)
}

func TestErrorRetry(t *testing.T) {
	cause := errors.New("dial tcp")
	err := ErrUnavailable.WithCause(cause)
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, err, ErrUnavailable)
	require.NotErrorIs(t, err, ErrInternal)
	require.Equal(t, RetryAgain, err.Retry())
	require.Equal(t, RetryAgain, err.WithRetryAfter(time.Second).Retry(), "a delay does not change it")
	require.Equal(t, RetryAfter, ErrRateLimited.Retry())
	require.Equal(t, RetryNever, ErrForbidden.Retry())
	require.Nil(t, ErrInvalid.Fields, "predeclared errors are not modified")
	require.Equal(t, map[string]string{"/a": "x"}, Invalid("/a", "x").Fields)
}
