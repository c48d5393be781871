package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/internal/freeport"
	"im/test/improcess"
)

// TestI6NodeKilled: after a node is killed with SIGKILL, its user connects to the other
// node and gets every event once.
func TestI6NodeKilled(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	alice, bob := connect(t, one.URL, "alice", "phone"), connect(t, two.URL, "bob", "phone")
	var first sent
	alice.request(map[string]any{"type": "send", "to": "bob", "client_msg_id": "c-0", "content": text("x")}).into(t, &first)
	id := first.ConversationID
	bob.waitEvent(id, 2)
	b := bob.post(id, "b-0", "live both ways")
	alice.waitEvent(id, b.Seq)

	two.Signal(syscall.SIGKILL)
	for n := range 10 {
		require.Empty(t, alice.post(id, fmt.Sprint("c-", n+1), "x").Code)
	}
	bob = connect(t, one.URL, "bob", "phone")
	views, _ := bob.sync("", 10)
	require.EqualValues(t, 13, views[id].HeadSeq)
	requireDense(t, bob.history(id), 1)
	a := alice.post(id, "live", "x")
	bob.waitEvent(id, a.Seq)
}

// TestI9StoppedNodeDelaysNoOther: a node is paused (SIGSTOP) while it appends. Another
// node appends to the same conversation without waiting for the locks of the first. When
// the first node continues, it does no harm.
func TestI9StoppedNodeDelaysNoOther(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := two.direct("alice", "bob")
	alice, bob := connect(t, one.URL, "alice", "phone"), connect(t, two.URL, "bob", "phone")

	const burst = 50
	for round := range 5 {
		var requests []string
		for n := range burst {
			requests = append(requests, alice.start(map[string]any{
				"type": "send", "conversation_id": id, "client_msg_id": fmt.Sprint(round, "-", n), "content": text("x"),
			}))
		}
		one.Signal(syscall.SIGSTOP)
		for n := range 5 {
			require.Empty(t, bob.post(id, fmt.Sprint(round, "-", n), "y").Code, "the send does not wait for the stopped node")
		}
		one.Signal(syscall.SIGCONT)
		for _, request := range requests {
			f := alice.wait("an answer", func(f frame) bool { return f.ID == request })
			require.Equal(t, "sent", f.Type, "%s", f.raw)
		}
	}
	const head = 1 + 5*(burst+5)
	events := bob.history(id)
	require.Len(t, events, head)
	requireDense(t, events, 1)
	requireDense(t, bob.waitEvent(id, head), 2)
	requireDense(t, alice.waitEvent(id, head), 2)
}

// TestDrain: on SIGTERM a node asks its clients to reconnect elsewhere, finishes its work
// and exits with 0.
func TestDrain(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.direct("alice", "bob")
	alice := connect(t, one.URL, "alice", "phone")
	require.Empty(t, alice.post(id, "c", "x").Code)
	one.Signal(syscall.SIGTERM)
	var drain struct {
		After int `json:"reconnect_after_ms"`
	}
	alice.next("drain").into(t, &drain)
	require.Positive(t, drain.After)
	require.Contains(t, []int{4000, 1001}, alice.closed())
	require.NoError(t, one.Wait(), "exit 0")
	require.Len(t, connect(t, two.URL, "alice", "phone").history(id), 2)
}

// TestDrainByPost: POST /drain at the admin address empties a node as SIGTERM does, and
// answers when that is done. The node still answers calls, takes no more sockets, and ends
// by SIGTERM. im drain is the same for scripts.
func TestDrainByPost(t *testing.T) {
	c := newCluster(t)
	admin, err := freeport.Addr()
	require.NoError(t, err)
	one, two := c.node("one", "IM_ADMIN_ADDR="+admin), c.node("two")
	post := func(query string) (int, string) {
		response, err := http.Post("http://"+admin+"/drain"+query, "", nil)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, strings.TrimSpace(string(body))
	}
	status, body := post("?wait=soon")
	require.Equal(t, http.StatusBadRequest, status, body)
	require.Contains(t, body, `"/wait"`)
	response, err := http.Get("http://" + admin + "/drain")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)

	id := one.direct("alice", "bob")
	alice := connect(t, one.URL, "alice", "phone")
	require.Empty(t, alice.post(id, "c", "x").Code, "nothing has begun a drain so far")
	status, body = post("?wait=0s")
	require.Equal(t, http.StatusAccepted, status, body)
	require.Equal(t, `{"status":"draining"}`, body)
	alice.next("drain")
	require.Contains(t, []int{4000, 1001}, alice.closed())
	status, body = post("")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, `{"status":"drained"}`, body)

	response, err = http.Get(one.URL + "/readyz")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode, "load balancers must choose others")
	require.Len(t, connect(t, two.URL, "alice", "phone").history(id), 2)
	_, refused, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(one.URL, "http")+"/v1/ws", nil)
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, refused.StatusCode)
	one.direct("alice", "carol") // a REST call

	drain := improcess.Start(t, binary, []string{"IM_ADMIN_ADDR=" + admin}, "drain")
	require.NoError(t, drain.Wait(), "%s", drain.Output())
	require.Equal(t, "drained\n", drain.Output())
	began := time.Now()
	one.Signal(syscall.SIGTERM)
	require.NoError(t, one.Wait(), "exit 0")
	t.Logf("the stop of a drained node took %s", time.Since(began))
	drain = improcess.Start(t, binary, []string{"IM_ADMIN_ADDR=" + admin}, "drain")
	require.Error(t, drain.Wait(), "no node is there any more")
}
