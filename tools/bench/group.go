package bench

import (
	"cmp"
	"context"
	"fmt"

	"im/domain"
)

const (
	groupMembers  = 100
	groupInFlight = 8
)

func groupCases(o Options) []scenario {
	members, inFlight := cmp.Or(o.Members, groupMembers), cmp.Or(o.InFlight, groupInFlight)
	return []scenario{{
		label: fmt.Sprintf("%d online × %d in flight", members, inFlight), nodes: 1, appends: "acked",
		run: func(ctx context.Context, r *run) ([]Metric, error) { return runGroup(ctx, r, members, inFlight) },
	}}
}

// runGroup measures a group in which one member writes. Deliveries include the echo to
// the sender.
func runGroup(ctx context.Context, r *run, members, inFlight int) ([]Metric, error) {
	users := r.fixture.users("m", members)
	id, err := r.fixture.group(ctx, users)
	if err != nil {
		return nil, err
	}
	socks := make([]*socket, members)
	defer closeAll(socks)
	err = each(ctx, members, func(ctx context.Context, i int) (err error) {
		socks[i], err = r.fixture.connect(ctx, users[i], i)
		return err
	})
	if err != nil {
		return nil, err
	}
	l := newLoad(r.tag, members-1)
	for i, sock := range socks {
		if i > 0 {
			inFlight = 0
		}
		l.add(sock, string(users[i]), id, inFlight)
	}
	return r.drive(ctx, l, loadMetrics{l.groupMetrics, l.deliveries, "event"})
}

// deliveries returns the number of events that all sockets received in the measured time.
func (l *load) deliveries() int64 { return l.receivedIn.Load() + l.echoedIn.Load() }

func (l *load) groupMetrics(seconds float64) []Metric {
	metrics := []Metric{
		{"deliveries", "event/s", float64(l.deliveries()) / seconds},
		{"acked", "msg/s", float64(l.ackedIn.Load()) / seconds},
	}
	metrics = append(metrics, l.ends.percentiles("end", 50, 99)...)
	return append(metrics, l.acks.percentiles("ack", 50, 99)...)
}

// users returns the ids of n users of a kind.
func (f *fixture) users(kind string, n int) []domain.UserID {
	users := make([]domain.UserID, n)
	for i := range users {
		users[i] = f.user(kind, i)
	}
	return users
}

// group creates a group of users. The first one owns it.
func (f *fixture) group(ctx context.Context, users []domain.UserID) (id string, err error) {
	owner, others := users[0], users[1:]
	perCall := domain.DefaultLimits().MembersPerCall
	first := others[:min(len(others), perCall)]
	if id, err = f.create(ctx, owner, domain.Group, first...); err != nil {
		return "", err
	}
	return id, f.add(ctx, owner, id, others[len(first):], perCall)
}
