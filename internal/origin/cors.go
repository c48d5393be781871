package origin

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"im/domain"
	"im/internal/edge"
)

const (
	// maxRequestHeaders is the maximum size of Access-Control-Request-Headers, so that
	// the answer, which repeats it, fits into the buffers of proxies.
	maxRequestHeaders = 4 << 10
	// preflightAge is how long a browser may keep the answer to a preflight, in seconds.
	preflightAge = "600"
	// exposed are the headers of answers that pages can read.
	exposed = "Content-Disposition, ETag, Location, Retry-After, Server-Timing, WWW-Authenticate, X-Request-Id"
	// usualHeaders are the request headers of openapi.yaml. They are the answer to a
	// preflight that asks for none.
	usualHeaders = "Authorization, Content-Type, X-IM-User, X-Request-Id"
)

// methods are those that paths of a node have.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// CORS lets pages of allowed origins read the answers of next, problem documents
// included. It answers preflights itself, for every path: if there is no such path, the
// page reads that in the answer to its call. Requests of other pages are answered
// without these headers, so that the browser does not let the page read the answer.
//
// A page may send any header. That is safe because a call has no rights of its own from
// the browser: there are no cookies, and the token is one that the page has.
func (p *Policy) CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
		if len(r.Header.Values("Origin")) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		if err := p.Check(r); err != nil {
			if !preflight {
				next.ServeHTTP(w, r)
				return
			}
			writeProblem(w, http.StatusForbidden, edge.Coded(err))
			return
		}
		h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		if preflight {
			answerPreflight(w, r)
			return
		}
		h.Set("Access-Control-Expose-Headers", exposed)
		next.ServeHTTP(w, r)
	})
}

// AllowAll lets every page read an answer that is public.
func AllowAll(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

func answerPreflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network")
	if method := r.Header.Get("Access-Control-Request-Method"); !slices.Contains(methods, method) {
		writeProblem(w, http.StatusBadRequest, domain.ErrInvalid.WithMessage(
			fmt.Sprintf("no path has the method %q; there are %s, in capital letters", method, strings.Join(methods, ", "))))
		return
	}
	headers, err := requestHeaders(r)
	if err != nil {
		writeProblem(w, http.StatusBadRequest, domain.ErrInvalid.WithMessage(err.Error()))
		return
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	h.Set("Access-Control-Allow-Headers", headers)
	h.Set("Access-Control-Max-Age", preflightAge)
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	w.WriteHeader(http.StatusNoContent)
}

// requestHeaders returns the headers that a page wants to send.
func requestHeaders(r *http.Request) (string, error) {
	asked := strings.Join(r.Header.Values("Access-Control-Request-Headers"), ",")
	if len(asked) > maxRequestHeaders {
		return "", fmt.Errorf("Access-Control-Request-Headers has more than %d bytes", maxRequestHeaders)
	}
	var names []string
	for name := range strings.SplitSeq(asked, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if !isToken(name) {
			return "", fmt.Errorf("Access-Control-Request-Headers has %q, which is not the name of a header", name)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return usualHeaders, nil
	}
	return strings.Join(names, ", "), nil
}

// isToken reports whether s is a token of HTTP (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func writeProblem(w http.ResponseWriter, status int, e *domain.Error) {
	w.Header().Set("Cache-Control", "no-store")
	edge.WriteProblem(w, status, e)
}
