package registry

import "time"

const (
	// restPause is how long Redis is not called after a call failed, except by the
	// refresher. Callers do without it immediately instead of waiting for a timeout.
	restPause = 500 * time.Millisecond
	// gracePeriod is how long a session that is missing in Redis proves nothing after
	// Redis lost data or this node lost its lease: all nodes register their sessions
	// again in that time.
	gracePeriod = 3 * time.Second
)

// phase is what the registry knows about Redis:
//
//	phase       refreshed  refreshFailed  callFailed  left
//	connecting  serving*   connecting     connecting  stopped
//	serving     serving    connecting*    failing     stopped
//	failing     serving*   connecting*    failing     stopped
//	stopped     stopped    stopped        stopped     stopped
//
// A transition with a * is a mass change: it may change the presence of many users.
type phase int

const (
	connecting phase = iota // no refresh has succeeded since the start, or since the last one that failed
	serving                 // the last refresh succeeded, and all calls since then
	failing                 // the last refresh succeeded, and a call failed since then
	stopped                 // the node has left: it registers nothing any more
)

// event is what happens to a registry.
type event int

const (
	refreshed       event = iota // a refresh succeeded
	refreshFailed                // a refresh failed
	callFailed                   // a call of Redis failed
	answered                     // Redis answered the refresher
	leaseTaken                   // this node has a new lease
	leaseLost                    // the lease is gone: this node gets a new id
	redisReplaced                // another Redis server answers, which may have no data
	nodeDied                     // the lease of another node has ended
	sessionsMissing              // Redis may lack sessions of this node
	writeBegan                   // all sessions of this node are being registered
	writeEnded                   // they have been registered
	writeFailed                  // they could not be registered
	left                         // this node leaves the cluster
)

// state is the state of a registry. The zero value is the state at the start.
type state struct {
	phase phase
	// missing: Redis may lack sessions of this node, so that all of them have to be
	// registered again. writing: that is under way.
	//
	//	missing  writing
	//	no       no       Redis has all sessions
	//	yes      no       the next refresh registers all
	//	no       yes      all are being registered
	//	yes      yes      so they are, and have to be once more
	missing, writing bool
	restUntil        time.Time // no call of Redis before, except by the refresher
	graceUntil       time.Time // a session that is missing in Redis proves nothing before
	massChanges      uint64    // how often the presence of many users may have changed
}

// next returns the phase after an event.
func (p phase) next(e event) phase {
	switch {
	case p == stopped || e == left:
		return stopped
	case e == refreshed:
		return serving
	case e == refreshFailed:
		return connecting
	case e == callFailed && p == serving:
		return failing
	default:
		return p
	}
}

// next returns the state after an event that happens now. Grace is the length of a
// grace period. The grace period and the mass change that announces it come in one
// step: whoever sees the new number of mass changes sees the grace period as well.
func (s state) next(e event, now time.Time, grace time.Duration) state {
	before := s.phase
	s.phase = before.next(e)
	switch e {
	case refreshed, refreshFailed:
		if s.phase != before {
			s.massChanges++
		}
		s.missing = s.missing || e == refreshFailed
	case callFailed:
		s.restUntil = now.Add(restPause)
	case answered:
		s.restUntil = time.Time{}
	case leaseLost, redisReplaced:
		s.graceUntil = now.Add(grace)
		s.massChanges++
		s.missing = s.missing || e == redisReplaced
	case nodeDied:
		s.massChanges++
	case leaseTaken, sessionsMissing:
		s.missing = true
	case writeBegan:
		s.missing, s.writing = false, true
	case writeEnded:
		s.writing = false
	case writeFailed:
		s.missing, s.writing = true, false
	case left: // changes the phase only
	}
	return s
}

// ready reports whether Redis answered the last refresh.
func (s state) ready() bool { return s.phase == serving || s.phase == failing }

// resting reports whether Redis is not to be called now.
func (s state) resting(now time.Time) bool { return now.Before(s.restUntil) }
