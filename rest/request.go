package rest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"im/domain"
	"im/internal/strictjson"
)

// request is one call of an authenticated caller. Its methods read the
// parameters and the body of the call. They never fail: each notes what is wrong
// by its JSON pointer and returns a zero value.
//
// A handler reads everything that its operation takes and then calls check.
// check refuses the call if anything was wrong, and if the query or the body has
// a name that the handler did not read.
type request struct {
	*http.Request
	caller

	bodyLimit int64
	query     url.Values
	read      map[string]bool      // query parameters that the handler has read
	objects   []*strictjson.Object // of the body
	invalid   map[string]string    // reasons by JSON pointer
	failure   error                // what is wrong with the call as a whole
}

// newRequest fails if the query is not readable.
func newRequest(r *http.Request, c caller, bodyLimit int64) (*request, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, domain.ErrInvalid.WithMessage("the query cannot be read")
	}
	return &request{
		Request: r, caller: c, bodyLimit: bodyLimit, query: query, read: map[string]bool{}, invalid: map[string]string{},
	}, nil
}

// check returns what is wrong with the call; nil if nothing is.
func (r *request) check() error {
	for name := range r.query {
		if !r.read[name] {
			r.reject(name, "unknown parameter")
		}
	}
	for _, o := range r.objects {
		maps.Copy(r.invalid, o.Complaints())
	}
	if len(r.invalid) > 0 {
		refused := *domain.ErrInvalid
		refused.Fields = r.invalid
		return &refused
	}
	return r.failure
}

// checkBackend is check for the operations of backends that act as themselves.
func (r *request) checkBackend() error {
	if err := r.check(); err != nil {
		return err
	}
	if !r.Backend {
		return domain.ErrForbidden.WithMessage("only a server token as itself may call this")
	}
	return nil
}

// reject notes what is wrong with a parameter; the first reason stays.
func (r *request) reject(name, reason string) { r.rejectAt(pointer(name), reason) }

func (r *request) rejectAt(pointer, reason string) {
	if _, noted := r.invalid[pointer]; !noted {
		r.invalid[pointer] = reason
	}
}

// refuse notes an error of one of the domain's parsers.
func (r *request) refuse(err error) {
	if known, ok := errors.AsType[*domain.Error](err); ok {
		for pointer, reason := range known.Fields {
			r.rejectAt(pointer, reason)
		}
	}
}

// pointer returns the JSON pointer of a parameter.
func pointer(name string) string {
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(strings.ToValidUTF8(name, "\uFFFD"))
}

func (r *request) conversationID() domain.ConversationID {
	id, err := domain.ParseConversationID("/conversation_id", pathValue(r.Request, "conversation_id"))
	r.refuse(err)
	return id
}

func (r *request) userID() domain.UserID {
	id, err := domain.ParseUserID("/user_id", pathValue(r.Request, "user_id"))
	r.refuse(err)
	return id
}

// sessionID returns the session of the path: 1 to 64 ASCII letters and digits.
func (r *request) sessionID() domain.SessionID {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	id := pathValue(r.Request, "session_id")
	if len(id) > 64 || strings.Trim(id, alphabet) != "" {
		r.reject("session_id", "is not of the required form")
	}
	return domain.SessionID(id)
}

// reportID returns the report of the path, a UUID.
func (r *request) reportID() string { return r.uuid("report_id") }

// webhookID returns the webhook of the path, a UUID.
func (r *request) webhookID() string { return r.uuid("webhook_id") }

func (r *request) uuid(name string) string {
	id, err := domain.ParseConversationID(pointer(name), pathValue(r.Request, name))
	r.refuse(err)
	return id.String()
}

// seq returns the message of the path.
func (r *request) seq() int64 { return r.number("seq", "/seq", pathValue(r.Request, "seq"), 1) }

func (r *request) emoji() string { return pathValue(r.Request, "emoji") }

// number parses one value of a parameter. A value that is no number is wrong at
// the parameter's name, one below the minimum at pointer.
func (r *request) number(name, pointer, text string, minimum int64) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		r.reject(name, "must be an integer")
	case n < minimum:
		r.rejectAt(pointer, tooSmall(minimum))
	}
	return n
}

func tooSmall(minimum int64) string { return fmt.Sprintf("must not be less than %d", minimum) }

// values returns all values of a query parameter; none if one of them is not
// text that an id or a cursor can have.
func (r *request) values(name string) []string {
	r.read[name] = true
	for _, v := range r.query[name] {
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			r.reject(name, "must be valid UTF-8 without U+0000")
			return nil
		}
	}
	return r.query[name]
}

// value returns a query parameter that may be given once, and whether it is.
func (r *request) value(name string) (text string, given bool) {
	values := r.values(name)
	switch len(values) {
	case 0:
		return "", false
	case 1:
		return values[0], true
	default:
		r.reject(name, "must not be repeated")
		return "", false
	}
}

// text returns a query parameter of 1 to maximum characters, and whether it is
// given. With a maximum of 0 the domain limits the length.
func (r *request) text(name string, maximum int) (text string, given bool) {
	text, given = r.value(name)
	if reason := checkLength(text, maximum); given && reason != "" {
		r.reject(name, reason)
	}
	return text, given
}

// checkLength returns what is wrong with a text of 1 to maximum characters; a
// maximum of 0 is no limit.
func checkLength(text string, maximum int) (reason string) {
	switch {
	case text == "":
		return "is too short"
	case maximum > 0 && utf8.RuneCountInString(text) > maximum:
		return "is too long"
	}
	return ""
}

// integer returns a query parameter; nil if it is not given.
func (r *request) integer(name string, minimum int64) *int64 {
	text, given := r.value(name)
	if !given {
		return nil
	}
	return new(r.number(name, pointer(name), text, minimum))
}

// integers returns all values of a query parameter that may be repeated.
func (r *request) integers(name string, minimum int64) []int64 {
	var list []int64
	for i, text := range r.values(name) {
		list = append(list, r.number(name, pointer(name)+"/"+strconv.Itoa(i), text, minimum))
	}
	return list
}

// size returns how many items a page may have: the query parameter if it is
// given, which must not be larger than largest, and otherwise the default.
func (r *request) size(name string, minimum int64, otherwise, largest int) int {
	n := r.integer(name, minimum)
	if n == nil {
		return min(otherwise, largest)
	}
	if *n > int64(largest) {
		r.reject(name, "is more than a page may have")
	}
	return int(*n)
}

func (r *request) limit(largest int) int {
	return r.size("limit", 1, domain.DefaultListPage, largest)
}

// cursor returns the query parameter cursor; "" for the first page. An empty
// cursor is not the first page: the server hands out no such cursor.
func (r *request) cursor() string {
	cursor, given := r.value("cursor")
	if given && cursor == "" {
		r.failure = domain.ErrCursorInvalid
	}
	return cursor
}

// page returns the query parameters that lists have.
func (r *request) page(largest int) (cursor string, limit int) { return r.cursor(), r.limit(largest) }

// time returns a query parameter (RFC 3339); nil if it is not given.
func (r *request) time(name string) *domain.Time {
	text, given := r.value(name)
	if !given {
		return nil
	}
	at, ok := parseTime(text)
	if !ok {
		r.reject(name, notATime)
	}
	return at
}

const notATime = "must be a time such as 2026-01-02T03:04:05Z"

// parseTime parses a time of RFC 3339.
func parseTime(text string) (*domain.Time, bool) {
	at, err := time.Parse(time.RFC3339, text)
	return new(domain.TimeOf(at)), err == nil
}

// flag returns a query parameter that is true or false; false if it is not given.
func (r *request) flag(name string) bool {
	text, given := r.value(name)
	if !given {
		return false
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		r.reject(name, "must be true or false")
	}
	return on
}

// maxUserIDs is how many users a query may name.
const maxUserIDs = 100

// userIDs returns the users of a query: 1 to maxUserIDs.
func (r *request) userIDs() []domain.UserID {
	values := r.values("user_id")
	switch {
	case len(values) == 0:
		r.reject("user_id", "is required")
	case len(values) > maxUserIDs:
		r.reject("user_id", fmt.Sprintf("must not be repeated more than %d times", maxUserIDs))
		return nil
	}
	users := make([]domain.UserID, len(values))
	for i, text := range values {
		user, err := domain.ParseUserID("/user_id/"+strconv.Itoa(i), text)
		r.refuse(err)
		users[i] = user
	}
	return users
}
