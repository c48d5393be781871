package app

import (
	"crypto/rand"
	"net/http"

	"im/domain"
	"im/internal/edge"
)

// withRequestID names every answer by the header X-Request-Id, so that a caller and the
// log can refer to the same request. Log entries and problem documents repeat it. It keeps the caller's id if that is 1–64
// characters of the alphabet of ids, and makes one otherwise.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(edge.RequestIDHeader)
		if _, err := domain.ParseDeviceID("", id); err != nil { // device ids have the same form
			id = rand.Text()
		}
		w.Header().Set(edge.RequestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(edge.WithLog(r.Context(), edge.LogRequest, id)))
	})
}
