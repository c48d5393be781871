package doctor_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/app"
	"im/internal/devservices"
	"im/store/postgres"
	"im/test/amqptest"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/redistest"
	"im/test/s3test"
	"im/tools/doctor"
)

// settings returns the settings of a node on the real services, with a prefix of its own.
func settings(t *testing.T, databaseURL string) doctor.Options {
	t.Helper()
	return doctor.Options{Node: app.Options{
		Name: "test", Tokens: app.Tokens{Signing: app.Signing{Secret: strings.Repeat("s", 32)}},
		Services: app.Services{
			DatabaseURL: databaseURL, RedisURL: redistest.URL(), AMQPURL: amqptest.URL(), Prefix: "doctor-" + uuid.NewString()[:8], Migrate: "auto",
		},
		Rules: app.Rules{Limits: app.Limits(domain.DefaultLimits()), Push: app.Push{Delay: time.Second}, Attachments: app.Attachments{Orphans: time.Hour}},
	}}
}

// found returns the finding of a check.
func found(t *testing.T, r doctor.Report, area, check string) doctor.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Area == area && strings.HasPrefix(f.Check, check) {
			if f.Status == doctor.Warning || f.Status == doctor.Failure {
				require.NotEmpty(t, f.Why, "%+v", f)
				require.NotEmpty(t, f.Do, "%+v", f)
			}
			return f
		}
	}
	t.Fatalf("there is no finding %s, %s among %+v", area, check, r.Findings)
	return doctor.Finding{}
}

// requireStatus requires the status of a check.
func requireStatus(t *testing.T, r doctor.Report, status doctor.Status, area, check string) {
	t.Helper()
	f := found(t, r, area, check)
	require.Equal(t, status, f.Status, "%+v", f)
}

func execute(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	for _, sql := range statements {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
}

// TestGoodServices: no check fails on services that are as they should be.
func TestGoodServices(t *testing.T) {
	t.Parallel()
	r := doctor.Run(t.Context(), settings(t, pgtest.New(t)))
	for _, f := range r.Findings {
		require.NotEqual(t, doctor.Failure, f.Status, "%+v", f)
	}
	for _, check := range []string{"connection", "version", "encoding", "fsync", "full_page_writes", "synchronous_commit", "logged tables", "schema", "rights", "connections", "prepared"} {
		requireStatus(t, r, doctor.OK, "postgresql", check)
	}
	for area, checks := range map[string][]string{
		"settings": {"valid"}, "redis": {"connection", "persistence"}, "rabbitmq": {"connection", "alarms", "queues", "orphaned"},
		"clocks": {"this machine and PostgreSQL", "this machine and Redis"},
	} {
		for _, check := range checks {
			requireStatus(t, r, doctor.OK, area, check)
		}
	}
	requireStatus(t, r, doctor.Warning, "redis", "nodes")
}

// storageFinding returns what is found about the storage of files with these settings.
func storageFinding(t *testing.T, a app.Attachments) doctor.Finding {
	t.Helper()
	o := settings(t, "postgres://127.0.0.1:1/none")
	a.Orphans = time.Hour
	o.Node.Rules.Attachments = a
	return found(t, doctor.Run(t.Context(), o), "attachments", "storage")
}

// TestFolder: the folder of files is tried.
func TestFolder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.Equal(t, doctor.OK, storageFinding(t, app.Attachments{Storage: "file://" + folder}).Status)
	require.Equal(t, doctor.Skipped, storageFinding(t, app.Attachments{}).Status)
	file := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Equal(t, doctor.Failure, storageFinding(t, app.Attachments{Storage: "file://" + file}).Status)
}

// TestBucket: the bucket of files is tried, with what it must refuse.
func TestBucket(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	good := app.Attachments{Storage: server.Address(), AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey}
	f := storageFinding(t, good)
	require.Equal(t, doctor.OK, f.Status, "%+v", f)
	require.Empty(t, server.Keys(), "nothing is left")
	wrong := good
	wrong.SecretKey = "hush"
	f = storageFinding(t, wrong)
	require.Equal(t, doctor.Failure, f.Status, "%+v", f)
	require.NotContains(t, fmt.Sprint(f), "hush")

	server.Publish(t)
	f = storageFinding(t, good)
	require.Equal(t, doctor.Failure, f.Status, "%+v", f)
	require.Contains(t, f.Saw, "public")
}

// TestBadSettings: what a node would refuse is a failure, and no password is in a report.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	o := settings(t, "postgres://im:hush@127.0.0.1:1/none")
	o.Node.Services.RedisURL, o.Node.Services.AMQPURL = "redis://im:hush@127.0.0.1:1", "amqp://im:hush@127.0.0.1:1"
	o.Node.Tokens.Secret, o.Node.Services.Prefix = "short", "a b"
	r := doctor.Run(t.Context(), o)
	require.Equal(t, doctor.Failure, r.Status())
	f := found(t, r, "settings", "valid")
	require.Equal(t, doctor.Failure, f.Status)
	require.Contains(t, f.Saw, "IM_JWT_SECRET")
	require.Contains(t, f.Saw, "IM_PREFIX")
	for _, area := range []string{"postgresql", "redis", "rabbitmq"} {
		requireStatus(t, r, doctor.Failure, area, "connection")
	}
	require.NotContains(t, fmt.Sprint(r), "hush")
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	t.Run("encoding", func(t *testing.T) {
		t.Parallel()
		server := pgtest.NewEmpty(t)
		name := "im_doctor_" + uuid.NewString()[:8]
		execute(t, server, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
		t.Cleanup(func() {
			conn, err := pgx.Connect(context.Background(), server)
			require.NoError(t, err)
			_, err = conn.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
			require.NoError(t, err)
			require.NoError(t, conn.Close(context.Background()))
		})
		u, err := url.Parse(server)
		require.NoError(t, err)
		u.Path = "/" + name
		r := doctor.Run(t.Context(), settings(t, u.String()))
		requireStatus(t, r, doctor.Failure, "postgresql", "encoding")
		require.Contains(t, found(t, r, "postgresql", "encoding").Saw, "LATIN1")
	})
	t.Run("rights", func(t *testing.T) {
		t.Parallel()
		database, role := pgtest.New(t), "im_doctor_"+uuid.NewString()[:8]
		execute(t, database, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'", "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "+role,
			"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "+role)
		t.Cleanup(func() {
			conn, err := pgx.Connect(context.Background(), database)
			require.NoError(t, err)
			_, err = conn.Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role)
			require.NoError(t, err)
			require.NoError(t, conn.Close(context.Background()))
		})
		u, err := url.Parse(database)
		require.NoError(t, err)
		u.User = url.UserPassword(role, "secret")
		requireStatus(t, doctor.Run(t.Context(), settings(t, u.String())), doctor.OK, "postgresql", "rights")
		execute(t, database, "REVOKE INSERT ON events FROM "+role, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
		r := doctor.Run(t.Context(), settings(t, u.String()))
		requireStatus(t, r, doctor.Failure, "postgresql", "rights")
		require.Contains(t, found(t, r, "postgresql", "rights").Saw, "insert on events")
		requireStatus(t, r, doctor.Warning, "postgresql", "identity")
	})
	t.Run("schema", func(t *testing.T) {
		t.Parallel()
		o := settings(t, pgtest.NewEmpty(t))
		requireStatus(t, doctor.Run(t.Context(), o), doctor.Warning, "postgresql", "schema")
		o.Node.Services.Migrate = "off"
		requireStatus(t, doctor.Run(t.Context(), o), doctor.Failure, "postgresql", "schema")
		o = settings(t, pgtest.New(t))
		execute(t, o.Node.Services.DatabaseURL, "UPDATE im_schema_version SET version = 999")
		requireStatus(t, doctor.Run(t.Context(), o), doctor.Warning, "postgresql", "schema")
	})
	t.Run("connections", func(t *testing.T) {
		t.Parallel()
		o := settings(t, pgtest.New(t))
		o.Nodes = 10_000
		requireStatus(t, doctor.Run(t.Context(), o), doctor.Failure, "postgresql", "connections")
	})
	t.Run("long transactions", func(t *testing.T) {
		t.Parallel()
		o := settings(t, pgtest.New(t))
		conn, err := pgx.Connect(t.Context(), o.Node.Services.DatabaseURL)
		require.NoError(t, err)
		defer func() { _ = conn.Close(context.Background()) }()
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		defer func() { _ = tx.Rollback(context.Background()) }()
		o.LongTransaction = time.Millisecond
		requireStatus(t, doctor.Run(t.Context(), o), doctor.Warning, "postgresql", "long transactions")
	})
}

// TestDurability examines a server of the test's own, whose settings it may change.
func TestDurability(t *testing.T) {
	t.Parallel()
	server, err := devservices.Open(t.Context(), devservices.Options{Dir: filepath.Join(t.TempDir(), "data")})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	require.NoError(t, app.Migrate(t.Context(), postgres.MigrateOptions{URL: server.URL(), Node: "test"}, false))
	o := settings(t, server.URL())
	checks := []string{"fsync", "full_page_writes", "synchronous_commit", "logged tables"}
	execute(t, server.URL(), "ALTER SYSTEM SET fsync = on", "ALTER SYSTEM SET full_page_writes = on", "ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()")
	statuses := func(want ...doctor.Status) {
		t.Helper()
		eventually.True(t, "the settings apply", func() bool {
			r := doctor.Run(t.Context(), o)
			for i, check := range checks {
				if found(t, r, "postgresql", check).Status != want[i] {
					return false
				}
			}
			return true
		})
	}
	statuses(doctor.OK, doctor.OK, doctor.OK, doctor.OK)
	execute(t, server.URL(), "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "ALTER SYSTEM SET synchronous_commit = off",
		"ALTER TABLE device_cursors SET UNLOGGED", "SELECT pg_reload_conf()")
	statuses(doctor.Failure, doctor.Warning, doctor.Warning, doctor.Failure)
}

func TestRedis(t *testing.T) {
	t.Parallel()
	server := redistest.StartServer(t, "maxmemory 50mb", "maxmemory-policy allkeys-lru", "appendonly yes", "user eve on >secret ~* &* +@all -hset")
	o := settings(t, pgtest.New(t))
	o.Node.Services.RedisURL = server.URL()
	r := doctor.Run(t.Context(), o)
	requireStatus(t, r, doctor.OK, "redis", "connection and rights")
	requireStatus(t, r, doctor.Warning, "redis", "eviction policy")
	require.Contains(t, found(t, r, "redis", "eviction policy").Saw, "allkeys-lru")
	require.Contains(t, found(t, r, "redis", "persistence").Saw, "it writes its data to disk")

	client := redistest.Open(t, server.URL())
	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
	requireStatus(t, doctor.Run(t.Context(), o), doctor.OK, "redis", "eviction policy")

	o.Node.Services.RedisURL = server.URLOf("eve", "secret")
	r = doctor.Run(t.Context(), o)
	requireStatus(t, r, doctor.Failure, "redis", "connection and rights")
	require.Contains(t, found(t, r, "redis", "connection").Saw, "denies its user a command")
}

func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	server, err := amqptest.StartServer(filepath.Join(t.TempDir(), "rabbitmq"))
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	control := func(args ...string) {
		t.Helper()
		_, err := server.Control(args...)
		require.NoError(t, err)
	}
	redis := redistest.StartServer(t)
	client := redistest.Open(t, redis.URL())
	o := settings(t, pgtest.New(t))
	o.Node.Services.RedisURL, o.Node.Services.AMQPURL = redis.URL(), server.URL("guest", "guest", "/")
	for _, check := range []string{"connection", "alarms", "queues", "orphaned"} {
		requireStatus(t, doctor.Run(t.Context(), o), doctor.OK, "rabbitmq", check)
	}

	// One node lives and has no queue, another one has ended and has one.
	prefix := o.Node.Services.Prefix
	require.NoError(t, client.SAdd(t.Context(), prefix+":nodes", "alive", "gone").Err())
	require.NoError(t, client.Set(t.Context(), prefix+":node:alive", time.Now().UnixMilli(), time.Minute).Err())
	conn, err := amqp091.Dial(o.Node.Services.AMQPURL)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	_, err = ch.QueueDeclare(prefix+".node.gone", true, false, false, false, nil)
	require.NoError(t, err)
	r := doctor.Run(t.Context(), o)
	requireStatus(t, r, doctor.OK, "redis", "nodes")
	requireStatus(t, r, doctor.Warning, "rabbitmq", "queues of nodes")
	require.Contains(t, found(t, r, "rabbitmq", "queues of nodes").Saw, "alive")
	requireStatus(t, r, doctor.Warning, "rabbitmq", "orphaned queues")
	require.Contains(t, found(t, r, "rabbitmq", "orphaned queues").Saw, "gone")

	control("set_vm_memory_high_watermark", "absolute", "1MB")
	eventually.True(t, "the alarm is found", func() bool {
		return found(t, doctor.Run(t.Context(), o), "rabbitmq", "alarms").Status == doctor.Failure
	})
	control("set_vm_memory_high_watermark", "absolute", "1GB")

	control("add_user", "eve", "secret")
	control("set_permissions", "-p", "/", "eve", "^"+prefix, "^"+prefix, "^nothing")
	o.Node.Services.AMQPURL = server.URL("eve", "secret", "/")
	r = doctor.Run(t.Context(), o)
	requireStatus(t, r, doctor.Failure, "rabbitmq", "connection and rights")
	require.Contains(t, found(t, r, "rabbitmq", "connection").Saw, "read")
}
