package environments

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/amqptest"
)

// sharedRabbitMQ is a RabbitMQ that the tests of this package share. It is started at
// the first need, because that takes some seconds.
type sharedRabbitMQ struct {
	once   sync.Once
	dir    string
	server *amqptest.Server
	err    error
}

var sharedBroker sharedRabbitMQ

// rabbitMQ returns the shared RabbitMQ. A test uses a virtual host of its own.
func rabbitMQ(t *testing.T) *amqptest.Server {
	t.Helper()
	s := &sharedBroker
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "im-rabbitmq-"); s.err == nil {
			s.server, s.err = amqptest.StartServer(filepath.Join(s.dir, "rabbitmq"))
		}
	})
	require.NoError(t, s.err)
	return s.server
}

// stop stops the server, if it was started.
func (s *sharedRabbitMQ) stop() {
	if s.server != nil {
		s.server.Stop()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// control runs rabbitmqctl.
func control(t *testing.T, args ...string) {
	t.Helper()
	_, err := rabbitMQ(t).Control(args...)
	require.NoError(t, err)
}

// newVhost creates a virtual host, and a user with the password secret that has
// permission there for names with the prefixes of tests. Options are of the virtual host.
func newVhost(t *testing.T, name, user string, options ...string) (url string) {
	t.Helper()
	control(t, append([]string{"add_vhost", name}, options...)...)
	control(t, "add_user", user, "secret")
	control(t, "set_permissions", "-p", name, user, ownNames, ownNames, ownNames)
	t.Cleanup(func() {
		control(t, "delete_vhost", name)
		control(t, "delete_user", user)
	})
	return rabbitMQ(t).URL(user, "secret", name)
}
