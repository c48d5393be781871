package doctor_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/internal/app"
	"im/test/natstest"
	"im/tools/doctor"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	server := natstest.StartServer(t)
	o := settings(t, "postgres://im@127.0.0.1:1/none")
	o.Node.Rules.Events = app.Events{URL: "nats://" + server.Addr() + "/missing"}
	requireStatus(t, doctor.Run(t.Context(), o), doctor.Failure, "events", "broker")
	for _, f := range doctor.Run(t.Context(), settings(t, "postgres://im@127.0.0.1:1/none")).Findings {
		require.NotEqual(t, "events", f.Area)
	}
}
