package users

import "im/store/postgres/internal/pg"

// DB returns the database, so that tests can break its connections.
func (r *Records) DB() *pg.DB { return r.db }
