package chaos

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/client"
	"im/tools/verify"
)

func post(key string) map[string]any {
	return map[string]any{"client_msg_id": key, "content": client.Text("x")}
}

func (p *probe) messages() string {
	return "/v1/conversations/" + p.conversation.String() + "/messages"
}

// arrived tells whether the message came to the receiver, at another node.
func (p *probe) arrived(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.delivered[key].IsZero()
}

// through is the probe's sender at another node.
func (p *probe) through(n *node) *probe {
	return &probe{node: n, conversation: p.conversation, bearer: p.bearer, http: p.http}
}

// TestNodeKilled: clients go elsewhere and have everything.
func TestNodeKilled(t *testing.T) {
	s := newScenario(t, 3, either(14*time.Second, time.Minute))
	lasts := either(4*time.Second, 15*time.Second)
	s.suffer(fault{
		name: "a node killed (SIGKILL), and started again", lasts: lasts,
		begin: s.nodes[1].kill, end: s.nodes[1].start,
	})
	s.suffer(fault{
		name: "the accepting node killed between commit and publish", lasts: lasts,
		begin: s.killBeforePublish, end: s.nodes[0].start,
	})
	r := s.judge()
	require.Less(t, r.MaxOutage, slack*verify.Millis(5000), "a client waited for longer than for a reconnect")
}

// killBeforePublish holds back the answer to a commit, so that the node publishes
// nothing, and kills it. The tail of the others brings the message within 2 s, and
// sent again it is the same.
func (s *scenario) killBeforePublish() {
	p, key := s.probes.all[0], "before-publish"
	passed := p.node.postgres.HoldAnswerTo(key)
	var sending sync.WaitGroup
	sending.Go(func() { p.post(context.Background(), p.messages(), post(key)) })
	<-passed
	require.Eventually(s.t, func() bool {
		return s.count(`SELECT count(*) FROM events WHERE client_msg_id = $1`, key) == 1
	}, patience, time.Millisecond)
	p.node.kill()
	killed := time.Now()
	sending.Wait()
	require.Eventually(s.t, func() bool { return p.arrived(key) }, patience, time.Millisecond)
	took := time.Since(killed)
	s.t.Logf("a message whose node was killed between commit and publish arrived %s later", seconds(took))
	require.Less(s.t, took, recoverWithin)
	p.node.postgres.Mend()
	status, body := p.through(s.nodes[1]).post(context.Background(), p.messages(), post(key))
	require.Equal(s.t, http.StatusOK, status, "it is there already: %s", body)
}

// TestNodePaused: nobody waits for the locks of a node that is stopped while it
// sends a batch, and when it goes on, it does no harm with what it believes.
func TestNodePaused(t *testing.T) {
	lasts := either(12*time.Second, 30*time.Second) // longer than its lease
	s := newScenario(t, 3, lasts+4*time.Second, func(o *verify.Options) { o.CompleteWithin += lasts + 10*time.Second })
	p := s.probes.all[2]
	var burst sync.WaitGroup
	s.suffer(fault{
		name: "a node paused (SIGSTOP) in the middle of sending a batch", lasts: lasts,
		begin: func() {
			p.node.postgres.HoldAfter(100_000)
			for i := range 16 {
				burst.Go(func() {
					large := map[string]any{"client_msg_id": fmt.Sprint("large", i), "content": client.Text(strings.Repeat("x", 20_000))}
					p.post(context.Background(), p.messages(), large)
				})
			}
			require.Eventually(t, p.node.postgres.Held, patience, time.Millisecond)
			p.node.signal(syscall.SIGSTOP)
			s.nobodyWaits(p)
		},
		end: func() {
			p.node.postgres.Mend()
			p.node.signal(syscall.SIGCONT)
		},
		within: slack * 3 * time.Second,
	})
	burst.Wait()
	s.suffer(fault{
		name: "a node paused (SIGSTOP) under load, answers of PostgreSQL under way", lasts: either(time.Second, 30*time.Second),
		begin: func() {
			passed := p.node.postgres.HoldAnswerTo("held")
			burst.Go(func() { p.post(context.Background(), p.messages(), post("held")) })
			<-passed
			p.node.signal(syscall.SIGSTOP)
			s.nobodyWaits(p)
		},
		end: func() {
			p.node.postgres.Mend()
			p.node.signal(syscall.SIGCONT)
		},
		within: slack * 3 * time.Second,
	})
	burst.Wait()
	s.judge()
}

// nobodyWaits sends through another node to the conversation that the stopped
// node was about to append to.
func (s *scenario) nobodyWaits(stopped *probe) {
	other := stopped.through(s.nodes[0])
	var slowest time.Duration
	for i := range 5 {
		began := time.Now()
		status, body := other.post(context.Background(), other.messages(), post(fmt.Sprint("meanwhile", began.UnixNano(), i)))
		slowest = max(slowest, time.Since(began))
		require.Equal(s.t, http.StatusCreated, status, "%s", body)
	}
	s.t.Logf("the slowest send to the conversation of the stopped node took %s", seconds(slowest))
	require.Less(s.t, slowest, 2*time.Second, "it waited for a lock")
}

// TestNodeCutOff: one node reaches nothing any more; the others do not need it.
func TestNodeCutOff(t *testing.T) {
	s := newScenario(t, 3, either(9*time.Second, time.Minute))
	n := s.nodes[1]
	s.suffer(fault{
		name: "a node cut off from PostgreSQL, Redis and RabbitMQ, packets held", lasts: either(6*time.Second, 12*time.Second),
		begin:  func() { n.postgres.Hold(); n.redis.Hold(); n.rabbit.Hold() },
		end:    func() { n.postgres.Mend(); n.redis.Mend(); n.rabbit.Mend() },
		within: slack * 3 * time.Second,
	})
	s.judge()
}

// TestRollingRestart: every node in turn, by SIGTERM, as an upgrade does it.
func TestRollingRestart(t *testing.T) {
	s := newScenario(t, 3, either(14*time.Second, 3*time.Minute))
	for round := range either(1, 5) {
		for _, n := range s.nodes {
			// The probes know one node each, and wait longer from time to time where a
			// connection does not last.
			time.Sleep(either(0, 8*time.Second))
			s.suffer(fault{name: fmt.Sprintf("rolling restart (SIGTERM), round %d: %s", round+1, n.name), begin: n.stop, end: n.start})
		}
	}
	r := s.judge()
	t.Logf("clients were connected again after %.1f s (median), %.1f s (9 of 10), %.1f s (all)", r.Reconnect.P50/1000, r.Reconnect.P90/1000, r.Reconnect.Max/1000)
	// Two of three nodes are always there: nobody waits longer than for a reconnect.
	// These limits are for a busy machine, where a handshake may take seconds.
	require.Less(t, r.Reconnect.P50, slack*verify.Millis(500))
	require.Less(t, r.Reconnect.P90, slack*verify.Millis(1500))
	require.Less(t, r.MaxOutage, slack*verify.Millis(5000), "a client waited for longer than for a reconnect")
}
