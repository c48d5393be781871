package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func TestCoded(t *testing.T) {
	for err, want := range map[error]*domain.Error{
		fmt.Errorf("wrapped: %w", domain.ErrConflict): domain.ErrConflict,
		context.DeadlineExceeded:                      domain.ErrUnavailable,
		context.Canceled:                              domain.ErrUnavailable,
		errors.New("secret"):                          domain.ErrInternal,
	} {
		coded := Coded(err)
		require.Equal(t, want.Code, coded.Code, err)
		require.Equal(t, want.Message, coded.Message, "the cause is not shown")
		if want == domain.ErrInternal {
			require.ErrorIs(t, coded, err, "the cause is kept for the log")
		}
	}
}

func TestWriteProblem(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set(RequestIDHeader, "r-1")
	WriteProblem(w, http.StatusTooManyRequests, domain.ErrRateLimited.WithRetryAfter(1500*time.Millisecond))
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.Equal(t, "2", w.Header().Get("Retry-After"), "whole seconds, rounded up")
	require.JSONEq(t, `{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"too many requests",
		"code":"rate_limited","retry":"after","retry_after_ms":1500,"request_id":"r-1"}`, w.Body.String())

	w = httptest.NewRecorder()
	WriteProblem(w, http.StatusUnauthorized, domain.ErrUnauthenticated)
	require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
	require.Empty(t, w.Header().Get("Retry-After"))
}
