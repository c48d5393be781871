package environments

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"im/client"
	"im/domain"
	"im/test/eventually"
	"im/test/improcess"
)

// replicaReader reads a conversation by REST, from a node with a read replica.
type replicaReader struct {
	*testing.T
	env  []string
	node *improcess.Process
	user *device
	id   client.ConversationID
	sent []string
}

// send sends a message and requires that it is in the history at once.
func (r *replicaReader) send(text string) {
	r.Helper()
	send(r, r.user, r.id, text)
	r.sent = append(r.sent, text)
	r.requireFresh()
}

// requireFresh requires that both kinds of history have the last message.
func (r *replicaReader) requireFresh() {
	r.Helper()
	last := r.sent[len(r.sent)-1]
	messages, err := r.user.Messages(r.Context(), r.id, client.Range{Limit: 1})
	require.NoError(r, err)
	require.Equal(r, last, client.TextOf(messages.Messages[0].Content), "messages")
	events := r.events(r.user)
	m, ok := client.MessageOf(events[len(events)-1])
	require.True(r, ok, "%v", events)
	require.Equal(r, last, client.TextOf(m.Content), "events")
}

// events reads the last events.
func (r *replicaReader) events(as *device) []client.Event {
	r.Helper()
	var page domain.EventPage
	require.NoError(r, as.Do(r.Context(), http.MethodGet, "/conversations/"+r.id.String()+"/events?limit=100", nil, &page))
	return page.Events
}

// count returns how many reads had an outcome.
func (r *replicaReader) count(outcome string) int {
	r.Helper()
	resp, err := http.Get(r.node.URL + "/metrics")
	require.NoError(r, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(r, err)
	found := regexp.MustCompile(`im_replica_reads_total\{outcome="` + outcome + `"\} (\d+)`).FindSubmatch(text)
	require.NotNil(r, found, outcome)
	n, err := strconv.Atoi(string(found[1]))
	require.NoError(r, err)
	return n
}

// awaitOutcome reads until a read has the outcome. Each read is fresh.
func (r *replicaReader) awaitOutcome(outcome string) {
	r.Helper()
	before := r.count(outcome)
	eventually.True(r, "a read is counted as "+outcome, func() bool {
		r.send(fmt.Sprint(outcome, " ", len(r.sent)))
		return r.count(outcome) > before
	})
}

// requireDoctor requires that im doctor says something of the replica.
func (r *replicaReader) requireDoctor(finding string) {
	r.Helper()
	command := exec.Command(binary, "doctor")
	command.Env = append(command.Environ(), r.env...)
	said, _ := command.CombinedOutput() // the exit code tells of other findings, too
	require.Contains(r, string(said), finding)
}

func startReplicaReader(t *testing.T, env ...string) *replicaReader {
	t.Helper()
	c := newTestCluster(t, append(env, "IM_METRICS_PUBLIC=true")...)
	r := &replicaReader{T: t, env: c.env, node: c.node("one")}
	r.user = connectDevice(t, "alice", r.node)
	bob := connectDevice(t, "bob", r.node)
	group, err := r.user.CreateGroup(t.Context(), newGroup(bob))
	require.NoError(t, err)
	r.id = group.ConversationID
	return r
}

// A read of history never misses what was committed before it, whatever state the replica
// is in.
func TestReadReplica(t *testing.T) {
	t.Parallel()
	primary := startPostgres(t)
	standby := primary.standby()
	r := startReplicaReader(t, "IM_DATABASE_URL="+primary.url("im"), "IM_DATABASE_REPLICA_URL="+standby.url("im"))

	// The replica answers.
	r.awaitOutcome("replica")
	for i := range 30 {
		r.send(fmt.Sprint("fresh ", i))
	}
	require.Greater(t, r.count("replica"), 30)
	eventually.True(t, "a search finds the message", func() bool {
		for found, err := range r.user.Search(t.Context(), client.Query{Text: "fresh 29"}) {
			require.NoError(t, err)
			return client.TextOf(found.Content) == "fresh 29"
		}
		return false
	})

	r.requireDoctor("the replica has what was committed before the check")

	// A member who was removed reads nothing from that moment on.
	bob := connectDevice(t, "bob", r.node)
	require.NotEmpty(t, r.events(bob))
	require.NoError(t, r.user.RemoveMember(t.Context(), r.id, "bob"))
	require.ErrorIs(t, bob.Do(t.Context(), http.MethodGet, "/conversations/"+r.id.String()+"/events", nil, nil), client.ErrNotFound)

	// Its connections end.
	r.send("to alice alone")
	for range 20 {
		standby.query(`SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity WHERE application_name LIKE 'im/%'`)
		r.requireFresh()
	}
	r.awaitOutcome("replica")

	// It is behind.
	pauseReplay(standby)
	r.awaitOutcome("behind")
	for i := range 5 {
		r.send(fmt.Sprint("not replayed ", i))
	}
	r.requireDoctor("the standby has not replayed the last commits")
	require.Equal(t, "", standby.query(`SELECT pg_wal_replay_resume()::text`))
	r.awaitOutcome("replica")

	// It has ended, and comes back.
	standby.stop()
	r.awaitOutcome("failed")
	standby.start()
	r.awaitOutcome("replica")

	// It hangs.
	standby.pause()
	r.awaitOutcome("failed")
	standby.resume()
	r.awaitOutcome("replica")

	// It is no standby any more.
	standby.promote()
	r.awaitOutcome("unusable")
	r.requireDoctor("the server is no standby")
	require.Contains(t, r.node.Output(), "the read replica cannot be used, reading from the primary")
	require.Contains(t, r.node.Output(), "reading from the replica again")
}

// A standby that does not follow the new primary after a failover may have messages that
// the log has lost. They are not read.
func TestReadReplicaOfALostTimeline(t *testing.T) {
	t.Parallel()
	primary := startPostgres(t)
	replica, next := primary.standby(), primary.standby()
	r := startReplicaReader(t, "IM_DATABASE_URL="+urlOf("im", primary.address(), next.address()), "IM_DATABASE_REPLICA_URL="+replica.url("im"))
	r.awaitOutcome("replica")
	next.awaitReplay(primary)
	next.end(syscall.SIGINT)
	kept := len(r.events(r.user))
	for i := range 5 {
		r.send(fmt.Sprint("lost ", i))
	}
	primary.query(`SELECT pg_switch_wal()::text`) // the position alone would not tell that the replica is on another timeline
	replica.awaitReplay(primary)
	primary.stop()
	next.start()
	next.promote()
	eventually.NoError(t, "the new primary takes messages", func() error {
		_, err := r.user.Send(t.Context(), client.Post{ConversationID: r.id, Content: client.Text("kept")})
		return err
	})
	events := r.events(r.user)
	require.Len(t, events, kept+1)
	m, _ := client.MessageOf(events[kept])
	require.Equal(t, "kept", client.TextOf(m.Content))
	r.awaitOutcome("unusable")
}

// A node starts without its replica, and uses it once it is there.
func TestReadReplicaComesLater(t *testing.T) {
	t.Parallel()
	primary := startPostgres(t)
	replica := primary.standby()
	replica.stop()
	r := startReplicaReader(t, "IM_DATABASE_URL="+primary.url("im"), "IM_DATABASE_REPLICA_URL="+replica.url("im"))
	r.awaitOutcome("failed")
	replica.start()
	r.awaitOutcome("replica")

	c := newTestCluster(t, "IM_START_TIMEOUT=2s", "IM_DATABASE_URL="+primary.url("im"))
	for url, reason := range map[string]string{
		replica.url("im") + "&target_session_attrs=primary": "target_session_attrs=primary",
		replica.url("im") + "&search_path=other":            "search_path",
		replica.url("im") + "&pool_max_conns=3":             "pool_max_conns is 3",
	} {
		said := c.refused("IM_DATABASE_REPLICA_URL="+url, "IM_DATABASE_REPLICA_CONNECTIONS=4")
		require.Contains(t, said, "IM_DATABASE_REPLICA_URL: ")
		require.Contains(t, said, reason)
	}
}

// pauseReplay stops the replay of a standby, and waits until it has stopped.
func pauseReplay(standby *postgresServer) {
	standby.t.Helper()
	require.Equal(standby.t, "", standby.query(`SELECT pg_wal_replay_pause()::text`))
	eventually.True(standby.t, "the replay has paused", func() bool { return standby.query(`SELECT pg_get_wal_replay_pause_state()`) == "paused" })
}
