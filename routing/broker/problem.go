package broker

import (
	"sync"

	"github.com/ThreeDotsLabs/watermill"
)

// problem is what last went wrong on a connection; nil if nothing did since it worked.
type problem struct {
	mu  sync.Mutex
	err error
}

func (p *problem) set(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *problem) get() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// watchedLogger is the logger of one client. The client reports errors of its
// connection and of its consumer nowhere else.
type watchedLogger struct {
	Logger
	broker  *AMQP
	dialer  *dialer
	problem *problem
}

// Error implements watermill.LoggerAdapter.
func (l watchedLogger) Error(msg string, err error, fields watermill.LogFields) {
	if err != nil {
		err = l.dialer.explain(err)
		switch msg {
		case "Failed to start consuming messages":
			err = needs("read", "consuming", err)
			fallthrough
		case "Cannot reconnect to AMQP, retrying", "Received close notification from AMQP, reconnecting", "Failed to prepare consume":
			l.problem.set(err)
			fields = fields.Add(l.broker.reason(err))
		}
	}
	l.Logger.Error(msg, err, fields)
}

// With implements watermill.LoggerAdapter.
func (l watchedLogger) With(fields watermill.LogFields) watermill.LoggerAdapter {
	l.log = l.log.With(attributes(fields)...)
	return l
}

// reason returns the meaning of an error, for the log.
func (b *AMQP) reason(err error) watermill.LogFields {
	return watermill.LogFields{"reason": b.describe(err)}
}
