package rest

import (
	"net/http"
	"slices"
	"strings"
)

// origins are the origins whose pages may call from a browser. Tokens travel in a
// header that pages set themselves, so credentials such as cookies are not allowed.
type origins struct {
	all  bool
	list []string
}

func newOrigins(list []string) origins {
	return origins{all: slices.Contains(list, "*"), list: list}
}

func (o origins) allow(origin string) bool {
	return origin != "" && (o.all || slices.ContainsFunc(o.list, func(allowed string) bool {
		return strings.EqualFold(allowed, origin)
	}))
}

// allowPages lets pages of allowed origins read the answer. It answers preflight
// requests itself; done reports whether it did.
func (o origins) allowPages(w http.ResponseWriter, r *http.Request) (done bool) {
	h := w.Header()
	if o.all || len(o.list) > 0 {
		h.Add("Vary", "Origin")
	}
	origin := r.Header.Get("Origin")
	if !o.allow(origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Retry-After")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-IM-User")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
