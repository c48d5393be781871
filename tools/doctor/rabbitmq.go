package doctor

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"im/domain"
	"im/routing/broker"
)

// rabbitmq examines RabbitMQ, and the queues of the nodes.
func (d *doctor) rabbitmq(ctx context.Context, live, ended []domain.NodeID) {
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	s := d.o.Node.Services
	amqp, err := broker.NewAMQP(s.AMQPURL, s.Prefix, slog.New(slog.DiscardHandler))
	if err != nil {
		return // among the problems of the settings
	}
	probe := domain.NodeID("doctor-" + strings.ToLower(rand.Text()[:10]))
	i, err := amqp.Inspect(ctx, probe, slices.Concat(live, ended))
	if err != nil {
		d.add(Finding{
			Area: "rabbitmq", Check: "connection and rights", Status: Failure, Saw: oneLine(err),
			Why: "nodes do not start without RabbitMQ; while it is away, events reach other nodes up to 2 s later",
			Do:  "correct IM_AMQP_URL, grant the permissions that docs/operations.md lists, or start RabbitMQ",
		})
		return
	}
	saw := fmt.Sprintf("connected to %s %s", i.Product, i.Version)
	if i.Blocked == "" {
		saw += "; the user may declare, publish and consume"
	}
	d.add(Finding{Area: "rabbitmq", Check: "connection and rights", Status: OK, Saw: saw})
	saw = "RabbitMQ takes messages"
	if i.Blocked != "" {
		saw = "RabbitMQ takes no messages: " + i.Blocked
	}
	d.add(Finding{
		Area: "rabbitmq", Check: "alarms", Status: verdict(i.Blocked == "", Failure), Saw: saw,
		Why: "events reach other nodes up to 2 s later, through the database", Do: "free memory or disk space on the machine of RabbitMQ (rabbitmqctl status lists the alarms)",
	})
	if i.Blocked == "" { // else it answers nothing
		d.queues(i, live, ended)
	}
}

// queues compares the queues with the nodes.
func (d *doctor) queues(i broker.Inspection, live, ended []domain.NodeID) {
	var without, orphaned []domain.NodeID
	for _, node := range live {
		if i.Queues[node].Consumers == 0 {
			without = append(without, node)
		}
	}
	for _, node := range ended {
		if queue, found := i.Queues[node]; found && queue.Consumers == 0 {
			orphaned = append(orphaned, node)
		}
	}
	saw := fmt.Sprintf("%d nodes consume from their queues", len(live)-len(without))
	if len(without) > 0 {
		saw += "; without a consumer: " + names(without)
	}
	d.add(Finding{
		Area: "rabbitmq", Check: "queues of nodes", Status: verdict(len(without) == 0, Warning), Saw: saw,
		Why: "these nodes get events up to 2 s later, through the database", Do: "read the logs of these nodes; all nodes must use the same RabbitMQ and IM_PREFIX",
	})
	saw = "no queue is left of a node that has ended"
	if len(orphaned) > 0 {
		saw = "queues are left of nodes that have ended: " + names(orphaned)
	}
	d.add(Finding{
		Area: "rabbitmq", Check: "orphaned queues", Status: verdict(len(orphaned) == 0, Warning), Saw: saw,
		Why: "they take messages that no node reads; RabbitMQ deletes them after a minute, unless a policy overrides expires",
		Do:  "wait a minute; if they stay, delete them and remove the policy",
	})
}
