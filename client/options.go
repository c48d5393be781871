package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// Everything is the value of Options.History that starts each conversation at its
// first event.
const Everything = -1

// Options configure a Client. URLs and Token are required.
type Options struct {
	// URLs are the base URLs of the nodes, such as http://127.0.0.1:8080. Each
	// connection uses the next one; a REST call tries them in this order.
	URLs []string
	// Token returns a token. The client calls it for each connection, before a token
	// expires, and when a REST call finds it expired. It may be called concurrently.
	Token func(context.Context) (string, error)
	// Device is the id of this device, which belongs to one Store. Empty means a random
	// id. The server ends the session of a second client with the same device.
	Device string
	// Store keeps the positions of this device; nil keeps them in memory.
	Store Store
	// History is how many of the newest events of each conversation a new device
	// receives. With 0 it receives only events that come later; see also Everything.
	History int
	// Background connects without showing the user as online.
	Background bool

	// OnEvent receives each event, once and in the order of its conversation. The
	// client acknowledges the event after OnEvent returned nil; an error ends Run. If
	// OnEvent is nil, the client still receives and acknowledges events.
	OnEvent func(context.Context, *Client, Event) error
	// OnReset reports a new epoch: the server's log may have lost events, for example
	// after a restore. Stored events are void. They come again as on a new
	// device, and at least those that this device has not acknowledged. An error ends
	// Run.
	OnReset func(ctx context.Context, c *Client, epoch string) error
	// OnStatus receives changes of the connection's state. It may miss states that
	// follow each other quickly, but always receives the last one.
	OnStatus func(context.Context, *Client, Status)
	// OnChange reports that Conversations has changed.
	OnChange func(context.Context, *Client)
	// OnSignal receives typing, presence, receipts and notices, at most once and not
	// ordered with events.
	OnSignal func(context.Context, *Client, Signal)

	// Logger logs errors that no call returns; nil discards them.
	Logger *slog.Logger
}

// Token returns a source for Options.Token that always returns the same token. The
// client stops when the server refuses it.
func Token(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

// withDefaults returns the options checked and completed.
func (o Options) withDefaults() (Options, error) {
	if len(o.URLs) == 0 || o.Token == nil {
		return o, errors.New("client: URLs and Token are required")
	}
	if o.History < Everything {
		return o, errors.New("client: History must be a number of events, or Everything")
	}
	urls := make([]string, len(o.URLs))
	for i, raw := range o.URLs {
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return o, fmt.Errorf("client: %q is not an http or https URL", raw)
		}
		urls[i] = strings.TrimSuffix(raw, "/")
	}
	o.URLs = urls
	if o.Device == "" {
		o.Device = "go-" + rand.Text()
	}
	if o.Store == nil {
		o.Store = &memoryStore{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}
