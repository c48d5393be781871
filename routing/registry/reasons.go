package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

// reasons say what an answer of Redis means and what to do about it. The answer begins
// with the prefix or, in an error of a script, contains it.
var reasons = []struct {
	prefix, text string
	noWrites     bool // the server is fine, but takes no writes at present
	setting      bool // it stays until a setting is changed
}{
	{prefix: "NOPERM", text: "Redis denies its user a command or a key; docs/redis-rabbitmq.md lists the rights that it needs", setting: true},
	{prefix: "can't run this command", text: "Redis denies its user a command in a script; docs/redis-rabbitmq.md lists the rights that it needs", setting: true},
	{prefix: "can't access at least one of the keys", text: "Redis denies its user a key; docs/redis-rabbitmq.md lists the rights that it needs", setting: true},
	{prefix: "NOAUTH", text: "Redis requires a user name or a password", setting: true},
	{prefix: "WRONGPASS", text: "Redis does not accept the user name or the password", setting: true},
	{prefix: "invalid password", text: "Redis does not accept the password", setting: true},
	{prefix: "ERR AUTH", text: "Redis has no password, but the URL has one", setting: true},
	{prefix: "OOM", text: "Redis is full (maxmemory) and takes no writes", noWrites: true},
	{prefix: "MISCONF", text: "Redis cannot save its data to disk and takes no writes", noWrites: true},
	{prefix: "NOREPLICAS", text: "Redis has too few replicas and takes no writes", noWrites: true},
	{prefix: "READONLY", text: "the server of Redis is a read-only replica"},
	{prefix: "MASTERDOWN", text: "the server of Redis is a replica without its master"},
	{prefix: "CLUSTERDOWN", text: "the Redis Cluster is down: some of its slots have no server"},
	{prefix: "LOADING", text: "Redis is loading its data"},
	{prefix: "MOVED", text: "the server belongs to a Redis Cluster; restart the node so that it uses the cluster", setting: true},
	{prefix: "CROSSSLOT", text: "the server belongs to a Redis Cluster; restart the node so that it uses the cluster", setting: true},
	{prefix: "ERR This instance has cluster support disabled", text: "the URL has addr parameters, but the server belongs to no Redis Cluster", setting: true},
	{prefix: "ERR DB index is out of range", text: "Redis does not have the database at the end of the URL", setting: true},
	{prefix: "ERR max number of clients", text: "Redis takes no more connections (maxclients)"},
	{prefix: "ERR unknown command", text: "Redis does not know a command that the node needs", setting: true},
}

const (
	noAnswer       = "Redis does not answer"
	notTrusted     = "the certificate of Redis is not accepted (see cacertfile and server_name_indication of IM_REDIS_URL)"
	otherAnswer    = "Redis refuses a command"
	closed         = "Redis closes the connection; a proxy in front of it must answer HELLO, if only with an error"
	noSentinel     = "none of the Sentinels answers with a master"
	needsClientTLS = "Redis refuses the TLS connection; it may require a client certificate (see certfile and keyfile of IM_REDIS_URL)"
)

// describe returns what an error of Redis means, without addresses and names.
func describe(err error) string {
	for _, own := range []error{errClusterDatabase, errClusterSocket, errIsSentinel, errIsReplica, errUnknownMaster} {
		if errors.Is(err, own) {
			return own.Error()
		}
	}
	text := err.Error()
	for _, r := range reasons {
		if isAnswer(err) && mentions(text, r.prefix) {
			return r.text
		}
	}
	var untrusted *tls.CertificateVerificationError
	var refused tls.AlertError
	var remote *net.OpError
	switch {
	case errors.As(err, &untrusted):
		return notTrusted
	case errors.As(err, &refused), errors.As(err, &remote) && remote.Op == "remote error":
		return needsClientTLS
	case strings.Contains(text, "all sentinels specified"):
		return noSentinel
	case isAnswer(err):
		return otherAnswer
	case errors.Is(err, io.EOF):
		return closed
	default:
		return noAnswer
	}
}

// mentions reports whether an answer begins with the prefix, maybe after what the
// client or a script puts in front.
func mentions(answer, prefix string) bool {
	return strings.HasPrefix(answer, prefix) || strings.Contains(answer, " "+prefix) || strings.Contains(answer, "-"+prefix)
}

// isAnswer reports whether err is an answer of Redis, other than that there is no value.
func isAnswer(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok && !errors.Is(err, redis.Nil)
}

// takesNoWrites reports whether the server is fine, but takes no writes at present.
func takesNoWrites(err error) bool {
	for _, r := range reasons {
		if r.noWrites && isAnswer(err) && mentions(err.Error(), r.prefix) {
			return true
		}
	}
	return false
}

// explain adds to an error of Connect what it means.
func (a *Address) explain(err error) error {
	if a.sentinels != nil && errors.Is(err, redis.Nil) {
		return &SettingError{errUnknownMaster}
	}
	for _, r := range reasons {
		if r.setting && isAnswer(err) && mentions(err.Error(), r.prefix) {
			return &SettingError{err}
		}
	}
	return err
}

// unavailable returns the error of a call that needs Redis.
func unavailable(err error) error {
	if errors.Is(err, context.Canceled) {
		return domain.ErrUnavailable.WithCause(err)
	}
	return domain.ErrUnavailable.WithMessage(describe(err)).WithCause(err)
}
