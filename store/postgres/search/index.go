package search

import (
	"context"

	"im/store/postgres/feed"
	"im/store/postgres/internal/pg"
	"im/store/postgres/read"
)

// Options configure an Index. All fields are required.
type Options struct {
	// Searches bounds the searches that run at once.
	Searches int
	// Appending reports whether this node is appending, or was a moment ago: the
	// index then leaves the server more time.
	Appending func() bool
}

// Index keeps messages searchable, and searches them. It is safe for concurrent use.
type Index struct {
	db        *pg.DB
	changes   *feed.Changes
	queries   *read.Queries
	appending func() bool
	searching chan struct{} // holds an element for each search that runs
}

// New returns the index of the log in db.
func New(db *pg.DB, changes *feed.Changes, queries *read.Queries, o Options) *Index {
	return &Index{
		db: db, changes: changes, queries: queries, appending: o.Appending,
		searching: make(chan struct{}, o.Searches),
	}
}

// Run keeps the index equal to the log until ctx ends.
func (i *Index) Run(ctx context.Context) error { return newIndexer(i).run(ctx) }
