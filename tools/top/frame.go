package top

import (
	"context"
	"time"
)

// Frame is the state of a cluster, and what happened between two readings of its metrics.
type Frame struct {
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"` // between the readings
	Total   Values    `json:"total"`   // of the nodes that answered
	Nodes   []Node    `json:"nodes"`
}

// Node is the part of one node.
type Node struct {
	URL     string `json:"url"`
	Error   string `json:"error,omitempty"` // why there are no values
	Version string `json:"version,omitempty"`
	Values
}

// Values are what im top shows of a node or of all. Rates are per second, latencies and
// ages in seconds. A latency is nil if nothing was measured between the readings.
type Values struct {
	Serving  bool    `json:"serving"` // of all: every node
	Sessions float64 `json:"sessions"`
	Users    float64 `json:"users"` // online; of all, a user of several nodes counts on each
	Sockets  float64 `json:"sockets"`

	Messages float64 `json:"messages_per_second"` // committed
	Writes   float64 `json:"events_per_second"`   // written to sockets
	Requests float64 `json:"requests_per_second"`
	Errors   float64 `json:"errors_per_second"` // of requests, that are the server's

	SendP50     *float64 `json:"send_p50_seconds"` // from the frame or call to its answer
	SendP99     *float64 `json:"send_p99_seconds"`
	DeliveryP50 *float64 `json:"delivery_p50_seconds"` // from the commit to a socket
	DeliveryP99 *float64 `json:"delivery_p99_seconds"`

	TailAge   float64 `json:"tail_age_seconds"` // of all: the greatest, as for other ages
	SearchLag float64 `json:"search_lag_seconds"`
	WriteLag  float64 `json:"write_behind_age_seconds"`
	Healed    float64 `json:"healed_per_second"` // events that the tail brought

	AppendQueue float64 `json:"append_queue_commands"`
	SocketBytes float64 `json:"socket_queue_bytes"`
	PoolInUse   float64 `json:"pool_in_use"`
	PoolMax     float64 `json:"pool_max"`
	PoolWaits   float64 `json:"pool_waits_per_second"`

	Redis    bool `json:"redis_ready"` // of all: on every node
	RabbitMQ bool `json:"rabbitmq_ready"`

	Goroutines float64 `json:"goroutines"` // of the process
	Memory     float64 `json:"resident_bytes"`

	send, delivery histogram
}

// Watch reads the nodes at the URLs of their addresses for operators, and returns a
// function that reads them again and returns what has happened since.
func Watch(ctx context.Context, urls []string) (next func(context.Context) Frame) {
	before := scrapeAll(ctx, urls)
	return func(ctx context.Context) Frame {
		now := scrapeAll(ctx, urls)
		frame := newFrame(urls, before, now)
		before = now
		return frame
	}
}

func newFrame(urls []string, before, now []scrape) Frame {
	f := Frame{At: time.Now(), Total: Values{send: histogram{}, delivery: histogram{}}}
	f.Total.Serving, f.Total.Redis, f.Total.RabbitMQ = true, true, true
	for i, url := range urls {
		n := Node{URL: url}
		switch {
		case now[i].err != nil:
			n.Error = now[i].err.Error()
		case before[i].err != nil: // it has just come: rates follow with the next reading
			n.Values = valuesOf(now[i], now[i])
		default:
			n.Values = valuesOf(before[i], now[i])
			f.Seconds = max(f.Seconds, now[i].at.Sub(before[i].at).Seconds())
		}
		if n.Error == "" {
			n.Version = now[i].label("im_build_info", "version")
			f.Total.add(n.Values)
		}
		f.Nodes = append(f.Nodes, n)
	}
	f.Total.measure()
	return f
}

func valuesOf(before, now scrape) Values {
	v := Values{
		Serving: now.sum("im_serving") > 0, Sessions: now.sum("im_sessions"), Users: now.sum("im_users_online"), Sockets: now.sum("im_sockets"),

		Messages: rate(before, now, "im_append_events_total", "type", "message.posted"),
		Writes:   rate(before, now, "im_frames_sent_total", "type", "event"),
		Requests: rate(before, now, "im_requests_total"),
		Errors:   rate(before, now, "im_requests_total", "code", "internal") + rate(before, now, "im_requests_total", "code", "unavailable"),

		TailAge: now.largest("im_tail_age_seconds"), SearchLag: now.largest("im_search_lag_seconds"), WriteLag: now.largest("im_write_behind_age_seconds"),
		Healed: rate(before, now, "im_tail_healed_events_total"),

		AppendQueue: now.sum("im_append_queue_commands"), SocketBytes: now.sum("im_socket_queue_bytes"),
		PoolInUse: now.sum("im_database_pool_connections_in_use"), PoolMax: now.sum("im_database_pool_connections_max"),
		PoolWaits: rate(before, now, "im_database_pool_waits_total"),

		Redis: now.sum("im_registry_ready") > 0, RabbitMQ: now.sum("im_broker_ready") > 0,
		Goroutines: now.sum("go_goroutines"), Memory: now.sum("process_resident_memory_bytes"),

		send: histogram{}, delivery: now.histogram("im_delivery_seconds").since(before.histogram("im_delivery_seconds")),
	}
	for _, operation := range []string{"send", "sendMessage", "sendToUser"} {
		const name = "im_request_seconds"
		v.send.add(now.histogram(name, "operation", operation).since(before.histogram(name, "operation", operation)))
	}
	v.measure()
	return v
}

// measure sets the latencies.
func (v *Values) measure() {
	v.SendP50, v.SendP99 = v.send.quantile(0.5), v.send.quantile(0.99)
	v.DeliveryP50, v.DeliveryP99 = v.delivery.quantile(0.5), v.delivery.quantile(0.99)
}

// add adds the values of a node to those of all.
func (v *Values) add(n Values) {
	v.Serving, v.Redis, v.RabbitMQ = v.Serving && n.Serving, v.Redis && n.Redis, v.RabbitMQ && n.RabbitMQ
	for sum, value := range map[*float64]float64{
		&v.Sessions: n.Sessions, &v.Users: n.Users, &v.Sockets: n.Sockets, &v.Messages: n.Messages, &v.Writes: n.Writes,
		&v.Requests: n.Requests, &v.Errors: n.Errors, &v.Healed: n.Healed, &v.AppendQueue: n.AppendQueue, &v.SocketBytes: n.SocketBytes,
		&v.PoolInUse: n.PoolInUse, &v.PoolMax: n.PoolMax, &v.PoolWaits: n.PoolWaits, &v.Goroutines: n.Goroutines, &v.Memory: n.Memory,
	} {
		*sum += value
	}
	v.TailAge, v.SearchLag, v.WriteLag = max(v.TailAge, n.TailAge), max(v.SearchLag, n.SearchLag), max(v.WriteLag, n.WriteLag)
	v.send.add(n.send)
	v.delivery.add(n.delivery)
}

// Answered returns the number of nodes that have values.
func (f Frame) Answered() (n int) {
	for _, node := range f.Nodes {
		if node.Error == "" {
			n++
		}
	}
	return n
}

// Read returns the frame of two readings with an interval between them. It fails only if
// ctx ends.
func Read(ctx context.Context, urls []string, interval time.Duration) (Frame, error) {
	next := Watch(ctx, urls)
	if !sleep(ctx, interval) {
		return Frame{}, ctx.Err()
	}
	return next(ctx), nil
}
