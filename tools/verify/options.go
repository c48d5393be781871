package verify

import (
	"context"
	"errors"
	"io"
	"math"
	"time"
)

// Options configure a run.
type Options struct {
	// URLs are the base URLs of the nodes, without a trailing slash. Users are
	// spread over them and move between them.
	URLs []string
	// Token returns a token of the user. It is called again before the last one
	// expires, concurrently. If it is nil there are no sockets: users act over
	// REST through ServerToken, and no push is checked.
	Token func(ctx context.Context, user string) (string, error)
	// ServerToken returns a token of the app's backend, which reads the logs
	// and makes some calls with X-IM-User. If it is nil, users act for
	// themselves, and members read the log.
	ServerToken func(ctx context.Context) (string, error)

	Users         int           // default 20; each has two or more devices during the run
	Conversations int           // direct ones and groups at the start; default: as many as users
	Duration      time.Duration // of sending; default 30 s
	Rate          float64       // sends per second of all users together; default 50
	Seed          uint64        // of all random choices; 0 picks one

	// Floods makes a reader stop now and then until its node drops pushes for a
	// gap. A flood is 3 MiB to one conversation.
	Floods bool

	// Webhook makes a webhook for all events, whose receiver listens at WebhookListen (by
	// default at a free port of 127.0.0.1). WebhookURL is where nodes call it; by default
	// that address. It needs a ServerToken.
	Webhook                   bool
	WebhookListen, WebhookURL string
	// WebhookAway is for how long the receiver is away, after a third of the run.
	WebhookAway time.Duration

	// CompleteWithin bounds the time from the commit of an event to its push to
	// a session that was connected all the time (I6); default 10 s.
	CompleteWithin time.Duration
	// Settle bounds the time after the last send until every client holds
	// everything and every send is answered; default 30 s.
	Settle time.Duration

	// Progress gets a line now and then; nil for none.
	Progress io.Writer
	// Prefix begins the names of the users, so that runs do not share users. By
	// default it is random, and does not depend on Seed.
	Prefix string
}

// errNoTarget reports options that cannot work.
var errNoTarget = errors.New("verify: URLs, and Token or ServerToken, are needed")

func (o Options) withDefaults() (Options, error) {
	if len(o.URLs) == 0 || o.Token == nil && o.ServerToken == nil {
		return o, errNoTarget
	}
	if o.Users < 0 || o.Conversations < 0 || o.Duration < 0 || o.Rate < 0 || math.IsInf(o.Rate, 0) || math.IsNaN(o.Rate) {
		return o, errors.New("verify: users, conversations, duration and rate must not be negative")
	}
	if o.Webhook && o.ServerToken == nil {
		return o, errors.New("verify: a webhook needs ServerToken")
	}
	orInt(&o.Users, 20)
	orInt(&o.Conversations, o.Users)
	orTime(&o.Duration, 30*time.Second)
	orTime(&o.CompleteWithin, 10*time.Second)
	orTime(&o.Settle, 30*time.Second)
	if o.Rate == 0 {
		o.Rate = 50
	}
	if o.Users < 3 {
		return o, errors.New("verify: at least 3 users are needed")
	}
	return o, nil
}

func orInt(v *int, otherwise int) {
	if *v == 0 {
		*v = otherwise
	}
}

func orTime(v *time.Duration, otherwise time.Duration) {
	if *v <= 0 {
		*v = otherwise
	}
}
