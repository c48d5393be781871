package domain

import (
	"crypto/ecdh"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// PushProvider is a service that brings notifications to devices.
type PushProvider string

// The providers.
const (
	PushFCM  PushProvider = "fcm"     // Firebase Cloud Messaging
	PushAPNS PushProvider = "apns"    // Apple Push Notification service
	PushWeb  PushProvider = "webpush" // Web Push, of browsers
)

// PushProviders returns all providers.
func PushProviders() []PushProvider { return []PushProvider{PushFCM, PushAPNS, PushWeb} }

// PushPreview is how much of a message a notification shows.
type PushPreview string

// The previews.
const (
	PreviewFull   PushPreview = "full"   // who has sent it, and its text
	PreviewSender PushPreview = "sender" // who has sent it, or the title of the group
	PreviewNone   PushPreview = "none"   // that there is a message
)

const (
	// MaxPushDevices is the most registrations of a user.
	MaxPushDevices = 50

	pushTokenChars    = 4096
	apnsTokenChars    = 200
	pushEndpointChars = 2048
	webPushAuthBytes  = 16
)

var (
	pushToken = regexp.MustCompile(`^[!-~]+$`)
	apnsToken = regexp.MustCompile(`^(?:[0-9A-Fa-f]{2}){32,}$`)
	locale    = regexp.MustCompile(`^[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}$`)
)

// PushAddress is where a provider reaches a device. It is as secret as a password: whoever
// has it can send notifications to the device.
type PushAddress struct {
	Provider PushProvider
	Token    string // of Web Push: the endpoint
	// The keys of a Web Push subscription: the public key of the browser, a point of P-256 in
	// the uncompressed form, and the shared secret.
	P256DH, Auth []byte
}

// Service returns whose servers the address is of: the provider or, with Web Push, the domain
// of the browser's push service. The owner of a domain can have any number of hosts in it, so
// a domain is one service. So are the addresses of an IPv6 /64, and all ports of a host.
func (a PushAddress) Service() string {
	if a.Provider != PushWeb {
		return string(a.Provider)
	}
	u, err := url.Parse(a.Token)
	if err != nil {
		return ""
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip = ip.Unmap().WithZone(""); ip.Is6() {
			return netip.PrefixFrom(ip, 64).Masked().String()
		}
		return ip.String()
	}
	labels := strings.Split(host, ".")
	n := 2
	if l := len(labels); l > 2 && len(labels[l-1]) == 2 && slices.Contains(sharedLabels, labels[l-2]) {
		n = 3
	}
	return strings.Join(labels[max(0, len(labels)-n):], ".")
}

// sharedLabels are those below which countries give domains to many, as in co.uk. Below one
// that is missing, all are one service: they share its slots and its pauses, no more.
var sharedLabels = []string{"ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"}

// PushRegistration says how a device of a user gets notifications.
type PushRegistration struct {
	User    UserID
	Device  DeviceID
	Address PushAddress
	Preview PushPreview // "": full
	Locale  string      // of the words that the server adds; "": English
	// Issued is when the token was issued that registers the device; the zero Time if it does
	// not say that, nil for a backend, which registers it now. A revocation of a later time
	// ends the registration. The store does not return it.
	Issued *Time
}

// Check returns ErrInvalid for a field that is not valid.
func (r PushRegistration) Check() error {
	switch r.Preview {
	case PreviewFull, PreviewSender, PreviewNone, "":
	default:
		return Invalid("/preview", "must be full, sender or none")
	}
	if r.Locale != "" && !locale.MatchString(r.Locale) {
		return Invalid("/locale", "must be a language tag such as en or pt-BR")
	}
	return r.Address.Check()
}

// Check returns ErrInvalid for a field that is not valid.
func (a PushAddress) Check() error {
	switch a.Provider {
	case PushFCM:
		if len(a.Token) > pushTokenChars || !pushToken.MatchString(a.Token) {
			return Invalid("/token", "must be a registration token of FCM")
		}
	case PushAPNS:
		if len(a.Token) > apnsTokenChars || !apnsToken.MatchString(a.Token) {
			return Invalid("/token", "must be a device token of APNs in hexadecimal digits")
		}
	case PushWeb:
		return a.checkSubscription()
	default:
		return Invalid("/provider", "must be fcm, apns or webpush")
	}
	return nil
}

func (a PushAddress) checkSubscription() error {
	const endpoint = "/subscription/endpoint"
	if len(a.Token) > pushEndpointChars || !pushToken.MatchString(a.Token) {
		return Invalid(endpoint, "must be a URL")
	}
	u, err := url.Parse(a.Token)
	switch {
	case err != nil:
		return Invalid(endpoint, "must be a URL")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return Invalid(endpoint, "must begin with https:// and a host")
	case u.User != nil || u.Fragment != "":
		return Invalid(endpoint, "must have no user, no password and no fragment")
	}
	if _, err := ecdh.P256().NewPublicKey(a.P256DH); err != nil {
		return Invalid("/subscription/keys/p256dh", "must be a point of P-256 in the uncompressed form, in base64url")
	}
	if len(a.Auth) != webPushAuthBytes {
		return Invalid("/subscription/keys/auth", "must be 16 bytes in base64url")
	}
	return nil
}

// PushRules say what is pushed, and when.
type PushRules struct {
	Delay  time.Duration // from the commit on; also the least time between two notifications of a conversation
	Within time.Duration // what is older is dropped
}

// HeldPush is the following of the feed for notifications, under a lease.
type HeldPush struct {
	Turn     int64 // fencing token of the lease
	Epoch    string
	Position FeedPosition // "": the feed is not followed yet
	Walking  bool         // the lanes of messages before the position are made, too
	Now      time.Time    // when the lease was claimed, by the clock of the database
}

// PushClaim is a notification that this node works on: what a device is to know of one
// conversation.
//
//	Seq > SentSeq | the message Seq, or an earlier one, is to be sent
//	Seq = SentSeq | it was sent; to be cleared when it is read elsewhere
type PushClaim struct {
	User           UserID
	Device         DeviceID
	ConversationID ConversationID
	Seq            int64
	SentSeq        int64 // 0: nothing was sent
	Attempts       int   // that have failed
	Number         int64 // of the claim: what a former claim writes has no effect
}

// PushJob is a claim, and what is there to send now.
type PushJob struct {
	PushClaim

	RegistrationID string
	Address        PushAddress
	Preview        PushPreview
	Locale         string
	UnreadTotal    int64

	Message *PushMessage // nil: nothing is to be shown
	Cleared bool         // what was sent was read or recalled since, or the user has left
	Expired bool         // the message is too old
}

// PushMessage is a message as it stands now, for a notification.
type PushMessage struct {
	Seq        int64
	At         Time
	Sender     UserID
	SenderName string // "": the id is shown
	Group      bool
	Title      string // of the group; "": it has none
	Mentioned  bool
	Content    []byte
}

// PushOwed says how many notifications are due.
type PushOwed struct {
	Due    int64         // at most 10,000 are counted
	Oldest time.Duration // for how long the first one has been due; 0: none
}

// PushTest is the result of a test notification, with the words of the provider.
type PushTest struct {
	Provider   PushProvider `json:"provider"`
	Taken      bool         `json:"taken"`
	Status     int          `json:"status,omitempty"` // of HTTP; 0: no answer
	Answer     string       `json:"answer,omitempty"` // of the provider, cut off after some KiB
	Error      string       `json:"error,omitempty"`
	Removed    bool         `json:"removed"` // the provider does not know the device any more
	DurationMS int          `json:"duration_ms"`
}

// PushInfo says how this server can push.
type PushInfo struct {
	Providers      []PushProvider `json:"providers"`
	VAPIDPublicKey string         `json:"vapid_public_key,omitempty"` // the applicationServerKey of Web Push
}
