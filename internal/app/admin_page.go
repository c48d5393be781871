package app

import (
	"net/http"
	"time"

	"im/web"
)

const (
	// How long a request may take to arrive, and its answer to leave. The server of the
	// admin address cannot set this for all paths: profiles take as long as they are asked to.
	callReadTimeout  = 30 * time.Second
	callWriteTimeout = 60 * time.Second
)

// addAdminPage adds the admin page, and the REST API that it calls. The API is the one of
// the public address, with its tokens and limits; here, it has the origin of the page. So
// the public address need not allow a foreign origin, and no token leaves the origin that
// it was entered at. Clients do not connect here: there is no WebSocket. Files that users
// uploaded are not served at the origin of the token.
func (n *Node) addAdminPage(api http.Handler) {
	api = logged(timed(callReadTimeout, callWriteTimeout, api), n.o.Logger)
	for _, pattern := range []string{"/v1/", "/healthz", "/readyz", "/openapi.yaml", "/asyncapi.yaml"} {
		n.o.Admin.Handle(pattern, api)
	}
	n.o.Admin.Handle(web.AdminPath, web.Admin())
	n.o.Admin.Handle("GET /admin", http.HandlerFunc(toAdminPage))
}

// toAdminPage redirects to the path of the page, by a relative URL: a proxy may serve the
// admin address below a path.
func toAdminPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", "admin/")
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// timed limits how long a request may take to arrive, and its answer to leave.
func timed(read, write time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connection := http.NewResponseController(w)
		// Only a writer without a connection has no deadlines.
		_ = connection.SetReadDeadline(time.Now().Add(read))
		_ = connection.SetWriteDeadline(time.Now().Add(write))
		next.ServeHTTP(w, r)
	})
}
