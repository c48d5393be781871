package app

import (
	"crypto/rand"
	"net/http"

	"im/domain"
)

const requestIDHeader = "X-Request-Id"

// withRequestID names every answer by the header X-Request-Id, so that a caller and the
// log can refer to the same request. It keeps the caller's id if that is 1–64
// characters of the alphabet of ids, and makes one otherwise.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if _, err := domain.ParseDeviceID("", id); err != nil { // device ids have the same form
			id = rand.Text()
		}
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r)
	})
}
