package pg

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

// Queryer is a pool, a connection or a transaction.
type Queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// ScanEvent reads the columns that every query of events selects: conversation_id,
// seq, type, sender, client_msg_id (” for none), at, body as text.
func ScanEvent(row pgx.CollectableRow) (domain.Event, error) { return ScanEventAnd(row) }

// ScanEventAnd is ScanEvent for rows that have more columns after those of an event.
func ScanEventAnd(row pgx.CollectableRow, more ...any) (domain.Event, error) {
	var e domain.Event
	var kind, sender, body string
	var at time.Time
	err := row.Scan(append([]any{&e.ConversationID, &e.Seq, &kind, &sender, &e.ClientMsgID, &at, &body}, more...)...)
	e.Type, e.Sender, e.At, e.Body = domain.EventType(kind), domain.UserID(sender), domain.TimeOf(at), json.RawMessage(body)
	return e, err
}

// RawJSON returns the JSON of a nullable column; SQL's null is JSON's null.
func RawJSON(text *string) json.RawMessage {
	if text == nil {
		return json.RawMessage("null")
	}
	return json.RawMessage(*text)
}

// NullableJSON is the inverse of RawJSON: nil, which is SQL's null, for JSON's null.
func NullableJSON(raw json.RawMessage) *string {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	text := string(raw)
	return &text
}

// SettingsJSON encodes the settings of a conversation for their column.
func SettingsJSON(s domain.Settings) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and booleans always marshal
	}
	return string(text)
}

// Texts returns user ids as a parameter of type text[].
func Texts(users []domain.UserID) []string {
	list := make([]string, len(users))
	for i, user := range users {
		list[i] = string(user)
	}
	return list
}
