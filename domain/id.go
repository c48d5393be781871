package domain

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// UserID is the app's own id of a user: 1 to 128 characters of the id alphabet (ASCII
// letters, digits and . _ : @ - + = |). Users are not registered: a valid token is
// enough.
type UserID string

// Everyone is the element of mentions that stands for every member of a group. Its
// character is not in the id alphabet, so it cannot be a user.
const Everyone UserID = "*"

// DeviceID is the id of one local store of a user: 1 to 64 characters of the id
// alphabet, chosen by the client.
type DeviceID string

// SessionID is the id of one live socket, unique in the whole cluster for all time.
type SessionID string

// NodeID is the id of one incarnation of a node: the node's name and a suffix that is
// new at each start, and whenever the node has lost its lease.
type NodeID string

const (
	maxUserID   = 128
	maxDeviceID = 64
)

// ParseUserID validates s. The error is ErrInvalid for the field at pointer.
func ParseUserID(pointer, s string) (UserID, error) {
	if !validID(s, maxUserID) {
		return "", Invalid(pointer, "must be 1 to 128 ASCII letters, digits or . _ : @ - + = |, and not . or ..")
	}
	return UserID(s), nil
}

// ParseDeviceID validates s. The error is ErrInvalid for the field at pointer.
func ParseDeviceID(pointer, s string) (DeviceID, error) {
	if !validID(s, maxDeviceID) {
		return "", Invalid(pointer, "must be 1 to 64 ASCII letters, digits or . _ : @ - + = |, and not . or ..")
	}
	return DeviceID(s), nil
}

func validID(s string, limit int) bool {
	if s == "" || len(s) > limit || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '_', c == ':', c == '@', c == '-', c == '+', c == '=', c == '|':
		default:
			return false
		}
	}
	return true
}

// ConversationID is a UUID of version 7 (RFC 9562). It begins with the time, so new
// conversations are adjacent in every index.
type ConversationID [16]byte

// NewConversationID returns an id with the millisecond of now and 74 random bits.
func NewConversationID(now time.Time) ConversationID {
	var id ConversationID
	if _, err := rand.Read(id[6:]); err != nil {
		panic(err) // crypto/rand never fails on the supported platforms
	}
	ms := uint64(now.UnixMilli())
	binary.BigEndian.PutUint32(id[0:], uint32(ms>>16))
	binary.BigEndian.PutUint16(id[4:], uint16(ms))
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// ParseConversationID parses the text form with hyphens, in upper or lower case. It
// accepts UUIDs of any version. The error is ErrInvalid for the field at pointer.
func ParseConversationID(pointer, s string) (ConversationID, error) {
	var id ConversationID
	if err := id.UnmarshalText([]byte(s)); err != nil {
		return id, Invalid(pointer, "must be a UUID")
	}
	return id, nil
}

// IsZero reports whether id is the zero UUID, which stands for no conversation.
func (id ConversationID) IsZero() bool { return id == ConversationID{} }

// String returns the text form in lower case.
func (id ConversationID) String() string { return string(id.AppendString(nil)) }

// MarshalText implements encoding.TextMarshaler, for JSON values and map keys.
func (id ConversationID) MarshalText() ([]byte, error) { return id.AppendString(nil), nil }

// UnmarshalText implements encoding.TextUnmarshaler. The error is ErrInvalid.
func (id *ConversationID) UnmarshalText(text []byte) error {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return ErrInvalid
	}
	var digits [32]byte
	copy(digits[0:], text[0:8])
	copy(digits[8:], text[9:13])
	copy(digits[12:], text[14:18])
	copy(digits[16:], text[19:23])
	copy(digits[20:], text[24:36])
	if _, err := hex.Decode(id[:], digits[:]); err != nil {
		return ErrInvalid
	}
	return nil
}

// AppendString appends what String returns.
func (id ConversationID) AppendString(dst []byte) []byte {
	dst = hex.AppendEncode(dst, id[0:4])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[4:6])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[6:8])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[8:10])
	dst = append(dst, '-')
	return hex.AppendEncode(dst, id[10:16])
}

// DirectKey returns the key of the direct conversation of two users, in either order.
// The separator is not in the id alphabet.
func DirectKey(a, b UserID) string {
	if a > b {
		a, b = b, a
	}
	return string(a) + "\n" + string(b)
}
