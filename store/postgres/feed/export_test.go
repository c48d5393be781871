package feed

import "im/store/postgres/internal/pg"

// DB returns the database, so that tests can break its connections.
func (c *Changes) DB() *pg.DB { return c.db }
