package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/app"
	"im/tools/doctor"
)

func TestHook(t *testing.T) {
	t.Parallel()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/good" {
			_, _ = w.Write([]byte(`{"action":"accept"}`))
		}
	}))
	defer endpoint.Close()
	for path, want := range map[string]doctor.Status{"/good": doctor.OK, "/empty": doctor.Failure} {
		o := settings(t, "postgres://im@127.0.0.1:1/none")
		o.Node.Rules.Hook = app.Hook{URL: endpoint.URL + path, Secret: domain.WebhookSecret(make([]byte, 32)), Timeout: 5 * time.Second, Fail: "closed", InFlight: 1}
		requireStatus(t, doctor.Run(t.Context(), o), want, "hook", "answer")
	}
	for _, f := range doctor.Run(t.Context(), settings(t, "postgres://im@127.0.0.1:1/none")).Findings {
		require.NotEqual(t, "hook", f.Area)
	}
}
