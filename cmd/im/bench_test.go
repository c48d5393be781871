package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"im/test/pgtest"
	"im/tools/bench"
)

// tiny makes a measurement that tells nothing but that it works.
func tiny(duration string, args ...string) []string {
	return append([]string{
		"bench", "--json", "--runs", "1", "--warmup", "100ms", "--duration", duration, "--pairs", "2", "--members", "12", "--sockets", "9",
		"--missed", "150", "--listed", "120", "--events", "3000",
	}, args...)
}

// measured runs im bench, and returns what it reports, by work, and what it says
// meanwhile. On a machine that does much else nothing may come of a short time: then
// it takes longer.
func measured(t *testing.T, env []string, args ...string) (byWork map[string][]bench.Result, said string) {
	t.Helper()
	for _, duration := range []string{"300ms", "3s", "20s"} {
		var lacking string
		if byWork, said, lacking = measuredFor(t, duration, env, args...); lacking == "" {
			return byWork, said
		}
		t.Log("in ", duration, ": ", lacking)
	}
	t.Fatal("nothing came of a long time either")
	return nil, ""
}

func measuredFor(t *testing.T, duration string, env []string, args ...string) (byWork map[string][]bench.Result, said, lacking string) {
	t.Helper()
	p := start(t, env, tiny(duration, args...)...)
	require.Equal(t, 0, p.wait(), "%s\n%s", p.out, p.err)
	require.Contains(t, p.err.String(), "run 1 of ", "progress")
	var report bench.Report
	require.NoError(t, json.Unmarshal([]byte(p.out.String()), &report), p.out)
	require.NotZero(t, report.Machine.CPUs)
	byWork = map[string][]bench.Result{}
	for _, r := range report.Results {
		byWork[r.Work] = append(byWork[r.Work], r)
		require.NotEmpty(t, r.Runs, r.Work)
		lacking += lackingIn(t, r)
	}
	return byWork, p.err.String(), lacking
}

// lackingIn: all that was acknowledged has arrived, and nothing was refused. It names
// the numbers that are none.
func lackingIn(t *testing.T, r bench.Result) (names string) {
	t.Helper()
	require.NotEmpty(t, r.Median, r.Work)
	for _, m := range r.Median {
		switch {
		case m.Name == "lost", m.Name == "refused":
			require.Zero(t, m.Value, "%s, %s: %s", r.Work, r.Case, m.Name)
		case strings.HasSuffix(m.Name, "_cpu") || m.Name == "server_memory": // which are coarse
		case m.Value <= 0:
			names += fmt.Sprintf("%s, %s: %s; ", r.Work, r.Case, m.Name)
		}
	}
	return names
}

func metricsOf(r bench.Result) (names []string) {
	for _, m := range r.Median {
		names = append(names, m.Name)
	}
	return names
}

// TestBenchByItself runs every work on im dev.
func TestBenchByItself(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"limit":    {"appended", "ack_p50", "ack_p99", "postgres_cpu", "load_cpu"},
		"direct":   {"acked", "received", "end_p50", "end_p99", "ack_p50", "ack_p99", "server_cpu", "postgres_cpu", "load_cpu", "lost"},
		"group":    {"deliveries", "acked", "end_p50", "lost"},
		"cross":    {"acked", "acked_ratio"},
		"catchup":  {"catchup_p50", "welcome_p50"},
		"sync":     {"first_page_p50", "after_changes_p50"},
		"idle":     {"connect_all", "server_memory"},
		"biggroup": {"last_p50"},
		"depth":    {"appended", "appended_ratio", "page_p50", "page_p50_ratio"},
	}
	works, _ := bench.Names()
	require.ElementsMatch(t, works, slices.Collect(maps.Keys(want)))
	for _, work := range works {
		t.Run(work, func(t *testing.T) {
			t.Parallel()
			byWork, _ := measured(t, []string{"TMPDIR=" + shortDir(t)}, work)
			require.Len(t, byWork, 1)
			for _, r := range byWork[work] {
				require.Subset(t, metricsOf(r), want[work], r.Case)
			}
		})
	}
}

// TestBenchServe measures nodes on the services, and leaves nothing there.
func TestBenchServe(t *testing.T) {
	t.Parallel()
	server := pgtest.NewEmpty(t)
	profiles := shortDir(t)
	env := slices.DeleteFunc(services(server), func(kv string) bool { return strings.HasPrefix(kv, "IM_ADDR=") })
	byWork, said := measured(t, env, "limit", "cross", "--serve", "--profile", profiles, "--duration", "3s")
	require.Len(t, byWork["cross"], 2)
	require.Positive(t, byWork["cross"][1].OfLimit)
	require.Subset(t, metricsOf(byWork["cross"][0]), []string{"server_cpu", "load_cpu"})
	requireForgotten(t, server, regexp.MustCompile(`im_bench_\w+`).FindAllString(said, -1))
	for _, name := range []string{"load-cpu", "node1-cpu", "node1-heap", "node1-block", "node2-cpu"} {
		found, err := filepath.Glob(filepath.Join(profiles, "cross-*two-nodes", name+".pprof"))
		require.NoError(t, err)
		require.Len(t, found, 1, name)
		info, err := os.Stat(found[0])
		require.NoError(t, err)
		require.NotZero(t, info.Size(), name)
	}
}

// requireForgotten: neither PostgreSQL nor Redis nor RabbitMQ has anything of
// these names.
func requireForgotten(t *testing.T, server string, names []string) {
	t.Helper()
	require.Len(t, names, 2)
	conn, err := pgx.Connect(t.Context(), server)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	options, err := redis.ParseURL(envOr("IM_TEST_REDIS_URL", "redis://127.0.0.1:6379/0"))
	require.NoError(t, err)
	client := redis.NewClient(options)
	defer client.Close()
	broker, err := amqp091.Dial(envOr("IM_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/"))
	require.NoError(t, err)
	defer broker.Close()
	for _, name := range names {
		var there bool
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&there))
		require.False(t, there, name)
		keys, err := client.Keys(t.Context(), name+"*").Result()
		require.NoError(t, err)
		require.Empty(t, keys)
		channel, err := broker.Channel()
		require.NoError(t, err)
		require.Error(t, channel.ExchangeDeclarePassive(name+".all", "fanout", true, false, false, false, nil))
	}
}

// TestBenchRunningCluster measures nodes that run already, with the tokens that
// they give, and at a rate.
func TestBenchRunningCluster(t *testing.T) {
	t.Parallel()
	data := filepath.Join(shortDir(t), "data")
	dev(t, data)
	at := readPresence(data)
	byWork, _ := measured(t, []string{"IM_URL=" + at[0]}, "direct", "--rate", "100", "--runs", "3")
	require.Len(t, byWork["direct"][0].Runs, 3)
	rate, found := 0.0, false
	for _, m := range byWork["direct"][0].Median {
		if m.Name == "acked" {
			rate, found = m.Value, true
		}
	}
	require.True(t, found)
	require.LessOrEqual(t, rate, 150.0, "no more is sent than is due")

	one := start(t, []string{"IM_URL=" + at[0]}, tiny("300ms", "cross")...)
	require.Equal(t, 1, one.wait())
	require.Contains(t, one.err.String(), "2 nodes")
	none := start(t, []string{"IM_URL=" + at[0]}, tiny("300ms", "limit")...)
	require.Equal(t, 1, none.wait())
	require.Contains(t, none.err.String(), "IM_DATABASE_URL")
}

// TestBenchStopped: Ctrl-C ends it, and what it has started.
func TestBenchStopped(t *testing.T) {
	t.Parallel()
	temp := shortDir(t)
	p := start(t, []string{"TMPDIR=" + temp}, "bench", "direct", "--pairs", "1", "--duration", "10m")
	p.says("run 1 of 3")
	p.signal(os.Interrupt)
	require.Equal(t, 1, p.wait(), p.err)
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestDebugAddr: profiles are served where they are asked for, and nowhere else.
func TestDebugAddr(t *testing.T) {
	t.Parallel()
	debug := freeAddr(t)
	data := filepath.Join(shortDir(t), "data")
	p := dev(t, data, "--debug-addr", debug)
	status, err := get("http://" + debug + "/debug/pprof/heap")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	public := readPresence(data)[0]
	status, err = get(public + "/debug/pprof/heap")
	require.NoError(t, err)
	require.Equal(t, 404, status)
	status, err = get("http://" + debug + "/healthz")
	require.NoError(t, err)
	require.Equal(t, 404, status)
	p.signal(os.Interrupt)
	require.Equal(t, 0, p.wait(), p.err)

	u, err := url.Parse(public)
	require.NoError(t, err)
	require.NotEqual(t, debug, u.Host)
	taken := start(t, nil, "dev", "--ephemeral", "--addr", "127.0.0.1:0", "--debug-addr", takenAddr(t))
	require.Equal(t, 2, taken.wait())
	require.Contains(t, taken.err.String(), "IM_DEBUG_ADDR")
}
