package environments

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/eventually"
	"im/test/improcess"
	"im/test/proxytest"
)

// The tests that change what all users of a RabbitMQ share are not parallel: they run
// before the others.

// ownNames is the permission of docs/redis-rabbitmq.md, for the prefixes of tests. Nodes
// of two databases need different ones, because a session of another epoch is removed
// from Redis.
const ownNames = `^imtest-[a-z2-7]+\.`

// TestRabbitMQLeastRights: a user that may use names with the prefix only, as
// docs/redis-rabbitmq.md shows, is as fast as one with all rights.
func TestRabbitMQLeastRights(t *testing.T) {
	t.Parallel()
	documented, err := os.ReadFile("../../docs/redis-rabbitmq.md")
	require.NoError(t, err)
	require.True(t, strings.Contains(string(documented), `rabbitmqctl set_permissions -p chat im '^im\.' '^im\.' '^im\.'`))
	startNodePair(t, "IM_AMQP_URL="+newVhost(t, "least", "least")).requireFastPath()
}

// TestRabbitMQWithoutARight: each of the rights is missing in turn. The nodes say which,
// and messages come by the tail of the log until it is granted.
func TestRabbitMQWithoutARight(t *testing.T) {
	t.Parallel()
	const some, none = ownNames, `^$`
	amqpURL := newVhost(t, "rights", "rights")
	set := func(configure, write, read string) {
		control(t, "set_permissions", "-p", "rights", "rights", configure, write, read)
	}
	for name, revoke := range map[string]func(){
		"the permission to configure names that begin with imtest-": func() { set(none, some, some) },
		"the permission to write":                                   func() { set(some, none, some) },
		"and read (on the exchange)":                                func() { set(some, some, none) },
		// The exchanges can be read, but not the queues of the nodes.
		"the permission to read names that begin with imtest-": func() { set(some, some, `^imtest-[a-z2-7]+\.(all|nodes)$`) },
	} {
		t.Run(name, func(t *testing.T) {
			revoke()
			p := startNodes(t, "IM_AMQP_URL="+amqpURL)
			for _, node := range []*improcess.Process{p.one, p.two} {
				awaitDegraded(t, node, "rabbitmq", name)
			}
			p.connect()
			p.requireTail()
			set(some, some, some)
			p.one.AwaitReady()
			p.two.AwaitReady()
			p.requireFastPath()
		})
	}
}

// TestRabbitMQRightsTakenAway: a right goes while the nodes run.
func TestRabbitMQRightsTakenAway(t *testing.T) {
	t.Parallel()
	p := startNodePair(t, "IM_AMQP_URL="+newVhost(t, "taken", "taken"))
	control(t, "set_permissions", "-p", "taken", "taken", ownNames, `^imtest-[a-z2-7]+\.node\.`, ownNames)
	awaitDegraded(t, p.one, "rabbitmq", "the permission to write names that begin with imtest-")
	p.requireTail()
	control(t, "set_permissions", "-p", "taken", "taken", ownNames, ownNames, ownNames)
	p.one.AwaitReady()
	p.two.AwaitReady()
	p.requireFastPath()
}

// TestRabbitMQSeveralHosts: a node uses the hosts that answer.
func TestRabbitMQSeveralHosts(t *testing.T) {
	t.Parallel()
	amqpURL := newVhost(t, "hosts", "hosts")
	server := rabbitMQ(t).Addr()
	first, second := proxytest.New(t, server), proxytest.New(t, server)
	both := func(format string) string { return fmt.Sprintf(format, first.Addr(), second.Addr()) }
	for name, amqpURL := range map[string]string{
		"hosts": strings.Replace(amqpURL, server, both("%s,%s"), 1),
		"URLs":  strings.Replace(amqpURL, server, first.Addr(), 1) + "," + strings.Replace(amqpURL, server, second.Addr(), 1),
	} {
		t.Run(name, func(t *testing.T) {
			first.Cut()
			p := startNodePair(t, "IM_AMQP_URL="+amqpURL)
			p.requireFastPath()
			for _, host := range []struct{ back, away *proxytest.Proxy }{{first, second}, {second, first}} {
				host.back.Mend()
				host.away.Cut()
				p.requireFastPath()
				p.one.AwaitReady()
				p.two.AwaitReady()
			}
		})
	}
}

// TestRabbitMQTLS uses a private certificate authority, client certificates, and a user
// that the certificate names.
func TestRabbitMQTLS(t *testing.T) {
	t.Parallel()
	newVhost(t, "tls", "tls")
	server := rabbitMQ(t)
	pair, err := server.Authority.Issue("tls")
	require.NoError(t, err)
	certificates := "&certfile=" + url.QueryEscape(pair.Cert) + "&keyfile=" + url.QueryEscape(pair.Key)
	for name, parameters := range map[string]string{
		"authority":          "",
		"no verification":    "&verify=verify_none",
		"client certificate": certificates,
		"EXTERNAL":           certificates + "&auth_mechanism=external",
	} {
		t.Run(name, func(t *testing.T) {
			amqpURL := server.TLSURL("tls", "secret", "tls") + parameters
			if strings.Contains(parameters, "external") {
				amqpURL = strings.Replace(amqpURL, "tls:secret@", "", 1)
			}
			startNodePair(t, "IM_AMQP_URL="+amqpURL).requireFastPath()
		})
	}
	t.Run("another authority", func(t *testing.T) {
		amqpURL, _, _ := strings.Cut(server.TLSURL("tls", "secret", "tls"), "?")
		requireRefused(t, "IM_AMQP_URL", "certificate", "IM_AMQP_URL="+amqpURL, "IM_START_TIMEOUT=1s")
	})
}

// requireRefused requires that a node does not start, and names the setting and the
// reason.
func requireRefused(t *testing.T, setting, reason string, env ...string) {
	t.Helper()
	p := startNodes(t, env...)
	require.Error(t, p.one.Wait())
	require.Error(t, p.two.Wait())
	require.Contains(t, p.one.Output(), setting+": ")
	require.Contains(t, p.one.Output(), reason)
}

// TestRabbitMQPolicies: what the operator sets for the queues of a virtual host.
func TestRabbitMQPolicies(t *testing.T) {
	t.Parallel()
	for name, policies := range map[string][][]string{
		"short life and small": {
			{"set_policy", "-p", "policies", "all", ".*", `{"expires":1000,"message-ttl":1000,"max-length":100,"max-length-bytes":100000,"overflow":"reject-publish"}`},
		},
		"short life and small, by the operator": {
			{"set_operator_policy", "-p", "policies", "all", ".*", `{"expires":1000,"message-ttl":1000,"max-length":100}`},
		},
		"mirrored and lazy": {
			{"set_policy", "-p", "policies", "all", ".*", `{"ha-mode":"all","queue-mode":"lazy"}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			amqpURL := newVhost(t, "policies", "policies")
			for _, policy := range policies {
				control(t, policy...)
			}
			p := startNodePair(t, "IM_AMQP_URL="+amqpURL)
			p.requireFastPath()
			p.two.AwaitReady()
		})
	}
}

// TestRabbitMQQuorumByDefault: a virtual host that makes quorum queues gets classic ones.
func TestRabbitMQQuorumByDefault(t *testing.T) {
	t.Parallel()
	amqpURL := newVhost(t, "quorum", "quorum", "--default-queue-type", "quorum")
	p := startNodePair(t, "IM_AMQP_URL="+amqpURL)
	p.requireFastPath()
	types, err := rabbitMQ(t).Control("list_queues", "-p", "quorum", "--no-table-headers", "type")
	require.NoError(t, err)
	require.Equal(t, "classic\nclassic\n", strings.ReplaceAll(types, "rabbit_classic_queue", "classic"))
}

// TestRabbitMQLimits: a virtual host takes no more queues or connections.
func TestRabbitMQLimits(t *testing.T) {
	t.Parallel()
	for what, limit := range map[string]string{"queues": `{"max-queues":0}`, "connections": `{"max-connections":2}`} {
		t.Run(what, func(t *testing.T) {
			vhost := "limit-" + what
			amqpURL := newVhost(t, vhost, vhost)
			control(t, "set_vhost_limits", "-p", vhost, limit)
			p := startNodes(t, "IM_AMQP_URL="+amqpURL)
			eventually.True(t, "one of the nodes is degraded, and says why", func() bool {
				return strings.Contains(ready(t, p.one).Reasons["rabbitmq"]+ready(t, p.two).Reasons["rabbitmq"], "is reached: "+what)
			})
			p.connect()
			p.requireTail()
			control(t, "set_vhost_limits", "-p", vhost, "{}")
			p.one.AwaitReady()
			p.two.AwaitReady()
			p.requireFastPath()
		})
	}
}

// TestRabbitMQURL: characters that must be encoded, the heartbeat, and what is wrong.
func TestRabbitMQURL(t *testing.T) {
	t.Parallel()
	const vhost, password = "a/b %c#d?e@ü,f", "p/#%@:?&,ü w"
	newVhost(t, vhost, "encoded")
	control(t, "change_password", "encoded", password)
	server := rabbitMQ(t)
	good := server.URL("encoded", password, vhost)
	p := startNodePair(t, "IM_AMQP_URL="+good+"?heartbeat=17&connection_timeout=5000&channel_max=100")
	p.requireFastPath()
	connections, err := server.Control("list_connections", "--no-table-headers", "user", "timeout", "channel_max")
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(connections, "encoded\t17\t100"), connections)

	requireRefused(t, "IM_AMQP_URL", "user name or the password", "IM_AMQP_URL="+server.URL("encoded", "wrong", vhost))
	requireRefused(t, "IM_AMQP_URL", "no such virtual host", "IM_AMQP_URL="+server.URL("encoded", password, "missing"))
	requireRefused(t, "IM_AMQP_URL", "no permissions there", "IM_AMQP_URL="+server.URL("encoded", password, "/"))
	requireRefused(t, "IM_AMQP_URL", `unknown parameter "beat"`, "IM_AMQP_URL="+good+"?beat=1")
}

// TestRabbitMQBlocked: RabbitMQ takes no messages while it is short of memory.
func TestRabbitMQBlocked(t *testing.T) {
	p := startNodePair(t, "IM_AMQP_URL="+newVhost(t, "blocked", "blocked"))
	for _, alarm := range []struct {
		begin, end []string
		reason     string
	}{
		{[]string{"set_vm_memory_high_watermark", "absolute", "1"}, []string{"set_vm_memory_high_watermark", "absolute", "1GB"}, "low on memory"},
		{[]string{"set_disk_free_limit", "100000GB"}, []string{"set_disk_free_limit", "1MB"}, "low on disk"},
	} {
		t.Run(alarm.reason, func(t *testing.T) {
			p.t = t
			control(t, alarm.begin...)
			t.Cleanup(func() { control(t, alarm.end...) })
			for _, node := range []*improcess.Process{p.one, p.two} {
				awaitDegraded(t, node, "rabbitmq", "RabbitMQ takes no messages: "+alarm.reason)
			}
			p.requireTail()
			control(t, alarm.end...)
			p.one.AwaitReady()
			p.two.AwaitReady()
			p.requireFastPath()
		})
	}
}
