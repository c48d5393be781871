package rest

import (
	"encoding/json"
	"io"
	"mime"
	"slices"
	"strconv"

	"im/domain"
	"im/internal/strictjson"
)

// maxDrained is how much of a body that is too large is still read, so that its
// sender gets to read the answer. After that the connection is closed.
const maxDrained = 16 << 20

// readBody returns the whole body of a call, which must be application/json.
func (r *request) readBody() ([]byte, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, domain.ErrInvalid.WithMessage("Content-Type must be application/json")
	}
	if r.ContentLength > r.bodyLimit {
		return nil, r.tooLarge()
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, r.bodyLimit+1))
	switch {
	case err != nil:
		return nil, domain.ErrInvalid.WithMessage("the body could not be read").WithCause(err)
	case int64(len(text)) > r.bodyLimit:
		return nil, r.tooLarge()
	case len(text) == 0:
		return nil, domain.ErrInvalid.WithMessage("a body is required")
	}
	return text, nil
}

func (r *request) tooLarge() error {
	_, _ = io.CopyN(io.Discard, r.Body, maxDrained) // an error changes nothing
	return domain.ErrTooLarge.WithMessage("the body is too large")
}

// object is the JSON object of a body, or an object inside of it. Its methods
// note what is wrong for request.check, as those of strictjson.Object do.
type object struct {
	*strictjson.Object
	r *request
}

// object reads the body, which must be a JSON object with the required names. It
// reads nothing if a parameter was already wrong, or if the body is not readable;
// then check fails and the object is empty.
func (r *request) object(required ...string) object {
	unread := object{strictjson.NewObject("", []byte("{}")), r}
	if len(r.invalid) > 0 {
		return unread
	}
	text, err := r.readBody()
	if err != nil {
		r.failure = err
		return unread
	}
	o, err := strictjson.Parse("", text)
	if err != nil {
		r.failure = domain.InvalidJSON("", err).WithMessage("the body is not strict JSON")
		return unread
	}
	r.objects = append(r.objects, o)
	for _, name := range required {
		if !o.Has(name) {
			o.Reject(name, "is required")
		}
	}
	return object{o, r}
}

// inside returns the object that a member is, and false if there is no such member.
func (o object) inside(name string) (object, bool) {
	text, given := o.Raw(name)
	if !given {
		return object{}, false
	}
	inner := strictjson.NewObject(o.Pointer(name), text)
	o.r.objects = append(o.r.objects, inner)
	return object{inner, o.r}, true
}

// text returns a string member of 1 to maximum characters; "" if it is missing.
// With a maximum of 0 the domain limits the length.
func (o object) text(name string, maximum int) string {
	if !o.Has(name) {
		return ""
	}
	text := o.String(name)
	if reason := checkLength(text, maximum); reason != "" {
		o.Reject(name, reason)
	}
	return text
}

// optionalText returns a string member; nil if it is missing.
func (o object) optionalText(name string) *string {
	if !o.Has(name) {
		return nil
	}
	return new(o.String(name))
}

// nullableText returns a member that is a string or null.
func (o object) nullableText(name string) domain.Field[string] {
	raw, given := o.Raw(name)
	if !given || string(raw) == "null" {
		return domain.Field[string]{Set: given}
	}
	return domain.Field[string]{Set: true, Value: new(o.String(name))}
}

// nullableRaw returns the text of a member as it was sent; no value for null.
func (o object) nullableRaw(name string) domain.Field[json.RawMessage] {
	raw, given := o.Raw(name)
	if !given || string(raw) == "null" {
		return domain.Field[json.RawMessage]{Set: given}
	}
	return domain.Field[json.RawMessage]{Set: true, Value: &raw}
}

// metadata reads the member metadata as it was sent; nil if it is missing or null.
func (o object) metadata() json.RawMessage {
	if value := o.nullableRaw("metadata").Value; value != nil {
		return *value
	}
	return nil
}

// raw returns the text of a member as it was sent; nil if it is missing.
func (o object) raw(name string) json.RawMessage {
	raw, _ := o.Raw(name)
	return raw
}

// integer returns a member; nil if it is missing.
func (o object) integer(name string, minimum int64) *int64 {
	n, given := o.Int(name)
	if !given {
		return nil
	}
	if n < minimum {
		o.Reject(name, tooSmall(minimum))
	}
	return &n
}

// time returns a member that is a time (RFC 3339); nil if it is missing or null.
func (o object) time(name string) *domain.Time {
	value := o.nullableText(name).Value
	if value == nil {
		return nil
	}
	at, ok := parseTime(*value)
	if !ok {
		o.Reject(name, notATime)
	}
	return at
}

// flag returns a member; nil if it is missing.
func (o object) flag(name string) *bool {
	if !o.Has(name) {
		return nil
	}
	return new(o.Bool(name, false))
}

// nullableTexts returns a member that is an array of strings, or null.
func (o object) nullableTexts(name string) domain.Field[[]string] {
	raw, given := o.Raw(name)
	if !given || string(raw) == "null" {
		return domain.Field[[]string]{Set: given}
	}
	list := o.Strings(name)
	if list == nil {
		return domain.Field[[]string]{Set: true} // check fails
	}
	return domain.Field[[]string]{Set: true, Value: &list}
}

// userIDs returns a member that is an array of user ids, or of the words in also;
// nil if it is missing, and not nil if it is empty.
func (o object) userIDs(name string, also ...domain.UserID) []domain.UserID {
	list := o.Strings(name)
	if list == nil {
		return nil
	}
	users := make([]domain.UserID, len(list))
	for i, text := range list {
		users[i] = domain.UserID(text)
		if slices.Contains(also, users[i]) {
			continue
		}
		_, err := domain.ParseUserID(o.Pointer(name)+"/"+strconv.Itoa(i), text)
		o.r.refuse(err)
	}
	return users
}
