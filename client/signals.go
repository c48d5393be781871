package client

import (
	"encoding/json"

	"im/domain"
)

// Signal is a frame that no log keeps: a Typing, Presence, Receipt or Notice.
type Signal interface{ signal() }

type (
	// Typing reports that another member started or stopped typing. The server repeats
	// nothing and forgets it after 6 s.
	Typing struct {
		ConversationID ConversationID `json:"conversation_id"`
		UserID         UserID         `json:"user_id"` // of the member
		On             bool           `json:"on"`      // false: stopped
	}
	// Presence reports whether a watched user is online. Without a shared
	// conversation, a user appears offline and never seen.
	Presence struct {
		UserID     UserID `json:"user_id"`      // of the watched user
		Online     *bool  `json:"online"`       // nil: unknown at present
		LastSeenAt *Time  `json:"last_seen_at"` // nil: never, or online
	}
	// Receipt reports the progress of another member in a conversation of at most 50
	// members; Client.Receipts returns it for any number.
	Receipt struct {
		ConversationID ConversationID `json:"conversation_id"`
		UserID         UserID         `json:"user_id"`       // of the member
		DeliveredSeq   int64          `json:"delivered_seq"` // on the furthest device; 0: not changed
		ReadSeq        int64          `json:"read_seq"`      // 0: not changed
	}
	// Notice is data that the app's backend pushed to live sessions.
	Notice struct {
		NoticeID string          `json:"notice_id"` // identifies the notice
		BizType  string          `json:"biz_type"`  // the app's name of the kind of notice
		Data     json.RawMessage `json:"data"`      // any JSON of the app
	}
)

func (Typing) signal()   {}
func (Presence) signal() {}
func (Receipt) signal()  {}
func (Notice) signal()   {}

var _ = []Signal{Typing{}, Presence{}, Receipt{}, Notice{}}

// MemberReceipt is the progress of one member of a conversation.
type MemberReceipt = domain.MemberReceipt
