package domain

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"im/internal/strictjson"
)

// AttachmentID is a UUID of version 7.
type AttachmentID [16]byte

// ParseAttachmentID parses the text form with hyphens. The error is ErrInvalid for the
// field at pointer.
func ParseAttachmentID(pointer, s string) (AttachmentID, error) {
	id, err := ParseConversationID(pointer, s)
	return AttachmentID(id), err
}

// IsZero reports whether id is the zero UUID, which stands for no attachment.
func (id AttachmentID) IsZero() bool { return id == AttachmentID{} }

// String returns the text form in lower case.
func (id AttachmentID) String() string { return ConversationID(id).String() }

// MarshalText implements encoding.TextMarshaler.
func (id AttachmentID) MarshalText() ([]byte, error) { return ConversationID(id).MarshalText() }

// UnmarshalText implements encoding.TextUnmarshaler. The error is ErrInvalid.
func (id *AttachmentID) UnmarshalText(text []byte) error {
	return (*ConversationID)(id).UnmarshalText(text)
}

// AttachmentState says where an attachment is between its upload and its deletion.
type AttachmentState string

// The states of an attachment.
//
//	state    | the file                   | who may read it            | next
//	pending  | may be uploaded            | no one                     | ready, when the storage has it as declared; gone, as an orphan
//	ready    | is in the storage          | its owner                  | attached, when a message of its owner names it; gone, as an orphan
//	attached | is in the storage          | members of the             | gone, when the last message that names it is recalled
//	         |                            | conversation who may read  |
//	         |                            | a message that names it    |
//	gone     | is deleted, with retries   | no one                     | its row is deleted, when the file is and the upload has expired
//
// An orphan is an attachment that no message has named for 24 hours. The change to attached
// is made in the transaction that appends the message, the change to gone in the one that
// appends the recall.
const (
	AttachmentPending  AttachmentState = "pending"
	AttachmentReady    AttachmentState = "ready"
	AttachmentAttached AttachmentState = "attached"
	AttachmentGone     AttachmentState = "gone"
)

// NewAttachment is what a client declares of a file before it uploads the file.
type NewAttachment struct {
	Name   string   // of the file; 1 to 255 characters
	MIME   string   // a media type without parameters, in lower case
	Size   int64    // 1 to Limits.AttachmentBytes
	SHA256 [32]byte // zero: not declared
}

// Check returns an error for a field that is not valid: ErrInvalid, or ErrTooLarge for the
// size.
func (n NewAttachment) Check(limits Limits) error {
	if err := checkText("/name", &n.Name, maxFileName); err != nil {
		return err
	}
	switch {
	case n.Name == "":
		return Invalid("/name", "is required")
	case !isMediaType(n.MIME):
		return Invalid("/mime", "must be a media type without parameters, such as image/png")
	case n.Size < 1:
		return Invalid("/size", "must not be less than 1")
	case n.Size > int64(limits.AttachmentBytes):
		return ErrTooLarge.WithField("/size", "more than attachment_bytes, "+strconv.Itoa(limits.AttachmentBytes))
	}
	return nil
}

// isMediaType reports whether text is a media type in its only form: lower case, without
// parameters and spaces (RFC 6838).
func isMediaType(text string) bool {
	kind, subtype, _ := strings.Cut(text, "/")
	for _, part := range []string{kind, subtype} {
		const allowed = "abcdefghijklmnopqrstuvwxyz0123456789!#$&^_.+-"
		if part == "" || len(part) > maxMIME || strings.Trim(part, allowed) != "" {
			return false
		}
	}
	return true
}

// Attachment is a file that a user has declared.
type Attachment struct {
	NewAttachment

	ID             AttachmentID
	Owner          UserID
	State          AttachmentState
	ConversationID ConversationID // zero until a message names it
	UploadUntil    Time           // end of the signed upload
}

// AttachmentUpload is how the file of an attachment is uploaded: by one request with this
// method and these headers. The body must have the declared size, type and checksum.
type AttachmentUpload struct {
	AttachmentID AttachmentID      `json:"attachment_id"`
	UploadURL    string            `json:"upload_url"`
	Method       string            `json:"method"`
	Headers      map[string]string `json:"headers"`
	ExpiresAt    Time              `json:"expires_at"`
}

// AttachmentLink is where a file can be read for a short time, by whoever has the link.
type AttachmentLink struct {
	AttachmentID AttachmentID `json:"attachment_id"`
	URL          string       `json:"url"`
	ExpiresAt    Time         `json:"expires_at"`
	Name         string       `json:"name"`
	MIME         string       `json:"mime"`
	Size         int64        `json:"size"`
}

// Uploads finds out which files the storage has.
//
// A Chat without Uploads knows no attachments: the ids in contents are those of a storage of
// the app's own, and are not checked.
type Uploads interface {
	// SettleAttachment marks an attachment of a user as ready if its file has been uploaded
	// as declared. It changes nothing else. An unknown attachment is no error, nor is one of
	// another user.
	SettleAttachment(ctx context.Context, owner UserID, id AttachmentID) error
}

// AttachmentCommand is a Command that may put a message into the log that names an
// attachment. Before Decide, the log loads the attachment into the Conversation
// (LoadAttachment), unless it does not exist. The log appends the decision only if it is
// still the sender's, uploaded, and in no other conversation.
type AttachmentCommand interface {
	Command
	// Attachment returns what the message names; zero: nothing.
	Attachment() AttachmentID
}

// attachmentRef is what the content of a message says about an attachment.
type attachmentRef struct {
	named bool
	text  string       // as it is in the content
	id    AttachmentID // zero: the content names none, or it is no id
	size  int64        // 0: not given
	mime  string       // "": not given
}

// attachmentOf reads what the content of a message says, if it names an attachment.
func attachmentOf(o *strictjson.Object) (ref attachmentRef) {
	if !o.Has("attachment_id") {
		return ref
	}
	ref.named, ref.text, ref.mime = true, o.String("attachment_id"), o.String("mime")
	ref.id, _ = ParseAttachmentID("", ref.text) // mayAttach refuses what is no id
	ref.size, _ = o.Int("size")
	return ref
}

// refOf returns what a content says, which checkContent has accepted.
func refOf(content json.RawMessage) attachmentRef {
	return attachmentOf(strictjson.NewObject("/content", content))
}

// notAttachable does not say which of the conditions is not met: an attachment of another
// user must not show.
const notAttachable = "must be an attachment of yours that is uploaded, and that is in no other conversation"

// LoadAttachment gives an attachment to the decisions on this copy of the state.
func (c *Conversation) LoadAttachment(a Attachment) {
	if c.attachments == nil {
		c.attachments = map[AttachmentID]Attachment{}
	}
	c.attachments[a.ID] = a
}

// mayAttach returns ErrInvalid unless a message of the user may name the attachment.
func (c *Conversation) mayAttach(user UserID, ref attachmentRef) error {
	if !ref.named {
		return nil
	}
	a, ok := c.attachments[ref.id]
	switch {
	case !ok, a.Owner != user, a.State != AttachmentReady && a.State != AttachmentAttached,
		!a.ConversationID.IsZero() && a.ConversationID != c.ID:
		return Invalid("/content/attachment_id", notAttachable)
	case ref.size != 0 && ref.size != a.Size:
		return Invalid("/content/size", "is not the size of the attachment")
	case ref.mime != "" && ref.mime != a.MIME:
		return Invalid("/content/mime", "is not the type of the attachment")
	}
	return nil
}

// attachmentIn returns the attachment that a stored content names; zero: none. It reads what
// checkContent has read.
func attachmentIn(content json.RawMessage) AttachmentID {
	if !isObject(content) {
		return AttachmentID{} // of a recalled message
	}
	o := strictjson.NewObject("", content)
	switch o.String("type") {
	case contentImage, contentFile, contentAudio, contentVideo:
		return attachmentOf(o).id
	default:
		return AttachmentID{}
	}
}
