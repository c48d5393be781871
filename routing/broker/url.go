package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"im/internal/tlsfiles"
)

// address is where RabbitMQ is: one server, or the servers of a cluster.
type address struct {
	hosts   []string // host:port
	uri     string   // for the client, which dials by this package: without TLS
	tls     bool
	files   tlsfiles.Files
	timeout time.Duration // of a connection to one host
}

var errNoURL = errors.New("not an AMQP URL such as amqp://user:password@host:5672/vhost, amqps://… with TLS, or several of them with commas between; " +
	"percent-encode the characters / ? # % @ : , of a user name, password or vhost")

// parseURL reads the address of RabbitMQ: a URL as RabbitMQ defines it, with several
// hosts or several URLs with commas between them. The error does not contain the URL,
// which may hold a password.
func parseURL(text string) (*address, error) {
	var a *address
	for _, one := range splitURLs(text) {
		next, err := parseHosts(one)
		switch {
		case err != nil:
			return nil, err
		case a == nil:
			a = next
		case sameBut(a.uri, next.uri) && a.tls == next.tls && a.files == next.files && a.timeout == next.timeout:
			a.hosts = append(a.hosts, next.hosts...)
		default:
			return nil, errors.New("the AMQP URLs of one cluster may differ in their hosts only")
		}
	}
	return a, nil
}

// splitURLs splits at the commas that another URL follows.
func splitURLs(text string) (urls []string) {
	rest := text
	for from := 0; ; {
		i := strings.IndexByte(rest[from:], ',')
		if i < 0 {
			return append(urls, rest)
		}
		from += i + 1
		if next := strings.TrimLeft(rest[from:], " "); strings.HasPrefix(next, "amqp://") || strings.HasPrefix(next, "amqps://") {
			urls, rest, from = append(urls, rest[:from-1]), next, 0
		}
	}
}

// parseHosts reads a URL that may have several hosts.
func parseHosts(text string) (*address, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme != "amqp" && scheme != "amqps" {
		return nil, errNoURL
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority, user := rest[:end], ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority, user = authority[i+1:], authority[:i+1]
	}
	var a *address
	for _, host := range strings.Split(authority, ",") {
		next, err := parseHost(scheme, scheme+"://"+user+strings.TrimSpace(host)+rest[end:])
		if err != nil {
			return nil, err
		}
		if a == nil {
			a = next
		} else {
			a.hosts = append(a.hosts, next.hosts...)
		}
	}
	return a, nil
}

// parseHost reads a URL with one host.
func parseHost(scheme, text string) (*address, error) {
	u, err := url.Parse(text)
	if err != nil || u.Fragment != "" {
		return nil, errNoURL
	}
	a := &address{tls: scheme == "amqps", timeout: dialTimeout}
	query := u.Query()
	files, hasFiles, err := tlsfiles.Take(query)
	if err != nil {
		return nil, err
	}
	if hasFiles && !a.tls {
		return nil, errors.New("a parameter for TLS needs amqps:// at the begin of the URL")
	}
	a.files = files
	if err := a.takeParameters(query); err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "5672", true: "5671"}[a.tls]
	}
	host := u.Hostname()
	if host == "" {
		host = "localhost"
	}
	a.hosts = []string{net.JoinHostPort(host, port)}
	u.Scheme, u.RawQuery = "amqp", query.Encode()
	a.uri = u.String()
	if _, err := amqp091.ParseURI(a.uri); err != nil {
		return nil, errNoURL
	}
	return a, nil
}

// takeParameters checks the parameters that are not about TLS, and takes those that the
// client does not get.
func (a *address) takeParameters(query url.Values) error {
	for name, values := range query {
		for _, value := range values {
			n, err := strconv.Atoi(value)
			switch name {
			case "heartbeat", "channel_max":
				if err != nil || n < 0 || n > 65_535 {
					return fmt.Errorf("%s is a number from 0 to 65535, not %q", name, value)
				}
			case "connection_timeout":
				if err != nil || n <= 0 {
					return fmt.Errorf("%s is a number of milliseconds, not %q", name, value)
				}
				a.timeout = time.Duration(n) * time.Millisecond
			case "auth_mechanism":
				if !slices.Contains([]string{"plain", "amqplain", "external"}, strings.ToLower(value)) {
					return fmt.Errorf("auth_mechanism is plain, amqplain or external, not %q", value)
				}
			default:
				return fmt.Errorf("the URL has an unknown parameter %q; known are cacertfile, certfile, keyfile, verify, server_name_indication, "+
					"auth_mechanism, heartbeat, connection_timeout and channel_max", name)
			}
		}
	}
	query.Del("connection_timeout")
	return nil
}

// sameBut reports whether two URLs differ in their hosts only.
func sameBut(one, other string) bool {
	a, errA := url.Parse(one)
	b, errB := url.Parse(other)
	if errA != nil || errB != nil {
		return false
	}
	a.Host, b.Host = "", ""
	return a.String() == b.String()
}

// config returns the configuration of TLS for a host.
func (a *address) config(hostPort string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	return a.files.Config(host)
}
