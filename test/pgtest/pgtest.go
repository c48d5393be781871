// Package pgtest creates a migrated database for each test on a real PostgreSQL server.
//
// IM_TEST_DATABASE_URL is the URL of the server, with a role that may create databases.
// The default is the role postgres on the standard port of localhost. Tests and packages
// may run concurrently. Databases are copied from a template, which is migrated once for
// each version of the schema.
package pgtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"im/migrations"
	"im/store/postgres"
)

const (
	defaultURL  = "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable"
	timeout     = 3 * time.Minute // bounds the work on the server
	staleAfter  = time.Hour       // then the database of a killed test is dropped
	templateAge = 24 * time.Hour  // then the template of an older schema is dropped
)

// New returns the URL of a new, migrated and empty database. It is dropped when the test
// ends, even if connections are still open.
func New(t testing.TB) string {
	t.Helper()
	return create(t, func(ctx context.Context, admin *pgx.Conn, server *url.URL) (string, error) {
		return template(ctx, admin, server)
	})
}

// NewEmpty is like New, but the database has no schema.
func NewEmpty(t testing.TB) string {
	t.Helper()
	return create(t, func(context.Context, *pgx.Conn, *url.URL) (string, error) { return "template1", nil })
}

// create creates a database from the template that source returns.
func create(t testing.TB, source func(context.Context, *pgx.Conn, *url.URL) (string, error)) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	server, err := serverURL()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := pgx.Connect(ctx, server.String())
	if err != nil {
		t.Fatalf("the tests need PostgreSQL; set IM_TEST_DATABASE_URL to a role that may create databases: %v", err)
	}
	defer admin.Close(ctx)
	from, err := source(ctx, admin, server)
	if err != nil {
		t.Fatalf("creating the template of test databases: %v", err)
	}
	name := fmt.Sprintf("im_test_%d_%s", time.Now().Unix(), strings.ToLower(rand.Text()[:10]))
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+identifier(name)+" TEMPLATE "+identifier(from)); err != nil {
		t.Fatalf("creating a test database: %v", err)
	}
	t.Cleanup(func() { drop(t, server, name) })
	return databaseURL(server, name)
}

func serverURL() (*url.URL, error) {
	text := os.Getenv("IM_TEST_DATABASE_URL")
	if text == "" {
		text = defaultURL
	}
	server, err := url.Parse(text)
	if err != nil || server.Scheme == "" {
		return nil, fmt.Errorf("IM_TEST_DATABASE_URL is not a URL")
	}
	return server, nil
}

func databaseURL(server *url.URL, name string) string {
	database := *server
	database.Path = "/" + name
	return database.String()
}

func identifier(name string) string { return pgx.Identifier{name}.Sanitize() }

func drop(t testing.TB, server *url.URL, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	admin, err := pgx.Connect(ctx, server.String())
	if err != nil {
		t.Errorf("dropping a test database: %v", err)
		return
	}
	defer admin.Close(ctx)
	if _, err := admin.Exec(ctx, "DROP DATABASE IF EXISTS "+identifier(name)+" WITH (FORCE)"); err != nil {
		t.Errorf("dropping a test database: %v", err)
	}
}

// template returns the name of the template of the current schema, and creates it if it
// does not exist. It drops databases of killed tests and templates of older schemas. An
// advisory lock serializes concurrent tests.
func template(ctx context.Context, admin *pgx.Conn, server *url.URL) (string, error) {
	name, err := templateName()
	if err != nil {
		return "", err
	}
	if _, err := admin.Exec(ctx, "SELECT pg_advisory_lock(hashtext('im.pgtest'))"); err != nil {
		return "", err
	}
	defer admin.Exec(ctx, "SELECT pg_advisory_unlock(hashtext('im.pgtest'))") //nolint:errcheck // the lock ends with the connection
	if err := clearStale(ctx, admin, "im_test_", staleAfter); err != nil {
		return "", err
	}
	var found string
	err = admin.QueryRow(ctx,
		"SELECT datname FROM pg_database WHERE starts_with(datname, 'im_template_') AND right(datname, length($1)) = $1", name).Scan(&found)
	if !errors.Is(err, pgx.ErrNoRows) {
		return found, err
	}
	if err := clearStale(ctx, admin, "im_template_", templateAge); err != nil {
		return "", err
	}
	return makeTemplate(ctx, admin, server, fmt.Sprintf("im_template_%d_%s", time.Now().Unix(), name))
}

// makeTemplate creates a template. The database gets the name of a template only after it
// is migrated, so an interrupted creation leaves no broken template.
func makeTemplate(ctx context.Context, admin *pgx.Conn, server *url.URL, name string) (string, error) {
	draft := "im_test" + strings.TrimPrefix(name, "im_template")
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+identifier(draft)); err != nil {
		return "", err
	}
	if err := postgres.Migrate(ctx, postgres.MigrateOptions{URL: databaseURL(server, draft), Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return "", err
	}
	_, err := admin.Exec(ctx, "ALTER DATABASE "+identifier(draft)+" RENAME TO "+identifier(name))
	return name, err
}

// templateName returns a hash of the migrations.
func templateName() (string, error) {
	hash := sha256.New()
	err := fs.WalkDir(migrations.Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations.Files, path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(text), text)
		return err
	})
	return hex.EncodeToString(hash.Sum(nil)[:8]), err
}

// clearStale drops the databases that are older than age. Their names hold the time of
// their creation: <prefix><Unix seconds>_….
func clearStale(ctx context.Context, admin *pgx.Conn, prefix string, age time.Duration) error {
	rows, err := admin.Query(ctx, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", prefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		seconds, err := strconv.ParseInt(strings.Split(name, "_")[2], 10, 64)
		if err != nil || time.Since(time.Unix(seconds, 0)) < age {
			continue
		}
		if _, err := admin.Exec(ctx, "DROP DATABASE IF EXISTS "+identifier(name)+" WITH (FORCE)"); err != nil {
			return err
		}
	}
	return nil
}
