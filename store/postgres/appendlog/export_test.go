package appendlog

import "im/store/postgres/internal/pg"

// DB returns the database, so that tests can break its connections.
func (l *Log) DB() *pg.DB { return l.db }

// CachedBytes is the size of the committers' caches. No command may be in progress.
func (l *Log) CachedBytes() (size int) {
	for _, c := range l.committers {
		size += c.states.size
	}
	return size
}

const (
	// Patience is how long a command may take.
	Patience = commandTimeout
	// AttemptTimeout is how long one attempt at a read, or at a batch, may take.
	AttemptTimeout = min(pg.AttemptTimeout, attemptAppend)
)
