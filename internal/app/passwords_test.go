package app

import (
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// awkward holds the characters that are special in a URL or in a list of keywords.
const awkward = `p/a#s%s@w:o?r&d=1 +'"\,;[é]`

func TestPasswords(t *testing.T) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		for _, raw := range []string{
			"postgres://im@db:5432/chat?sslmode=disable",
			"postgres://im:old@db:5432/chat",
			"postgresql://im@db,other:5433/chat?application_name=a+b",
			"host=db user=im dbname=chat",
		} {
			config, err := pgx.ParseConfig(withDatabasePassword(raw, awkward))
			require.NoError(t, err, raw)
			require.Equal(t, []string{"im", awkward, "db", "chat"}, []string{config.User, config.Password, config.Host, config.Database}, raw)
		}
	})
	t.Run("Redis", func(t *testing.T) {
		t.Parallel()
		for raw, user := range map[string]string{
			"redis://cache:6379/2": "", "rediss://im:old@cache:6379/2": "im", "redis://im@cache:6379/2?pool_size=3": "im",
		} {
			options, err := redis.ParseURL(withPassword(raw, awkward))
			require.NoError(t, err, raw)
			require.Equal(t, []any{user, awkward, "cache:6379", 2}, []any{options.Username, options.Password, options.Addr, options.DB}, raw)
		}
	})
	t.Run("RabbitMQ", func(t *testing.T) {
		t.Parallel()
		for _, raw := range []string{"amqp://im@broker:5672/a%2Fb", "amqp://im:old@broker/a%2Fb?heartbeat=5"} {
			uri, err := amqp091.ParseURI(withPassword(raw, awkward))
			require.NoError(t, err, raw)
			require.Equal(t, []string{"im", awkward, "broker", "a/b"}, []string{uri.Username, uri.Password, uri.Host, uri.Vhost}, raw)
		}
	})
	t.Run("every one of several URLs", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "amqp://im:p%2C@one:1/,amqp://im:p%2C@two:2/", withPassword("amqp://im@one:1/,amqp://im@two:2/", "p,"))
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "postgres://db/x", withDatabasePassword("postgres://db/x", ""))
		require.Equal(t, "redis://cache", withPassword("redis://cache", ""))
	})
}

func TestCheckEscaped(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"postgres://im:pa/ss@db/x", "postgres://im:12/34@db/x", "postgres://im:pa#ss@db/x", "amqp://im:pa?ss@host/", "redis://:100%@host",
		"redis://:9?@host",
	} {
		err := checkEscaped("IM_X", raw)
		require.ErrorContains(t, err, "IM_X_PASSWORD", raw)
		require.NotContains(t, err.Error(), "@", "the URL is not repeated")
	}
	for _, raw := range []string{
		"postgres://db/x", "postgres://im:a@b:c@db:5432/x?application_name=a@b", "postgres://db:5432/x?application_name=a@b", "host=db password=a/b",
		"redis://:" + url.PathEscape("1/2#3%") + "@cache", "amqp://im:p@h1:5672,h2:5673/v", "unix:///run/redis.sock",
	} {
		require.NoError(t, checkEscaped("IM_X", raw), raw)
	}
}

// The password of the database is also that of the direct URL, unless that has its own.
func TestDirectPassword(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ direct, password, want string }{
		{"postgres://u@h/x", "", "postgres://u@h/x"},
		{"postgres://u@h/x", "p/w", "postgres://u@h/x?password=p%2Fw"},
		{"postgres://u:own@h/x", "p/w", "postgres://u:own@h/x"},
		{"postgres://u@h/x?password=own", "p/w", "postgres://u@h/x?password=own"},
		{"host=h user=u", "p/w", "host=h user=u password='p/w'"},
		{"", "p/w", ""},
	} {
		got, err := DirectURL(c.direct, c.password)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}
