package verify

import (
	"context"
	"errors"
	"io"
	"math"
	"time"
)

// Options say against what to run, and how much.
type Options struct {
	// URLs are those of the nodes, without a slash at the end. Users are spread
	// over them and change between them.
	URLs []string
	// Token returns a token of that user; it is asked again before the last one
	// runs out, so it may be called by many at once. Without it there are no
	// sockets: users act over REST, through ServerToken, and no push is judged.
	Token func(ctx context.Context, user string) (string, error)
	// ServerToken returns a token of the app's backend, with which the log is read
	// and some calls are made by X-IM-User. Without it users act for themselves,
	// and members read the log.
	ServerToken func(ctx context.Context) (string, error)

	Users         int           // 20 unless set; each has two or more devices in the course of the run
	Conversations int           // those at the beginning, direct ones and groups; as many as users unless set
	Duration      time.Duration // of sending; 30 s unless set
	Rate          float64       // sends per second, of all users together; 50 unless set
	Seed          uint64        // of everything random; 0 takes one by chance

	// Floods has now and then a reader stop until its node gives up what it should be
	// pushed, for a gap. A flood is 3 MiB to one conversation.
	Floods bool

	// CompleteWithin is how long after the commit an event may take to a session
	// that was connected all the time (I6); 10 s unless set.
	CompleteWithin time.Duration
	// Settle is how long after the last send everything may take until every
	// client has everything and every send its answer; 30 s unless set.
	Settle time.Duration

	// Progress gets a line now and then; nil for none.
	Progress io.Writer
	// Prefix begins the names of the users, so that runs do not meet; by chance
	// unless set, and then not a matter of the seed.
	Prefix string
}

// errNoTarget is what is wrong with options that cannot work.
var errNoTarget = errors.New("verify: URLs, and Token or ServerToken, are needed")

func (o Options) withDefaults() (Options, error) {
	if len(o.URLs) == 0 || o.Token == nil && o.ServerToken == nil {
		return o, errNoTarget
	}
	if o.Users < 0 || o.Conversations < 0 || o.Duration < 0 || o.Rate < 0 || math.IsInf(o.Rate, 0) || math.IsNaN(o.Rate) {
		return o, errors.New("verify: users, conversations, duration and rate must not be negative")
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
