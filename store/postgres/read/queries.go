package read

import "im/store/postgres/internal/pg"

// Queries answers what clients and nodes read of conversations. It is safe for
// concurrent use.
type Queries struct{ db *pg.DB }

// New returns the queries on db.
func New(db *pg.DB) *Queries { return &Queries{db: db} }
