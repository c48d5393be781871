package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"im/domain"
	"im/internal/auth"
	"im/routing/broker"
	"im/routing/registry"
	"im/store/postgres"
)

// Check validates the settings of a node, as far as that is possible without the services.
// It joins all errors. Each names the setting at fault.
func Check(o Options) error {
	quiet := slog.New(slog.DiscardHandler)
	_, origins := o.Edge.Origins(o.Rules, quiet)
	_, verifier := o.Tokens.verifier(quiet, func(domain.Identity) {})
	return errors.Join(o.check(), origins, verifier, o.Services.check())
}

// check validates what no tag can describe.
func (o Options) check() error {
	return errors.Join(o.Rules.check(), o.Edge.check(o.Rules), o.Tracing.check(), checkNames(o.Services.Prefix, o.Name))
}

// check parses the URLs of the services.
func (s Services) check() error {
	_, redis := registry.ParseURL(s.RedisURL)
	_, amqp := broker.NewAMQP(s.AMQPURL, s.Prefix, slog.New(slog.DiscardHandler))
	direct := error(nil)
	if s.DatabaseDirectURL != "" {
		direct = postgres.CheckURL(s.DatabaseDirectURL, 0)
	}
	return errors.Join(
		named("IM_DATABASE_URL", postgres.CheckURL(s.DatabaseURL, s.DatabaseConnections)), named("IM_DATABASE_DIRECT_URL", direct),
		named("IM_DATABASE_REPLICA_URL", postgres.CheckReplicaURL(s.DatabaseReplicaURL, s.DatabaseURL, s.ReplicaConnections)),
		named("IM_REDIS_URL", redis), named("IM_AMQP_URL", amqp),
	)
}

// named adds the setting to an error.
func named(setting string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", setting, Cause(err))
}

// KeySets fetches the JWK Sets of the settings, as a node does. It is for programs that
// examine settings.
func (t Tokens) KeySets(ctx context.Context) ([]auth.KeySetState, error) {
	verifier, err := t.verifier(slog.New(slog.DiscardHandler), func(domain.Identity) {})
	if err != nil {
		return nil, err
	}
	return verifier.KeySets(ctx), nil
}
