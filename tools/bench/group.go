package bench

import (
	"context"
	"fmt"

	"im/domain"
)

const (
	groupMembers  = 100
	groupInFlight = 8
)

func groupCases(o Options) []scenario {
	members, inFlight := orDefault(o.Members, groupMembers), orDefault(o.InFlight, groupInFlight)
	return []scenario{{
		label: fmt.Sprintf("%d online × %d in flight", members, inFlight), nodes: 1, appends: "acked",
		run: func(ctx context.Context, r *run) ([]Metric, error) { return runGroup(ctx, r, members, inFlight) },
	}}
}

func orDefault(asked, otherwise int) int {
	if asked > 0 {
		return asked
	}
	return otherwise
}

// runGroup has one member of a group write to all, itself included.
func runGroup(ctx context.Context, r *run, members, inFlight int) ([]Metric, error) {
	users := r.people.users("m", members)
	id, err := r.people.group(ctx, users)
	if err != nil {
		return nil, err
	}
	socks := make([]*socket, members)
	defer closeAll(socks)
	err = each(ctx, members, func(ctx context.Context, i int) (err error) {
		socks[i], err = r.people.connect(ctx, users[i], i)
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
	deliveries := func() int64 { return l.receivedIn.Load() + l.echoedIn.Load() }
	return r.drive(ctx, l, counted{func(seconds float64) []Metric {
		metrics := []Metric{
			{"deliveries", "event/s", float64(deliveries()) / seconds},
			{"acked", "msg/s", float64(l.ackedIn.Load()) / seconds},
		}
		metrics = append(metrics, l.ends.percentiles("end", 50, 99)...)
		return append(metrics, l.acks.percentiles("ack", 50, 99)...)
	}, deliveries, "event"})
}

// users returns the names of n users of a kind.
func (p *people) users(kind string, n int) []domain.UserID {
	users := make([]domain.UserID, n)
	for i := range users {
		users[i] = p.user(kind, i)
	}
	return users
}

// group makes a group of users; the first one owns it.
func (p *people) group(ctx context.Context, users []domain.UserID) (id string, err error) {
	owner, others := users[0], users[1:]
	perCall := domain.DefaultLimits().MembersPerCall
	some := others[:min(len(others), perCall)]
	if id, err = p.create(ctx, owner, domain.Group, some...); err != nil {
		return "", err
	}
	return id, p.add(ctx, owner, id, others[len(some):], perCall)
}
