package verify_test

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/app"
	"im/routing/broker"
	"im/test/faultproxy"
	"im/test/pgtest"
	"im/tools/verify"
)

const secret = "a secret of 32 bytes, or of more"

// skipLong skips a test that runs im verify for half a minute and more, with -short:
// make test-faults runs it.
func skipLong(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("long: make test-faults runs it")
	}
}

// startNode runs a node in the process and returns its URL and its tokens.
func startNode(t *testing.T) (string, app.Tokens) {
	t.Helper()
	var flags struct {
		app.Services
		app.Tokens
		app.Rules
	}
	parser, err := kong.New(&flags, app.Defaults(), kong.DefaultEnvars("NOBODY_SETS"))
	require.NoError(t, err)
	_, err = parser.Parse(nil)
	require.NoError(t, err)
	logger := slog.New(slog.DiscardHandler)
	flags.DatabaseURL = pgtest.New(t)
	if url := os.Getenv("IM_TEST_REDIS_URL"); url != "" {
		flags.RedisURL = url
	}
	flags.Prefix = "verify-" + uuid.NewString()[:8]
	flags.Secret = secret
	flags.Webhooks.Allow = []string{"127.0.0.0/8"}
	flags.Webhooks.Retries = slices.Repeat([]time.Duration{500 * time.Millisecond}, 60)
	n, err := app.New(t.Context(), app.Options{
		Name: "test", Services: flags.Services, Tokens: flags.Tokens, Rules: flags.Rules, Logger: logger,
		Broker: broker.NewInProcess(logger), Drain: time.Second,
	})
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		n.Close()
	})
	require.True(t, n.AwaitReady(ctx))
	return "http://" + listener.Addr().String(), flags.Tokens
}

func options(url string, tokens app.Tokens) verify.Options {
	return verify.Options{
		URLs: []string{url}, Users: 6, Conversations: 8, Duration: 5 * time.Second, Rate: 60, Seed: 7, Settle: 20 * time.Second, CompleteWithin: 3 * time.Second,
		Token: func(_ context.Context, user string) (string, error) {
			return tokens.Sign(domain.UserID(user), false, time.Hour)
		},
		ServerToken: func(context.Context) (string, error) { return tokens.Sign("backend", true, time.Hour) },
	}
}

// TestNoFault checks that a correct node causes no report, with and without a
// backend's token. Each kind of load occurs, within a few runs: on a busy machine a run of
// ten seconds does not get round to everything.
func TestNoFault(t *testing.T) {
	t.Parallel()
	url, tokens := startNode(t)
	for _, backend := range []bool{true, false} {
		o := options(url, tokens)
		o.CompleteWithin, o.Duration = 10*time.Second, 10*time.Second
		if o.Webhook, o.WebhookAway = backend, 4*time.Second; !backend {
			o.ServerToken = nil
		}
		missing := map[string]bool{
			"answered": true, "checked": true, "pulled": true, "reconnects": true, "duplicates": true, "floors": true, "floor answers": true,
			"webhook calls while the receiver was away": backend, "webhook calls whose answer was lost": backend,
		}
		for runs := 4; runs > 0 && slices.Contains(slices.Collect(maps.Values(missing)), true); runs-- {
			report, err := verify.Run(t.Context(), o)
			require.NoError(t, err)
			require.True(t, report.OK(), "%s", report.Text())
			require.Greater(t, report.Deliveries, report.Checked/2)
			require.Zero(t, report.Lost)
			if backend {
				require.Equal(t, report.LogEvents, report.WebhookEvents)
			}
			for kind, occurred := range map[string]bool{
				"answered":      report.Answered > 100,
				"checked":       report.Checked > 500,
				"pulled":        report.Pulled > 0,
				"reconnects":    report.Reconnects > 0,
				"duplicates":    report.Duplicates > 0, // sends doubled over both transports
				"floors":        report.Floors > 0,     // members who joined a group with since_join
				"floor answers": report.FloorAnswers > report.Floors,
				"webhook calls while the receiver was away": report.WebhookRefused > 0,
				"webhook calls whose answer was lost":       report.WebhookRepeated > 0,
			} {
				missing[kind] = missing[kind] && !occurred
			}
			t.Log(report.Text())
			o.Seed++
		}
		for kind, is := range missing {
			require.False(t, is, "no %s", kind)
		}
	}
}

// TestNoFaultFloods does the same with readers that pause until their queue is full
// and get a gap. It runs alone, because a flood has to fill the queue in time.
func TestNoFaultFloods(t *testing.T) {
	skipLong(t)
	url, tokens := startNode(t)
	o := options(url, tokens)
	o.CompleteWithin, o.Duration, o.Floods = 20*time.Second, 10*time.Second, true
	var report *verify.Report
	for attempts := 5; attempts > 0 && (report == nil || report.Gaps == 0); attempts-- { // there may be no time for it
		var err error
		report, err = verify.Run(t.Context(), o)
		require.NoError(t, err)
		require.True(t, report.OK(), "%s", report.Text())
		o.Seed++
	}
	require.Positive(t, report.Gaps)
	require.Positive(t, report.LeftOut)
}

// TestServerTokenAlone checks that with only a backend's token users act over REST,
// and the report says that no push was checked.
func TestServerTokenAlone(t *testing.T) {
	t.Parallel()
	url, tokens := startNode(t)
	o := options(url, tokens)
	o.Token = nil
	report, err := verify.Run(t.Context(), o)
	require.NoError(t, err)
	require.True(t, report.OK(), "%s", report.Text())
	require.False(t, report.Sockets)
	require.Contains(t, report.Text(), "REST only")
	require.Greater(t, report.Answered, int64(100))
	require.Positive(t, report.Pulled)
	require.Zero(t, report.Deliveries)

	proxy := faultproxy.New(url, faultproxy.Faults()["serves a log with a hole"]())
	defer proxy.Close()
	o.URLs = []string{proxy.URL}
	report, err = verify.Run(t.Context(), o)
	require.NoError(t, err)
	require.False(t, report.OK())
}

// TestFaults checks that each fault is reported under the guarantee that it breaks.
func TestFaults(t *testing.T) {
	skipLong(t)
	t.Parallel()
	url, tokens := startNode(t)
	want := map[string][]string{
		"drops an event":                   {"I4"},
		"swaps two events":                 {"I4"},
		"duplicates an event":              {"I4"},
		"invents an event":                 {"I5"},
		"alters content":                   {"I5"},
		"answers what it did not pass on":  {"I1"},
		"sends under another id":           {"I3"},
		"answers with another seq":         {"I1"},
		"serves a log with a hole":         {"I2"},
		"miscounts unread messages":        {"unread"},
		"pushes after the removal":         {"I8"},
		"pushes to a stranger":             {"I8"},
		"delays an event":                  {"I6"},
		"never pushes the last events":     {"I6"},
		"swaps two sends":                  {"rule2"},
		"answers strangers":                {"I8"},
		"pulls from below the floor":       {"I8"},
		"lists from below the floor":       {"I8"},
		"leaves a message out of a list":   {"I2"},
		"names a lower floor":              {"I8"},
		"shows edits from below the floor": {"I8"},
		"hides the content of an edit":     {"I5"},
		"shows the head of an open group":  {"I8"},
	}
	rare := map[string]time.Duration{
		"pushes after the removal": 10 * time.Second, "shows edits from below the floor": 20 * time.Second,
		"pulls from below the floor": 10 * time.Second, "lists from below the floor": 10 * time.Second, "names a lower floor": 10 * time.Second,
	}
	for name, fault := range faultproxy.Faults() {
		if name == swallowsGap {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := faultproxy.New(url, fault())
			defer proxy.Close()
			o := options(proxy.URL, tokens)
			attempts := 3 // the run may have no occasion for a fault
			if long, is := rare[name]; is {
				o.Duration, o.Rate, attempts = long, 120, 5
			}
			requireReported(t, proxy, o, attempts, want[name])
		})
	}
	require.Len(t, want, len(faultproxy.Faults())-1, "every fault but one is used here")
	for name := range want {
		require.True(t, slices.Contains(keys(faultproxy.Faults()), name), name)
	}
}

const swallowsGap = "swallows a gap"

// TestFaultsOfGaps runs alone, as TestNoFaultFloods does.
func TestFaultsOfGaps(t *testing.T) {
	skipLong(t)
	url, tokens := startNode(t)
	proxy := faultproxy.New(url, faultproxy.Faults()[swallowsGap]())
	defer proxy.Close()
	o := options(proxy.URL, tokens)
	o.CompleteWithin, o.Duration, o.Rate, o.Floods = 20*time.Second, 20*time.Second, 120, true
	requireReported(t, proxy, o, 5, []string{"I4"})
}

// requireReported runs im verify up to attempts times, while the proxy had few
// occasions for its fault, until a wanted breach is reported. It then requires all.
func requireReported(t *testing.T, proxy *faultproxy.Proxy, o verify.Options, attempts int, want []string) {
	t.Helper()
	kinds := map[string]int64{}
	reported := func(invariant string) bool { return kinds[invariant] > 0 }
	for ; attempts > 0 && proxy.Injected() < plenty && !slices.ContainsFunc(want, reported); attempts-- {
		report, err := verify.Run(t.Context(), o)
		require.NoError(t, err)
		require.True(t, attempts > 1 || !report.OK(), "%s", report.Text())
		for invariant, n := range report.ByInvariant {
			kinds[invariant] += n
		}
		for _, b := range report.Breaches {
			require.NotEmpty(t, b.Text)
			require.NotEmpty(t, b.Client)
			require.False(t, b.At.IsZero() && b.Invariant != "unread", "%+v", b)
		}
		t.Log(proxy.Injected(), kinds, report.Gaps, report.Unfinished[:min(3, len(report.Unfinished))])
		o.Seed++
	}
	for _, invariant := range want {
		require.Positive(t, kinds[invariant], "%s is not reported: %v", invariant, kinds)
	}
}

// plenty is the number of faults of which one must be noticed. A single one may be
// missed, because its session ended with it.
const plenty = 5

func keys[V any](m map[string]V) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}
