package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func TestRest(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Method+" "+r.URL.String()+" "+string(body))
		switch {
		case r.Header.Get("Authorization") == "Bearer old":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"code":"token_expired","title":"Token expired"}`)
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusCreated)
			_ = json.NewEncoder(w).Encode(Conversation{Kind: domain.Direct, Peer: "bob"})
		case r.Method == http.MethodGet:
			_ = json.NewEncoder(w).Encode(MessagePage{HeadSeq: 7})
		default:
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"code":"forbidden","detail":"owners only","fields":{"/x":"y"}}`)
		}
	}))
	defer server.Close()
	asked := 0
	c, err := New(Options{
		URLs: []string{"http://127.0.0.1:1", server.URL + "/"}, // the first does not answer
		Token: func(context.Context) (string, error) {
			asked++
			return []string{"old", "new"}[min(asked-1, 1)], nil
		},
	})
	require.NoError(t, err)
	defer c.http.CloseIdleConnections()

	made, err := c.Direct(t.Context(), "bob")
	require.NoError(t, err)
	require.Equal(t, UserID("bob"), made.Peer)
	require.Equal(t, `POST /v1/conversations {"kind":"direct","members":["bob"]}`, seen[1])
	require.Equal(t, 2, asked, "an expired token is replaced once, and kept")

	page, err := c.Messages(t.Context(), made.ConversationID, Range{Before: 9, Limit: 3})
	require.NoError(t, err)
	require.EqualValues(t, 7, page.HeadSeq)
	require.Contains(t, seen[2], "/messages?before_seq=9&limit=3")

	err = c.RemoveMember(t.Context(), made.ConversationID, "a|b")
	require.ErrorIs(t, err, domain.ErrForbidden)
	require.ErrorContains(t, err, "owners only")
	require.Contains(t, seen[3], "/members/a%7Cb ")
	require.ErrorIs(t, c.Join(t.Context(), made.ConversationID, "bob"), domain.ErrForbidden)
	require.Contains(t, seen[4], "PUT /v1/conversations/")
	require.Contains(t, seen[4], `/members/bob {"role":"member"}`)
	require.Equal(t, 2, asked)
}
