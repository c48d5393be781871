package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"im/domain"
)

// handler has a method for every operation under /v1.
type handler struct {
	Backend
	limits   domain.Limits
	draining func() bool                  // waiting calls end then
	address  func(*http.Request) *url.URL // see Options.Address
}

// route is one operation of openapi.yaml.
type route struct {
	method    string
	pattern   string // of http.ServeMux, which is the path in openapi.yaml
	operation string // operationId
	class     domain.RateClass
	handle    func(http.ResponseWriter, *request) error
}

// routes is the table of all operations under /v1.
func (h *handler) routes() []route {
	return slices.Concat(h.conversationRoutes(), h.userRoutes(), h.webhookRoutes())
}

// conversationRoutes has the operations on conversations. Read markers and acks count
// as reads, because clients send them about as often as they read.
func (h *handler) conversationRoutes() []route {
	const (
		read, send = domain.RateRead, domain.RateSend

		get, post, put, patch, remove = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete

		conversation = "/v1/conversations/{conversation_id}"
		member       = conversation + "/members/{user_id}"
		message      = conversation + "/messages/{seq}"
		reaction     = message + "/reactions/{emoji}"
	)
	return []route{
		{post, "/v1/conversations", "createConversation", send, h.createConversation},
		{get, "/v1/conversations", "listConversations", read, h.listConversations},
		{get, conversation, "getConversation", read, h.getConversation},
		{patch, conversation, "updateConversation", send, h.updateConversation},
		{get, "/v1/sync", "sync", read, h.sync},

		{get, conversation + "/members", "listMembers", read, h.listMembers},
		{post, conversation + "/members", "addMembers", send, h.addMembers},
		{put, member, "putMember", send, h.putMember},
		{remove, member, "removeMember", send, h.removeMember},

		{get, conversation + "/bans", "listBans", read, h.listBans},
		{put, conversation + "/bans/{user_id}", "banMember", send, h.banMember},
		{remove, conversation + "/bans/{user_id}", "unbanMember", send, h.unbanMember},
		{get, conversation + "/mutes", "listMutes", read, h.listMutes},
		{put, conversation + "/mutes/{user_id}", "muteMember", send, h.muteMember},
		{remove, conversation + "/mutes/{user_id}", "unmuteMember", send, h.unmuteMember},

		{post, "/v1/messages", "sendToUser", send, h.sendToUser},
		{post, conversation + "/messages", "sendMessage", send, h.sendMessage},
		{get, conversation + "/messages", "listMessages", read, h.listMessages},
		{get, conversation + "/events", "listEvents", read, h.listEvents},
		{get, message, "getMessage", read, h.getMessage},
		{patch, message, "editMessage", send, h.editMessage},
		{remove, message, "recallMessage", send, h.recallMessage},
		{get, message + "/trace", "traceMessage", read, h.traceMessage},
		{get, message + "/reactions", "listReactions", read, h.listReactions},
		{put, reaction, "react", send, h.react},
		{remove, reaction, "unreact", send, h.unreact},
		{put, message + "/pin", "pinMessage", send, h.pinMessage},
		{remove, message + "/pin", "unpinMessage", send, h.unpinMessage},
		{get, conversation + "/pins", "listPins", read, h.listPins},
		{post, message + "/reports", "reportMessage", send, h.reportMessage},
		{get, "/v1/search/messages", "searchMessages", read, h.searchMessages},

		{put, conversation + "/read", "markRead", read, h.markRead},
		{put, conversation + "/ack", "acknowledge", read, h.acknowledge},
		{get, conversation + "/receipts", "listReceipts", read, h.listReceipts},
		{get, conversation + "/preferences", "getPreferences", read, h.getPreferences},
		{patch, conversation + "/preferences", "updatePreferences", send, h.updatePreferences},
	}
}

// userRoutes has the operations on users, and those of the app's backend.
func (h *handler) userRoutes() []route {
	const (
		read, send = domain.RateRead, domain.RateSend

		get, post, put, patch, remove = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete

		user   = "/v1/users/{user_id}"
		device = "/v1/devices/{device_id}"
	)
	return []route{
		{get, "/v1/users", "getUsers", read, h.getUsers},
		{put, user, "putUser", send, h.putUser},
		{get, "/v1/presence", "getPresence", read, h.getPresence},
		{get, "/v1/blocks", "listBlocks", read, h.listBlocks},
		{put, "/v1/blocks/{user_id}", "block", send, h.block},
		{remove, "/v1/blocks/{user_id}", "unblock", send, h.unblock},
		{get, "/v1/sessions", "listSessions", read, h.listSessions},
		{remove, "/v1/sessions/{session_id}", "endSession", send, h.endSession},
		{remove, user + "/sessions", "endSessions", send, h.endSessions},

		{put, user + "/ban", "banUser", send, h.banUser},
		{remove, user + "/ban", "unbanUser", send, h.unbanUser},
		{get, "/v1/reports", "listReports", read, h.listReports},
		{patch, "/v1/reports/{report_id}", "decideReport", send, h.decideReport},

		{post, user + "/notices", "notifyUser", send, h.notifyUser},
		{post, "/v1/notices", "notifyAll", send, h.notifyAll},
		{get, "/v1/stats", "getStats", read, h.getStats},

		{post, "/v1/attachments", "createAttachment", send, h.createAttachment},
		{get, "/v1/attachments/{attachment_id}", "getAttachment", read, h.getAttachment},

		{get, "/v1/push", "getPush", read, h.getPush},
		{put, device + "/push", "putPush", send, h.putPush},
		{remove, device + "/push", "deletePush", send, h.deletePush},
		{post, device + "/push/test", "testPush", send, h.testPush},
	}
}

// webhookRoutes has the operations that bring events to the app's backend.
func (h *handler) webhookRoutes() []route {
	const (
		read, send = domain.RateRead, domain.RateSend

		get, post, patch, remove = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete

		webhook = "/v1/webhooks/{webhook_id}"
	)
	return []route{
		{post, "/v1/webhooks", "createWebhook", send, h.createWebhook},
		{get, "/v1/webhooks", "listWebhooks", read, h.listWebhooks},
		{get, webhook, "getWebhook", read, h.getWebhook},
		{patch, webhook, "updateWebhook", send, h.updateWebhook},
		{remove, webhook, "deleteWebhook", send, h.deleteWebhook},
		{post, webhook + "/rotate", "rotateWebhook", send, h.rotateWebhook},
		{post, webhook + "/test", "testWebhook", send, h.testWebhook},
		{post, webhook + "/replay", "replayWebhook", send, h.replayWebhook},
		{get, webhook + "/deliveries", "listDeliveries", read, h.listDeliveries},
		{get, "/v1/feed", "getFeed", read, h.getFeed},
	}
}

// extraTime is how much longer than others some operations may take: they wait for events,
// or for an endpoint of the app.
var extraTime = map[string]time.Duration{"getFeed": maxWait, "testWebhook": 15 * time.Second}

// openRoute is an operation that needs no token. It answers HEAD as well.
type openRoute struct {
	pattern   string
	operation string
	handle    http.HandlerFunc
}

func (s *Server) openRoutes(o Options) []openRoute {
	return []openRoute{
		{"/healthz", "getHealth", s.health.live},
		{"/readyz", "getReadiness", s.health.ready},
		{"/openapi.yaml", "getDescription", writeYAML(o.Description)},
		{"/asyncapi.yaml", "getSocketDescription", writeYAML(o.SocketDescription)},
	}
}

// routable returns a copy of r with its path escaped a second time, and false for a
// path that no operation can have.
//
// http.ServeMux unescapes each segment of a path. It redirects paths with the
// segments "", "." and "..", and treats the segment %2F as a trailing slash. After
// the second escaping it sees no such segments, only plain text, which pathValue
// unescapes. Two spellings of one path become the same.
func routable(r *http.Request) (*http.Request, bool) {
	sent := r.URL.RawPath // with non-ASCII text as it was sent, unlike EscapedPath
	if sent == "" {
		sent = r.URL.EscapedPath()
	}
	segments := strings.Split(sent, "/")
	if len(segments) < 2 || segments[0] != "" {
		return nil, false // not a path, such as * of OPTIONS
	}
	for i, escaped := range segments[1:] {
		text, err := url.PathUnescape(escaped)
		if err != nil || text == "" {
			return nil, false
		}
		if segments[i+1] = url.PathEscape(text); text == "." || text == ".." {
			segments[i+1] = strings.ReplaceAll(text, ".", "%2E")
		}
	}
	routed := *r
	routed.URL = &url.URL{Path: strings.Join(segments, "/"), RawQuery: r.URL.RawQuery}
	return &routed, true
}

// pathValue returns a segment of a path that routable has escaped.
func pathValue(r *http.Request, name string) string {
	text, err := url.PathUnescape(r.PathValue(name))
	if err != nil {
		return "" // cannot happen: routable has escaped it
	}
	return text
}
