package main

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/internal/auth"
	"im/test/pgtest"
)

func TestToken(t *testing.T) {
	t.Parallel()
	env := []string{"IM_JWT_SECRET=" + testSecret, "IM_JWT_ISSUER=", "IM_JWT_AUDIENCE=im"}
	p := startPlain(t, env, "token", "--user", "alice", "--server", "--ttl", "90m")
	require.Equal(t, 0, p.wait(), p.err)
	verifier, err := auth.New(auth.Options{Secret: testSecret, Audiences: []string{"im"}})
	require.NoError(t, err)
	identity, err := verifier.Verify(t.Context(), strings.TrimSpace(p.out.String()))
	require.NoError(t, err)
	require.EqualValues(t, "alice", identity.User)
	require.True(t, identity.Server)
	require.WithinDuration(t, time.Now().Add(90*time.Minute), identity.Expires.Time, time.Minute)
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	env := []string{"IM_DATABASE_URL=" + pgtest.NewEmpty(t)}
	migrate := func(step string) string {
		p := startPlain(t, env, "migrate", step)
		require.Equal(t, 0, p.wait(), p.err)
		return p.out.String()
	}
	require.Contains(t, migrate("status"), "schema 0 of")
	require.Contains(t, migrate("up"), "up to date")
	require.Contains(t, migrate("up"), "up to date")
	require.Contains(t, migrate("status"), "up to date")
	require.Contains(t, migrate("down"), "1 to run")
	require.Contains(t, migrate("up"), "up to date")

	p := startPlain(t, []string{"IM_DATABASE_URL=postgres://u:hush@127.0.0.1:1/x"}, "migrate", "status")
	require.Equal(t, 1, p.wait())
	require.Contains(t, p.err.String(), "IM_DATABASE_URL")
	require.NotContains(t, p.err.String(), "hush")
}

// A node says at once, and not after IM_START_TIMEOUT, that it cannot use a database that
// was made by a development version.
func TestServeRefusesADevelopmentSchema(t *testing.T) {
	t.Parallel()
	url := pgtest.NewEmpty(t)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `CREATE TABLE schema_version (version int); CREATE TABLE commits ()`)
	require.NoError(t, err)
	for _, migrate := range []string{"auto", "off"} {
		p := startPlain(t, append(services(url), "IM_START_TIMEOUT=1h", "IM_MIGRATE="+migrate), "serve")
		require.Equal(t, 2, p.wait(), p.err)
		require.Contains(t, p.err.String(), "IM_DATABASE_URL")
		require.Contains(t, p.err.String(), "use a new database")
	}
}
