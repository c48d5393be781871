package verify

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCheckGone checks that a missing conversation counts as lost by a failover if
// clients saw it only before the epoch changed, and as a breach otherwise.
func TestCheckGone(t *testing.T) {
	t.Parallel()
	first := founded("a", "b")
	for name, c := range map[string]struct {
		since func(*runner) // in the epoch at the end
		epoch string
		lost  bool
	}{
		"the epoch changed":                 {func(*runner) {}, "e2", true},
		"it did not":                        {func(*runner) {}, "e1", false},
		"seen after the change":             {func(r *runner) { r.convs.observe(&first, &body{}, 2) }, "e2", false},
		"it changed, and then it was there": {func(r *runner) { r.observed.add(&first, 0, byPush, time.Now()) }, "e2", false},
		"it changed, and then it was known": {func(r *runner) { r.observed.noteExists("c", 3, time.Now()) }, "e2", false},
		"it changed, and a sync listed it": {func(r *runner) {
			r.users[0].devices[0].epoch, r.users[0].devices[0].holdings["c"] = 2, &holding{}
		}, "e2", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(&Options{URLs: []string{"http://x"}, Users: 1, Seed: 1})
			r.convs.observe(&first, &body{}, r.epoch("e1"))
			r.observed.add(&first, 0, byPush, time.Now())
			r.epoch(c.epoch)
			c.since(r)
			r.checkGone("c")
			r.report(r.ledger.check(r.epochNow()))
			require.Equal(t, c.lost, r.tally.report.BreachCount == 0, "%v", r.tally.report.Breaches)
			require.Equal(t, c.lost, r.tally.report.LostConversations == 1)
		})
	}
}

// TestCheckMoved checks that a message may be in another conversation than the one
// it was sent to only if that one was lost, as a direct one that was created again.
func TestCheckMoved(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"the former conversation is lost": true, "it is there": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(&Options{URLs: []string{"http://x"}, Users: 1, Seed: 1, Prefix: "v"})
			u, l := r.users[0], r.ledger
			sent := said(2, u.name, u.name+".1", "x")
			s, id := l.begin(u, "former")
			s.content = contentHash(sent.Body)
			l.attempt(s, 1)
			l.settle(s, id, "a/d", 2, &outcome{conversation: "c", clientMsgID: id, seq: 2, at: sent.At})
			if lost {
				l.lose("former")
			}
			r.report(l.checkLog(logOf(founded(u.name), sent), 2))
			r.report(l.check(2))
			if lost {
				require.Empty(t, r.tally.report.Breaches)
				return
			}
			require.Equal(t, []string{"I1", "I3"}, kindsOf(r.tally.report.Breaches), "%v", r.tally.report.Breaches)
		})
	}
}

// TestLateAnswer: an answer of a former epoch does not stand for the present one.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	r := newRunner(&Options{URLs: []string{"http://x"}, Users: 1, Seed: 1, Prefix: "v"})
	u, l := r.users[0], r.ledger
	sent := said(2, u.name, u.name+".1", "x")
	s, id := l.begin(u, "c")
	s.content = contentHash(sent.Body)
	l.attempt(s, 2)
	l.settle(s, id, "a/d", 2, &outcome{conversation: "c", clientMsgID: id, seq: 2, at: sent.At})
	l.settle(s, id, "a/d", 1, &outcome{conversation: "c", clientMsgID: id, seq: 9, at: sent.At})
	r.report(l.checkLog(logOf(founded(u.name)), 2))
	r.report(l.check(2))
	require.Equal(t, []string{"I1"}, kindsOf(r.tally.report.Breaches), "%v", r.tally.report.Breaches)
}

// TestCallsAcrossEpochs checks that two REST answers, which name no epoch, may differ
// only if one can belong to a new epoch that no client had seen yet.
func TestCallsAcrossEpochs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		byCall, failover bool
		known            int // the epoch that was seen before
		want             []string
	}{
		"a call across a failover":            {true, true, 1, nil},
		"a call without one":                  {true, false, 1, []string{"I3", "I3"}},
		"a session, which knows":              {false, true, 1, []string{"I3", "I3"}},
		"a call before an epoch was seen":     {true, false, 0, []string{"I3", "I3"}},
		"the same, and a failover after that": {true, true, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(&Options{URLs: []string{"http://x"}, Users: 1, Seed: 1, Prefix: "v"})
			u, l := r.users[0], r.ledger
			sent := said(6, u.name, u.name+".1", "x")
			s, id := l.begin(u, "c")
			s.content = contentHash(sent.Body)
			l.attempt(s, 2)
			l.settle(s, id, "a/d", c.known, &outcome{conversation: "c", clientMsgID: id, seq: 8, at: time.Now()})
			r.epoch("e1")
			l.settle(s, id, "a/d", c.known, &outcome{conversation: "c", clientMsgID: id, seq: 6, at: sent.At, byCall: c.byCall})
			if c.failover {
				r.epoch("e2")
			}
			r.report(l.differing(r.epochSeen))
			require.Equal(t, c.want, kindsOf(r.tally.report.Breaches))
		})
	}
}

// TestReadsOfEpoch checks read positions against the answers of the current epoch.
func TestReadsOfEpoch(t *testing.T) {
	t.Parallel()
	r := newRunner(&Options{URLs: []string{"http://x"}, Users: 1, Seed: 1})
	u := r.users[0]
	mark := func() readMark { return r.reads("c")[u.name] }
	u.noteRead("c", 8, 0)
	u.noteRead("c", 7, r.epoch("e1"))
	require.Equal(t, readMark{answered: 7, epoch: 1, tried: 8}, mark())
	r.epoch("e2")
	require.Zero(t, mark().answered, "it may be lost")
	u.noteRead("c", 3, 2)
	u.noteRead("c", 9, 1)
	u.noteRead("c", 2, 2)
	require.Equal(t, readMark{answered: 3, epoch: 2, tried: 9}, mark())
	require.EqualValues(t, 5, accepted(9, 5, 2), "beyond the head is the head")
	require.EqualValues(t, 9, accepted(9, 5, 1), "nothing can have been lost")
}
