package doctor

import (
	"context"

	"im/internal/app"
)

// events connects to the broker of the event stream, if there is one.
func (d *doctor) events(ctx context.Context) {
	settings := d.o.Node.Rules.Events
	if settings.URL == "" || app.Check(d.o.Node) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	f := Finding{
		Area: "events", Check: "broker", Status: OK, Saw: "the broker answers, and has the exchange, stream or topic",
		Why: "events wait in the database until the broker takes them",
		Do:  "correct IM_EVENTS_URL or IM_EVENTS_PASSWORD, make the stream or topic, or start the broker (docs/event-stream.md)",
	}
	if err := settings.Check(ctx); err != nil {
		f.Status, f.Saw = Failure, oneLine(err)
	}
	d.add(f)
}
