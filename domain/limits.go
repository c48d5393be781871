package domain

// Limits are the maxima that requests are validated against; clients get them in the
// frame welcome. Bytes are of UTF-8 or JSON text, characters are Unicode code points.
type Limits struct {
	ContentBytes      int `json:"content_bytes"`       // the content of a message, and the data of a notice
	FrameBytes        int `json:"frame_bytes"`         // a frame from a client
	PageEvents        int `json:"page_events"`         // events of a page
	GroupMembers      int `json:"group_members"`       // members of a group
	MembersPerCall    int `json:"members_per_call"`    // users that one request adds
	RequestsInFlight  int `json:"requests_in_flight"`  // unanswered requests of a socket
	WatchUsers        int `json:"watch_users"`         // users whose presence a session watches
	SessionsPerUser   int `json:"sessions_per_user"`   // live sessions of a user
	Pins              int `json:"pins"`                // pinned messages of a conversation
	Bans              int `json:"bans"`                // banned users of a conversation
	Mutes             int `json:"mutes"`               // muted users of a conversation
	TitleChars        int `json:"title_chars"`         // title of a group
	NameChars         int `json:"name_chars"`          // name in a profile
	ReasonChars       int `json:"reason_chars"`        // reason of a recall or a ban
	ReportChars       int `json:"report_chars"`        // text of a report
	EmojiBytes        int `json:"emoji_bytes"`         // one emoji of a reaction
	MessageEmojis     int `json:"message_emojis"`      // different emojis on a message
	MetadataBytes     int `json:"metadata_bytes"`      // metadata of anything
	URLChars          int `json:"url_chars"`           // any URL
	AttachmentBytes   int `json:"attachment_bytes"`    // the file of an attachment
	AttachmentsPerDay int `json:"attachments_per_day"` // attachments that a user begins on a day of UTC
	SyncPage          int `json:"sync_conversations"`  // conversations of a page of a sync
	SyncTimeline      int `json:"sync_timeline"`       // events of a conversation in a sync
	ListPage          int `json:"list_items"`          // items of a page of any other list
}

// Sizes of pages for requests that name none.
const (
	DefaultPageEvents = 100
	DefaultSyncPage   = 100
	DefaultListPage   = 100
)

// DefaultLimits returns the limits of the contract.
func DefaultLimits() Limits {
	return Limits{
		ContentBytes:      32_768,
		FrameBytes:        65_536,
		PageEvents:        1_000,
		GroupMembers:      10_000,
		MembersPerCall:    500,
		RequestsInFlight:  64,
		WatchUsers:        500,
		SessionsPerUser:   32,
		Pins:              100,
		Bans:              1_000,
		Mutes:             1_000,
		TitleChars:        200,
		NameChars:         200,
		ReasonChars:       200,
		ReportChars:       1_000,
		EmojiBytes:        64,
		MessageEmojis:     100,
		MetadataBytes:     4_096,
		URLChars:          2_048,
		AttachmentBytes:   64 << 20,
		AttachmentsPerDay: 1_000,
		SyncPage:          500,
		SyncTimeline:      50,
		ListPage:          500,
	}
}

// PageBytes is the size at which a page of events, messages or conversations ends
// early; it then says that there is more. A page holds one item at least, however
// large.
const PageBytes = 1 << 20

// RateClass is a kind of request with a rate limit of its own.
type RateClass uint8

// The rate classes.
const (
	// RateConnect is for socket handshakes, hellos, and calls with an invalid token.
	RateConnect RateClass = iota
	// RateSend is for messages and all other changes, without those of positions.
	RateSend
	// RateRead is for lists, pages, syncs, and changes of read positions.
	RateRead
	// RateSignal is for frequent small frames: acknowledgements, typing, pings.
	RateSignal
	rateClasses
)

// RateClasses is the number of rate classes, whose values start at 0.
const RateClasses = int(rateClasses)
