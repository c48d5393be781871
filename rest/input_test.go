package rest

import (
	"strings"
	"testing"

	"im/domain"
)

// TestBadInput sends calls that the contract refuses. None may store anything.
func TestBadInput(t *testing.T) {
	s := newTestServer(t)
	id := s.group(t)
	base := "/v1/conversations/" + id.String()
	before := len(s.EventsOf(id))
	const text = `"content":{"type":"text","text":"Hi"}`
	long := strings.Repeat("a", 129)
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for name, c := range map[string]struct {
		method, path, body, field string
	}{
		"no body":                         {"POST", base + "/messages", "", ""},
		"not JSON":                        {"POST", base + "/messages", "hello", ""},
		"text after the value":            {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `} {}`, ""},
		"cut off":                         {"POST", base + "/messages", `{"client_msg_id":"c"`, ""},
		"an array":                        {"POST", base + "/messages", `[]`, ""},
		"null":                            {"POST", base + "/messages", `null`, ""},
		"empty object":                    {"POST", base + "/messages", `{}`, "/client_msg_id"},
		"invalid UTF-8":                   {"POST", base + "/messages", "{\"client_msg_id\":\"\xff\"," + text + "}", "/client_msg_id"},
		"NUL":                             {"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"text","text":"\u0000"}}`, "/content/text"},
		"NUL in an id":                    {"POST", base + "/messages", `{"client_msg_id":"\u0000",` + text + `}`, "/client_msg_id"},
		"raw NUL":                         {"POST", base + "/messages", "{\"client_msg_id\":\"\x00\"," + text + "}", "/client_msg_id"},
		"unpaired surrogate":              {"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"text","text":"\ud800"}}`, "/content/text"},
		"a name twice":                    {"POST", base + "/messages", `{"client_msg_id":"c","client_msg_id":"d",` + text + `}`, "/client_msg_id"},
		"a name twice inside":             {"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"text","text":"a","text":"b"}}`, "/content/text"},
		"too deep":                        {"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"custom","biz_type":"b","data":` + deep + `}}`, ""},
		"unknown field":                   {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"colour":"red"}`, "/colour"},
		"name in other letters":           {"POST", base + "/messages", `{"Client_Msg_Id":"c",` + text + `}`, "/Client_Msg_Id"},
		"name with a quote":               {"POST", base + "/messages", `{"decode field \"x\"":1}`, `/decode field "x"`},
		"name with a slash":               {"POST", base + "/messages", `{"a/b~c":1}`, "/a~1b~0c"},
		"unknown field inside":            {"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"text","text":"Hi","size":1}}`, "/content/size"},
		"to in the wrong place":           {"POST", base + "/messages", `{"to":"bob","client_msg_id":"c",` + text + `}`, "/to"},
		"client_msg_id is a number":       {"POST", base + "/messages", `{"client_msg_id":1,` + text + `}`, "/client_msg_id"},
		"client_msg_id is null":           {"POST", base + "/messages", `{"client_msg_id":null,` + text + `}`, "/client_msg_id"},
		"client_msg_id is empty":          {"POST", base + "/messages", `{"client_msg_id":"",` + text + `}`, "/client_msg_id"},
		"client_msg_id is too long":       {"POST", base + "/messages", `{"client_msg_id":"` + long[:65] + `",` + text + `}`, "/client_msg_id"},
		"content is null":                 {"POST", base + "/messages", `{"client_msg_id":"c","content":null}`, "/content"},
		"content is a string":             {"POST", base + "/messages", `{"client_msg_id":"c","content":"Hi"}`, "/content"},
		"content without a type":          {"POST", base + "/messages", `{"client_msg_id":"c","content":{"text":"Hi"}}`, "/content/type"},
		"content of an unknown type":      {"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"smell"}}`, "/content/type"},
		"text is a number":                {"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"text","text":1}}`, "/content/text"},
		"reply_to is zero":                {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"reply_to":0}`, "/reply_to"},
		"reply_to is negative":            {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"reply_to":-1}`, "/reply_to"},
		"reply_to is a string":            {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"reply_to":"1"}`, "/reply_to"},
		"reply_to is a fraction":          {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"reply_to":1.5}`, "/reply_to"},
		"reply_to is beyond 64 bits":      {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"reply_to":9223372036854775808}`, "/reply_to"},
		"reply_to is beyond the head":     {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"reply_to":99}`, "/reply_to"},
		"mentions is a string":            {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"mentions":"bob"}`, "/mentions"},
		"mentions null":                   {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"mentions":[null]}`, "/mentions"},
		"mentions 129 characters":         {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"mentions":["bob","` + long + `"]}`, "/mentions/1"},
		"mentions a non-member":           {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"mentions":["eve"]}`, ""},
		"metadata is a number":            {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"metadata":1}`, "/metadata"},
		"metadata is null":                {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"metadata":null}`, "/metadata"},
		"metadata is too long":            {"POST", base + "/messages", `{"client_msg_id":"c",` + text + `,"metadata":{"a":"` + strings.Repeat("a", 4096) + `"}}`, "/metadata"},
		"to is missing":                   {"POST", "/v1/messages", `{"client_msg_id":"c",` + text + `}`, "/to"},
		"to is empty":                     {"POST", "/v1/messages", `{"to":"","client_msg_id":"c",` + text + `}`, "/to"},
		"to is 129 characters":            {"POST", "/v1/messages", `{"to":"` + long + `","client_msg_id":"c",` + text + `}`, "/to"},
		"to is ..":                        {"POST", "/v1/messages", `{"to":"..","client_msg_id":"c",` + text + `}`, "/to"},
		"to oneself":                      {"POST", "/v1/messages", `{"to":"alice","client_msg_id":"c",` + text + `}`, "/to"},
		"kind is unknown":                 {"POST", "/v1/conversations", `{"kind":"crowd","members":[]}`, "/kind"},
		"kind is missing":                 {"POST", "/v1/conversations", `{"members":[]}`, "/kind"},
		"members are missing":             {"POST", "/v1/conversations", `{"kind":"group"}`, "/members"},
		"members are null":                {"POST", "/v1/conversations", `{"kind":"group","members":null}`, "/members"},
		"a member is a number":            {"POST", "/v1/conversations", `{"kind":"group","members":[1]}`, "/members"},
		"a member is no user":             {"POST", "/v1/conversations", `{"kind":"group","members":["bob","a b"]}`, "/members/1"},
		"a member is .":                   {"POST", "/v1/conversations", `{"kind":"group","members":["."]}`, "/members/0"},
		"501 members":                     {"POST", "/v1/conversations", `{"kind":"group","members":["a"` + strings.Repeat(`,"a"`, 500) + `]}`, "/members"},
		"direct with two":                 {"POST", "/v1/conversations", `{"kind":"direct","members":["bob","carol"]}`, "/members"},
		"direct with oneself":             {"POST", "/v1/conversations", `{"kind":"direct","members":["alice"]}`, "/members/0"},
		"direct with a title":             {"POST", "/v1/conversations", `{"kind":"direct","members":["bob"],"title":"x"}`, "/title"},
		"title is too long":               {"POST", "/v1/conversations", `{"kind":"group","members":[],"title":"` + strings.Repeat("é", 201) + `"}`, "/title"},
		"title is a number":               {"POST", "/v1/conversations", `{"kind":"group","members":[],"title":1}`, "/title"},
		"settings are null":               {"POST", "/v1/conversations", `{"kind":"group","members":[],"settings":null}`, "/settings"},
		"settings of an unknown kind":     {"POST", "/v1/conversations", `{"kind":"group","members":[],"settings":{"history":"since_yesterday"}}`, "/settings/history"},
		"unknown setting":                 {"POST", "/v1/conversations", `{"kind":"group","members":[],"settings":{"colour":"red"}}`, "/settings/colour"},
		"unknown value of a setting":      {"POST", "/v1/conversations", `{"kind":"group","members":[],"settings":{"posting":"nothing"}}`, "/settings/posting"},
		"a setting of the wrong type":     {"POST", "/v1/conversations", `{"kind":"group","members":[],"settings":{"receipts":"yes"}}`, "/settings/receipts"},
		"client id is empty":              {"POST", "/v1/conversations", `{"kind":"group","members":[],"client_conversation_id":""}`, "/client_conversation_id"},
		"client id is too long":           {"POST", "/v1/conversations", `{"kind":"group","members":[],"client_conversation_id":"` + long[:65] + `"}`, "/client_conversation_id"},
		"patch of a fixed field":          {"PATCH", base, `{"kind":"direct"}`, "/kind"},
		"patch with a number":             {"PATCH", base, `{"title":1}`, "/title"},
		"patch metadata with an array":    {"PATCH", base, `{"metadata":[]}`, "/metadata"},
		"no user to add":                  {"POST", base + "/members", `{"user_ids":[]}`, "/user_ids"},
		"add an owner":                    {"POST", base + "/members", `{"user_ids":["eve"],"role":"owner"}`, "/role"},
		"unknown role":                    {"PUT", base + "/members/eve", `{"role":"king"}`, "/role"},
		"no role":                         {"PUT", base + "/members/eve", `{}`, "/role"},
		"user of 129 characters":          {"PUT", base + "/members/" + long, `{"role":"member"}`, "/user_id"},
		"user outside the alphabet":       {"PUT", base + "/members/a%20b", `{"role":"member"}`, "/user_id"},
		"user is a slash":                 {"PUT", base + "/members/a%2Fb", `{"role":"member"}`, "/user_id"},
		"user is ..":                      {"PUT", base + "/members/%2E%2E", `{"role":"member"}`, "/user_id"},
		"user is NUL":                     {"DELETE", base + "/members/%00", "", "/user_id"},
		"user is not UTF-8":               {"DELETE", base + "/members/%ff", "", "/user_id"},
		"conversation is no UUID":         {"GET", "/v1/conversations/1", "", "/conversation_id"},
		"conversation in braces":          {"GET", "/v1/conversations/%7B" + id.String() + "%7D", "", "/conversation_id"},
		"conversation without hyphens":    {"GET", "/v1/conversations/" + strings.ReplaceAll(id.String(), "-", ""), "", "/conversation_id"},
		"message 0":                       {"GET", base + "/messages/0", "", "/seq"},
		"message -1":                      {"GET", base + "/messages/-1", "", "/seq"},
		"message x":                       {"GET", base + "/messages/x", "", "/seq"},
		"message beyond 64 bits":          {"GET", base + "/messages/9223372036854775808", "", "/seq"},
		"read is negative":                {"PUT", base + "/read", `{"seq":-1}`, "/seq"},
		"read is missing":                 {"PUT", base + "/read", `{}`, "/seq"},
		"ack is negative":                 {"PUT", base + "/ack", `{"device_id":"d","seq":-1}`, "/seq"},
		"ack of a long device":            {"PUT", base + "/ack", `{"device_id":"` + long[:65] + `","seq":1}`, "/device_id"},
		"ack of no device":                {"PUT", base + "/ack", `{"device_id":"","seq":1}`, "/device_id"},
		"limit 0":                         {"GET", "/v1/conversations?limit=0", "", "/limit"},
		"limit -1":                        {"GET", "/v1/conversations?limit=-1", "", "/limit"},
		"limit 501":                       {"GET", "/v1/conversations?limit=501", "", "/limit"},
		"limit x":                         {"GET", "/v1/conversations?limit=x", "", "/limit"},
		"limit is empty":                  {"GET", "/v1/conversations?limit=", "", "/limit"},
		"limit is huge":                   {"GET", "/v1/conversations?limit=99999999999999999999", "", "/limit"},
		"limit twice":                     {"GET", "/v1/conversations?limit=1&limit=1", "", "/limit"},
		"cursor twice":                    {"GET", "/v1/conversations?cursor=1&cursor=1", "", "/cursor"},
		"after_seq twice":                 {"GET", base + "/events?after_seq=1&after_seq=1", "", "/after_seq"},
		"around_at twice":                 {"GET", base + "/messages?around_at=2026-01-02T03:04:05Z&around_at=2026-01-02T03:04:05Z", "", "/around_at"},
		"device twice":                    {"GET", "/v1/sync?device_id=a&device_id=b", "", "/device_id"},
		"members limit 501":               {"GET", base + "/members?limit=501", "", "/limit"},
		"events limit 1001":               {"GET", base + "/events?limit=1001", "", "/limit"},
		"messages limit 1001":             {"GET", base + "/messages?limit=1001", "", "/limit"},
		"messages limit 0":                {"GET", base + "/messages?limit=0", "", "/limit"},
		"sync limit 501":                  {"GET", "/v1/sync?limit=501", "", "/limit"},
		"timeline limit 51":               {"GET", "/v1/sync?timeline_limit=51", "", "/timeline_limit"},
		"timeline limit -1":               {"GET", "/v1/sync?timeline_limit=-1", "", "/timeline_limit"},
		"sync of a bad device":            {"GET", "/v1/sync?device_id=a%20b", "", "/device_id"},
		"unknown parameter":               {"GET", "/v1/conversations?colour=red", "", "/colour"},
		"parameter of another call":       {"GET", base + "/events?around_seq=1", "", "/around_seq"},
		"parameter that is not known yet": {"GET", base + "/messages?thread=1", "", "/thread"},
		"as_of_seq is 0":                  {"GET", base + "/messages?as_of_seq=0", "", "/as_of_seq"},
		"as_of is no time":                {"GET", base + "/messages?as_of=then", "", "/as_of"},
		"two moments":                     {"GET", base + "/messages?as_of=2026-01-02T03:04:05Z&as_of_seq=1", "", "/as_of"},
		"edit without content":            {"PATCH", base + "/messages/4", `{"mentions":[]}`, "/content"},
		"edit to nothing":                 {"PATCH", base + "/messages/4", `{"content":null}`, ""},
		"edit of an unknown type":         {"PATCH", base + "/messages/4", `{"content":{"type":"smell"}}`, "/content/type"},
		"edit of metadata":                {"PATCH", base + "/messages/4", `{` + text + `,"metadata":{}}`, "/metadata"},
		"edit with mentions null":         {"PATCH", base + "/messages/4", `{` + text + `,"mentions":null}`, "/mentions"},
		"edit of message 0":               {"PATCH", base + "/messages/0", `{` + text + `}`, "/seq"},
		"recall with a long reason":       {"DELETE", base + "/messages/4?reason=" + strings.Repeat("a", 201), "", "/reason"},
		"recall with an empty reason":     {"DELETE", base + "/messages/4?reason=", "", "/reason"},
		"reaction of 65 bytes":            {"PUT", base + "/messages/4/reactions/" + strings.Repeat("a", 65), "", "/emoji"},
		"reaction with a control":         {"PUT", base + "/messages/4/reactions/a%0A", "", "/emoji"},
		"reaction with NUL":               {"PUT", base + "/messages/4/reactions/%00", "", "/emoji"},
		"reaction not UTF-8":              {"DELETE", base + "/messages/4/reactions/%ff", "", "/emoji"},
		"reactions limit 501":             {"GET", base + "/messages/4/reactions?limit=501", "", "/limit"},
		"pins limit 501":                  {"GET", base + "/pins?limit=501", "", "/limit"},
		"parameter of a call without any": {"POST", "/v1/messages?x=1", `{"to":"bob","client_msg_id":"c",` + text + `}`, "/x"},
		"path parameter in the query":     {"GET", base + "?conversation_id=1", "", "/conversation_id"},
		"query with a semicolon":          {"GET", "/v1/conversations?limit=1;cursor=1", "", ""},
		"query with a bad escape":         {"GET", "/v1/conversations?cursor=%zz", "", ""},
		"cursor with NUL":                 {"GET", "/v1/conversations?cursor=%00", "", "/cursor"},
		"cursor not UTF-8":                {"GET", "/v1/conversations?cursor=%ff", "", "/cursor"},
		"after_seq is negative":           {"GET", base + "/events?after_seq=-1", "", "/after_seq"},
		"before_seq is negative":          {"GET", base + "/events?before_seq=-1", "", "/before_seq"},
		"two positions of events":         {"GET", base + "/events?before_seq=1&after_seq=1", "", "/before_seq"},
		"two positions of messages":       {"GET", base + "/messages?around_seq=1&after_seq=1", "", "/around_seq"},
		"a position and seqs":             {"GET", base + "/messages?seq=1&seq=2&before_seq=1", "", "/seq"},
		"seq 0 among others":              {"GET", base + "/messages?seq=1&seq=0", "", "/seq/1"},
		"1001 seqs":                       {"GET", base + "/messages?seq=1" + strings.Repeat("&seq=1", 1000), "", "/seq"},
		"around_at is no time":            {"GET", base + "/messages?around_at=yesterday", "", "/around_at"},
	} {
		t.Run(name, func(t *testing.T) {
			s.call(t, "alice", c.method, c.path, c.body).refused(t, domain.CodeInvalid, c.field)
		})
	}
	if after := len(s.EventsOf(id)); after != before || len(s.IDs()) != 1 || len(s.acks)+len(s.signals) > 0 {
		t.Errorf("something was stored: %d events before, %d after, %d conversations", before, after, len(s.IDs()))
	}
}

func TestContentType(t *testing.T) {
	s := newTestServer(t)
	base := "/v1/conversations/" + s.group(t).String()
	for kind, good := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "APPLICATION/JSON": true,
		"text/plain": false, "application/x-www-form-urlencoded": false, "": false, "application/json, text/plain": false,
	} {
		got := s.call(t, "alice", "PUT", base+"/read", `{"seq":1}`, "Content-Type: "+kind)
		if good {
			got.want(t, 200)
		} else {
			got.refused(t, domain.CodeInvalid, "")
		}
	}
}

func TestLimitsAreConfigurable(t *testing.T) {
	s := newTestServer(t, func(o *Options) {
		o.Limits.ListPage, o.Limits.SyncPage, o.Limits.SyncTimeline, o.Limits.PageEvents = 3, 3, 3, 3
	})
	base := "/v1/conversations/" + s.group(t).String()
	for path, field := range map[string]string{
		"/v1/conversations?limit=": "/limit", base + "/members?limit=": "/limit", "/v1/sync?limit=": "/limit",
		"/v1/sync?timeline_limit=": "/timeline_limit", base + "/events?limit=": "/limit", base + "/messages?limit=": "/limit",
	} {
		s.call(t, "alice", "GET", path+"3", "").want(t, 200)
		s.call(t, "alice", "GET", path+"4", "").refused(t, domain.CodeInvalid, field)
	}
	s.call(t, "alice", "GET", base+"/events", "").want(t, 200)
	if s.lastRange.Limit != 3 {
		t.Errorf("the limit is %d unless given", s.lastRange.Limit)
	}
}

func TestInvalidCursor(t *testing.T) {
	s := newTestServer(t)
	message := s.postMessage(t)
	base, _, _ := strings.Cut(message, "/messages/")
	for _, path := range []string{"/v1/conversations", "/v1/sync", base + "/members", base + "/pins", message + "/reactions"} {
		for _, cursor := range []string{"x", "", "99"} {
			s.call(t, "alice", "GET", path+"?cursor="+cursor, "").refused(t, domain.CodeCursorInvalid, "")
		}
	}
}

func TestTooLarge(t *testing.T) {
	s := newTestServer(t)
	base := "/v1/conversations/" + s.group(t).String()
	content := `{"client_msg_id":"c","content":{"type":"text","text":"` + strings.Repeat("a", 32_768) + `"}}`
	s.call(t, "alice", "POST", base+"/messages", content).refused(t, domain.CodeTooLarge, "/content")
	body := strings.Repeat(" ", 10<<20)
	s.call(t, "alice", "POST", base+"/messages", body).refused(t, domain.CodeTooLarge, "")
	s.call(t, "alice", "POST", base+"/members", `{"user_ids":["`+strings.Repeat("a", 1<<20)+`"]}`).refused(t, domain.CodeTooLarge, "")
	s.call(t, "", "POST", base+"/messages", body).refused(t, domain.CodeUnauthenticated, "")
	// The largest good body: 500 members of 128 characters.
	members := make([]string, 500)
	for i := range members {
		members[i] = strings.Repeat("u", 124) + itoa(int64(1000+i))
	}
	s.call(t, "alice", "POST", base+"/members", `{ "user_ids" : [ "`+strings.Join(members, `", "`)+`" ] }`).want(t, 200)
}

func TestUnknownPathOrMethod(t *testing.T) {
	s := newTestServer(t)
	base := "/v1/conversations/" + s.group(t).String()
	for _, c := range [][2]string{
		{"GET", "/"},
		{"GET", "/v1"},
		{"GET", "/v1/"},
		{"GET", "/v2/sync"},
		{"GET", "/v1/nothing"},
		{"GET", "/v1/sync/"},
		{"GET", "/v1//sync"},
		{"GET", base + "/"},
		{"GET", "/v1/conversations/"},
		{"GET", "/v1/conversations//messages"},
		{"PUT", base + "/members/"},
		{"GET", base + "/nothing"},
		{"DELETE", base},
		{"PUT", "/v1/sync"},
		{"OPTIONS", "/v1/sync"},
		{"HEAD", "/v1/sync"},
		{"BREW", "/v1/sync"},
		{"POST", "/healthz"},
		{"GET", "/healthz/"},
		{"GET", base + "/members/../members"},
		{"GET", "/v1/messages"},
		{"GET", "/metrics"},
	} {
		for _, token := range []string{"", "alice"} {
			s.call(t, token, c[0], c[1], "").refused(t, domain.CodeNotFound, "")
		}
	}
}

// TestPathsAreTakenLiterally: a path is neither cleaned nor redirected, and each
// segment is unescaped once.
func TestPathsAreTakenLiterally(t *testing.T) {
	s := newTestServer(t)
	base := "/v1/conversations/" + s.group(t).String()
	for _, user := range []string{"a%3Ab", "a:b", "a%7Cb", "a|b", "a@b.c", "a%40b", "a+b=c", "%61lice2", "..."} {
		s.call(t, "alice", "PUT", base+"/members/"+user, `{"role":"member"}`).want(t, 201)
		s.call(t, "alice", "DELETE", base+"/members/"+user, "").want(t, 200)
	}
	for _, path := range []string{"/v1/%73ync", "/%76%31/sync", "/%68ealthz"} {
		s.call(t, "alice", "GET", path, "").want(t, 200)
	}
	for path, field := range map[string]string{
		"/v1/blocks/..": "/user_id", "/v1/blocks/.": "/user_id", "/v1/blocks/%2E%2E": "/user_id", "/v1/blocks/%2F": "/user_id",
		"/v1/blocks/a%2F": "/user_id", "/v1/blocks/%252F": "/user_id", "/v1/sessions/%2F": "/session_id", "/v1/sessions/..": "/session_id",
	} {
		method := "PUT"
		if field == "/session_id" {
			method = "DELETE"
		}
		s.call(t, "alice", method, path, "").refused(t, domain.CodeInvalid, field)
	}
	for _, path := range []string{"/v1/./sync", "/v1/../v1/sync", "/v1/sync/.", "/v1/sync%2F", "/v1%2Fsync", "/v1/sync/%2F", "//v1/sync", "/v1/sync//"} {
		s.call(t, "alice", "GET", path, "").refused(t, domain.CodeNotFound, "")
	}
}
