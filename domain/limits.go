package domain

// Limits are told to every client in welcome. Sizes are in bytes of UTF-8,
// characters are Unicode code points.
type Limits struct {
	ContentBytes     int `json:"content_bytes"`
	FrameBytes       int `json:"frame_bytes"`
	PageEvents       int `json:"page_events"`
	GroupMembers     int `json:"group_members"`
	MembersPerCall   int `json:"members_per_call"`
	RequestsInFlight int `json:"requests_in_flight"`
	WatchUsers       int `json:"watch_users"`
	SessionsPerUser  int `json:"sessions_per_user"`
	Pins             int `json:"pins"`
	TitleChars       int `json:"title_chars"`
	NameChars        int `json:"name_chars"`
	ReasonChars      int `json:"reason_chars"`
	EmojiBytes       int `json:"emoji_bytes"`
	MessageEmojis    int `json:"message_emojis"` // different ones on a message
	MetadataBytes    int `json:"metadata_bytes"`
	URLChars         int `json:"url_chars"`
	SyncPage         int `json:"sync_conversations"`
	SyncTimeline     int `json:"sync_timeline"`
	ListPage         int `json:"list_items"`
}

// Defaults of the limits, and of pages where a request names no size.
const (
	DefaultPageEvents = 100
	DefaultSyncPage   = 100
	DefaultListPage   = 100
)

// DefaultLimits returns the limits of the contract.
func DefaultLimits() Limits {
	return Limits{
		ContentBytes:     32_768,
		FrameBytes:       65_536,
		PageEvents:       1_000,
		GroupMembers:     10_000,
		MembersPerCall:   500,
		RequestsInFlight: 64,
		WatchUsers:       500,
		SessionsPerUser:  32,
		Pins:             100,
		TitleChars:       200,
		NameChars:        200,
		ReasonChars:      200,
		EmojiBytes:       64,
		MessageEmojis:    100,
		MetadataBytes:    4_096,
		URLChars:         2_048,
		SyncPage:         500,
		SyncTimeline:     50,
		ListPage:         500,
	}
}

// PageBytes is where a page of events ends early, with has_more.
const PageBytes = 1 << 20
