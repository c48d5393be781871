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

// benchArgs are the arguments of a measurement that is just large enough to work.
func benchArgs(duration string, args ...string) []string {
	return append([]string{
		"bench", "--json", "--runs", "1", "--warmup", "100ms", "--duration", duration, "--pairs", "2", "--members", "12", "--sockets", "9",
		"--missed", "150", "--listed", "120", "--events", "3000",
	}, args...)
}

// measure runs im bench. It returns the results by workload, and the progress that was
// printed. On a busy machine a short time may measure nothing: then it tries a longer
// one.
func measure(t *testing.T, env []string, args ...string) (results map[string][]bench.Result, progress string) {
	t.Helper()
	for _, duration := range []string{"300ms", "3s", "20s"} {
		var missing string
		if results, progress, missing = measureFor(t, duration, env, args...); missing == "" {
			return results, progress
		}
		t.Log("in ", duration, ": ", missing)
	}
	t.Fatal("a long time measured nothing either")
	return nil, ""
}

func measureFor(t *testing.T, duration string, env []string, args ...string) (results map[string][]bench.Result, progress, missing string) {
	t.Helper()
	p := startPlain(t, env, benchArgs(duration, args...)...)
	require.Equal(t, 0, p.wait(), "%s\n%s", p.out, p.err)
	require.Contains(t, p.err.String(), "run 1 of ", "progress")
	var report bench.Report
	require.NoError(t, json.Unmarshal([]byte(p.out.String()), &report), p.out)
	require.NotZero(t, report.Machine.CPUs)
	results = map[string][]bench.Result{}
	for _, r := range report.Results {
		results[r.Workload] = append(results[r.Workload], r)
		require.NotEmpty(t, r.Runs, r.Workload)
		missing += missingMetrics(t, r)
	}
	return results, p.err.String(), missing
}

// missingMetrics checks that every acknowledged message has arrived and none was
// refused. It returns the names of metrics without a value.
func missingMetrics(t *testing.T, r bench.Result) (names string) {
	t.Helper()
	require.NotEmpty(t, r.Median, r.Workload)
	for _, m := range r.Median {
		switch {
		case m.Name == "lost", m.Name == "refused":
			require.Zero(t, m.Value, "%s, %s: %s", r.Workload, r.Case, m.Name)
		case strings.HasSuffix(m.Name, "_cpu") || m.Name == "server_memory": // their resolution is coarse
		case m.Value <= 0:
			names += fmt.Sprintf("%s, %s: %s; ", r.Workload, r.Case, m.Name)
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

// TestBenchByItself runs every workload on im dev.
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
		"search":   {"acked", "end_p50", "server_cpu"},
		"depth":    {"appended", "appended_ratio", "page_p50", "page_p50_ratio"},
	}
	workloads, _ := bench.Names()
	workloads = slices.DeleteFunc(workloads, func(name string) bool { return name == "compare" }) // it needs servers of others
	require.ElementsMatch(t, workloads, slices.Collect(maps.Keys(want)))
	for _, workload := range workloads {
		t.Run(workload, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && workload != "direct" {
				t.Skip("make test-faults runs it: it takes all cores")
			}
			args := []string{workload}
			if workload == "search" {
				args = append(args, "--rate", "200") // its own rate is that of a flood
			}
			results, _ := measure(t, []string{"TMPDIR=" + shortDir(t)}, args...)
			require.Len(t, results, 1)
			for _, r := range results[workload] {
				require.Subset(t, metricsOf(r), want[workload], r.Case)
			}
		})
	}
}

// TestBenchServe measures nodes on the services and leaves nothing behind.
func TestBenchServe(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("make test-faults runs it: it takes all cores")
	}
	server := pgtest.NewEmpty(t)
	profiles := shortDir(t)
	env := slices.DeleteFunc(services(server), func(kv string) bool { return strings.HasPrefix(kv, "IM_ADDR=") })
	results, progress := measure(t, env, "limit", "cross", "--serve", "--profile", profiles, "--duration", "3s")
	require.Len(t, results["cross"], 2)
	require.Positive(t, results["cross"][1].OfLimit)
	require.Subset(t, metricsOf(results["cross"][0]), []string{"server_cpu", "load_cpu"})
	requireCleanedUp(t, server, regexp.MustCompile(`im_bench_\w+`).FindAllString(progress, -1))
	for _, name := range []string{"load-cpu", "node1-cpu", "node1-heap", "node1-block", "node2-cpu"} {
		found, err := filepath.Glob(filepath.Join(profiles, "cross-*two-nodes", name+".pprof"))
		require.NoError(t, err)
		require.Len(t, found, 1, name)
		info, err := os.Stat(found[0])
		require.NoError(t, err)
		require.NotZero(t, info.Size(), name)
	}
}

// requireCleanedUp checks that PostgreSQL, Redis and RabbitMQ have nothing of these
// names.
func requireCleanedUp(t *testing.T, server string, names []string) {
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
		var exists bool
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&exists))
		require.False(t, exists, name)
		keys, err := client.Keys(t.Context(), name+"*").Result()
		require.NoError(t, err)
		require.Empty(t, keys)
		channel, err := broker.Channel()
		require.NoError(t, err)
		require.Error(t, channel.ExchangeDeclarePassive(name+".all", "fanout", true, false, false, false, nil))
	}
}

// TestBenchRunningCluster measures a running cluster at a rate, with tokens that it
// issues.
func TestBenchRunningCluster(t *testing.T) {
	t.Parallel()
	data := filepath.Join(shortDir(t), "data")
	startDev(t, data)
	urls := devURLs(data)
	results, _ := measure(t, []string{"IM_URL=" + urls[0]}, "direct", "--rate", "100", "--runs", "3")
	require.Len(t, results["direct"][0].Runs, 3)
	rate, found := 0.0, false
	for _, m := range results["direct"][0].Median {
		if m.Name == "acked" {
			rate, found = m.Value, true
		}
	}
	require.True(t, found)
	require.LessOrEqual(t, rate, 150.0, "the rate is not exceeded")

	one := startPlain(t, []string{"IM_URL=" + urls[0]}, benchArgs("300ms", "cross")...)
	require.Equal(t, 1, one.wait())
	require.Contains(t, one.err.String(), "2 nodes")
	none := startPlain(t, []string{"IM_URL=" + urls[0]}, benchArgs("300ms", "limit")...)
	require.Equal(t, 1, none.wait())
	require.Contains(t, none.err.String(), "IM_DATABASE_URL")
}

// TestBenchTimeline: the time line of a real node has all steps of a message.
func TestBenchTimeline(t *testing.T) {
	t.Parallel()
	results, _ := measure(t, []string{"TMPDIR=" + shortDir(t)}, "direct", "--timeline")
	line := results["direct"][0].Timeline
	require.NotNil(t, line)
	require.Positive(t, line.Messages)
	var took []string
	for _, s := range line.Steps {
		took = append(took, s.From+" → "+s.To)
	}
	require.Equal(t, []string{
		"read → parsed", "parsed → queued", "queued → taken", "taken → append", "append → committed", "committed → pushed",
		"committed → answered", "committed → delivered", "committed → last delivered", "read → answered", "read → last delivered",
	}, took)
	require.NotEmpty(t, line.Woken)
}

// TestBenchCompareNeedsAPeer: without one there is nothing to compare with.
func TestBenchCompareNeedsAPeer(t *testing.T) {
	t.Parallel()
	p := startPlain(t, nil, "bench", "compare")
	require.Equal(t, 2, p.wait())
	require.Contains(t, p.err.String(), "--tinode-url")
	closed := startPlain(t, nil, "bench", "compare", "--centrifugo-url", "http://127.0.0.1:1", "--centrifugo-secret", "short")
	require.Equal(t, 1, closed.wait(), closed.err)
	require.Contains(t, closed.err.String(), "Centrifugo")
}

// TestBenchStopped: Ctrl-C ends the measurement and the processes that it started.
func TestBenchStopped(t *testing.T) {
	t.Parallel()
	temp := shortDir(t)
	p := startPlain(t, []string{"TMPDIR=" + temp}, "bench", "direct", "--pairs", "1", "--duration", "10m")
	p.waitOutput("run 1 of 3")
	p.signal(os.Interrupt)
	require.Equal(t, 1, p.wait(), p.err)
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestDebugAddr: profiles are served at their own address only.
func TestDebugAddr(t *testing.T) {
	t.Parallel()
	debug := freeAddr(t)
	data := filepath.Join(shortDir(t), "data")
	p := startDev(t, data, "--debug-addr", debug)
	status, err := get("http://" + debug + "/debug/pprof/heap")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	public := devURLs(data)[0]
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
