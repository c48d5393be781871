package stream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"im/internal/tlsfiles"
)

// The transports, as addresses and metrics name them.
const (
	AMQP  = "amqp"
	NATS  = "nats"
	Kafka = "kafka"
)

// ports are the default ports, without and with TLS.
var ports = map[string][2]string{AMQP: {"5672", "5671"}, NATS: {"4222", "4222"}, Kafka: {"9092", "9093"}}

// Address says where events are published to.
type Address struct {
	transport      string
	tls            bool
	hosts          []string // host:port
	user, password string
	vhost          string // of AMQP
	name           string // of the exchange, the stream or the topic
	files          tlsfiles.Files
	sasl           string // mechanism of Kafka; "": none
	creds          string // file of NATS; "": none
}

// Transport returns AMQP, NATS or Kafka.
func (a *Address) Transport() string { return a.transport }

var errNoAddress = errors.New("not an address such as amqp://user:password@host:5672/exchange, nats://host:4222/stream or kafka://host:9092/topic " +
	"(amqps, natss or kafkas for TLS); several hosts have commas between them; percent-encode the characters / ? # % @ : , of a user name or password")

// names are what brokers accept as the name of an exchange, a stream or a topic.
var names = map[string]*regexp.Regexp{
	AMQP:  regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,127}$`),
	NATS:  regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`),
	Kafka: regexp.MustCompile(`^[A-Za-z0-9_.-]{1,249}$`),
}

var nameErrors = map[string]error{
	AMQP:  errors.New("the path must end with the name of an exchange: 1 to 127 ASCII letters, digits or _ . : -; names that begin with amq are the broker's"),
	NATS:  errors.New("the path must be the name of a stream: 1 to 128 ASCII letters, digits or _ -"),
	Kafka: errors.New("the path must be the name of a topic: 1 to 249 ASCII letters, digits or _ . -"),
}

// Parse parses an address. The error does not contain it, because it may hold a password.
func Parse(text string) (*Address, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	a := &Address{transport: scheme}
	if _, known := ports[scheme]; !known {
		a.transport, a.tls = strings.TrimSuffix(scheme, "s"), true
	}
	port, known := ports[a.transport]
	if !ok || !known {
		return nil, errNoAddress
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority, user := rest[:end], ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority, user = authority[i+1:], authority[:i+1]
	}
	var u *url.URL
	for host := range strings.SplitSeq(authority, ",") {
		var err error
		if u, err = url.Parse(scheme + "://" + user + strings.TrimSpace(host) + rest[end:]); err != nil || u.Hostname() == "" || u.Fragment != "" {
			return nil, errNoAddress
		}
		hostPort := u.Port()
		if hostPort == "" {
			hostPort = port[map[bool]int{true: 1}[a.tls]]
		}
		a.hosts = append(a.hosts, net.JoinHostPort(u.Hostname(), hostPort))
	}
	a.user = u.User.Username()
	a.password, ok = u.User.Password()
	if u.User != nil && (!ok || a.user == "") {
		return nil, errors.New("the address must have both a user name and a password, or neither")
	}
	if err := a.takePath(u.EscapedPath()); err != nil {
		return nil, err
	}
	return a, a.takeParameters(u.Query())
}

// takePath takes the name, and for AMQP the virtual host before it.
func (a *Address) takePath(escaped string) (err error) {
	path := strings.TrimPrefix(escaped, "/")
	if a.transport == AMQP {
		a.vhost = "/"
		if vhost, name, found := strings.Cut(path, "/"); found {
			path = name
			if a.vhost, err = url.PathUnescape(vhost); err != nil || a.vhost == "" {
				return errNoAddress
			}
		}
	}
	if a.name, err = url.PathUnescape(path); err != nil || !names[a.transport].MatchString(a.name) || a.transport == AMQP && strings.HasPrefix(a.name, "amq.") {
		return nameErrors[a.transport]
	}
	return nil
}

// saslMechanisms are those of Kafka that an address may name.
var saslMechanisms = []string{"plain", "scram-sha-256", "scram-sha-512"}

func (a *Address) takeParameters(query url.Values) error {
	files, found, err := tlsfiles.Take(query)
	switch {
	case err != nil:
		return err
	case found && !a.tls:
		return fmt.Errorf("a parameter for TLS needs %ss:// at the begin of the address", a.transport)
	}
	a.files = files
	if a.transport == Kafka && a.user != "" {
		a.sasl = "plain"
	}
	for name, values := range query {
		value := values[len(values)-1]
		switch {
		case name == "sasl" && a.transport == Kafka:
			if a.sasl = value; !slices.Contains(saslMechanisms, value) || a.user == "" {
				return errors.New("sasl is plain, scram-sha-256 or scram-sha-512, and needs a user name and a password")
			}
		case name == "creds" && a.transport == NATS && value != "":
			a.creds = value
		default:
			return errors.New("the address has an unknown parameter; known are cacertfile, certfile, keyfile, verify, server_name_indication, " +
				"sasl (of kafka) and creds (of nats)")
		}
	}
	return nil
}

// config returns the configuration of TLS for a host; nil without TLS.
func (a *Address) config(host string) (*tls.Config, error) {
	if !a.tls {
		return nil, nil
	}
	return a.files.Config(host)
}
