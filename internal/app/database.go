package app

import (
	"context"
	"errors"
	"fmt"

	"im/domain"
	"im/store/postgres"
)

// migrateAgain is how often migrations that the server has interrupted are started again.
const migrateAgain = 3

// Migrate applies all missing migrations to the database. It creates a missing database if
// create is set.
func Migrate(ctx context.Context, o postgres.MigrateOptions, create bool) error {
	if err := checkDatabase(ctx, o.URL, create); err != nil {
		return err
	}
	if create {
		if err := postgres.EnsureDatabase(ctx, o.URL, o.Logger); err != nil {
			return err
		}
	}
	return postgres.Migrate(ctx, o)
}

// checkDatabase checks once that the database can be reached and migrated. It may be
// missing if create is set.
func checkDatabase(ctx context.Context, url string, create bool) error {
	err := postgres.CheckDatabase(ctx, url, create)
	return finalUnless(err, postgres.MayRetry(err))
}

// databases returns what to check of the database before the start: the server, and the
// pooler before it, if there is one.
func (n *Node) databases() []service {
	s := n.o.Services
	url, setting := s.migrationURL()
	create := s.CreateDatabase && s.Migrate == "auto"
	list := []service{{setting, func(ctx context.Context) error { return checkDatabase(ctx, url, create) }}}
	if url != s.DatabaseURL && !create { // a pooler may not know a database that does not exist yet
		list = append(list, service{"IM_DATABASE_URL", func(ctx context.Context) error { return checkDatabase(ctx, s.DatabaseURL, create) }})
	}
	return list
}

// openStore migrates the schema and opens the store. Only the migrations may take longer
// than StartTimeout.
func (n *Node) openStore(ctx context.Context) error {
	s, logger := n.o.Services, n.o.Logger
	replica := postgres.CheckReplicaURL(s.DatabaseReplicaURL, s.DatabaseURL, s.ReplicaConnections)
	if err := named("IM_DATABASE_REPLICA_URL", replica); err != nil {
		return err
	}
	if s.Migrate == "auto" {
		if err := n.migrate(ctx); err != nil {
			return err
		}
	}
	return reach(ctx, nil, "IM_DATABASE_URL", s.StartTimeout, logger, func(ctx context.Context) (err error) {
		n.store, err = postgres.Open(ctx, postgres.Options{
			URL: s.DatabaseURL, Connections: s.DatabaseConnections, Node: n.o.Name, Limits: domain.Limits(n.o.Rules.Limits), Logger: logger,
			ReplicaURL: s.DatabaseReplicaURL, ReplicaConnections: s.ReplicaConnections, Metrics: n.metrics, Tracer: n.tracer, ReportRetention: n.o.Rules.Reports.Retention,
			// These are called during Run only, when n.routing and n.hub are set.
			Publish:    func(batch []domain.Committed) { n.routing.Publish(batch) },
			Push:       func(c domain.Committed) { n.routing.Push(c) },
			EpochBegan: func(epoch string) { n.hub.EpochBegan(epoch) },
		})
		return finalUnless(err, !errors.Is(err, postgres.ErrConfig) && !errors.Is(err, postgres.ErrDevelopmentSchema))
	})
}

// migrate applies all missing migrations, for as long as MigrateTimeout permits. A server
// that restarts meanwhile has StartTimeout to come back, a few times.
func (n *Node) migrate(ctx context.Context) error {
	s, logger := n.o.Services, n.o.Logger
	url, setting := s.migrationURL()
	o := postgres.MigrateOptions{URL: url, Node: n.o.Name, Timeout: s.MigrateTimeout, Logger: logger}
	for again := 0; ; again++ {
		err := reach(ctx, nil, setting, s.StartTimeout, logger, func(ctx context.Context) error {
			if !s.CreateDatabase {
				return checkDatabase(ctx, url, false)
			}
			err := postgres.EnsureDatabase(ctx, url, logger)
			return finalUnless(err, postgres.MayRetry(err))
		})
		if err != nil {
			return err
		}
		err = postgres.Migrate(ctx, o)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, postgres.ErrMigrateTimeout):
			return fmt.Errorf("IM_MIGRATE_TIMEOUT: %w", Cause(err))
		case !errors.Is(err, domain.ErrUnavailable) || !postgres.MayRetry(err) || ctx.Err() != nil || again == migrateAgain:
			return fmt.Errorf("%s: %w", setting, Cause(err))
		}
		logger.WarnContext(ctx, "the migrations were interrupted, retrying", "error", Cause(err))
	}
}
