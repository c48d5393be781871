package broker

import (
	"github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// marshaler sends payload and metadata as a message that RabbitMQ does not store on
// disk. Unmarshal never fails, because Watermill would requeue such a message forever.
type marshaler struct{}

var _ amqp.Marshaler = marshaler{}

// Marshal implements amqp.Marshaler.
func (marshaler) Marshal(msg *message.Message) (amqp091.Publishing, error) {
	headers := make(amqp091.Table, len(msg.Metadata))
	for name, value := range msg.Metadata {
		headers[name] = value
	}
	return amqp091.Publishing{Body: msg.Payload, Headers: headers, DeliveryMode: amqp091.Transient}, nil
}

// Unmarshal implements amqp.Marshaler.
func (marshaler) Unmarshal(delivery amqp091.Delivery) (*message.Message, error) {
	msg := message.NewMessage("", delivery.Body)
	for name, value := range delivery.Headers {
		if text, ok := value.(string); ok {
			msg.Metadata.Set(name, text)
		}
	}
	return msg, nil
}
