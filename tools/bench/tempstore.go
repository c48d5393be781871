package bench

import (
	"context"
	"errors"
	"log/slog"

	"im/internal/app"
	"im/store/postgres"
)

// ownStore is a store on a database that is made for it.
type ownStore struct {
	store  *postgres.Store
	server string // its URL
	url    string
	name   string
	stop   func()
	done   chan struct{}
}

// openStore makes and migrates a database on the server of a URL.
func openStore(ctx context.Context, server, name string) (_ *ownStore, err error) {
	if server == "" {
		return nil, errors.New("beside a running cluster, IM_DATABASE_URL is needed: of a role that may make databases")
	}
	s := &ownStore{server: server, name: name, stop: func() {}, done: make(chan struct{})}
	if s.url, err = withDatabase(server, name); err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	if err = app.Migrate(ctx, s.url, quiet); err == nil {
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
		_ = s.store.Run(running) // which only ends when it is stopped
	}()
	return s, nil
}

// close drops the database.
func (s *ownStore) close() error {
	s.stop()
	<-s.done
	if s.store != nil {
		s.store.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanWithin)
	defer cancel()
	return dropDatabase(ctx, s.server, s.name)
}
