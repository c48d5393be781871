package domain

import "encoding/json"

// ReportCategory says what is wrong with a reported message.
type ReportCategory string

// reportCategories are the values of ReportCategory.
var reportCategories = map[ReportCategory]bool{
	"spam": true, "abuse": true, "sexual": true, "violence": true, "illegal": true, "other": true,
}

// ReportState is what the app has decided about a report.
type ReportState string

// The states of a report. The app may change each into any other.
const (
	ReportOpen      ReportState = "open"
	ReportAccepted  ReportState = "accepted"
	ReportDismissed ReportState = "dismissed"
)

// Check returns ErrInvalid, for /state, for an unknown state.
func (s ReportState) Check() error {
	switch s {
	case ReportOpen, ReportAccepted, ReportDismissed:
		return nil
	}
	return Invalid("/state", "must be open, accepted or dismissed")
}

// NewReport is a request to report a message.
type NewReport struct {
	Category ReportCategory
	Text     string // at most Limits.ReportChars; "" for none
}

// Check returns ErrInvalid for a field that is not valid.
func (r NewReport) Check(limits Limits) error {
	if !reportCategories[r.Category] {
		return Invalid("/category", "must be spam, abuse, sexual, violence, illegal or other")
	}
	return checkText("/text", &r.Text, limits.ReportChars)
}

// Report is a report as the app sees it. It keeps the message as it stood when it was
// reported, though it is edited or recalled later.
type Report struct {
	ReportID       string          `json:"report_id"`
	ConversationID ConversationID  `json:"conversation_id"`
	Seq            int64           `json:"seq"` // of the message
	Reporter       UserID          `json:"reporter"`
	Category       ReportCategory  `json:"category"`
	Text           string          `json:"text,omitempty"`
	State          ReportState     `json:"state"`
	CreatedAt      Time            `json:"created_at"`
	UpdatedAt      Time            `json:"updated_at"` // of the state
	Sender         UserID          `json:"sender"`     // of the message
	PostedAt       Time            `json:"posted_at"`
	Content        json.RawMessage `json:"content"`
}
