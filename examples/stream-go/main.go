// The consumer counts the messages of each person from the event stream of im in RabbitMQ,
// each once. Its database can prove that nothing is missing: see README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"
)

const schema = `
CREATE TABLE IF NOT EXISTS consumer_positions (conversation_id uuid PRIMARY KEY, last_seq bigint NOT NULL);
CREATE TABLE IF NOT EXISTS consumer_missing (conversation_id uuid, seq bigint, PRIMARY KEY (conversation_id, seq));
CREATE TABLE IF NOT EXISTS consumer_messages (sender text PRIMARY KEY, count bigint NOT NULL)`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	db, err := pgxpool.New(ctx, setting("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(ctx, schema); err != nil {
		log.Fatal(err) //nolint:gocritic // nothing is lost: the pool ends with the process
	}
	c := &consumer{
		db: db, url: setting("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/"), exchange: setting("EXCHANGE", "im-events"), queue: setting("QUEUE", "im-counter"),
	}
	for ctx.Err() == nil {
		if err := c.consume(ctx); err != nil {
			log.Printf("again in a second: %v", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func setting(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

type consumer struct {
	db                   *pgxpool.Pool
	url, exchange, queue string
}

// prefetch is how many messages RabbitMQ sends ahead.
const prefetch = 100

// consume takes events until the connection ends, or ctx.
func (c *consumer) consume(ctx context.Context) error {
	conn, err := amqp.Dial(c.url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	deliveries, err := c.subscribe(conn)
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, open := <-deliveries:
			if !open {
				return errors.New("the connection to RabbitMQ has ended")
			}
			var call struct {
				Data event `json:"data"`
			}
			if err := json.Unmarshal(d.Body, &call); err != nil {
				return err
			}
			if err := pgx.BeginFunc(ctx, c.db, func(tx pgx.Tx) error { return take(ctx, tx, call.Data) }); err != nil {
				return err // without an acknowledgement, it comes again in its place
			}
			if err := d.Ack(false); err != nil {
				return err
			}
		}
	}
}

// subscribe binds a queue that keeps its messages while the consumer is away. It has all
// events (#), because seqs are dense over all of them. One consumer at a time reads it, so
// that they stay in order.
func (c *consumer) subscribe(conn *amqp.Connection) (<-chan amqp.Delivery, error) {
	channel, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	if err := channel.ExchangeDeclare(c.exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return nil, err
	}
	arguments := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, amqp.SingleActiveConsumerArg: true}
	if _, err := channel.QueueDeclare(c.queue, true, false, false, false, arguments); err != nil {
		return nil, err
	}
	if err := channel.QueueBind(c.queue, "#", c.exchange, false, nil); err != nil {
		return nil, err
	}
	if err := channel.Qos(prefetch, 0, false); err != nil {
		return nil, err
	}
	return channel.Consume(c.queue, "", false, false, false, false, nil)
}

// event has what the consumer needs of an event.
type event struct {
	ConversationID string `json:"conversation_id"`
	Seq            int64  `json:"seq"`
	Type           string `json:"type"`
	Sender         string `json:"sender"`
}

// take counts an event, once however often it comes: the position and the count change in
// one transaction.
func take(ctx context.Context, tx pgx.Tx, e event) error {
	var last int64
	err := tx.QueryRow(ctx, `INSERT INTO consumer_positions VALUES ($1, $2 - 1)
		ON CONFLICT (conversation_id) DO UPDATE SET last_seq = consumer_positions.last_seq RETURNING last_seq`, e.ConversationID, e.Seq).Scan(&last)
	if err != nil {
		return err
	}
	if e.Seq > last {
		// Seqs are dense. What was left out comes later, or the broker has refused it.
		_, err = tx.Exec(ctx, `INSERT INTO consumer_missing SELECT $1, generate_series($2::bigint + 1, $3::bigint - 1)`, e.ConversationID, last, e.Seq)
		if err == nil {
			_, err = tx.Exec(ctx, `UPDATE consumer_positions SET last_seq = $2 WHERE conversation_id = $1`, e.ConversationID, e.Seq)
		}
		if err != nil {
			return err
		}
	} else {
		found, err := tx.Exec(ctx, `DELETE FROM consumer_missing WHERE conversation_id = $1 AND seq = $2`, e.ConversationID, e.Seq)
		if err != nil || found.RowsAffected() == 0 {
			return err // a repetition
		}
	}
	if e.Type != "message.posted" {
		return nil
	}
	_, err = tx.Exec(ctx, `INSERT INTO consumer_messages VALUES ($1, 1)
		ON CONFLICT (sender) DO UPDATE SET count = consumer_messages.count + 1`, e.Sender)
	return err
}
