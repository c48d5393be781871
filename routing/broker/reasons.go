package broker

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"im/domain"
)

var (
	errNotConnected = errors.New("routing: not connected to the AMQP broker")
	errStalled      = errors.New("routing: the AMQP broker does not take messages")
	errNoConsumer   = errors.New("routing: the node does not consume from its AMQP queue")
	errNotDelivered = errors.New("routing: the node gets nothing from its AMQP queue")
	errNotDeclared  = errors.New("routing: cannot declare the node's AMQP queue")
)

// blockedError is the reason for which RabbitMQ takes no messages.
type blockedError string

// Error implements error.
func (e blockedError) Error() string { return "RabbitMQ takes no messages: " + string(e) }

// describe returns what an error of RabbitMQ means and what to do, without addresses
// and names other than the prefix.
func (b *AMQP) describe(err error) string {
	if blocked, ok := errors.AsType[blockedError](err); ok {
		return blocked.Error()
	}
	answer, answered := errors.AsType[*amqp091.Error](err)
	operation, ok := errors.AsType[*rightError](err)
	switch {
	case answered && ok && answer.Code == amqp091.AccessRefused:
		return "RabbitMQ denies its user the permission to " + operation.right + " names that begin with " + b.prefix + "."
	case answered && isLimit(answer):
		return "a limit of RabbitMQ, its virtual host or its user is reached: " + limitOf(answer)
	case answered && answer.Code == amqp091.AccessRefused && strings.Contains(answer.Reason, "vhost"),
		answered && answer.Code == amqp091.NotAllowed:
		return "RabbitMQ has no such virtual host, or its user has no permissions there"
	case errors.Is(err, amqp091.ErrSASL):
		return "RabbitMQ does not offer the auth_mechanism of IM_AMQP_URL"
	case answered && answer.Code == amqp091.AccessRefused:
		return "RabbitMQ does not accept the user name or the password"
	case answered && answer.Code == amqp091.PreconditionFailed:
		return "RabbitMQ has an exchange or a queue of the same name with other properties"
	case answered && answer.Code == amqp091.ConnectionForced:
		return "RabbitMQ closed the connection"
	case errors.Is(err, errNoConsumer):
		return "RabbitMQ does not let the node consume from its queue"
	case errors.Is(err, errNotDelivered):
		return "RabbitMQ delivers nothing to the node; a policy may drop its messages"
	case errors.Is(err, errStalled):
		return "RabbitMQ does not take messages; it may be short of memory or of disk space"
	}
	if reason := describeTLS(err); reason != "" {
		return reason
	}
	return "RabbitMQ does not answer"
}

func isLimit(answer *amqp091.Error) bool { return strings.Contains(answer.Reason, "limit") }

// limitOf says what there are too many of.
func limitOf(answer *amqp091.Error) string {
	for _, what := range []string{"queue", "channel", "connection"} {
		if strings.Contains(answer.Reason, what) {
			return what + "s"
		}
	}
	return "see the log"
}

func describeTLS(err error) string {
	var untrusted *tls.CertificateVerificationError
	var alert tls.AlertError
	var remote *net.OpError
	switch {
	case errors.As(err, &untrusted):
		return "the certificate of RabbitMQ is not accepted (see cacertfile and server_name_indication of IM_AMQP_URL)"
	case errors.As(err, &alert), errors.As(err, &remote) && remote.Op == "remote error":
		return "RabbitMQ refuses the TLS connection; it may require a client certificate (see certfile and keyfile of IM_AMQP_URL)"
	default:
		return ""
	}
}

func (b *AMQP) unavailable(err error) error {
	return domain.ErrUnavailable.WithMessage(b.describe(err)).WithCause(err)
}
