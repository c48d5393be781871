package bench

import (
	"context"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
)

const cleanUpTimeout = 30 * time.Second

// services returns the processes of those services that run on this machine. It
// leaves out the others, and those it cannot reach.
func (t Target) services(ctx context.Context) processes {
	parts := processes{partPostgres: postmaster(ctx, t.DatabaseURL), partRedis: redisProcess(ctx, t.RedisURL)}
	if isLocal(t.AMQPURL) {
		parts[partRabbitMQ] = named("beam.smp")
	}
	for part, pids := range parts {
		if len(pids) == 0 {
			delete(parts, part)
		}
	}
	return parts
}

// postmaster returns the main process of a PostgreSQL server on this machine, or none.
// It is the parent of the process that serves a connection.
func postmaster(ctx context.Context, database string) []int {
	conn, err := connectDatabase(ctx, database)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close(ctx) }()
	var pid int
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
		return nil
	}
	backend, ok := readStat(pid)
	if !ok || nameOf(pid) != "postgres" || nameOf(backend.parent) != "postgres" {
		return nil // the server is on another machine or in another namespace
	}
	return []int{backend.parent}
}

// connectDatabase connects to a database, or to the database postgres of the same
// server if that fails.
func connectDatabase(ctx context.Context, text string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, text)
	if err == nil {
		return conn, nil
	}
	maintenance, parsed := withDatabase(text, "postgres")
	if parsed != nil {
		return nil, parsed
	}
	return pgx.Connect(ctx, maintenance)
}

func redisProcess(ctx context.Context, text string) []int {
	client, err := openRedis(text)
	if err != nil {
		return nil
	}
	defer func() { _ = client.Close() }()
	info, err := client.Info(ctx, "server").Result()
	if err != nil {
		return nil
	}
	found := regexp.MustCompile(`process_id:(\d+)`).FindStringSubmatch(info)
	if found == nil {
		return nil
	}
	pid, _ := strconv.Atoi(found[1])
	if name := nameOf(pid); name != "redis-server" && name != "valkey-server" {
		return nil
	}
	return []int{pid}
}

func openRedis(text string) (*redis.Client, error) {
	options, err := redis.ParseURL(text)
	if err != nil {
		return nil, err
	}
	return redis.NewClient(options), nil
}

func isLocal(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// cleanUp removes what nodes leave behind that used name as the database's name and as
// prefix: the database, the Redis keys and the exchange. It tries all three even if one
// fails.
func cleanUp(p Target, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpTimeout)
	defer cancel()
	return errors.Join(dropDatabase(ctx, p.DatabaseURL, name), dropKeys(ctx, p.RedisURL, name), dropExchange(p.AMQPURL, name))
}

func dropKeys(ctx context.Context, url, prefix string) error {
	client, err := openRedis(url)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	keys := client.Scan(ctx, 0, prefix+"*", 1_000).Iterator()
	for keys.Next(ctx) {
		if err := client.Del(ctx, keys.Val()).Err(); err != nil {
			return err
		}
	}
	return keys.Err()
}

// dropExchange deletes the exchange that the nodes share. Their queues expire by
// themselves.
func dropExchange(url, prefix string) error {
	conn, err := amqp091.DialConfig(url, amqp091.Config{Dial: amqp091.DefaultDial(cleanUpTimeout)})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	channel, err := conn.Channel()
	if err != nil {
		return err
	}
	return channel.ExchangeDelete(prefix+".all", false, false)
}

func dropDatabase(ctx context.Context, server, name string) error {
	maintenance, err := withDatabase(server, "postgres")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, maintenance)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
	return err
}
