package rest

import (
	"net/http"

	"im/domain"
	"im/rest/api"
)

// handler has a method for every operation of openapi.yaml. Errors that they
// return become problems in one place.
type handler struct {
	sender        Sender
	editor        Editor
	moderator     Moderator
	membership    Membership
	conversations Conversations
	history       History
	positions     Positions
	signaller     Signaller
	presence      Presence
	receipts      Receipts
	traces        Traces
	searcher      Searcher
	limits        domain.Limits
	profiles      Profiles
	preferences   Preferences
	live          Live
	endings       Endings
	blocks        Blocks
	counts        Counts
}

var (
	_ api.Handler    = (*handler)(nil)
	_ api.RawHandler = (*handler)(nil)
)

// conversationID reads the id that is in the path of an operation.
func conversationID(id api.ConversationID) (domain.ConversationID, error) {
	return domain.ParseConversationID("/conversation_id", string(id))
}

// defaultPage is how many a page has when nobody says: of events, conversations
// and all else alike.
const defaultPage = domain.DefaultListPage

// limitOf reads limit; one beyond the largest is refused, never lowered.
func limitOf(o api.OptInt, largest int) (int, error) {
	if !o.Set {
		return min(defaultPage, largest), nil
	}
	if o.Value > largest {
		return 0, domain.Invalid("/limit", "is more than a page may have")
	}
	return o.Value, nil
}

// cursorOf reads cursor. An empty one is not the start: nobody handed it out.
func cursorOf(o api.OptString) (string, error) {
	if o.Set && o.Value == "" {
		return "", domain.ErrCursorInvalid
	}
	return o.Value, nil
}

// writeChange answers a change: with the event that it made, or that there was none.
func writeChange(w http.ResponseWriter, status int, events []domain.Event) {
	if len(events) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeEvent(w, status, &events[0])
}

func userIDs[T ~string](list []T) []domain.UserID {
	if list == nil {
		return nil
	}
	users := make([]domain.UserID, len(list))
	for i, u := range list {
		users[i] = domain.UserID(u)
	}
	return users
}
