package bench

import (
	"context"
	"errors"
	"log/slog"

	"im/internal/app"
	"im/store/postgres"
)

// tempStore is a store on a temporary database.
type tempStore struct {
	store  *postgres.Store
	server string // URL of the server
	url    string
	name   string
	stop   func()
	done   chan struct{}
}

// openTempStore creates and migrates a database on the server of a URL.
func openTempStore(ctx context.Context, server, name string) (_ *tempStore, err error) {
	if server == "" {
		return nil, errors.New("IM_DATABASE_URL is required with a running cluster; its role must be allowed to create databases")
	}
	s := &tempStore{server: server, name: name, stop: func() {}, done: make(chan struct{})}
	if s.url, err = withDatabase(server, name); err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	if err = app.Migrate(ctx, postgres.MigrateOptions{URL: s.url, Logger: quiet}, true); err == nil {
		s.store, err = postgres.Open(ctx, postgres.Options{URL: s.url, Node: "bench", Logger: quiet})
	}
	if err != nil {
		close(s.done)
		return nil, errors.Join(err, s.close())
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go func() {
		defer close(s.done)
		_ = s.store.Run(running) // it ends when it is stopped
	}()
	return s, nil
}

// close closes the store and drops the database.
func (s *tempStore) close() error {
	s.stop()
	<-s.done
	if s.store != nil {
		s.store.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpTimeout)
	defer cancel()
	return dropDatabase(ctx, s.server, s.name)
}
