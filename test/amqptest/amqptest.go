// Package amqptest gives tests the RabbitMQ of IM_TEST_AMQP_URL.
package amqptest

import (
	"cmp"
	"os"
	"testing"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// URL returns the address of RabbitMQ.
func URL() string { return cmp.Or(os.Getenv("IM_TEST_AMQP_URL"), "amqp://guest:guest@127.0.0.1:5672/") }

// Channel calls use with a channel of a connection of its own.
func Channel(t testing.TB, use func(*amqp091.Channel)) {
	t.Helper()
	conn, err := amqp091.Dial(URL())
	require.NoError(t, err, "this test needs RabbitMQ at IM_TEST_AMQP_URL")
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	use(ch)
}

// DeleteExchange deletes an exchange when the test has ended.
func DeleteExchange(t testing.TB, name string) {
	t.Cleanup(func() {
		Channel(t, func(ch *amqp091.Channel) { _ = ch.ExchangeDelete(name, false, false) })
	})
}
