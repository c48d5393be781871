package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"im/domain"
	"im/stream"
)

// Events say where every event is published to.
type Events struct {
	URL      string `name:"url" placeholder:"URL" help:"Where every event is published to: amqp://HOST/EXCHANGE, nats://HOST/STREAM or kafka://HOST/TOPIC; amqps, natss or kafkas with TLS. Empty: nowhere. See docs/event-stream.md."`
	Password string `secret:"" help:"Password for that broker. It replaces the one in the URL, and needs no escaping."`
	From     string `default:"now" help:"First events of a stream that begins: those from now on (now), all (beginning), or those since a time, such as 2026-01-02T03:04:05Z. A stream that was begun goes on where it was."`
}

// address returns the address of the broker; nil if there is none. Its errors contain no
// password.
func (e Events) address() (*stream.Address, error) {
	if e.URL == "" {
		return nil, nil
	}
	if err := checkEscaped("IM_EVENTS", e.URL); err != nil {
		return nil, err
	}
	a, err := stream.Parse(withPassword(e.URL, e.Password))
	if err != nil {
		return nil, fmt.Errorf("IM_EVENTS_URL: %w", err)
	}
	return a, nil
}

// from returns the time of the first events; nil for those from now on.
func (e Events) from() (*domain.Time, error) {
	switch text := cmp.Or(e.From, "now"); text {
	case "now":
		return nil, nil
	case "beginning":
		return &domain.Time{}, nil
	default:
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || at.Year() < 1970 || time.Until(at) > 0 {
			return nil, errors.New("IM_EVENTS_FROM must be now, beginning, or a time in the past such as 2026-01-02T03:04:05Z")
		}
		return new(domain.TimeOf(at)), nil
	}
}

func (e Events) check() error {
	_, address := e.address()
	_, from := e.from()
	return errors.Join(address, from)
}

// Check connects to the broker. It publishes nothing. Check of Options must have accepted
// the settings.
func (e Events) Check(ctx context.Context) error {
	a, err := e.address()
	if err != nil || a == nil {
		return err
	}
	return stream.Check(ctx, a)
}
